/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate table that a host gives beside an SEV-SNP report. Whatever comes of it stood in it, and is a certificate. */
#include <string.h>

#include "attest/snp_certs.h"
#include "crypto/x509.h"
#include "fuzz.h"

static bool stands_in(const uint8_t *data, size_t size, const struct clo_buf *b)
{
    for (size_t i = 0; i + b->len <= size; i++)
        if (memcmp(data + i, b->p, b->len) == 0)
            return true;
    return false;
}

static void check(const uint8_t *data, size_t size, bool vlek)
{
    struct clo_buf chain[CLO_CHAIN_MAX] = {0};
    size_t n = CLO_CHAIN_MAX + 1;
    const int err = clo_snp_certs_read(data, size, vlek, chain, &n);

    if (err != 0) {
        FUZZ_CHECK(err == CLOISTER_E_TRUNCATED || err == CLOISTER_E_MALFORMED ||
                   err == CLOISTER_E_DUPLICATE || err == CLOISTER_E_LIMIT ||
                   err == CLOISTER_E_TRAILING || err == CLOISTER_E_UNSUPPORTED);
        FUZZ_CHECK(n == CLO_CHAIN_MAX + 1);
        n = 0;
    }
    FUZZ_CHECK(n <= 2);
    for (size_t i = 0; i < CLO_CHAIN_MAX; i++) {
        struct clo_cert *c = NULL;

        FUZZ_CHECK((chain[i].p != NULL) == (i < n));
        if (i >= n)
            continue;
        FUZZ_CHECK(clo_cert_parse(chain[i].p, chain[i].len, &c) == 0);
        FUZZ_CHECK(memmem(data, size, "-----BEGIN", 10) != NULL ||
                   stands_in(data, size, &chain[i]));
        clo_cert_free(c);
        clo_buf_clear(&chain[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(data, size, false);
    check(data, size, true);
    return 0;
}
