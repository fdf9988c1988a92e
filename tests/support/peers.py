# SPDX-License-Identifier: Apache-2.0
"""Independently written Oblivious HTTP peers (tests/peers): built, run as clients of cloisterd and as gateways for `cloister`.

A peer's gateway has no evidence. Front stands before it: it answers the request for evidence itself, for the peer's keys, and hands every
other connection on byte for byte.
"""
import base64
import contextlib
import json
import os
import re
import select
import shutil
import socket
import subprocess
import tempfile
import threading
import urllib.parse

import harness
from harness import API_KEY, BUILD, ROOT, WAIT, Skip

SOURCE = os.path.join(ROOT, "tests", "peers")
OUTPUT = os.path.join(BUILD, "peers")
MAKER = os.path.join(BUILD, "tests", "support", "evidence_maker")
GATEWAY = "/r/0123456789abcdef"
LONG = "x" * 20000 + " " + "\u00e9" * 20000  # more than a chunk, whichever way it is cut
AEADS = ("aes-128-gcm", "aes-256-gcm", "chacha20-poly1305")
KEMS = ("x-wing", "x25519")


def toolchain(program, at_least, *ask):
    """Skip unless `program` is here in at least this version."""
    if shutil.which(program) is None:
        raise Skip(f"no {program} here")
    said = subprocess.run([program, *ask], capture_output=True, text=True, env=dict(os.environ, GOTOOLCHAIN="local"), check=False).stdout
    version = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", said)  # nothing: a launcher without a toolchain
    if version is None or tuple(int(x) for x in version.groups("0")) < at_least:
        raise Skip(f"no {program} of at least {'.'.join(map(str, at_least))} here")


def build(*command, folder, **env):
    """Runs a compiler, whose downloads and progress go to the log."""
    print("# building: " + " ".join(command), flush=True)
    done = subprocess.run(command, cwd=folder, env=dict(os.environ, **env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", check=False)
    if done.returncode != 0:
        raise AssertionError("the peer could not be built:\n" + done.stdout[-4000:])


def go():
    toolchain("go", (1, 25, 4), "version")
    program = os.path.join(OUTPUT, "go-peer")
    build("go", "build", "-trimpath", "-buildvcs=false", "-o", program, ".", folder=os.path.join(SOURCE, "go"),
          GOFLAGS="-mod=readonly", GOTOOLCHAIN="local", GOWORK="off", CGO_ENABLED="0")
    return program


def rust():
    toolchain("cargo", (1, 89, 0), "--version")
    build("cargo", "build", "--quiet", "--locked", folder=os.path.join(SOURCE, "rust"), CARGO_TARGET_DIR=os.path.join(OUTPUT, "rust"))
    return os.path.join(OUTPUT, "rust", "debug", "peer")


# ---- the peer as a client ----


class Answer:
    """What a peer's client printed: the inner status, the content type, and the body."""

    def __init__(self, printed):
        status, ctype, self.body = printed.split(b"\n", 2)
        self.status, self.type = int(status), ctype.decode()

    def text(self):
        """The words of a complete stream."""
        assert self.status == 200 and self.type.startswith("text/event-stream"), (self.status, self.type, self.body)
        events = [x[len(b"data: "):] for x in self.body.split(b"\n\n") if x]
        assert events.pop() == b"[DONE]", self.body
        return "".join(json.loads(x)["choices"][0]["delta"].get("content", "") for x in events)


def ask(program, url, keys, form, kem, aead, question, key=API_KEY, stream=True):
    """Have a peer's client ask a server, and decode the answer."""
    body = json.dumps({"model": "m", "stream": stream, "messages": [{"role": "user", "content": question}]})
    done = subprocess.run([program, "client", url, keys.hex(), form, kem, aead, key], input=body.encode(), capture_output=True,
                          timeout=WAIT, check=False)
    assert done.returncode == 0, (form, kem, aead, done.stderr)
    return Answer(done.stdout)


@contextlib.contextmanager
def served(shape="off"):
    """cloisterd with a scripted engine: (daemon, its gateway's address, the application/ohttp-keys list, engine)."""
    with tempfile.TemporaryDirectory(prefix="cloister-engine-") as folder:
        engine = harness.Engine(os.path.join(folder, "engine.sock"))
        try:
            with harness.Daemon("--allow-x25519", engine=engine, shape=shape) as d:
                d.wait_ready()
                keys, url = attested_keys(d)
                yield d, url, keys, engine
        finally:
            engine.close()


def attested_keys(daemon):
    """The application/ohttp-keys list out of cloisterd's evidence, and the gateway's address."""
    nonce = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    section = harness.keys_of(daemon.get("/.well-known/cloister/evidence?nonce=" + nonce)[2])
    keys = json.loads(unb64(section))
    return unb64(keys["ohttp_keys"]), daemon.url + keys["gateway"]


def unb64(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


# ---- the peer as a gateway ----


class Front:
    """A peer's gateway with evidence before it: a machine that `cloister` can verify and chat with."""

    def __init__(self, program, *args):
        self.dir = tempfile.mkdtemp(prefix="cloister-peer-")
        self.posts = []  # heads of the requests that were handed on
        self.log = open(os.path.join(self.dir, "log"), "w+b")
        self.gateway = subprocess.Popen([program, "gateway", *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        info = json.loads(self.gateway.stdout.readline())
        self.peer_port, self.keys = info["port"], bytes.fromhex(info["keys"])
        self.maker = subprocess.Popen([MAKER, GATEWAY, info["keys"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pins = json.loads(self.maker.stdout.readline())
        self.lock = threading.Lock()
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.sock.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def policy(self, **members):
        """A policy that pins this front's evidence."""
        policy = {"v": 1, "name": "peer", "tee": ["simulated"], "measurements": [self.pins["measurement"]],
                  "simulated": {"roots": [self.pins["simulated_root"]]}, "allow_unmanaged": True, "shape": "off", **members}
        path = os.path.join(self.dir, "policy.json")
        with open(path, "w") as f:
            json.dump(policy, f)
        return path

    def chat(self, *args, **members):
        return harness.cloister("chat", "--server", self.url, "--policy", self.policy(**members), *args)

    def answers(self, question, **members):
        """One question is one POST, and its answer comes whole."""
        before = len(self.posts)
        r = self.chat(question, **members)
        assert r.returncode == 0 and r.stdout.decode() == f"echo: {question}\n", (r.returncode, r.stdout, r.stderr)
        assert len(self.posts) == before + 1 and self.posts[-1].startswith(f"POST {GATEWAY} "), self.posts

    def _accept(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(c,), daemon=True).start()

    def _serve(self, c):
        with c, contextlib.suppress(OSError):  # either side may go first
            head = b""
            while b"\r\n\r\n" not in head:
                b = c.recv(65536)
                if not b:
                    return
                head += b
            method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            if method == "GET":
                c.sendall(self._evidence(target))
                return
            self.posts.append(head.split(b"\r\n\r\n", 1)[0].decode("latin-1"))
            with socket.create_connection(("127.0.0.1", self.peer_port)) as peer:
                peer.sendall(head)
                to = {c: peer, peer: c}
                while True:
                    for s in select.select(list(to), [], [])[0]:
                        b = s.recv(65536)
                        if not b:
                            return
                        to[s].sendall(b)

    def _evidence(self, target):
        asked = urllib.parse.urlsplit(target)
        if asked.path != "/.well-known/cloister/evidence":
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        nonce = urllib.parse.parse_qs(asked.query)["nonce"][0]
        with self.lock:
            self.maker.stdin.write(nonce.encode() + b"\n")
            self.maker.stdin.flush()
            doc = self.maker.stdout.readline()
        return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(doc) + doc

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)  # wakes the accepting thread
        self.sock.close()
        for p in (self.gateway, self.maker):
            p.kill()
            p.communicate()
        if exc[0] is not None:
            self.log.seek(0)
            for line in self.log:
                print("# peer: " + line.decode(errors="replace").rstrip())
        self.log.close()
        shutil.rmtree(self.dir, ignore_errors=True)
