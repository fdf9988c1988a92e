/* SPDX-License-Identifier: Apache-2.0 */
/* PEM blocks out of text that came with evidence, one after another. */
#include "crypto/x509.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data;
    size_t left = size;

    for (;;) {
        struct clo_buf b = clo_buf_init(CLO_CERT_MAX);
        const char *was = p;
        const size_t before = left;
        int err = clo_pem_next(&p, &left, "CERTIFICATE", &b);

        if (err != 0) {
            FUZZ_CHECK(p == was && left == before && b.len == 0);
            FUZZ_CHECK(err == CLOISTER_E_NOT_FOUND || err == CLOISTER_E_MALFORMED ||
                       err == CLOISTER_E_TRUNCATED || err == CLOISTER_E_LIMIT);
            break;
        }
        /* something came out of it, and not more than went in */
        FUZZ_CHECK(b.len > 0 && b.len <= CLO_CERT_MAX && p > was && p + left == was + before);
        FUZZ_CHECK((size_t)(p - was) >= 27 + 25 + (b.len + 2) / 3 * 4);
        clo_buf_clear(&b);
    }
    return 0;
}
