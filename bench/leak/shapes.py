# SPDX-License-Identifier: Apache-2.0
"""What would be seen of recorded conversations under shapes that cloisterd hasn't: a model, for the curve of leak against cost.

Sizes are those of segments; times are without what processes and networks add. Where there is a recording of the same on the wire README.md has both.
"""
import numpy as np

from attack import Seen

AROUND = 27    # what HTTP, OHTTP and Binary HTTP put around an event that is a chunk of its own
REST = 27      # and what of a frame isn't content
HEAD = 70      # of the answer inside: status and fields


class Cost:
    """Medians over conversations: bytes sent, and what is added until the first and the last token are seen (ms, ms, % of the time)."""

    def __init__(self, sent, first_ms, last_ms, last_pct):
        self.sent, self.first_ms, self.last_ms, self.last_pct = (float(np.median(x)) for x in (sent, first_ms, last_ms, last_pct))


def _conversations(c):
    for us, rest, own in zip(c.columns["us"], c.columns["rest"], c.columns["own"]):
        yield np.cumsum(us), rest + own, own


def _groups(c):
    return c.each["place"] + 1000000 * c.each["label"]


def _seen(c, sizes, at):
    return Seen(sizes, [np.diff(t, prepend=0) for t in at], c.each["label"], _groups(c))


def unshaped(c):
    rows = list(_conversations(c))
    return _seen(c, [b + AROUND for _, b, _ in rows], [t for t, _, _ in rows]), Cost([(b + AROUND).sum() for _, b, _ in rows], 0, 0, 0)


def padded(c, unit):
    """Each event's segment at once, of a multiple of `unit` bytes."""
    rows = list(_conversations(c))
    sizes = [-(-(b + AROUND) // unit) * unit for _, b, _ in rows]
    return _seen(c, sizes, [t for t, _, _ in rows]), Cost([s.sum() for s in sizes], 0, 0, 0)


def noisy(c, most):
    """Each event's segment at once, with 0 to `most` random bytes more: the commonest remedy."""
    rng = np.random.RandomState(3)
    rows = list(_conversations(c))
    sizes = [b + AROUND + rng.randint(0, most + 1, len(b)) for _, b, _ in rows]
    return _seen(c, sizes, [t for t, _, _ in rows]), Cost([s.sum() for s in sizes], 0, 0, 0)


def batched(c, k):
    """k events at a time."""
    sizes, at, late_first, late_last, sent = [], [], [], [], []
    for t, b, own in _conversations(c):
        ends = np.unique(np.append(np.arange(k - 1, len(t), k), len(t) - 1))
        sizes.append(np.diff(np.cumsum(b)[ends], prepend=0) + AROUND)
        at.append(t[ends])
        said = np.flatnonzero(own)
        for late, i in ((late_first, said[0]), (late_last, said[-1])):
            late.append((t[ends[np.searchsorted(ends, i)]] - t[i]) / 1000)
        sent.append(sizes[-1].sum())
    whole = [t[-1] / 1000 for t in at]
    return _seen(c, sizes, at), Cost(sent, late_first, late_last, 100 * np.array(late_last) / whole)


def padded_batches(c, k, unit):
    """k events at a time, of a multiple of `unit` bytes."""
    seen, cost = batched(c, k)
    seen.sizes = [-(-s // unit) * unit for s in seen.sizes]
    cost.sent = float(np.median([s.sum() for s in seen.sizes]))
    return seen, cost


def clocked(c, frame=512, interval=50, delay=100, first=512):
    """Frames of one size at absolute times; as many as the answer needs, rounded up to first x 4^k. Text that waits goes into one event."""
    sizes, at, late_first, late_last, pct = [], [], [], [], []
    room = frame - REST
    for t, b, own in _conversations(c):
        t, said, slot, waiting, i, seen = t / 1000, np.flatnonzero(own), 0, 0.0, 0, {}
        while i < len(t) or waiting > 0:
            now = delay + slot * interval
            j = int(np.searchsorted(t, now, "right"))
            if j > i:
                # one event with all the text that has come, the answer's head and first event with it; then the end's
                words, ends = own[i:j] > 0, (own[i:j] == 0) & (np.arange(i, j) > 0)
                if i == 0:
                    waiting += HEAD + b[0] + own[i:j].sum()
                elif words.any():
                    waiting += (b - own)[i:j][words][0] + own[i:j].sum()
                for which, e in (("first", said[0]), ("last", said[-1])):
                    if i <= e < j:
                        seen[which] = now - t[e] + interval * max(0, np.ceil(waiting / room) - 1)
                waiting += b[i:j][ends].sum()
                i = j
            waiting = max(0.0, waiting - room)
            slot += 1
        n = first
        while n < slot:
            n *= 4
        sizes.append(np.full(n, frame))
        at.append((delay + interval * np.arange(n)) * 1000)
        late_first.append(seen["first"])
        late_last.append(seen["last"])
        pct.append(100 * seen["last"] / t[said[-1]])
    return _seen(c, sizes, at), Cost([s.sum() for s in sizes], late_first, late_last, pct)
