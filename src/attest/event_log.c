/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event logs of firmware (TCG PC Client Platform Firmware Profile, section 10; the CCEL of a TD has the same format with
 * measurement registers in the place of PCRs). A log is nobody's statement: what it says counts only as far as the replayed
 * registers are those that a TPM or a TDX module signed.
 *
 * Limits: 16 algorithms, 4,096 events. Fuzzed by fuzz/fuzz_event_log.c.
 */
#include "attest/tpm.h"

#include <string.h>

#define EVENTS_MAX     4096
#define ALGORITHMS_MAX 16
#define DIGEST_MAX     64
#define EV_NO_ACTION   3
#define SHA1_LEN       20

static const char spec_id[16] = "Spec ID Event03";
static const char startup_locality[16] = "StartupLocality";

struct algorithm {
    uint16_t id, len;
};
struct replay {
    struct clo_rd rd;
    enum clo_event_log_alg alg;
    size_t len; /* of alg's digests */
    struct algorithm algorithm[ALGORITHMS_MAX];
    uint32_t algorithms;
    size_t events; /* of any type */
    bool locality_told;
    struct clo_event_replay r;
};

/* TCG_EfiSpecIdEvent, inside the log's first event, which has the older form with a SHA-1 digest. */
static int header_read(struct replay *s)
{
    struct clo_rd body;
    const uint8_t *p = NULL;
    uint32_t type = 0, size = 0;
    uint8_t vendor = 0;
    bool has = false;
    int err;

    if ((err = clo_rd_skip(&s->rd, 4)) != 0 || (err = clo_rd_u32le(&s->rd, &type)) != 0 ||
        (err = clo_rd_skip(&s->rd, SHA1_LEN)) != 0 || (err = clo_rd_u32le(&s->rd, &size)) != 0 ||
        (err = clo_rd_view(&s->rd, size, &p)) != 0)
        return err;
    body = clo_rd_init(p, size);
    if ((err = clo_rd_view(&body, sizeof spec_id, &p)) != 0)
        return err;
    if (type != EV_NO_ACTION || memcmp(p, spec_id, sizeof spec_id) != 0)
        return CLOISTER_E_MALFORMED;
    /* platform class, version and size of a UINTN: nothing in the log's layout follows from them */
    if ((err = clo_rd_skip(&body, 8)) != 0 || (err = clo_rd_u32le(&body, &s->algorithms)) != 0)
        return err;
    if (s->algorithms == 0 || s->algorithms > ALGORITHMS_MAX)
        return CLOISTER_E_LIMIT;
    for (size_t i = 0; i < s->algorithms; i++) {
        struct algorithm *a = &s->algorithm[i];

        if ((err = clo_rd_u16le(&body, &a->id)) != 0 || (err = clo_rd_u16le(&body, &a->len)) != 0)
            return err;
        if (a->len == 0 || a->len > DIGEST_MAX)
            return CLOISTER_E_MALFORMED;
        for (size_t k = 0; k < i; k++)
            if (s->algorithm[k].id == a->id)
                return CLOISTER_E_DUPLICATE;
        if (a->id == s->alg) {
            has = true;
            if (a->len != s->len)
                return CLOISTER_E_MALFORMED;
        }
    }
    if ((err = clo_rd_u8(&body, &vendor)) != 0 || (err = clo_rd_skip(&body, vendor)) != 0 ||
        (err = clo_rd_end(&body)) != 0)
        return err;
    return has ? 0 : CLOISTER_E_NOT_FOUND;
}

/* TPML_DIGEST_VALUES: one digest of each algorithm that the header names, in any order. */
static int digests_read(struct replay *s, const uint8_t **ret)
{
    const uint8_t *found = NULL, *p = NULL;
    uint32_t count = 0, seen = 0;
    uint16_t id = 0;
    int err;

    if ((err = clo_rd_u32le(&s->rd, &count)) != 0)
        return err;
    if (count != s->algorithms)
        return CLOISTER_E_MALFORMED;
    for (uint32_t i = 0; i < count; i++) {
        size_t k = 0;

        if ((err = clo_rd_u16le(&s->rd, &id)) != 0)
            return err;
        while (k < s->algorithms && s->algorithm[k].id != id)
            k++;
        if (k == s->algorithms)
            return CLOISTER_E_MALFORMED;
        if ((seen & 1u << k) != 0)
            return CLOISTER_E_DUPLICATE;
        seen |= 1u << k;
        if ((err = clo_rd_view(&s->rd, s->algorithm[k].len, &p)) != 0)
            return err;
        if (id == s->alg)
            found = p;
    }
    *ret = found;
    return found != NULL ? 0 : CLOISTER_E_MALFORMED;
}

/* Which locality started the TPM shows in PCR 0's first value (section 10.4.5.3). */
static int locality_read(struct replay *s, const uint8_t *p, size_t n)
{
    const size_t name = sizeof startup_locality;

    if (n < name || memcmp(p, startup_locality, name) != 0)
        return 0;
    if (n != name + 1 || (p[name] != 0 && p[name] != 3 && p[name] != 4) || (s->r.extended & 1) != 0)
        return CLOISTER_E_MALFORMED;
    if (s->locality_told)
        return CLOISTER_E_DUPLICATE;
    s->locality_told = true;
    s->r.value[0][s->len - 1] = p[name];
    return 0;
}

static int extend(struct replay *s, uint32_t index, const uint8_t *digest)
{
    struct clo_slice in[2];

    if (index >= CLO_EVENT_REGISTERS)
        return CLOISTER_E_MALFORMED;
    in[0] = (struct clo_slice){s->r.value[index], s->len};
    in[1] = (struct clo_slice){digest, s->len};
    s->r.extended |= 1u << index;
    s->r.events++;
    return clo_hash(s->alg == CLO_EVENT_SHA256 ? CLO_SHA256 : CLO_SHA384, in, 2, s->r.value[index]);
}

/* TCG_PCR_EVENT2 */
static int event_read(struct replay *s)
{
    const uint8_t *digest = NULL, *p = NULL;
    uint32_t index = 0, type = 0, size = 0;
    int err;

    if (++s->events > EVENTS_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_rd_u32le(&s->rd, &index)) != 0 || (err = clo_rd_u32le(&s->rd, &type)) != 0 ||
        (err = digests_read(s, &digest)) != 0 || (err = clo_rd_u32le(&s->rd, &size)) != 0 ||
        (err = clo_rd_view(&s->rd, size, &p)) != 0)
        return err;
    if (type != EV_NO_ACTION)
        return extend(s, index, digest);
    return index == 0 ? locality_read(s, p, size) : 0;
}

/*
 * Does what is left look like padding: its first eight bytes, or all of fewer, are alike and 0 or 0xff? No event starts like that:
 * type 0 and type 0xffffffff aren't ones that a measurement has.
 */
static bool padding_starts(const struct clo_rd *rd)
{
    const size_t n = rd->left < 8 ? rd->left : 8;

    for (size_t i = 0; i < n; i++)
        if (rd->p[i] != rd->p[0])
            return false;
    return n > 0 && (rd->p[0] == 0 || rd->p[0] == 0xff);
}

static int padding_read(struct clo_rd *rd)
{
    for (size_t i = 1; i < rd->left; i++)
        if (rd->p[i] != rd->p[0])
            return CLOISTER_E_TRAILING;
    return clo_rd_skip(rd, rd->left);
}

int clo_event_log_replay(const uint8_t *p, size_t n, enum clo_event_log_alg alg,
                         struct clo_event_replay *ret)
{
    struct replay s = {.rd = clo_rd_init(p, n), .alg = alg};
    int err;

    if (alg != CLO_EVENT_SHA256 && alg != CLO_EVENT_SHA384)
        return CLOISTER_E_ARGUMENT;
    s.len = alg == CLO_EVENT_SHA256 ? CLO_SHA256_LEN : CLO_SHA384_LEN;
    if ((err = header_read(&s)) != 0)
        return err;
    while (s.rd.left > 0 && !padding_starts(&s.rd))
        if ((err = event_read(&s)) != 0)
            return err;
    if ((err = padding_read(&s.rd)) != 0)
        return err;
    *ret = s.r;
    return 0;
}
