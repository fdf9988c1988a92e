/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache folder: one file an answer, named by clo_want_name, and its chain beside it. Whoever administers the machine may put files in by
 * hand. What is read is a regular file of at most CLO_ANSWER_MAX bytes and no link; what is written replaces the file whole or not at all,
 * whatever happens meanwhile. A cache that can't be written is no reason to stop: it is logged, once for each kind of trouble.
 */
#ifndef CLO_FETCHER_CACHE_H
#define CLO_FETCHER_CACHE_H

#include "base/rw.h"

struct clo_cache;
/* folder: "" for none. Removes what a killed process left unfinished in it. */
CLO_MUST_USE int clo_cache_new(const char *folder, struct clo_cache **ret);
void clo_cache_free(struct clo_cache *c);

/*
 * Append a file's bytes to body and, where want_chain, those of its chain to chain. CLOISTER_E_NOT_FOUND: it isn't there, or a chain that is
 * wanted isn't; E_IO: it can't be read, is empty, longer than the buffer's max, or no regular file.
 */
CLO_MUST_USE int clo_cache_read(struct clo_cache *c, const char *name, bool want_chain,
                                struct clo_buf *body, struct clo_buf *chain);
/* chain_n 0: no chain. */
void clo_cache_write(struct clo_cache *c, const char *name, const struct clo_buf *body,
                     const struct clo_buf *chain);

#endif
