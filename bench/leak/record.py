#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records conversations with the default model through the loopback: sizes and times of what streams, no text.

    record.py FILE [--limit N] [--streams N]

One line of JSON a conversation: the prompt's place in its list, its label, the seed, and of each event its delay in microseconds behind
the one before (the first: behind the request), its size in bytes, and how many of them are the answer's own text. It can be ended at any
time and goes on where it stopped: a conversation is written when it is whole.

The prompts are the published attack's own (Whisper Leak, arXiv 2511.03675), in $CLOISTER_VECTORS/leak/prompts.json; of its negatives
NEGATIVES are drawn once. The order mixes labels and seeds, so that whatever else changes meanwhile does so for both labels alike. The traffic isn't
shaped: what is recorded is what there is to hide.
"""
import argparse
import http.client
import json
import os
import random
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "support"))
import harness  # noqa: E402
from harness import Daemon, Proxy  # noqa: E402

SEEDS, NEGATIVES, TOKENS = 5, 2000, 250
STREAMS = 8
TRIES = 3


def prompts_path():
    vectors = os.environ.get("CLOISTER_VECTORS", os.path.join(HERE, "..", "..", "..", "shared", "vectors"))
    return os.path.join(vectors, "leak", "prompts.json")


def plan(prompts):
    """[(label, place, seed)] in the order in which they are asked."""
    drawn = random.Random(1).sample(range(len(prompts["negative"])), NEGATIVES)
    todo = [("positive", i, s) for i in range(len(prompts["positive"])) for s in range(SEEDS)]
    todo += [("negative", i, 0) for i in drawn]
    random.Random(2).shuffle(todo)
    return todo


def own_text(data):
    """How many bytes of an event's document are the answer's text, as it stands there."""
    try:
        text = json.loads(data)["choices"][0]["delta"]["content"]
    except (ValueError, LookupError, TypeError):
        return 0
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2 if text else 0


def ask(proxy, model, prompt, seed):
    """(delays, sizes, own text) of the events of one answer."""
    body = json.dumps({"model": model, "stream": True, "max_tokens": TOKENS, "seed": seed, "messages": [{"role": "user", "content": prompt}]})
    c = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=600)
    began = time.monotonic_ns()
    c.request("POST", "/v1/chat/completions", body, proxy.headers())
    r = c.getresponse()
    if r.status != 200:
        if r.status < 500:
            sys.exit(f"status {r.status}: {r.read(1000)}")
        raise RuntimeError(f"status {r.status}")
    delays, sizes, own, rest, last = [], [], [], b"", None
    while piece := r.read1(65536):
        now = time.monotonic_ns()
        *events, rest = (rest + piece).split(b"\n\n")
        for e in events:
            delays.append((now - began) // 1000)
            began = now
            sizes.append(len(e) + 2)
            own.append(own_text(e.removeprefix(b"data: ")))
            last = e
    c.close()
    if last != b"data: [DONE]" or rest:
        raise RuntimeError("the answer was cut")
    return delays, sizes, own


def lines(path):
    """Those that are whole: a run that was killed may have left half a line."""
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return [x for x in f if x.endswith("\n")]


def record(path, limit=None, streams=STREAMS):
    """The plan's first conversations, as far as the file hasn't got them; how many are missing in the end."""
    with open(prompts_path()) as f:
        prompts = json.load(f)
    plan_ = plan(prompts)[:limit]
    kept = lines(path)
    with open(path, "w") as f:
        f.writelines(kept)
    done = {(r["label"], r["place"], r["seed"]) for r in map(json.loads, kept)}
    todo = [t for t in plan_ if t not in done]
    queue, lock, events, began = iter(todo), threading.Lock(), [0], time.monotonic()

    def work(proxy, model, out):
        while True:
            with lock:
                t = next(queue, None)
            if t is None:
                return
            label, place, seed = t
            for _ in range(TRIES):
                try:
                    delays, sizes, own = ask(proxy, model, prompts[label][place], seed)
                    break
                except (OSError, RuntimeError, http.client.HTTPException) as e:
                    print(f"{label} {place} {seed}: {e}", file=sys.stderr, flush=True)
            else:
                continue  # the next run asks again
            with lock:
                events[0] += len(sizes)
                done.add(t)
                out.write(json.dumps({"label": label, "place": place, "seed": seed, "us": delays, "bytes": sizes, "own": own},
                                     separators=(",", ":")) + "\n")
                out.flush()
                if len(done) % 20 == 0:
                    s = time.monotonic() - began
                    print(f"{len(done)} of {len(plan_)} recorded, {events[0] / s:.0f} events/s, {s:.0f} s", file=sys.stderr, flush=True)

    if todo:
        with Daemon("--model", os.environ["CLOISTER_MODEL"], "--llama-server", harness.reachable_server(os.environ["CLOISTER_LLAMA_SERVER"]), "--slots", str(streams),
                    shape="off") as d:
            d.wait_ready()
            with Proxy(daemon=d) as proxy, open(path, "a") as out:
                model = json.loads(proxy.request("GET", "/v1/models")[2])["data"][0]["id"]
                threads = [threading.Thread(target=work, args=(proxy, model, out)) for _ in range(streams)]
                for t in threads:
                    t.start()
                for t in threads:
                    t.join()
    return sum(t not in done for t in todo)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    p.add_argument("file")
    p.add_argument("--limit", type=int, help="stop after so many conversations")
    p.add_argument("--streams", type=int, default=STREAMS)
    a = p.parse_args()
    missing = record(a.file, a.limit, a.streams)
    if missing:
        sys.exit(f"{missing} conversations are missing: run it again")


if __name__ == "__main__":
    main()
