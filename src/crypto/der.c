/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distinguished Encoding Rules (X.690 section 10), as far as certificates, revocation lists and OCSP responses need them: what
 * could be written in two ways is read in one.
 *
 * Limits: an element's length has three bytes at most. Fuzzed by fuzz/fuzz_cert_ext.c and fuzz/fuzz_ocsp.c.
 */
#include "crypto/x509_in.h"

#include <string.h>

#define DER_UTC_TIME 0x17

int clo_der_read(struct clo_rd *rd, uint8_t tag, struct clo_rd *ret)
{
    struct clo_rd r = *rd;
    const uint8_t *p = NULL;
    uint8_t t = 0, b = 0;
    size_t n = 0;
    int err;

    if ((err = clo_rd_u8(&r, &t)) != 0 || (err = clo_rd_u8(&r, &b)) != 0)
        return err;
    if (t != tag)
        return CLOISTER_E_MALFORMED;
    n = b;
    if (b >= 0x80) { /* long form: one to three bytes of length, more than any element here has */
        size_t octets = b & 0x7f;

        if (octets < 1 || octets > 3)
            return CLOISTER_E_MALFORMED;
        for (n = 0; octets > 0; octets--) {
            if ((err = clo_rd_u8(&r, &b)) != 0)
                return err;
            if (n == 0 && b == 0)
                return CLOISTER_E_MALFORMED;
            n = n << 8 | b;
        }
        if (n < 0x80)
            return CLOISTER_E_MALFORMED;
    }
    if ((err = clo_rd_view(&r, n, &p)) != 0)
        return err;
    *rd = r;
    *ret = clo_rd_init(p, n);
    return 0;
}

int clo_der_whole(struct clo_rd *rd, uint8_t tag, struct clo_rd *ret, struct clo_rd *ret_whole)
{
    const uint8_t *from = rd->p;
    int err;

    if ((err = clo_der_read(rd, tag, ret)) != 0)
        return err;
    *ret_whole = clo_rd_init(from, (size_t)(ret->p + ret->left - from));
    return 0;
}

int clo_der_bits(struct clo_rd *rd, struct clo_rd *ret)
{
    struct clo_rd r = *rd, bits;
    uint8_t unused = 0;
    int err;

    if ((err = clo_der_read(&r, CLO_DER_BIT_STRING, &bits)) != 0 ||
        (err = clo_rd_u8(&bits, &unused)) != 0)
        return err;
    if (unused != 0)
        return CLOISTER_E_MALFORMED;
    *rd = r;
    *ret = bits;
    return 0;
}

bool clo_der_same(const struct clo_rd *a, const struct clo_rd *b)
{
    return a->left == b->left && (a->left == 0 || memcmp(a->p, b->p, a->left) == 0);
}

int64_t clo_unix_seconds(int64_t year, int month, int day, int hour, int minute, int second)
{
    /*
     * Days since 1970-01-01 of a year that starts in March, so that leap days come last; and 400 years of 146097 days
     * on, so that none is negative and divisions round one way.
     */
    const int64_t y = year + 400 - (month < 3);
    const int m = (month + 9) % 12;
    const int64_t days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719469 -
                         146097;

    return days * 86400 + hour * 3600 + minute * 60 + second;
}

int clo_der_integer(struct clo_rd *rd, struct clo_rd *ret)
{
    struct clo_rd r = *rd, v;
    int err;

    if ((err = clo_der_read(&r, CLO_DER_INTEGER, &v)) != 0)
        return err;
    /* shortest form: the first nine bits differ (X.690 section 8.3.2) */
    if (v.left == 0 || (v.left > 1 && ((v.p[0] == 0 && (v.p[1] & 0x80) == 0) ||
                                       (v.p[0] == 0xff && (v.p[1] & 0x80) != 0))))
        return CLOISTER_E_MALFORMED;
    *rd = r;
    *ret = v;
    return 0;
}

int clo_der_bool(struct clo_rd *rd, bool *ret)
{
    struct clo_rd r = *rd, v;
    int err;

    if (!clo_der_next_is(rd, CLO_DER_BOOLEAN)) {
        *ret = false;
        return 0;
    }
    if ((err = clo_der_read(&r, CLO_DER_BOOLEAN, &v)) != 0)
        return err;
    if (v.left != 1 || (v.p[0] != 0xff && v.p[0] != 0))
        return CLOISTER_E_MALFORMED;
    *rd = r;
    *ret = v.p[0] == 0xff;
    return 0;
}

static int digits(struct clo_rd *rd, size_t n, int *ret)
{
    int v = 0;

    for (; n > 0; n--) {
        uint8_t b = 0;
        int err = clo_rd_u8(rd, &b);

        if (err != 0)
            return err;
        if (b < '0' || b > '9')
            return CLOISTER_E_MALFORMED;
        v = v * 10 + (b - '0');
    }
    *ret = v;
    return 0;
}

/* MMDDHHMMSSZ and nothing behind it. */
static int rest_of_time(struct clo_rd *t, int year, int64_t *ret)
{
    static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    int month, day, hour, minute, second, err;
    uint8_t zone = 0;

    if ((err = digits(t, 2, &month)) != 0 || (err = digits(t, 2, &day)) != 0 ||
        (err = digits(t, 2, &hour)) != 0 || (err = digits(t, 2, &minute)) != 0 ||
        (err = digits(t, 2, &second)) != 0 || (err = clo_rd_u8(t, &zone)) != 0 ||
        (err = clo_rd_end(t)) != 0)
        return err;
    if (zone != 'Z' || month < 1 || month > 12 || day < 1 || day > days[month - 1] ||
        (month == 2 && day == 29 && !leap) || hour > 23 || minute > 59 || second > 59)
        return CLOISTER_E_MALFORMED;
    *ret = clo_unix_seconds(year, month, day, hour, minute, second);
    return 0;
}

int clo_der_generalized_time(struct clo_rd *rd, int64_t *ret)
{
    struct clo_rd r = *rd, t;
    int year, err;

    if ((err = clo_der_read(&r, CLO_DER_GENERALIZED, &t)) != 0 ||
        (err = digits(&t, 4, &year)) != 0 || (err = rest_of_time(&t, year, ret)) != 0)
        return err;
    *rd = r;
    return 0;
}

int clo_der_time(struct clo_rd *rd, int64_t *ret)
{
    struct clo_rd r = *rd, t;
    int year, err;

    if (!clo_der_next_is(rd, DER_UTC_TIME))
        return clo_der_generalized_time(rd, ret);
    if ((err = clo_der_read(&r, DER_UTC_TIME, &t)) != 0 || (err = digits(&t, 2, &year)) != 0 ||
        (err = rest_of_time(&t, year + (year < 50 ? 2000 : 1900), ret)) != 0)
        return err;
    *rd = r;
    return 0;
}

int clo_der_ext(struct clo_rd *list, struct clo_ext *ret)
{
    struct clo_rd body;
    struct clo_ext e;
    int err;

    if ((err = clo_der_read(list, CLO_DER_SEQUENCE, &body)) != 0 ||
        (err = clo_der_read(&body, CLO_DER_OID, &e.oid)) != 0 ||
        (err = clo_der_bool(&body, &e.critical)) != 0 ||
        (err = clo_der_read(&body, CLO_DER_OCTETS, &e.value)) != 0 ||
        (err = clo_rd_end(&body)) != 0)
        return err;
    *ret = e;
    return 0;
}

int clo_der_exts(struct clo_rd *rd, uint8_t tag, struct clo_rd *ret)
{
    struct clo_rd outer, list, walk;
    struct clo_ext e;
    int err;

    if (!clo_der_next_is(rd, tag)) {
        *ret = clo_rd_init(NULL, 0);
        return 0;
    }
    if ((err = clo_der_read(rd, tag, &outer)) != 0 ||
        (err = clo_der_read(&outer, CLO_DER_SEQUENCE, &list)) != 0 ||
        (err = clo_rd_end(&outer)) != 0)
        return err;
    for (walk = list; walk.left > 0;)
        if ((err = clo_der_ext(&walk, &e)) != 0)
            return err;
    *ret = list;
    return 0;
}

bool clo_der_any_critical(struct clo_rd list)
{
    struct clo_ext e;

    while (list.left > 0)
        if (clo_der_ext(&list, &e) != 0 || e.critical)
            return true;
    return false;
}
