/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is asked of whom: a want becomes a request to one of five services, and what they wrap their answers in comes off again.
 * AMD's Key Distribution Service (57230), Intel's Provisioning Certification Service version 4, NVIDIA's OCSP responder
 * (RFC 6960), and the Azure instance service that has TD reports signed. Pure.
 *
 * Nothing but what struct clo_want holds gets into a URL, and that as digits.
 */
#ifndef CLO_FETCHER_URL_H
#define CLO_FETCHER_URL_H

#include "daemon/messages.h"

enum clo_service {
    CLO_SERVICE_AMD,
    CLO_SERVICE_INTEL,
    CLO_SERVICE_INTEL_CERTIFICATES,
    CLO_SERVICE_NVIDIA,
    CLO_SERVICE_AZURE,
    CLO_SERVICES
};

#define CLO_CHAIN_HEADERS 2
struct clo_service_request {
    enum clo_service service;
    char url[CLO_STR_MAX + 256];
    bool near;          /* no way through a proxy */
    uint32_t gap_ms;    /* at least so long between the beginnings of two */
    const char *accept; /* media type */
    const char *type;   /* of the body that is POSTed; NULL: a GET */
    uint8_t body[CLO_WANT_REQUEST_MAX * 3 / 2];
    size_t body_n;
    const char *chain
        [CLO_CHAIN_HEADERS]; /* the issuers come in a header of one of these names; NULL: none */
    bool wrapped;            /* the answer is JSON around the quote */
};
/* s: as clo_fetcher_start_read gave it. CLOISTER_E_ARGUMENT: no such want. */
CLO_MUST_USE int clo_service_request_make(const struct clo_fetcher_start *s,
                                          const struct clo_want *w,
                                          struct clo_service_request *ret);

/*
 * A header with certificates: PEM, percent-encoded (RFC 3986 section 2.1), appended to out. A plus sign is one. CLOISTER_E_MALFORMED: what comes
 * out isn't text, or nothing does; E_LIMIT: more than out->max.
 */
CLO_MUST_USE int clo_chain_header_decode(const char *s, size_t n, struct clo_buf *out);
/* {"quote": base64url}, perhaps with other members; the quote is appended to out. */
CLO_MUST_USE int clo_azure_quote_decode(const void *p, size_t n, struct clo_buf *out);

#endif
