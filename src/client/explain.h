/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence in plain language: what each part is, who signs it, what it would prove, what each field means, and what is
 * not proven by it. Nothing is verified here, and everything is said as a claim: `verify` and `appraise` judge.
 *
 * An explanation is a list of parts; a part a list of fields. It is built once, and shown as text or as JSON.
 */
#ifndef CLO_CLIENT_EXPLAIN_H
#define CLO_CLIENT_EXPLAIN_H

#include <jansson.h>

#include "attest/sections.h"

struct clo_explain {
    json_t *parts; /* array */
    json_t *part;  /* the one that is being written */
    int err;       /* sticks */
};
/* A new part: what it is, who signs it, what that proves. */
void clo_explain_part(struct clo_explain *x, const char *title, const char *signer,
                      const char *proves);
/* One field of it; value is printf's. Text from outside is made harmless where it is shown. */
__attribute__((format(printf, 4, 5))) void clo_explain_field(struct clo_explain *x,
                                                             const char *name, const char *meaning,
                                                             const char *value, ...);
void clo_explain_hex(struct clo_explain *x, const char *name, const char *meaning, const void *p,
                     size_t n);
/* What the part does not prove. */
void clo_explain_unproven(struct clo_explain *x, const char *what);
/* A part that can't be read: say what it should have been. */
void clo_explain_unreadable(struct clo_explain *x, const char *title, int err);

/* ---- by kind ---- */
void clo_explain_snp(struct clo_explain *x, const uint8_t *p, size_t n);
void clo_explain_quote(struct clo_explain *x, const uint8_t *p, size_t n);
void clo_explain_azure(struct clo_explain *x, const uint8_t *p, size_t n);
void clo_explain_tpm(struct clo_explain *x, const uint8_t *p, size_t n);
void clo_explain_gpu(struct clo_explain *x, size_t number, const uint8_t *p, size_t n);
void clo_explain_tcb_info(struct clo_explain *x, const uint8_t *p, size_t n);
void clo_explain_qe_identity(struct clo_explain *x, const uint8_t *p, size_t n);
void clo_explain_cert(struct clo_explain *x, const uint8_t *p, size_t n);
void clo_explain_crl(struct clo_explain *x, const uint8_t *p, size_t n);
void clo_explain_ocsp(struct clo_explain *x, const uint8_t *p, size_t n);

#endif
