/* SPDX-License-Identifier: Apache-2.0 */
/* What could be the end waits for it: see tail.h. */
#include "client/proxy/tail.h"

#include <string.h>

static const char end[] = "data: [DONE]\n\n";
#define END_N (sizeof(end) - 1)

static int put(struct clo_tail *t, const void *p, size_t n, struct clo_buf *out)
{
    const uint8_t *b = p;
    const int err = clo_buf_append(out, p, n);

    if (err == 0 && n > 0) {
        t->last[0] = n > 1 ? b[n - 2] : t->last[1];
        t->last[1] = b[n - 1];
    }
    return err;
}

int clo_tail_put(struct clo_tail *t, const void *p, size_t n, struct clo_buf *out)
{
    const size_t left = END_N - t->held, k = n < left ? n : left;
    const uint8_t *b = p;
    size_t held;
    int err;

    if (n == 0)
        return 0;
    if (left > 0 && t->held > 0 && memcmp(b, end + t->held, k) == 0) {
        t->held += k;
        b += k;
        n -= k;
        if (n == 0)
            return 0;
    }
    /* It wasn't the end. No other beginning of it lies within what was held: its first letter comes once in it. */
    if ((err = clo_tail_whole(t, out)) != 0)
        return err;
    for (held = n < END_N ? n : END_N; held > 0; held--) {
        if (memcmp(b + n - held, end, held) == 0)
            break;
    }
    err = put(t, b, n - held, out);
    t->held = held;
    return err;
}

int clo_tail_whole(struct clo_tail *t, struct clo_buf *out)
{
    const size_t n = t->held;

    t->held = 0;
    return put(t, end, n, out);
}

int clo_tail_broken(struct clo_tail *t, const void *p, size_t n, struct clo_buf *out)
{
    const bool at_line = t->last[1] == '\0' || (t->last[0] == '\n' && t->last[1] == '\n');
    int err = 0;

    t->held = 0;
    if ((!at_line && (err = put(t, "\n\n", 2, out)) != 0) ||
        (err = put(t, "data: ", 6, out)) != 0 || (err = put(t, p, n, out)) != 0)
        return err;
    return put(t, "\n\n", 2, out);
}
