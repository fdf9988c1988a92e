/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is looked at before an XML parser sees a byte: size, the nesting and number of elements and attributes, and that there is nothing
 * but elements and text. Document types (with their entities), comments, CDATA sections and processing instructions
 * all begin with "<!" or "<?"; XML has "<" nowhere but at the start of markup (XML 1.0 section 2.4), and UTF-8 has that byte in no other
 * character, so that two bytes decide. RIMs have none of them.
 */
#ifndef CLO_RIM_GUARD_H
#define CLO_RIM_GUARD_H

#include "base/base.h"

#define CLO_GUARD_DEPTH    8
#define CLO_GUARD_ELEMENTS 512
#define CLO_GUARD_TAG      4096 /* bytes of one */
#define CLO_GUARD_ATTRS    40   /* of one element, namespaces among them */

/* *why: a static predicate ("nests too deeply"). CLOISTER_E_MALFORMED or E_LIMIT. */
CLO_MUST_USE int clo_rim_guard(const void *xml, size_t n, const char **why);

#endif
