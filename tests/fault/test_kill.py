#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every process killed at every stage of a streaming answer.

The client must see an explicit error in under two seconds, or the complete answer where the process was no longer needed. Afterwards the
service is back by itself, the next question works after fresh evidence, and the old question was seen by the engine exactly once.
"""
import contextlib
import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import Daemon, Engine, Relay, Tap, ask, start_cloister, until

tap = Tap()
WORDS = ["one ", "two ", "three ", "four ", "five ", "six"]
ANSWER = "".join(WORDS)
LIMIT = 2.0 * float(os.environ.get("CLOISTER_TEST_SLOW", "1"))


class Gated:
    """An engine script that stops before each stage until the test lets it go on."""

    def __init__(self):
        self.at = {s: threading.Event() for s in ("before-first-token", "middle", "before-final-chunk")}
        self.go = {s: threading.Event() for s in self.at}

    def stage(self, name):
        self.at[name].set()
        self.go[name].wait(harness.WAIT)

    def __call__(self, body, out):
        if body["messages"][-1]["content"] != "count":
            return harness.echo(body, out)
        self.stage("before-first-token")
        out.head()
        for w in WORDS[:3]:
            out.event(w)
        self.stage("middle")
        for w in WORDS[3:]:
            out.event(w)
        out.event(None, "stop")
        out.chunk(b"data: [DONE]\n\n")
        self.stage("before-final-chunk")
        out.raw(b"0\r\n\r\n")

    def release_until(self, stage):
        """Let the script run to the stage and wait there."""
        for s in self.at:
            assert self.at[s].wait(harness.WAIT), f"the engine never reached {s}"
            if s == stage:
                return
            self.go[s].set()

    def release(self):
        for e in self.go.values():
            e.set()


def read_until(pipe, text):
    """Read the client's output until the text has come: the client has shown it."""
    got = b""
    while text not in got:
        b = os.read(pipe.fileno(), 4096)
        if not b:
            break
        got += b
    return got


def kill_at(role, stage, answer_survives):
    script = Gated()
    with_dir = os.path.join("/tmp", f"cloister-kill-{os.getpid()}.sock")
    engine = Engine(with_dir, script)
    try:
        with Daemon(engine=engine) as d:
            d.wait_ready()
            readies = d.ready_count()
            relay = Relay(d.port)
            c = start_cloister("chat", "--server", relay.url, "--policy", d.policy, "--key-file", d.key_file, "count")
            script.release_until(stage)
            shown = b"" if stage == "before-first-token" else read_until(c.stdout, b"three")
            if role == "parent":
                victims = list(d.children().values())
                d.proc.kill()
            else:
                d.kill(role)
            killed = time.monotonic()
            if answer_survives:
                script.release()
            out, err = c.communicate(timeout=harness.WAIT)
            took = time.monotonic() - killed
            script.release()
            shown += out
            if answer_survives:
                assert c.returncode == 0, (c.returncode, err)
                assert shown.strip().decode() == ANSWER, shown
            else:
                assert c.returncode == 1, (c.returncode, shown, err)
                assert err.strip(), "no explanation"
                assert b"Traceback" not in err and b"assert" not in err.lower(), err
                assert took < LIMIT, f"the error took {took:.2f} s"
            assert len(relay.posts()) == 1, relay.posts()
            assert len(engine.requests) == 1, "the question ran again"
            if role == "parent":
                for pid in victims:
                    until(lambda: not harness.alive(pid), f"the end of process {pid}")
                return
            # The service comes back without help, and the next question works.
            d.wait_ready(readies + 1)
            until(lambda: d.get("/readyz")[0] == 200, "readiness after the kill")
            again = ask(d, "hello", url=relay.url)
            assert again.returncode == 0, again.stderr
            assert again.stdout.decode().strip() == "echo: hello", again.stdout
            assert [r[1]["messages"][-1]["content"] for r in engine.requests] == ["count", "hello"]
            relay.close()
    finally:
        script.release()
        engine.close()


# Which processes an answer still needs after its request was committed: the one that seals it, and the one that it dies with.
NEEDED = {"parent": True, "gateway": True, "keeper": False, "attester": False, "engine": False}

for _role, _needed in NEEDED.items():
    for _stage in ("before-first-token", "middle", "before-final-chunk"):
        def _case(role=_role, stage=_stage, needed=_needed):
            kill_at(role, stage, not needed)
        _case.__name__ = (f"{_role}_killed_{_stage}_" +
                          ("is_an_explicit_error" if _needed else "leaves_the_answer_complete")).replace("-", "_")
        tap(_case)


# A stand-in for llama-server, which cloisterd starts itself: passes everything on to the scripted engine. In its cell it can connect to
# nothing: the test comes to its back door, once for each connection.
STAND_IN = r"""#!%s
import contextlib, os, select, socket, sys, threading
path = sys.argv[sys.argv.index("--host") + 1]
back = socket.socket(socket.AF_UNIX)
with contextlib.suppress(FileNotFoundError):
    os.unlink("engine-back.sock")
back.bind("engine-back.sock")
back.listen(64)

def serve(c):
    with c, back.accept()[0] as u:
        peers = {c: u, u: c}
        while True:
            for s in select.select(list(peers), [], [])[0]:
                b = s.recv(65536)
                if not b:
                    return
                peers[s].sendall(b)

listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(64)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""


class BackDoor:
    """Holds a connection to the stand-in's back door, and one more as soon as that is used; leads each to the engine."""

    def __init__(self, door, engine):
        self.door, self.engine, self.ends = door, engine, False
        threading.Thread(target=self._keep, daemon=True).start()

    def _keep(self):
        while not self.ends:
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(self.door)
                if (first := s.recv(65536)):
                    threading.Thread(target=self._lead, args=(s, first), daemon=True).start()
                    continue
            except OSError:
                pass
            s.close()
            time.sleep(0.005)  # until there is a stand-in

    def _lead(self, s, first):
        with s, socket.socket(socket.AF_UNIX) as u, contextlib.suppress(OSError):
            u.connect(self.engine)
            u.sendall(first)
            peers = {s: u, u: s}
            while True:
                for x in select.select(list(peers), [], [])[0]:
                    if not (b := x.recv(65536)):
                        return
                    peers[x].sendall(b)


def kill_managed(role, stage):
    """The same where the engine is cloisterd's own child: killing it, or the process that watches it, ends the answer with an error."""
    folder = tempfile.mkdtemp(prefix="cloister-kill-")
    script = Gated()
    engine = Engine(os.path.join(folder, "engine.sock"), script)
    server, model = os.path.join(folder, "llama-server"), os.path.join(folder, "tiny.gguf")
    with open(server, "w") as f:
        f.write(STAND_IN % harness.PYTHON)
    harness.let_users_in(server)
    with open(model, "wb") as f:
        f.write(b"weights")
    try:
        with Daemon("--model", model, "--llama-server", server) as d:
            door = BackDoor(os.path.join(d.dir, "run", "engine", "engine-back.sock"), engine.path)
            d.wait_ready()
            readies, keys = d.ready_count(), d.get("/.well-known/cloister/evidence?nonce=" + "A" * 43)[2]
            c = start_cloister("chat", "--server", d.url, "--policy", d.policy, "--key-file", d.key_file, "count")
            script.release_until(stage)
            if stage != "before-first-token":
                read_until(c.stdout, b"three")
            child = d.children()["llama"]
            d.kill(role)
            killed = time.monotonic()
            _, err = c.communicate(timeout=harness.WAIT)
            took = time.monotonic() - killed
            script.release()
            assert c.returncode == 1 and err.strip(), (c.returncode, err)
            assert took < LIMIT, f"the error took {took:.2f} s"
            until(lambda: not harness.alive(child), "the end of the old engine")
            d.wait_ready(readies + 1)
            until(lambda: d.get("/readyz")[0] == 200, "readiness after the kill")
            now = d.get("/.well-known/cloister/evidence?nonce=" + "A" * 43)[2]
            assert harness.keys_of(now) != harness.keys_of(keys), "a new engine under the old keys"
            again = ask(d, "hello")
            assert again.stdout.decode().strip() == "echo: hello", again.stderr
            assert [r[1]["messages"][-1]["content"] for r in engine.requests] == ["count", "hello"]
            door.ends = True
    finally:
        script.release()
        engine.close()
        shutil.rmtree(folder)


for _role in ("engine", "llama"):
    for _stage in ("before-first-token", "middle", "before-final-chunk"):
        def _managed(role=_role, stage=_stage):
            kill_managed(role, stage)
        _managed.__name__ = f"{'its_keeper' if _role == 'engine' else 'a_managed_engine'}_killed_{_stage}_is_an_explicit_error".replace("-", "_")
        tap(_managed)


def engine_dies(stage):
    """The engine's own connection breaks: what a crash of the inference engine looks like to the gateway."""
    script = Gated()
    engine = Engine(os.path.join("/tmp", f"cloister-kill-{os.getpid()}.sock"), None)
    cut = threading.Event()

    def dying(body, out):
        if body["messages"][-1]["content"] != "count":
            return harness.echo(body, out)
        if stage == "before-first-token":
            script.at[stage].set()
            cut.wait(harness.WAIT)
            return
        out.head()
        for w in WORDS[:3]:
            out.event(w)
        if stage == "before-final-chunk":
            for w in WORDS[3:]:
                out.event(w)
            out.event(None, "stop")
            out.chunk(b"data: [DONE]\n\n")
        script.at[stage].set()
        cut.wait(harness.WAIT)

    engine.script = dying
    try:
        with Daemon(engine=engine) as d:
            d.wait_ready()
            c = start_cloister("chat", "--server", d.url, "--policy", d.policy, "--key-file", d.key_file, "count")
            assert script.at[stage].wait(harness.WAIT)
            if stage != "before-first-token":
                read_until(c.stdout, b"three")
            cut.set()  # the handler returns and the connection closes without the end of the body
            killed = time.monotonic()
            _, err = c.communicate(timeout=harness.WAIT)
            assert time.monotonic() - killed < LIMIT
            assert c.returncode == 1 and err.strip(), (c.returncode, err)
            assert len(engine.requests) == 1
            again = ask(d, "hello")
            assert again.stdout.decode().strip() == "echo: hello", again.stderr
    finally:
        cut.set()
        engine.close()


for _stage in ("before-first-token", "middle", "before-final-chunk"):
    def _engine_case(stage=_stage):
        engine_dies(stage)
    _engine_case.__name__ = f"inference_breaking_off_{_stage}_is_an_explicit_error".replace("-", "_")
    tap(_engine_case)


@tap
def the_client_killed_in_the_middle_ends_the_generation():
    script = Gated()
    gone = threading.Event()
    engine = Engine(os.path.join("/tmp", f"cloister-kill-{os.getpid()}.sock"), None)

    def endless(body, out):
        out.head()
        out.event("one ")
        script.at["middle"].set()
        if out.peer_gone():
            gone.set()

    engine.script = endless
    try:
        with Daemon(engine=engine) as d:
            d.wait_ready()
            c = start_cloister("chat", "--server", d.url, "--policy", d.policy, "--key-file", d.key_file, "count")
            assert script.at["middle"].wait(harness.WAIT)
            read_until(c.stdout, b"one")
            c.send_signal(signal.SIGKILL)
            c.wait(harness.WAIT)
            assert gone.wait(harness.WAIT), "the engine was left generating"
    finally:
        engine.close()


if __name__ == "__main__":
    tap.run()
