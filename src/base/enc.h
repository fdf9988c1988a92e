/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text encodings: lower-case hexadecimal and base64url without padding (RFC 4648 section 5), both
 * canonical: upper case, padding, white space and non-zero left-over bits are refused. And the check that
 * stands between text from outside and a terminal.
 */
#ifndef CLO_BASE_ENC_H
#define CLO_BASE_ENC_H

#include "base/base.h"

/* dst gets 2n characters and a terminating zero. */
void clo_hex(const void *p, size_t n, char *dst);
/* Exactly 2 * n lower-case digits, else CLOISTER_E_MALFORMED. */
CLO_MUST_USE int clo_unhex(const char *s, size_t len, void *dst, size_t n);

#define CLO_B64_LEN(n) (((n)*4 + 2) / 3)
/* dst gets CLO_B64_LEN(n) characters and a terminating zero. */
void clo_b64(const void *p, size_t n, char *dst);
/* Decodes into dst (cap bytes); *ret_n says how many. CLOISTER_E_LIMIT if it doesn't fit. */
CLO_MUST_USE int clo_unb64(const char *s, size_t len, void *dst, size_t cap, size_t *ret_n);

/*
 * True if the n bytes are valid UTF-8 (RFC 3629: shortest form, no surrogates) without controls other than
 * LF and TAB, and without bidirectional overrides (U+202A..202E, U+2066..2069), DEL, C1 controls and
 * the byte order mark: what may reach a terminal unchanged.
 */
CLO_MUST_USE bool clo_text_is_printable(const void *p, size_t n);
/*
 * Copy text for a terminal: what clo_text_is_printable would refuse becomes U+FFFD. An incomplete
 * character at the end is left unconsumed (streams deliver characters in pieces) unless `last`.
 * dst must hold 3 * n + 1 bytes; the result is zero-terminated. Returns bytes written; *used says how many
 * were consumed.
 */
size_t clo_text_sanitise(const void *p, size_t n, bool last, char *dst, size_t *used);

#endif
