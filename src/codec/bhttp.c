/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binary HTTP messages (RFC 9292). The decoder is a state machine over three kinds of input: a
 * variable-length integer, a string of a known length, and content that is passed on unseen. Strings
 * are gathered in one wiping buffer and handed out when their section is whole. The encoders work out
 * their length first, so that the output is either written in full or not touched.
 */
#include "codec/bhttp.h"

#include <assert.h>
#include <string.h>

#include "base/secret.h"

enum state {
    /* an integer comes */
    FRAMING,
    CONTROL_LEN,
    STATUS,
    SECTION_LEN, /* known-length form only */
    NAME_LEN,
    VALUE_LEN,
    CONTENT_LEN,
    /* bytes come */
    CONTROL,
    NAME,
    VALUE,
    CONTENT,
    PADDING,
};

enum section {
    INFORMATIONAL,
    HEADERS,
    TRAILERS
};

enum {
    CONTROL_STRINGS = 4,
    TEXT_MAX = CLO_BHTTP_SECTION_MAX + 2 * CLO_BHTTP_FIELDS_MAX
};
static_assert(CONTROL_STRINGS * (CLO_BHTTP_LINE_MAX + 1) <= TEXT_MAX,
              "the longest control data fit where the longest section does");

struct clo_bhttp_dec {
    struct clo_bhttp_handler h;
    void *ctx;
    enum clo_bhttp_kind kind;
    int err; /* the first error stays */
    enum state state;
    enum section section;
    bool known; /* known-length form */
    uint8_t varint[8];
    size_t varint_len;
    uint64_t want;       /* bytes still to come of this string or content */
    size_t section_left; /* bytes that this section may still take */
    unsigned status;
    unsigned informational;
    struct clo_buf text; /* control data or fields, each string with a zero behind it */
    size_t at[2 * CLO_BHTTP_FIELDS_MAX]; /* where each string begins */
    size_t strings;
};

static bool is_lower_alnum(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 9110 section 5.6.2, less the upper case where `upper` is false. */
static bool is_token(const uint8_t *p, size_t n, bool upper)
{
    for (size_t i = 0; i < n; i++) {
        bool ok = is_lower_alnum(p[i]) || (upper && p[i] >= 'A' && p[i] <= 'Z') ||
                  (p[i] != 0 && strchr("!#$%&'*+-.^_`|~", p[i]) != NULL);
        if (!ok)
            return false;
    }
    return n > 0;
}

static bool is_visible(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 0x21 || p[i] > 0x7e)
            return false;
    }
    return true;
}

/* RFC 3986 section 3.1, in the lower case that RFC 9113 section 8.3.1 normalises to. */
static bool is_scheme(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_lower_alnum(p[i]) && p[i] != '+' && p[i] != '-' && p[i] != '.')
            return false;
    }
    return n > 0 && p[0] >= 'a' && p[0] <= 'z';
}

/* Origin form, or the asterisk form of OPTIONS. CONNECT, which has neither, serves no purpose in a
 * binary message (RFC 9292 section 6). */
static bool is_path(const uint8_t *p, size_t n)
{
    return n > 0 && (p[0] == '/' || (p[0] == '*' && n == 1)) && is_visible(p, n);
}

static bool is_control_ok(size_t i, const uint8_t *p, size_t n)
{
    switch (i) {
    case 0: return is_token(p, n, true);
    case 1: return is_scheme(p, n);
    case 2: return is_visible(p, n);
    default: return is_path(p, n);
    }
}

/* A colon is no token character, so pseudo-header names are refused as well. */
static bool is_name_ok(const uint8_t *p, size_t n)
{
    /* RFC 9110 section 7.6.1: what concerns one connection has no meaning in here. */
    static const char *const connection[] = {"connection", "keep-alive",        "proxy-connection",
                                             "te",         "transfer-encoding", "upgrade"};

    for (size_t i = 0; i < CLO_ARRAY_LEN(connection); i++) {
        if (n == strlen(connection[i]) && memcmp(p, connection[i], n) == 0)
            return false;
    }
    return is_token(p, n, false);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* RFC 9113 section 8.2.1 with RFC 9110 section 5.5's character set. */
static bool is_value_ok(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
            return false;
    }
    return n == 0 || (!is_blank(p[0]) && !is_blank(p[n - 1]));
}

static const char *string_at(const struct clo_bhttp_dec *d, size_t i)
{
    return (const char *)d->text.p + d->at[i];
}

static void drop_strings(struct clo_bhttp_dec *d)
{
    clo_buf_consume(&d->text, d->text.len);
    d->strings = 0;
}

static void begin_section(struct clo_bhttp_dec *d, enum section section)
{
    d->section = section;
    d->section_left = CLO_BHTTP_SECTION_MAX + 1; /* the terminator doesn't count */
    d->state = d->known ? SECTION_LEN : NAME_LEN;
}

static int end_section(struct clo_bhttp_dec *d)
{
    struct clo_bhttp_field f[CLO_BHTTP_FIELDS_MAX] = {{0}};
    size_t n = d->strings / 2;
    int err = 0;

    for (size_t i = 0; i < n; i++)
        f[i] = (struct clo_bhttp_field){string_at(d, 2 * i), string_at(d, 2 * i + 1)};
    switch (d->section) {
    case INFORMATIONAL:
        if (d->h.informational != NULL)
            err = d->h.informational(d->ctx, d->status);
        d->state = STATUS;
        break;
    case HEADERS:
        if (d->h.headers != NULL)
            err = d->h.headers(d->ctx, f, n);
        d->state = CONTENT_LEN;
        break;
    case TRAILERS:
        if (d->h.trailers != NULL)
            err = d->h.trailers(d->ctx, f, n);
        d->state = PADDING;
        break;
    }
    drop_strings(d);
    return err;
}

static int end_control(struct clo_bhttp_dec *d)
{
    int err = 0;

    if (d->strings < CONTROL_STRINGS) {
        d->state = CONTROL_LEN;
        return 0;
    }
    if (d->h.request != NULL)
        err = d->h.request(d->ctx, string_at(d, 0), string_at(d, 1), string_at(d, 2),
                           string_at(d, 3));
    drop_strings(d);
    begin_section(d, HEADERS);
    return err;
}

static int end_string(struct clo_bhttp_dec *d)
{
    size_t at = d->at[d->strings - 1];
    size_t n = d->text.len - at;
    int err = clo_buf_append(&d->text, "", 1);
    const uint8_t *p = NULL;

    if (err != 0)
        return err;
    p = d->text.p + at;
    switch (d->state) {
    case CONTROL:
        return is_control_ok(d->strings - 1, p, n) ? end_control(d) : CLOISTER_E_MALFORMED;
    case NAME: d->state = VALUE_LEN; return is_name_ok(p, n) ? 0 : CLOISTER_E_MALFORMED;
    default: break;
    }
    if (!is_value_ok(p, n))
        return CLOISTER_E_MALFORMED;
    d->state = NAME_LEN;
    return d->known && d->section_left == 0 ? end_section(d) : 0;
}

static int begin_string(struct clo_bhttp_dec *d, enum state state, uint64_t n)
{
    d->at[d->strings++] = d->text.len;
    d->state = state;
    d->want = n;
    return n == 0 ? end_string(d) : 0;
}

/* The section's own length was a lie, or the limit that stands in for it was reached. */
static int section_overrun(const struct clo_bhttp_dec *d)
{
    return d->known ? CLOISTER_E_MALFORMED : CLOISTER_E_LIMIT;
}

static int begin_field_string(struct clo_bhttp_dec *d, enum state state, uint64_t n)
{
    if (n > d->section_left)
        return section_overrun(d);
    d->section_left -= (size_t)n;
    return begin_string(d, state, n);
}

static int got_framing(struct clo_bhttp_dec *d, uint64_t v)
{
    if (v > 3 || (v & 1) != (d->kind == CLO_BHTTP_RESPONSE))
        return CLOISTER_E_MALFORMED;
    d->known = v < 2;
    d->state = d->kind == CLO_BHTTP_REQUEST ? CONTROL_LEN : STATUS;
    return 0;
}

static int got_status(struct clo_bhttp_dec *d, uint64_t v)
{
    if (v < 100 || v > 599)
        return CLOISTER_E_MALFORMED;
    d->status = (unsigned)v;
    if (v >= 200) {
        begin_section(d, HEADERS);
        return d->h.response != NULL ? d->h.response(d->ctx, d->status) : 0;
    }
    if (d->informational == CLO_BHTTP_INFO_MAX)
        return CLOISTER_E_LIMIT;
    d->informational++;
    begin_section(d, INFORMATIONAL);
    return 0;
}

static int got_section_len(struct clo_bhttp_dec *d, uint64_t v)
{
    if (v > CLO_BHTTP_SECTION_MAX)
        return CLOISTER_E_LIMIT;
    d->section_left = (size_t)v;
    d->state = NAME_LEN;
    return v == 0 ? end_section(d) : 0;
}

static int got_name_len(struct clo_bhttp_dec *d, uint64_t v)
{
    if (v == 0)
        return d->known ? CLOISTER_E_MALFORMED : end_section(d);
    if (d->strings == CLO_ARRAY_LEN(d->at))
        return CLOISTER_E_LIMIT;
    return begin_field_string(d, NAME, v);
}

static int got_number(struct clo_bhttp_dec *d, uint64_t v)
{
    switch (d->state) {
    case FRAMING: return got_framing(d, v);
    case CONTROL_LEN:
        return v > CLO_BHTTP_LINE_MAX ? CLOISTER_E_LIMIT : begin_string(d, CONTROL, v);
    case STATUS: return got_status(d, v);
    case SECTION_LEN: return got_section_len(d, v);
    case NAME_LEN: return got_name_len(d, v);
    case VALUE_LEN: return begin_field_string(d, VALUE, v);
    default: break;
    }
    d->want = v;
    if (v == 0)
        begin_section(d, TRAILERS);
    else
        d->state = CONTENT;
    return 0;
}

static int feed_number(struct clo_bhttp_dec *d, struct clo_rd *rd)
{
    struct clo_rd whole = {0};
    uint64_t v = 0;
    int err = 0;

    if (d->state == NAME_LEN || d->state == VALUE_LEN) {
        if (d->section_left == 0)
            return section_overrun(d);
        d->section_left--;
    }
    if ((err = clo_rd_u8(rd, &d->varint[d->varint_len])) != 0)
        return err;
    d->varint_len++;
    /* RFC 9000 section 16: the first two bits say how many bytes there are */
    if (d->varint_len < (size_t)1 << (d->varint[0] >> 6))
        return 0;
    whole = clo_rd_init(d->varint, d->varint_len);
    d->varint_len = 0;
    if ((err = clo_rd_varint(&whole, &v)) != 0)
        return err;
    return got_number(d, v);
}

static int feed_bytes(struct clo_bhttp_dec *d, struct clo_rd *rd)
{
    size_t n = d->want < rd->left ? (size_t)d->want : rd->left;
    const uint8_t *p = NULL;
    int err = clo_rd_view(rd, n, &p);

    if (err != 0)
        return err;
    d->want -= n;
    if (d->state != CONTENT) {
        err = clo_buf_append(&d->text, p, n);
        return err == 0 && d->want == 0 ? end_string(d) : err;
    }
    if (d->want == 0 && d->known)
        begin_section(d, TRAILERS);
    else if (d->want == 0)
        d->state = CONTENT_LEN;
    return d->h.content != NULL ? d->h.content(d->ctx, p, n) : 0;
}

int clo_bhttp_dec_new(enum clo_bhttp_kind kind, const struct clo_bhttp_handler *h, void *ctx,
                      struct clo_bhttp_dec **ret)
{
    struct clo_bhttp_dec *d = clo_wipe_malloc(sizeof(*d));

    if (d == NULL)
        return CLOISTER_E_MEMORY;
    *d = (struct clo_bhttp_dec){
        .h = *h, .ctx = ctx, .kind = kind, .state = FRAMING, .text = clo_buf_init(TEXT_MAX)};
    *ret = d;
    return 0;
}

int clo_bhttp_dec_feed(struct clo_bhttp_dec *d, const void *p, size_t n)
{
    struct clo_rd rd = clo_rd_init(p, n);

    while (d->err == 0 && rd.left > 0) {
        if (d->state < CONTROL)
            d->err = feed_number(d, &rd);
        else if (d->state < PADDING)
            d->err = feed_bytes(d, &rd);
        else
            d->err = clo_rd_zero(&rd, rd.left);
    }
    return d->err;
}

bool clo_bhttp_dec_complete(const struct clo_bhttp_dec *d)
{
    return d->err == 0 && d->state == PADDING;
}

int clo_bhttp_dec_end(struct clo_bhttp_dec *d)
{
    if (d->err == 0 && d->state != PADDING)
        d->err = CLOISTER_E_CUT;
    return d->err;
}

void clo_bhttp_dec_free(struct clo_bhttp_dec *d)
{
    if (d == NULL)
        return;
    clo_buf_clear(&d->text);
    clo_wipe_free(d);
}

/* Encoded length of a string; the caller has bounded the string. */
static size_t string_len(const char *s)
{
    size_t n = strlen(s);

    return clo_varint_len(n) + n;
}

/* Check fields against what the decoder takes, and add up their lines. */
static int measure_fields(const struct clo_bhttp_field *f, size_t n, size_t *ret)
{
    size_t sum = 0;

    if (n > CLO_BHTTP_FIELDS_MAX)
        return CLOISTER_E_LIMIT;
    for (size_t i = 0; i < n; i++) {
        if (!is_name_ok((const uint8_t *)f[i].name, strlen(f[i].name)) ||
            !is_value_ok((const uint8_t *)f[i].value, strlen(f[i].value)))
            return CLOISTER_E_ARGUMENT;
        sum += string_len(f[i].name) + string_len(f[i].value);
    }
    if (sum > CLO_BHTTP_SECTION_MAX)
        return CLOISTER_E_LIMIT;
    *ret = sum;
    return 0;
}

static int put_string(struct clo_wr *wr, const char *s)
{
    size_t n = strlen(s);
    int err = clo_wr_varint(wr, n);

    return err != 0 ? err : clo_wr_bytes(wr, s, n);
}

static int put_fields(struct clo_wr *wr, const struct clo_bhttp_field *f, size_t n)
{
    int err = 0;

    for (size_t i = 0; i < n && err == 0; i++) {
        if ((err = put_string(wr, f[i].name)) == 0)
            err = put_string(wr, f[i].value);
    }
    return err;
}

static int reserve(struct clo_buf *out, size_t n, struct clo_wr *ret)
{
    uint8_t *p = NULL;
    int err = clo_buf_reserve(out, n, &p);

    if (err == 0)
        *ret = clo_wr_init(p, n);
    return err;
}

int clo_bhttp_write_request(const char *method, const char *scheme, const char *authority,
                            const char *path, const struct clo_bhttp_field *f, size_t fields,
                            const void *content, size_t n, struct clo_buf *out)
{
    const char *const control[CONTROL_STRINGS] = {method, scheme, authority, path};
    struct clo_wr wr = {0};
    size_t section = 0;
    size_t sum = 0;
    int err = measure_fields(f, fields, &section);

    if (err != 0)
        return err;
    if (n > out->max)
        return CLOISTER_E_LIMIT;
    for (size_t i = 0; i < CONTROL_STRINGS; i++) {
        size_t len = strlen(control[i]);

        if (len > CLO_BHTTP_LINE_MAX)
            return CLOISTER_E_LIMIT;
        if (!is_control_ok(i, (const uint8_t *)control[i], len))
            return CLOISTER_E_ARGUMENT;
        sum += string_len(control[i]);
    }
    sum += 1 + clo_varint_len(section) + section + clo_varint_len(n) + n + 1;
    if ((err = reserve(out, sum, &wr)) != 0 || (err = clo_wr_u8(&wr, 0)) != 0)
        return err;
    for (size_t i = 0; i < CONTROL_STRINGS; i++) {
        if ((err = put_string(&wr, control[i])) != 0)
            return err;
    }
    if ((err = clo_wr_varint(&wr, section)) != 0 || (err = put_fields(&wr, f, fields)) != 0 ||
        (err = clo_wr_varint(&wr, n)) != 0 || (err = clo_wr_bytes(&wr, content, n)) != 0 ||
        (err = clo_wr_u8(&wr, 0)) != 0)
        return err;
    clo_buf_commit(out, wr.len);
    return 0;
}

static int write_head(unsigned status, const struct clo_bhttp_field *f, size_t fields, bool first,
                      struct clo_buf *out)
{
    struct clo_wr wr = {0};
    size_t section = 0;
    int err = measure_fields(f, fields, &section);

    if (err != 0 ||
        (err = reserve(out, (first ? 1 : 0) + clo_varint_len(status) + section + 1, &wr)) != 0 ||
        (first && (err = clo_wr_u8(&wr, 3)) != 0) || (err = clo_wr_varint(&wr, status)) != 0 ||
        (err = put_fields(&wr, f, fields)) != 0 || (err = clo_wr_u8(&wr, 0)) != 0)
        return err;
    clo_buf_commit(out, wr.len);
    return 0;
}

int clo_bhttp_write_informational(unsigned status, const struct clo_bhttp_field *f, size_t fields,
                                  bool first, struct clo_buf *out)
{
    if (status < 100 || status > 199)
        return CLOISTER_E_ARGUMENT;
    return write_head(status, f, fields, first, out);
}

int clo_bhttp_write_response_head(unsigned status, const struct clo_bhttp_field *f, size_t fields,
                                  bool first, struct clo_buf *out)
{
    if (status < 200 || status > 599)
        return CLOISTER_E_ARGUMENT;
    return write_head(status, f, fields, first, out);
}

int clo_bhttp_write_content(const void *p, size_t n, struct clo_buf *out)
{
    struct clo_wr wr = {0};
    int err = 0;

    if (n == 0)
        return 0; /* an empty chunk would be the end */
    if (n > out->max)
        return CLOISTER_E_LIMIT;
    if ((err = reserve(out, clo_varint_len(n) + n, &wr)) != 0 ||
        (err = clo_wr_varint(&wr, n)) != 0 || (err = clo_wr_bytes(&wr, p, n)) != 0)
        return err;
    clo_buf_commit(out, wr.len);
    return 0;
}

int clo_bhttp_write_end(const struct clo_bhttp_field *trailers, size_t n, struct clo_buf *out)
{
    struct clo_wr wr = {0};
    size_t section = 0;
    int err = measure_fields(trailers, n, &section);

    if (err != 0 || (err = reserve(out, section + 2, &wr)) != 0 || (err = clo_wr_u8(&wr, 0)) != 0 ||
        (err = put_fields(&wr, trailers, n)) != 0 || (err = clo_wr_u8(&wr, 0)) != 0)
        return err;
    clo_buf_commit(out, wr.len);
    return 0;
}
