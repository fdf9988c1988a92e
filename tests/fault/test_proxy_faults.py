#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cloister proxy` and `cloister chat` while their calls fail: libclo_faults.so is preloaded into them.

What the system may do at any time (short counts, EINTR, EAGAIN) must not show at all. Where memory runs out or libcrypto fails, an answer is
whole and right or an error, never anything else; nothing hangs or crashes; no request runs twice; and after the faults all goes well again.
The seed is printed; CLOISTER_FAULT_SEED repeats it.
"""
import contextlib
import http.client
import itertools
import json
import os
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from harness import BUILD, Daemon, Engine, Proxy, Tap, ask, until  # noqa: E402

tap = Tap()
ALLOC, CRYPTO, IO = 1, 2, 4
SEED = int(os.environ.get("CLOISTER_FAULT_SEED") or 1)  # any other explores: the test's runs resemble each other, threads permitting
LIBRARY = os.path.join(BUILD, "tests", "support", "libclo_faults.so")
WORKERS, EACH = 6, 12
marks = itertools.count()
CRASHES = (-4, -6, -7, -8, -11)


def environment(kinds, every, round_=0, **more):
    """For a program under faults. A sanitizer's library doesn't mind to come second, and lets memory run out.

    Where memory runs out, libraries of others leak (glibc's setlocale, say): that ours doesn't, test_injection shows.
    """
    san = os.environ.get("ASAN_OPTIONS", "") + (":detect_leaks=0" if kinds & ALLOC else "")
    return {"LD_PRELOAD": LIBRARY, "CLOISTER_FAULT_KINDS": str(kinds), "CLOISTER_FAULT_EVERY": str(every),
            "CLOISTER_FAULT_SEED": str(SEED + round_), **{f"CLOISTER_FAULT_{k.upper()}": str(v) for k, v in more.items()},
            "ASAN_OPTIONS": ":".join(filter(None, [san, "verify_asan_link_order=0:allocator_may_return_null=1"]))}


@contextlib.contextmanager
def faulty_proxy(d, env):
    """Proxy() takes its environment from this process, less LD_PRELOAD, so that it is set by env(1)."""
    program = os.path.join(d.dir, "proxy-under-faults")
    with open(program, "w") as f:
        f.write("#!/bin/sh\nexec env " + " ".join(f"{k}='{v}'" for k, v in env.items()) + f" {harness.CLOISTER} \"$@\"\n")
    os.chmod(program, 0o700)
    real, harness.CLOISTER = harness.CLOISTER, program
    try:
        p = Proxy(daemon=d)
    finally:
        harness.CLOISTER = real
    try:
        yield p
    finally:
        p.close()


@contextlib.contextmanager
def served():
    with tempfile.TemporaryDirectory(prefix="cloister-engine-") as folder:
        e = Engine(os.path.join(folder, "engine.sock"))
        try:
            with Daemon(engine=e) as d:
                yield e, d.wait_ready()
        finally:
            e.close()


def streamed(text):
    """The words of a complete stream; None for one that ended in an error."""
    events = [x[6:] for x in text.split("\n\n") if x.startswith("data: ")]
    if not events or events[-1] != "[DONE]":
        return None
    docs = [json.loads(x) for x in events[:-1]]
    if any("error" in x for x in docs):
        return None
    return "".join(c["delta"].get("content") or "" for x in docs for c in x["choices"])


def one(p, question, stream):
    """True for the right answer, False for an error; anything else is a failure of the test."""
    try:
        if not stream:
            status, _, doc = p.chat(question)
            assert status == 200 or "error" in doc, (status, doc)
            assert status != 200 or doc["choices"][0]["message"]["content"] == "echo: " + question, doc
            return status == 200
        c, r = p.stream(question)
        with contextlib.closing(c):
            text = r.read().decode()
        if r.status != 200:
            assert "error" in json.loads(text), text
            return False
        words = streamed(text)
        assert words in (None, "echo: " + question), words
        return words is not None
    except TimeoutError:
        raise
    except (http.client.HTTPException, OSError):
        return False


def under_load(p):
    """(answered, refused), by some workers at once."""
    results, wrong, mark = [], [], next(marks)

    def work(w):
        for i in range(EACH):
            try:
                results.append(one(p, f"{mark} {w} {i} " + "x" * (i % 3 * 20000), i % 2 == 0))
            except Exception as e:  # noqa
                wrong.append(repr(e)[:500])

    threads = [threading.Thread(target=work, args=(w,)) for w in range(WORKERS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong
    return results.count(True), results.count(False)


def never_twice(e):
    asked = [b["messages"][-1]["content"] for _, b in e.requests]
    assert len(asked) == len(set(asked)), "a request ran twice"


@tap
def short_counts_and_interruptions_do_not_show_in_the_proxy():
    with served() as (e, d):
        with faulty_proxy(d, environment(IO, 4)) as p:
            answered, refused = under_load(p)
            assert refused == 0 and answered == WORKERS * EACH, (answered, refused, p.log())
            assert p.stop() == 0
        never_twice(e)


@tap
def short_counts_and_interruptions_do_not_show_in_a_chat():
    with served() as (e, d):
        for i in range(10):
            r = ask(d, f"question {i}", env=environment(IO, 3, i))
            assert r.returncode == 0 and r.stdout == b"echo: question %d\n" % i, (r.returncode, r.stderr)
        never_twice(e)


def chats_under(kinds, every, statuses):
    with served() as (e, d):
        good = 0
        for i in range(25):
            r = ask(d, f"question {i}", env=environment(kinds, every[i % len(every)], i))
            assert r.returncode not in CRASHES, (i, r.returncode, r.stderr[-2000:])
            assert r.returncode in statuses, (i, r.returncode, r.stderr)
            assert r.returncode != 0 or r.stdout == b"echo: question %d\n" % i, (i, r.stdout)
            assert r.returncode == 0 or r.stderr, "an error without a word"
            good += r.returncode == 0
        never_twice(e)
        print(f"# {good} of 25 answered")


@tap
def a_chat_without_memory_is_answered_or_fails():
    """Statuses that judge policy or server are not right then, but for libcrypto's: a certificate that it had no memory for is unreadable."""
    chats_under(ALLOC, (200, 1000, 5000), (0, 1, 10))


@tap
def a_chat_whose_crypto_fails_is_answered_or_fails():
    chats_under(CRYPTO, (50, 200, 1000), (0, 1, 10))


def proxy_survives(kinds, every):
    """Faults begin once it serves, and end again."""
    with served() as (e, d):
        faults = os.path.join(d.dir, "faults")
        with faulty_proxy(d, environment(kinds, every, **{"while": faults}, spare="libcurl")) as p:
            assert one(p, "before", True)
            for _ in range(4):
                open(faults, "w").close()
                answered, refused = under_load(p)
                os.unlink(faults)
                print(f"# {answered} answered, {refused} refused")
                assert p.proc.poll() is None, (p.proc.returncode, p.log())
                until(lambda: one(p, "in between", False), "the proxy to recover")
            e.requests[:] = [r for r in e.requests if r[1]["messages"][-1]["content"] != "in between"]
            never_twice(e)
            until(lambda: one(p, "still there", False), "the proxy to recover")
            assert under_load(p)[1] == 0, p.log()
            assert p.stop() == 0, p.log()


@tap
def a_proxy_whose_memory_runs_out_for_a_while_goes_on_afterwards():
    proxy_survives(ALLOC, 6000)


@tap
def a_proxy_whose_crypto_fails_for_a_while_goes_on_afterwards():
    proxy_survives(CRYPTO, 3000)


if __name__ == "__main__":
    assert os.path.exists(LIBRARY), LIBRARY
    print(f"# CLOISTER_FAULT_SEED={SEED}", flush=True)
    tap.run()
