# SPDX-License-Identifier: Apache-2.0
"""The files of bench/leak: sizes and times, no text.

A file is xz over: one line of JSON, its header; then the header's `columns`, one after the other, each a 32-bit number for every event (or segment) of
every conversation, in order. A column is stored as four planes, all lowest bytes first, because that compresses best. The header says
how many events each conversation has (`count`), and has a list with one entry a conversation for whatever else is known of it (`each`).

conversations.xz    each: label (1: the sensitive topic), place in the list of prompts, seed; columns: us (behind the event before, the first behind the
                    request), rest and own (bytes of an event around and of the answer's own text)
wire-SHAPE.xz       each: conversation (its place in conversations.xz); columns: us (behind the segment before, the first behind the request), bytes
                    (of the segment)
"""
import json
import lzma
import os

import numpy as np


class Stored:
    """each: {name: array}; columns: {name: [array of each conversation]}"""

    def __init__(self, each, columns, about=None):
        self.each = {k: np.asarray(v, np.int64) for k, v in each.items()}
        self.columns, self.about = columns, about or {}
        self.n = len(next(iter(self.each.values())))

    def write(self, path):
        """In place as a whole: what is there is whole."""
        first = next(iter(self.columns.values()))
        head = {"v": 1, "about": self.about, "count": [len(x) for x in first], "each": {k: v.tolist() for k, v in self.each.items()},
                "columns": list(self.columns)}
        raw = json.dumps(head, separators=(",", ":")).encode() + b"\n"
        for c in self.columns.values():
            raw += np.concatenate([np.asarray(x) for x in c]).astype("<u4").view(np.uint8).reshape(-1, 4).T.tobytes()
        with open(path + ".new", "wb") as f:
            f.write(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME))
        os.rename(path + ".new", path)

    @classmethod
    def read(cls, path):
        with lzma.open(path) as f:
            head, raw = json.loads(f.readline()), f.read()
        if head["v"] != 1:
            raise ValueError(f"{path}: version {head['v']}")
        total, cuts = sum(head["count"]), np.cumsum(head["count"])[:-1]
        if len(raw) != 4 * total * len(head["columns"]):
            raise ValueError(f"{path}: cut off")
        columns = {}
        for i, name in enumerate(head["columns"]):
            planes = np.frombuffer(raw, np.uint8, 4 * total, 4 * total * i).reshape(4, total)
            columns[name] = np.split(np.ascontiguousarray(planes.T).view("<u4").ravel().astype(np.int64), cuts)
        return cls(head["each"], columns, head["about"])

    def take(self, which):
        """Only these conversations, in this order."""
        return Stored({k: v[which] for k, v in self.each.items()}, {k: [c[i] for i in which] for k, c in self.columns.items()}, self.about)


def joined(parts):
    """All of them, one behind the other."""
    return Stored({k: np.concatenate([p.each[k] for p in parts]) for k in parts[0].each},
                  {k: [x for p in parts for x in p.columns[k]] for k in parts[0].columns}, parts[0].about)


def of_recording(lines):
    """What record.py wrote, in the order of label, place and seed."""
    rows = sorted((json.loads(x) for x in lines), key=lambda r: (r["label"], r["place"], r["seed"]))
    each = {"label": [int(r["label"] == "positive") for r in rows], "place": [r["place"] for r in rows], "seed": [r["seed"] for r in rows]}
    return Stored(each, {"us": [np.array(r["us"]) for r in rows], "rest": [np.array(r["bytes"]) - np.array(r["own"]) for r in rows],
                         "own": [np.array(r["own"]) for r in rows]})


def write_tape(s, path):
    """For bench_leak_engine and bench_leak_ask: tape.h."""
    out = [np.array([s.n])]
    for us, rest, own in zip(s.columns["us"], s.columns["rest"], s.columns["own"]):
        out += [np.array([len(us)]), np.column_stack([us, rest + own, own]).ravel()]
    with open(path, "wb") as f:
        f.write(np.concatenate(out).astype("=u4").tobytes())


MARKS = ("exists_first", "exists_last", "seen_first", "seen_last")


def of_wire(path, order, about):
    """
    What bench_leak_ask wrote, with when text existed and was seen (MARKS, in us after the request) besides; order: the tape's
    conversations' places in conversations.xz.
    """
    raw, at, rows = np.fromfile(path, "=u4").astype(np.int64), 0, []
    while at < len(raw):
        number, n = raw[at], raw[at + 1]
        segments = raw[at + 6:at + 6 + 2 * n].reshape(n, 2)
        rows.append((order[number], raw[at + 2:at + 6], np.diff(segments[:, 0], prepend=0), segments[:, 1]))
        at += 6 + 2 * n
    rows.sort(key=lambda r: r[0])
    each = {"conversation": [r[0] for r in rows], **{m: [r[1][i] for r in rows] for i, m in enumerate(MARKS)}}
    return Stored(each, {"us": [np.maximum(r[2], 0) for r in rows], "bytes": [r[3] for r in rows]}, about)
