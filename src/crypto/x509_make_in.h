/* SPDX-License-Identifier: Apache-2.0 */
/* What the files that make certificates and OCSP responses share. */
#ifndef CLO_CRYPTO_X509_MAKE_IN_H
#define CLO_CRYPTO_X509_MAKE_IN_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/x509_make.h"

struct clo_signer {
    EVP_PKEY *key;
};

/* libcrypto's name of the hash; the default is the key's own. */
const char *clo_make_hash(const struct clo_signer *s, enum clo_sig_make sig);
/* ECDSA (as DER) or PKCS #1 v1.5; appended to out. */
CLO_MUST_USE int clo_make_sign(const struct clo_signer *s, const char *hash, const void *msg,
                               size_t n, struct clo_buf *out);

#endif
