/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: read whole with a cap, written whole or not at all. On failure errno says why where the error is
 * CLOISTER_E_IO.
 */
#ifndef CLO_PLATFORM_FILE_H
#define CLO_PLATFORM_FILE_H

#include "base/rw.h"

/* From now on, reading from a terminal or a pipe ends with CLOISTER_E_CANCELLED once this descriptor is readable; -1: never. */
void clo_file_stop_fd(int fd);
/* Append a file to out ("-": standard input). CLOISTER_E_IO, or E_LIMIT beyond out->max. */
CLO_MUST_USE int clo_file_read(const char *path, struct clo_buf *out);
/*
 * Read a file ("-": standard input) of at most max bytes now, and give what came of it, a failure and its errno too, to whoever reads it by that name
 * later: for a child that can't open files any more. CLOISTER_E_MEMORY alone is told here.
 */
CLO_MUST_USE int clo_file_preload(const char *path, size_t max);
/* Forget them all: files are read as they are again. */
void clo_file_preload_end(void);
/*
 * An API key: one line of printable ASCII without spaces, in a file or pipe of ours that nobody else may read: CLOISTER_E_CREDENTIAL
 * if others may, E_MALFORMED if it holds something else. What out holds is zero-terminated; it wipes it.
 */
CLO_MUST_USE int clo_file_read_key(const char *path, struct clo_buf *out);
/*
 * Through a temporary file beside it, so that a full disk never leaves half a file ("-": standard output); what is there
 * and no file is written to as it is.
 */
CLO_MUST_USE int clo_file_write(const char *path, const void *p, size_t n);
/*
 * In the place of a regular file that is there, which keeps its owner, its mode and the links to it: whole, or not at all.
 * CLOISTER_E_ARGUMENT for anything but a regular file.
 */
CLO_MUST_USE int clo_file_replace(const char *path, const void *p, size_t n);
/* All of it, whatever interrupts. */
CLO_MUST_USE int clo_write_all(int fd, const void *p, size_t n);

#endif
