/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a stream of events, held back. An application takes `data: [DONE]` for the end of a whole answer, so it gets that only once the
 * answer's authenticated end has come, however the pieces were cut: whatever the last bytes may still become of it waits. Pure.
 */
#ifndef CLO_PROXY_TAIL_H
#define CLO_PROXY_TAIL_H

#include "base/rw.h"

struct clo_tail {
    size_t held; /* so many bytes of the end's event have come */
    uint8_t
        last[2]; /* what was handed over last: an event of ours has to begin on a line of its own */
};

/* The next piece: what can't be the end goes to out. */
CLO_MUST_USE int clo_tail_put(struct clo_tail *t, const void *p, size_t n, struct clo_buf *out);
/* The stream is whole: so does what was held. */
CLO_MUST_USE int clo_tail_whole(struct clo_tail *t, struct clo_buf *out);
/* It isn't: an event with this content goes there instead. */
CLO_MUST_USE int clo_tail_broken(struct clo_tail *t, const void *p, size_t n, struct clo_buf *out);

#endif
