"""The driver behind scripts/soak, which says what it does."""

import base64
import http.client
import itertools
import json
import os
import random
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests", "support"))
from harness import Daemon, Engine, Proxy, alive, ask

SECONDS = int(os.environ.get("SOAK_SECONDS", "1800"))
KEY_LIFETIME = int(os.environ.get("SOAK_KEY_LIFETIME", "300"))
CLIENT = os.environ.get("SOAK_CLIENT", "proxy")
OUT = os.environ.get("SOAK_OUT", "build/soak/summary.json")
SAMPLE = 5.0                       # seconds between two samples
# What the last third may lie above the middle one. A heap keeps some MiB of what large bodies left in it, now more, now less; 4 MiB in a
# third of half an hour are about 200 bytes a request.
GROWTH_KB, GROWTH_SHARE = 4096, 0.03
SETTLE = 60.0                      # seconds for descriptors to go back to what they were
WORDS = 20
FAILURES_SHOWN = 20


class Load:
    """Workers that ask until they are told to stop, and what came of it."""

    def __init__(self, engine, daemon, proxy):
        self.engine, self.daemon, self.proxy = engine, daemon, proxy
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.done, self.failed = {}, []

    def worker(self, kind, pause, work):
        number = itertools.count()
        while not self.stop.is_set():
            try:
                work(next(number))
                with self.lock:
                    self.done[kind] = self.done.get(kind, 0) + 1
            except Exception as e:  # noqa: whatever it is, it is a failed request
                with self.lock:
                    self.failed.append({"kind": kind, "at": round(time.monotonic() - BEGAN, 1), "what": repr(e)[:300],
                                        "where": traceback.format_exc().splitlines()[-3].strip()[:120]})
            self.stop.wait(pause * random.uniform(0.5, 1.5))

    def start(self):
        kinds = [("evidence", 0.5, self.evidence)]
        if self.proxy:
            kinds += [("stream", 0.05, self.stream)] * 4 + [("whole", 0.2, self.whole)] * 2 + [
                ("cancel", 0.5, self.cancel), ("big", 1.0, self.big), ("models", 2.0, self.models), ("verdict", 2.0, self.verdict)]
        kinds += [("chat", 5.0 if self.proxy else 0.2, self.chat)] * (1 if self.proxy else 3)
        self.threads = [threading.Thread(target=self.worker, args=k) for k in kinds]
        for t in self.threads:
            t.start()

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()

    # ---- one request of each kind ----

    def evidence(self, n):
        nonce = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
        status, _, body = self.daemon.get(f"/.well-known/cloister/evidence?nonce={nonce}" + ("&full=1" if n % 4 == 0 else ""))
        assert status == 200 and json.loads(body)["v"] == 1, status

    def stream(self, n):
        c, r = self.proxy.stream(f"question {n}")
        try:
            text = r.read()
            assert r.status == 200 and text.endswith(b"data: [DONE]\n\n") and text.count(b'"content": "w') + text.count(
                b'"content":"w') == WORDS, (r.status, text[-200:])
        finally:
            c.close()

    def whole(self, n):
        status, _, doc = self.proxy.chat(f"whole {n}")
        assert status == 200 and doc["choices"][0]["message"]["content"] == f"whole {n}", (status, doc)

    def cancel(self, n):
        c, r = self.proxy.stream("endless")
        try:
            assert r.status == 200, r.status
            for _ in range(6):
                assert r.readline(), "ended early"
        finally:
            c.close()

    def big(self, n):
        text = "x" * random.randrange(1 << 18, 3 << 20)
        status, _, doc = self.proxy.chat(text, max_tokens=1)
        assert status == 200 and doc["choices"][0]["message"]["content"] == str(len(text)), status

    def models(self, n):
        status, _, body = self.proxy.request("GET", "/v1/models")
        assert status == 200 and json.loads(body)["data"], status

    def verdict(self, n):
        status, _, body = self.proxy.request("GET", "/v1/cloister/verdict")
        assert status == 200 and json.loads(body), status

    def chat(self, n):
        r = ask(self.daemon, f"chat {n}")
        assert r.returncode == 0 and r.stdout.count(b"w") == WORDS, (r.returncode, r.stderr[-300:])


class Script:
    """The engine: some words at a pace, a length for a big body, an answer without end to be cancelled."""

    def __init__(self):
        self.cancelled = 0

    def __call__(self, body, out):
        self.engine.requests.clear()
        text = body["messages"][-1]["content"]
        if not body.get("stream"):
            answer = str(len(text)) if len(text) > 1 << 17 else text
            return out.json({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
                {"index": 0, "message": {"role": "assistant", "content": answer}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
        out.head()
        for i in itertools.count() if text == "endless" else range(WORDS):
            out.event(f"w{i} ")
            if out.broken.wait(0.01):
                self.cancelled += 1
                return
        out.done()


def memory_kb(pid):
    """What is the process's own and no file's: shares of libraries change with what else runs on this machine."""
    with open(f"/proc/{pid}/status") as f:
        return int(f.read().split("RssAnon:")[1].split()[0])


def descriptors(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except PermissionError:
        return None


def slope_per_hour(points):
    """Least squares, in KiB an hour."""
    n = len(points)
    if n < 2:
        return 0.0
    mt, mv = sum(t for t, _ in points) / n, sum(v for _, v in points) / n
    spread = sum((t - mt) ** 2 for t, _ in points)
    return 3600 * sum((t - mt) * (v - mv) for t, v in points) / spread if spread else 0.0


def floor(part):
    """What a process comes back to between large requests: a leak lifts it, and nothing else does for long."""
    return min(v for _, v in part)


def judge_memory(points):
    """The first third is warm-up: caches fill, and a few epochs come to overlap."""
    third = len(points) // 3
    middle, last = points[third:2 * third], points[2 * third:]
    if not middle or not last:
        return {"ok": True, "note": "too short to judge"}
    a, b = floor(middle), floor(last)
    bound = GROWTH_KB + GROWTH_SHARE * a
    return {"ok": b - a <= bound, "middle_kb": a, "last_kb": b, "bound_kb": round(bound),
            "peak_kb": max(v for _, v in points), "slope_kb_per_hour": round(slope_per_hour(points[third:]))}


def quiet(pids):
    """Descriptors of each process once nothing runs: the lowest seen while things settle."""
    best, end = {}, time.monotonic() + SETTLE
    while time.monotonic() < end:
        now = {name: descriptors(pid) for name, pid in pids.items() if alive(pid)}
        best = {name: n if best.get(name) is None else min(n, best[name]) for name, n in now.items() if n is not None}
        if START and all(best.get(name, 0) <= n for name, n in START.items()):
            break
        if not START and time.monotonic() > end - SETTLE + 5:
            break
        time.sleep(0.5)
    return best


START = {}
BEGAN = time.monotonic()


def soak(daemon, proxy, engine, script):
    pids = {"parent": daemon.proc.pid, **daemon.children()}
    if proxy:
        pids["proxy"] = proxy.proc.pid
    warm = Load(engine, daemon, proxy)
    warm.start()
    time.sleep(min(10, SECONDS / 6))
    warm.end()
    START.update(quiet(pids))

    load, samples = Load(engine, daemon, proxy), {name: [] for name in pids}
    end, gone = BEGAN + SECONDS, set()
    load.start()
    shown = 0
    while time.monotonic() < end:
        time.sleep(min(SAMPLE, max(0.1, end - time.monotonic())))
        at = time.monotonic() - BEGAN
        for name, pid in pids.items():
            if alive(pid):
                samples[name].append((at, memory_kb(pid)))
            else:
                gone.add(name)
        if at - shown >= 60:
            shown = at
            print(f"{at:6.0f} s  {sum(load.done.values())} requests, {len(load.failed)} failed; KiB: " + ", ".join(
                f"{name} {points[-1][1]}" for name, points in samples.items() if points), flush=True)
    load.end()
    after = quiet(pids)

    failed = warm.failed + load.failed
    epochs = daemon.log().count(" epoch-new ")
    expected = SECONDS // KEY_LIFETIME
    summary = {
        "v": 1, "seconds": SECONDS, "key_lifetime": KEY_LIFETIME, "client": CLIENT,
        "requests": load.done, "cancelled": script.cancelled, "failed": len(failed), "failures": failed[:FAILURES_SHOWN],
        "epochs": epochs, "ended_processes": sorted(gone),
        "memory": {name: judge_memory(points) for name, points in samples.items()},
        "descriptors": {name: {"before": n, "after": after.get(name), "ok": after.get(name, 0) <= n} for name, n in START.items()},
    }
    faults = []
    if failed:
        faults.append(f"{len(failed)} requests failed")
    if gone:
        faults.append("ended: " + ", ".join(sorted(gone)))
    faults += [f"{name} grew by {m['last_kb'] - m['middle_kb']} KiB" for name, m in summary["memory"].items() if not m["ok"]]
    faults += [f"{name} has {d['after']} descriptors, not {d['before']}" for name, d in summary["descriptors"].items() if not d["ok"]]
    if epochs < expected:
        faults.append(f"{epochs} epochs, not {expected}")
    if proxy and load.done.get("cancel", 0) and not script.cancelled:
        faults.append("no cancellation reached the engine")
    summary["faults"] = faults
    return summary


def main():
    if CLIENT not in ("proxy", "chat"):
        sys.exit("soak: SOAK_CLIENT is proxy or chat")
    script = Script()
    with tempfile.TemporaryDirectory(prefix="cloister-soak-") as folder:
        engine = Engine(os.path.join(folder, "engine.sock"), script)
        script.engine = engine
        with Daemon("--key-lifetime", str(KEY_LIFETIME), "--quota", "1000000", "--max-epoch-requests", "2000000", "--max-parallel", "64",
                    engine=engine) as daemon:
            daemon.wait_ready()
            proxy = Proxy(daemon=daemon) if CLIENT == "proxy" else None
            try:
                summary = soak(daemon, proxy, engine, script)
            finally:
                if proxy:
                    proxy.close()
        engine.close()
    os.makedirs(os.path.dirname(OUT) or ".", exist_ok=True)
    with open(OUT, "w") as f:
        json.dump(summary, f, indent=1)
        f.write("\n")
    print(f"{sum(summary['requests'].values())} requests, {summary['epochs']} epochs, {summary['failed']} failed; {OUT} has the numbers")
    for name, m in summary["memory"].items():
        d = summary["descriptors"].get(name, {})
        print(f"  {name:9} KiB {m.get('middle_kb', '?')} -> {m.get('last_kb', '?')} (bound +{m.get('bound_kb', '?')}), "
              f"descriptors {d.get('before', '?')} -> {d.get('after', '?')}")
    for fault in summary["failures"][:5]:
        print(f"  failed: {fault}")
    print("soak: " + ("; ".join(summary["faults"]) or "nothing failed, nothing grew"))
    sys.exit(1 if summary["faults"] else 0)


if __name__ == "__main__":
    main()
