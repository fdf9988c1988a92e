/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCSP responses, with the certificates that they are asked about: two bytes of length and the issuer, two bytes of length
 * and its certificate, then the response. The issuer's certificate may be missing (length 0): then the response alone is read.
 */
#include "crypto/ocsp.h"
#include "fuzz.h"

#define NOW 1795000000

static int cert_read(struct clo_rd *rd, struct clo_cert **ret)
{
    const uint8_t *p = NULL;
    uint16_t n = 0;
    int err;

    if ((err = clo_rd_u16be(rd, &n)) != 0 || (err = clo_rd_view(rd, n, &p)) != 0)
        return err;
    return n == 0 ? 0 : clo_cert_parse(p, n, ret);
}

static void ask(const struct clo_ocsp *o, const struct clo_cert *issuer, const struct clo_cert *c)
{
    struct clo_ocsp_answer a = {0}, again = {0};
    int64_t until = 7, later = 7;
    int err;

    err = clo_ocsp_signed_by(o, issuer, NOW, &until);
    FUZZ_CHECK(err == 0 || err == CLOISTER_E_AUTH);
    FUZZ_CHECK(err == 0 ? until > NOW : until == 7);
    /* who signed by himself did so at any time; a responder's certificate ends */
    if (err == 0)
        FUZZ_CHECK((clo_ocsp_signed_by(o, issuer, INT64_MAX, &later) == 0) == (until == INT64_MAX));
    err = clo_ocsp_find(o, c, issuer, &a);
    FUZZ_CHECK(err == 0 || err == CLOISTER_E_NOT_FOUND || err == CLOISTER_E_DUPLICATE);
    FUZZ_CHECK(clo_ocsp_find(o, c, issuer, &again) == err);
    if (err != 0) {
        FUZZ_CHECK(a.status == 0);
        return;
    }
    FUZZ_CHECK(a.status == CLO_OCSP_GOOD || a.status == CLO_OCSP_REVOKED ||
               a.status == CLO_OCSP_UNKNOWN);
    FUZZ_CHECK(!a.hold || a.status == CLO_OCSP_REVOKED);
    FUZZ_CHECK(a.this_update > INT64_MIN && again.this_update == a.this_update &&
               again.next_update == a.next_update && again.status == a.status);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_rd rd = clo_rd_init(data, size);
    struct clo_cert *issuer = NULL, *c = NULL;
    struct clo_ocsp *o = NULL;

    if (cert_read(&rd, &issuer) == 0 && cert_read(&rd, &c) == 0) {
        if (clo_ocsp_parse(rd.p, rd.left, &o) != 0)
            FUZZ_CHECK(o == NULL);
        else if (issuer != NULL && c != NULL)
            ask(o, issuer, c);
    }
    clo_ocsp_free(o);
    clo_cert_free(issuer);
    clo_cert_free(c);
    return 0;
}
