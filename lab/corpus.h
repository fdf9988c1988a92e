/* SPDX-License-Identifier: Apache-2.0 */
/* The corpus: every case of every format, made once, in order. */
#ifndef CLO_LAB_CORPUS_H
#define CLO_LAB_CORPUS_H

#include "lab/lab.h"

#define LAB_CASE_MAX (8u << 20) /* bytes of one case as JSON */

/* One case as it is emitted: what was said of it, and its JSON text (lab/case.schema.json). Both are gone after the call. */
typedef void lab_sink(void *arg, const struct lab_case *c, const struct clo_buf *json);

/* Case after case of this format, and with this id; NULL: all. What can't be made ends the program. */
void lab_corpus(const char *format, const char *id, lab_sink *sink, void *arg);
/* Is there such a chapter? */
bool lab_format_known(const char *format);

#endif
