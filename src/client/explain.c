/* SPDX-License-Identifier: Apache-2.0 */
/* Building an explanation, and the parts that all kinds of evidence have: see explain.h. */
#include "client/explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/verdict.h"
#include "base/enc.h"
#include "crypto/ocsp.h"
#include "crypto/x509.h"

/* Takes v over; what is no UTF-8 was made harmless before. */
static void put(struct clo_explain *x, json_t *o, const char *name, json_t *v)
{
    if (json_object_set_new(o, name, v) != 0)
        x->err = CLOISTER_E_MEMORY;
}

static void append(struct clo_explain *x, json_t *a, json_t *v)
{
    if (json_array_append_new(a, v) != 0)
        x->err = CLOISTER_E_MEMORY;
}

void clo_explain_part(struct clo_explain *x, const char *title, const char *signer,
                      const char *proves)
{
    json_t *part = json_object();

    put(x, part, "title", json_string(title));
    if (signer != NULL)
        put(x, part, "signed_by", json_string(signer));
    if (proves != NULL)
        put(x, part, "proves", json_string(proves));
    put(x, part, "fields", json_array());
    put(x, part, "unproven", json_array());
    x->part = part;
    append(x, x->parts, part);
}

static void field(struct clo_explain *x, const char *name, const char *meaning, const char *value)
{
    const size_t n = strlen(value);
    char *safe = malloc(3 * n + 1);
    json_t *o = json_object();
    size_t used = 0;

    if (safe != NULL)
        (void)clo_text_sanitise(value, n, true, safe, &used);
    /* A value is one line: no evidence writes lines of its own, like a verdict. */
    for (char *p = safe; p != NULL && *p != '\0'; p++)
        if (*p == '\n' || *p == '\t')
            *p = ' ';
    put(x, o, "name", json_string(name));
    put(x, o, "value", safe == NULL ? NULL : json_string(safe));
    if (*meaning != '\0')
        put(x, o, "meaning", json_string(meaning));
    append(x, json_object_get(x->part, "fields"), o);
    free(safe);
}

void clo_explain_field(struct clo_explain *x, const char *name, const char *meaning,
                       const char *value, ...)
{
    char *text = NULL;
    va_list args;
    int n;

    va_start(args, value);
    n = vasprintf(&text, value, args);
    va_end(args);
    if (n < 0)
        x->err = CLOISTER_E_MEMORY;
    else
        field(x, name, meaning, text);
    if (n >= 0)
        free(text);
}

void clo_explain_hex(struct clo_explain *x, const char *name, const char *meaning, const void *p,
                     size_t n)
{
    char *hex = malloc(2 * n + 1);

    if (hex == NULL) {
        x->err = CLOISTER_E_MEMORY;
        return;
    }
    clo_hex(p, n, hex);
    field(x, name, meaning, n == 0 ? "(empty)" : hex);
    free(hex);
}

void clo_explain_unproven(struct clo_explain *x, const char *what)
{
    append(x, json_object_get(x->part, "unproven"), json_string(what));
}

void clo_explain_unreadable(struct clo_explain *x, const char *title, int err)
{
    clo_explain_part(x, title, NULL, NULL);
    clo_explain_field(x, "fault", "nothing can be said of it", "it can't be read: %s",
                      cloister_strerror(err));
}

/* ---- certificates and revocation ---- */

void clo_explain_cert(struct clo_explain *x, const uint8_t *p, size_t n)
{
    char cn[128], issuer[128], title[160], from[CLO_DATE_LEN], to[CLO_DATE_LEN];
    struct clo_cert *c = NULL;
    uint8_t digest[32];
    int err = clo_cert_parse(p, n, &c);

    if (err != 0) {
        clo_explain_unreadable(x, "Certificate", err);
        return;
    }
    if (clo_cert_cn(c, cn, sizeof cn) != 0)
        memcpy(cn, "?", 2);
    if (clo_cert_issuer_cn(c, issuer, sizeof issuer) != 0)
        memcpy(issuer, "?", 2);
    (void)snprintf(title, sizeof title, "Certificate of \"%.120s\"", cn);
    clo_explain_part(x, title, issuer, NULL);
    clo_date(clo_cert_not_before(c), from);
    clo_date(clo_cert_not_after(c), to);
    clo_explain_field(x, "dates", "it is valid from and to", "%s to %s", from, to);
    clo_cert_digest(c, digest);
    clo_explain_hex(x, "SHA-256", "of the certificate", digest, sizeof digest);
    clo_cert_free(c);
}

void clo_explain_crl(struct clo_explain *x, const uint8_t *p, size_t n)
{
    char from[CLO_DATE_LEN], to[CLO_DATE_LEN] = "-";
    struct clo_crl *c = NULL;
    int err = clo_crl_parse(p, n, &c);

    if (err != 0) {
        clo_explain_unreadable(x, "Revocation list", err);
        return;
    }
    clo_explain_part(x, "Revocation list (CRL)", "the certificates' issuer",
                     "which of its certificates the issuer had revoked when the list was made");
    clo_date(clo_crl_this_update(c), from);
    if (clo_crl_next_update(c) != INT64_MIN)
        clo_date(clo_crl_next_update(c), to);
    clo_explain_field(x, "dates", "it can be used from and to", "%s to %s", from, to);
    clo_crl_free(c);
}

void clo_explain_ocsp(struct clo_explain *x, const uint8_t *p, size_t n)
{
    struct clo_ocsp *o = NULL;
    char to[CLO_DATE_LEN] = "-";
    int err = clo_ocsp_parse(p, n, &o);

    if (err != 0) {
        clo_explain_unreadable(x, "OCSP answer", err);
        return;
    }
    clo_explain_part(x, "Revocation answer (OCSP)", "the certificate's issuer or its responder",
                     "that the issuer held the certificate good, or revoked, when it answered");
    if (clo_ocsp_end(o) != INT64_MIN)
        clo_date(clo_ocsp_end(o), to);
    clo_explain_field(x, "end", "it can be used until", "%s", to);
    clo_ocsp_free(o);
}
