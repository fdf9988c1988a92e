#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""cloisterd from its start to its end: readiness, restarts of each process, what changes with them, signals, wrong options."""
import base64
import contextlib
import hashlib
import http.client
import json
import os
import resource
import select
import shutil
import signal
import socket
import socketserver
import stat
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import CLOISTERD, Daemon, Engine, Tap, ask, until

tap = Tap()
ROLES = ("gateway", "keeper", "attester", "engine")


def unb64(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


def sections(d):
    """The sections of fresh evidence, decoded."""
    nonce = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
    status, _, body = d.get(f"/.well-known/cloister/evidence?nonce={nonce}&full=1")
    assert status == 200, (status, body)
    return {k: json.loads(unb64(v["bytes"])) for k, v in json.loads(body)["sections"].items()}


def quietly(f):
    """What f returns, or None while nobody answers."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        return f()


class Upstream:
    """A daemon with a scripted engine behind a Unix socket."""

    def __init__(self, *args, **kw):
        self.folder = tempfile.mkdtemp(prefix="cloister-smoke-")
        self.socket = os.path.join(self.folder, "engine.sock")
        self.engine = Engine(self.socket)
        self.daemon = Daemon(*args, engine=self.engine, **kw)

    def __enter__(self):
        self.daemon.wait_ready()
        return self.daemon

    def __exit__(self, *exc):
        self.daemon.__exit__(*exc)
        self.engine.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def run(*args, **kw):
    """cloisterd with options that end it; its status and its one sentence."""
    r = subprocess.run([CLOISTERD, "--config", "/dev/null", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=harness.WAIT, **kw)
    return r.returncode, r.stderr


def refused(part, *args, status=1, **kw):
    code, err = run(*args, **kw)
    assert code == status, (code, err)
    said = [x for x in err.splitlines() if x.startswith("cloisterd: ")]
    assert len(said) == 1 and part in said[0] and said[0].endswith("."), err


@tap
def it_says_when_it_is_ready_and_serves():
    with Upstream() as d:
        assert d.info["v"] == 1 and d.info["port"] == d.port
        assert len(d.info["simulated_root"]) == 64 and len(d.info["measurement"]) == 96
        assert d.get("/healthz")[0] == 200
        assert d.get("/readyz")[0] == 200
        s = sections(d)
        assert s["keys"]["gateway"] == d.info["gateway"]
        assert s["keys"]["expires"] - s["keys"]["created"] == 1800
        assert s["manifest"]["engine"]["managed"] is False, s["manifest"]


@tap
def each_process_that_is_killed_comes_back():
    with Upstream() as d:
        for role in ROLES:
            before = d.ready_count()
            old = d.kill(role)
            d.wait_ready(before + 1)
            assert d.children()[role] != old
            assert d.get("/readyz")[0] == 200, role
        assert {"v": 1, "event": "not-ready"} in d.lines


@tap
def keys_change_with_keeper_and_engine_and_with_nothing_else():
    with Upstream() as d:
        keys = sections(d)["keys"]["ohttp_keys"]
        for role, changes in (("gateway", False), ("attester", False), ("keeper", True), ("engine", True)):
            before = d.ready_count()
            d.kill(role)
            d.wait_ready(before + 1)
            now = sections(d)["keys"]["ohttp_keys"]
            assert (now != keys) == changes, role
            keys = now


@tap
def an_upstream_that_went_away_and_came_back_has_new_keys():
    u = Upstream()
    with u as d:
        keys = sections(d)["keys"]["ohttp_keys"]
        before = d.ready_count()
        u.engine.close()
        until(lambda: d.get("/readyz")[0] == 503, "not being ready without an engine")
        assert d.get("/healthz")[0] == 200
        u.engine = Engine(u.socket)
        d.wait_ready(before + 1)
        assert sections(d)["keys"]["ohttp_keys"] != keys


class Tcp:
    """Hands TCP connections on to a Unix socket."""

    def __init__(self, family, host, path):
        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                with socket.socket(socket.AF_UNIX) as to:
                    to.connect(path)
                    ends = {self.request: to, to: self.request}
                    while True:
                        for end in select.select(list(ends), [], [])[0]:
                            data = end.recv(65536)
                            if not data:
                                return
                            ends[end].sendall(data)

        class Server(socketserver.ThreadingTCPServer):
            address_family = family
            daemon_threads = True

        self.server = Server((host, 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@tap
def an_upstream_may_listen_on_either_loopback_address():
    folder = tempfile.mkdtemp(prefix="cloister-smoke-")
    engine = Engine(os.path.join(folder, "engine.sock"))
    try:
        for family, host, url in ((socket.AF_INET, "127.0.0.1", "http://localhost:%d"), (socket.AF_INET6, "::1", "http://[::1]:%d")):
            try:
                tcp = Tcp(family, host, engine.path)
            except OSError:
                assert family == socket.AF_INET6  # some machines have none
                continue
            with Daemon("--upstream", url % tcp.port) as d:
                d.wait_ready()
                assert sections(d)["manifest"]["upstream"] == "loopback"
                answer = ask(d, "hello")
                assert answer.returncode == 0 and b"echo: hello" in answer.stdout, answer.stderr
            tcp.server.shutdown()
            tcp.server.server_close()
    finally:
        engine.close()
        shutil.rmtree(folder, ignore_errors=True)


@tap
def keys_are_replaced_before_they_expire():
    with Upstream("--key-lifetime", "10") as d:
        first = sections(d)["keys"]
        assert first["expires"] - first["created"] == 10
        second = until(lambda: (lambda k: k if k["created"] != first["created"] else None)(sections(d)["keys"]), "the next keys")
        assert second["created"] < first["expires"]
        assert second["ohttp_keys"] != first["ohttp_keys"] and second["receipt_key"] != first["receipt_key"]


@tap
def x25519_is_offered_on_request_only():
    with Upstream() as d:
        plain = unb64(sections(d)["keys"]["ohttp_keys"])
    with Upstream("--allow-x25519") as d:
        both = unb64(sections(d)["keys"]["ohttp_keys"])
    assert b"\x64\x7a" in plain[:5] and len(both) > len(plain) + 32


@tap
def a_signal_ends_it_with_nothing_left():
    for sig in (signal.SIGTERM, signal.SIGINT):
        with Upstream() as d:
            assert d.stop(sig) == 0
            until(lambda: None in d.lines, "the end of the ready lines")
            assert d.lines[-2] == {"v": 1, "event": "not-ready"}
            with socket.socket() as s:
                assert s.connect_ex(("127.0.0.1", d.port)) != 0


def with_an_open_request(then):
    """Runs then(daemon, client, release) while a request waits for its engine."""
    gate = threading.Event()

    def gated(body, out):
        gate.wait(harness.WAIT)
        harness.echo(body, out)

    u = Upstream()
    u.engine.script = gated
    with u as d:
        client = harness.start_cloister("chat", "--server", d.url, "--policy", d.policy, "--key-file", d.key_file, "hello")
        u.engine.wait_requests(1)
        d.proc.send_signal(signal.SIGTERM)
        until(lambda: "gateway drain open=1" in d.log(), "the gateway's drain")
        then(d, client, gate.set)


@tap
def a_drain_finishes_what_is_open():
    def then(d, client, release):
        release()
        out, err = client.communicate(timeout=harness.WAIT)
        assert client.returncode == 0 and b"echo: hello" in out, (out, err)
        assert d.proc.wait(harness.WAIT) == 0
    with_an_open_request(then)


@tap
def a_second_signal_doesnt_wait():
    def then(d, client, release):
        assert d.proc.poll() is None
        d.proc.send_signal(signal.SIGTERM)
        assert d.proc.wait(5) == 0
        release()
        assert client.wait(harness.WAIT) == 1
    with_an_open_request(then)


def with_a_false(role, script, then):
    """Runs then(parent, log) with a script in a role's place, which has its control channel as `s` and send(type, id, bytes)."""
    folder = tempfile.mkdtemp(prefix="cloister-smoke-")
    try:
        shutil.copy(CLOISTERD, folder)
        for r in ROLES:
            if r != role:
                os.symlink(f"{CLOISTERD}-{r}", f"{folder}/cloisterd-{r}")
        with open(f"{folder}/cloisterd-{role}", "w") as f:
            f.write(f"#!{sys.executable}\nimport socket, struct, time\ns = socket.socket(fileno=3)\ns.setblocking(True)\n"
                    "def send(t, i=0, b=b'', s=s): s.send(struct.pack('<HHIQ', 1, t, len(b), i) + b)\n" + script)
        os.chmod(f"{folder}/cloisterd-{role}", 0o755)
        with open(folder + "/log", "w") as log:
            p = subprocess.Popen([folder + "/cloisterd", "--tee", "simulated", "--upstream", "unix:/x", "--listen", "127.0.0.1:0",
                                  "--runtime-dir", folder + "/run", "--state-dir", folder + "/state"], stderr=log)
        try:
            then(p, lambda: open(folder + "/log").read())
            p.terminate()
            assert p.wait(harness.WAIT) == 0
        finally:
            p.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@tap
def a_process_that_breaks_the_rules_is_ended_and_replaced():
    def then(p, log):
        until(lambda: log().count("ipc-bad peer=2") >= 2 and log().count("child-start child=2") >= 3, "its replacement")
        assert "child-exit child=2" in log() and "signal=9" in log()

    # says READY twice, which no state permits, and stays
    with_a_false("keeper", "send(4)\nsend(4)\ntime.sleep(1000)\n", then)


@tap
def what_was_not_asked_for_breaks_the_rules():
    def then(p, log):
        until(lambda: log().count("ipc-bad peer=1") >= 2 and log().count("child-start child=1") >= 3, "its replacement")
        assert " ready port" not in log()

    for word in ("send(4, 1)", "send(3)", "send(5)\nsend(5)"):  # READY for no binding, DRAINED undrained, unasked signs of life
        with_a_false("gateway", f"send(4)\n{word}\ntime.sleep(1000)\n", then)


@tap
def a_gateway_that_breaks_the_rules_of_another_is_replaced():
    def then(who):
        def seen(p, log):
            until(lambda: f"{who} ipc-bad peer=1" in log() and log().count("child-start child=1") >= 2, "its replacement")
            assert "child-exit child=1" in log() and "signal=9" in log()
        return seen

    for role, who in ((2, "keeper"), (3, "attester")):  # the channel that PEER brings gets a message that nobody knows
        with_a_false("gateway", "send(4)\nkept = []\nwhile True:\n    m, fds, _, _ = socket.recv_fds(s, 16384, 1)\n    kept += fds\n"
                     f"    if m[2:4] == b'\\1\\0' and m[16] == {role}: send(999, s=socket.socket(fileno=fds[0]))\n", then(who))


@tap
def processes_that_hang_are_replaced():
    with Upstream() as d:
        before, old = d.ready_count(), d.children()
        for role in ROLES:
            os.kill(old[role], signal.SIGSTOP)
        d.wait_ready(before + 1)
        now = d.children()
        assert all(now[r] != old[r] for r in ROLES), (old, now)
        assert d.log().count("child-hung") == 4 and d.get("/readyz")[0] == 200


@tap
def processes_killed_together_come_back_and_leave_no_descriptor():
    with Upstream() as d:
        def descriptors():
            pids = {**d.children(), "parent": d.proc.pid}
            with contextlib.suppress(OSError):
                return {r: len(os.listdir(f"/proc/{pids.get(r)}/fd")) for r in ("parent", "keeper", "attester", "engine")}

        # the standard streams, control channels, channels to one another; the parent's lock, listener, signals and ready line; the attester's
        # channel to its worker
        want = {"parent": 11, "keeper": 6, "attester": 7, "engine": 4}
        until(lambda: descriptors() == want, f"{want}, not {descriptors()}")
        for roles in (ROLES, ("gateway", "keeper"), ("keeper", "attester"), ("attester", "engine"), ("gateway", "keeper", "engine")):
            old = until(lambda: (lambda c: c if set(c) >= set(ROLES) else None)(d.children()), "all processes")
            for role in roles:
                os.kill(old[role], signal.SIGKILL)
            until(lambda: all(d.children().get(r, old[r]) != old[r] for r in roles), "their successors")
            until(lambda: (lambda r: r is not None and r[0] == 200)(quietly(lambda: d.get("/readyz"))), "readiness")
            until(lambda: descriptors() == want, f"{want}, not {descriptors()}")
        d.wait_ready(d.ready_count())  # another attester has another root
        assert ask(d, "hello").returncode == 0
        assert "ipc-bad" not in d.log(), d.log()


@tap
def room_for_every_connection_is_there_or_asked_for():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with Upstream("--max-connections", "300") as d:
            for role, pid in (("parent", d.proc.pid), ("gateway", d.children()["gateway"])):
                with open(f"/proc/{pid}/limits") as f:
                    files = [x.split() for x in f if x.startswith("Max open files")][0]
                assert int(files[3]) >= 2 * 300 + 64, (role, files)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if os.geteuid() != 0:  # root raises any limit
        refused("need 2112 open files", "--tee", "simulated", "--upstream", "unix:/x",
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))


@tap
def closed_standard_streams_become_nothing_else():
    with Upstream() as d:
        cmd = [*d.proc.args]
        cmd[cmd.index("--runtime-dir") + 1] = d.dir + "/run2"
        cmd[cmd.index("--ready-fd") + 1] = "9"
        r, w = os.pipe()
        p = subprocess.Popen(["sh", "-c", f'exec 9>&{w} 0<&- 1>&- 2>&-; exec "$0" "$@"', *cmd], pass_fds=[w])
        os.close(w)
        try:
            assert b'"ready"' in os.read(r, 512)
            for fd in range(3):
                assert os.readlink(f"/proc/{p.pid}/fd/{fd}") == "/dev/null", fd
        finally:
            p.terminate()
            assert p.wait(harness.WAIT) == 0
            os.close(r)


@tap
def a_reader_of_ready_lines_that_sleeps_stops_nothing():
    with Upstream() as d:
        r, w = os.pipe()
        os.set_blocking(w, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(w, b"x" * 4096)
        os.set_blocking(w, True)
        log = os.path.join(d.dir, "other-log")
        with open(log, "w") as f:
            p = subprocess.Popen([CLOISTERD, "--tee", "simulated", "--listen", "127.0.0.1:0", "--upstream", d.proc.args[d.proc.args.index("--upstream") + 1],
                                  "--runtime-dir", d.dir + "/run2", "--state-dir", d.dir + "/state", "--ready-fd", str(w)], stderr=f, pass_fds=[w])
        until(lambda: " ready port" in open(log).read(), "readiness")
        p.terminate()
        try:
            assert p.wait(10) == 0
        finally:
            p.kill()
            os.close(r)
            os.close(w)


@tap
def a_signal_before_it_is_ready_ends_it_too():
    d = Daemon("--upstream", "unix:/nonexistent/engine.sock")
    try:
        until(lambda: set(d.children()) >= set(ROLES), "four processes")
        assert d.stop() == 0
    finally:
        d.close()


@tap
def without_the_parent_nothing_runs():
    with Upstream() as d:
        pids = d.children().values()
        d.proc.kill()
        for pid in pids:
            until(lambda: not harness.alive(pid), f"the end of process {pid}")


@tap
def what_a_crash_left_is_no_obstacle():
    u = Upstream()
    with u as d:
        gateway = d.info["gateway"]
        d.proc.kill()
        d.proc.wait()
        os.mkdir(os.path.join(d.dir, "run", "engine"))
        open(os.path.join(d.dir, "run", "engine", "engine-9.sock"), "w").close()
        again = subprocess.Popen([CLOISTERD, "--tee", "simulated", "--listen", "127.0.0.1:0", "--upstream", "unix:" + u.socket,
                                  "--runtime-dir", os.path.join(d.dir, "run"), "--state-dir", os.path.join(d.dir, "state"),
                                  "--ready-fd", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = json.loads(again.stdout.readline())
        assert line["event"] == "ready" and line["gateway"] == gateway
        assert os.listdir(os.path.join(d.dir, "run")) == ["cloisterd.lock"]
        again.terminate()
        assert again.wait(harness.WAIT) == 0


@tap
def two_daemons_dont_share_a_runtime_folder():
    with Upstream() as d:
        refused("another cloisterd runs in", "--tee", "simulated", "--upstream", "unix:/x", "--listen", "127.0.0.1:0",
                "--runtime-dir", os.path.join(d.dir, "run"), "--state-dir", os.path.join(d.dir, "state"))


@tap
def keys_are_read_again_on_sighup_and_kept_if_they_cant_be():
    with Upstream() as d:
        def answers(key):
            """Does the client with this key get an answer?"""
            harness.write_private(d.key_file, key + "\n")
            return ask(d, "hello").returncode == 0

        assert answers(harness.API_KEY)
        harness.write_private(d.key_store, "too-short\n")
        d.proc.send_signal(signal.SIGHUP)
        until(lambda: "the API keys stay as they were" in d.log(), "the sentence about the keys")
        assert answers(harness.API_KEY)
        d.write_keys(["another-key-0123456789"])
        d.proc.send_signal(signal.SIGHUP)
        until(lambda: answers("another-key-0123456789"), "the new key's acceptance")
        assert not answers(harness.API_KEY)
        assert harness.API_KEY not in d.log() and "another-key" not in d.log() and "too-short" not in d.log()


@tap
def no_process_can_be_dumped_or_gains_descriptors():
    with Upstream() as d:
        for role, pid in d.children().items():
            with open(f"/proc/{pid}/limits") as f:
                core = [x.split() for x in f if x.startswith("Max core file size")][0]
            assert core[4:6] == ["1", "1"], core
            with open(f"/proc/{pid}/environ", "rb") as f:
                assert f.read() == b"LD_BIND_NOW=1\0", role
            fds = sorted(int(x) for x in os.listdir(f"/proc/{pid}/fd"))
            if role == "keeper":
                kinds = {fd: os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in fds}
                assert kinds[0] == kinds[1] == "/dev/null"
                assert all(v == "socket" for fd, v in kinds.items() if fd >= 3) and len(fds) == 6, kinds


FAKE = r'''#!%s
"""Stands in for llama-server: answers what cloisterd asks, and what the test asks about itself."""
import http.server, json, os, socketserver, sys
args = sys.argv[1:]
with open(args[args.index("--model") + 1], "rb") as f:
    model = f.read()
record = {"args": args, "env": dict(os.environ), "model": model.decode(), "pid": os.getpid()}
print("the secret of a user", flush=True)
print("the secret of a user", file=sys.stderr, flush=True)
if model == b"bad":
    sys.exit(1)
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        b = json.dumps({"/health": {"status": "ok"}, "/props": {"build_info": "b42-fake", "default_generation_settings": {"n_ctx": 777}},
                        "/record": record}
                       .get(self.path, {})).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(b)))
        self.end_headers()
        self.wfile.write(b)
    def log_message(self, *a): pass
    def address_string(self): return ""
class S(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
S(args[args.index("--host") + 1], H).serve_forever()
'''


def fake_server(folder):
    path = os.path.join(folder, "llama-server")
    with open(path, "w") as f:
        f.write(FAKE % harness.PYTHON)
    harness.let_users_in(path)
    return path


def record(d):
    """What the stand-in that runs now says of itself, over its socket."""
    folder = os.path.join(d.dir, "run", "engine")
    name, = os.listdir(folder)
    c = http.client.HTTPConnection("engine")
    c.sock = socket.socket(socket.AF_UNIX)
    with contextlib.closing(c):
        c.sock.connect(os.path.join(folder, name))
        c.request("GET", "/record")
        return json.loads(c.getresponse().read())


@tap
def a_managed_engine_is_started_with_hygiene_and_stands_in_the_manifest():
    folder = tempfile.mkdtemp(prefix="cloister-smoke-")
    server = fake_server(folder)
    model = os.path.join(folder, "tiny model.gguf")
    with open(model, "w") as f:
        f.write("weights")
    try:
        with Daemon("--model", model, "--llama-server", server, "--slots", "3", "--context", "100") as d:
            d.wait_ready()
            run1 = record(d)
            a = run1["args"]
            for words in (["--no-slots"], ["--slot-prompt-similarity", "0"], ["--cache-ram", "0"], ["--poll", "0"],
                          ["--no-context-shift"], ["--log-disable"], ["--parallel", "3"], ["--ctx-size", "300"],
                          ["--alias", "tiny-model"], ["--model", "/proc/self/fd/3"]):
                assert any(a[i:i + len(words)] == words for i in range(len(a))), (words, a)
            assert run1["model"] == "weights"
            assert all(k.startswith("LLAMA_ARG_") or k in ("LC_CTYPE", "PWD") for k in run1["env"]), run1["env"]
            sock = a[a.index("--host") + 1]
            run = os.path.join(d.dir, "run")
            assert os.path.basename(sock) == sock and os.listdir(run + "/engine") == [sock]
            assert stat.S_IMODE(os.stat(run).st_mode) == 0o700 and os.stat(run + "/engine").st_uid == os.geteuid()

            text = json.dumps(sections(d)["manifest"])
            assert hashlib.sha256(b"weights").hexdigest() in text and "b42-fake" in text and "tiny-model" in text
            digested = ["llama-server", *a]
            digested[digested.index("/proc/self/fd/3")] = "MODEL"
            digested[digested.index(sock)] = "SOCKET"
            assert hashlib.sha256(b"".join(x.encode() + b"\0" for x in digested)).hexdigest() in text

            keys = sections(d)["keys"]["ohttp_keys"]
            before = d.ready_count()
            os.kill(run1["pid"], signal.SIGKILL)
            d.wait_ready(before + 1)
            run2 = record(d)
            assert run2["args"][a.index("--host") + 1] != sock and not os.path.exists(os.path.join(run, "engine", sock))
            assert sections(d)["keys"]["ohttp_keys"] != keys

            before = d.ready_count()
            d.kill("engine")
            until(lambda: not harness.alive(run2["pid"]), "the end of an engine without its keeper")
            d.wait_ready(before + 1)
            pid = record(d)["pid"]
            assert d.stop() == 0
            assert not harness.alive(pid)
            assert "secret" not in d.log()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@tap
def an_engine_that_doesnt_start_is_told_once_and_tried_again():
    folder = tempfile.mkdtemp(prefix="cloister-smoke-")
    server = fake_server(folder)
    model = os.path.join(folder, "bad.gguf")
    with open(model, "w") as f:
        f.write("bad")
    try:
        with Daemon("--model", model, "--llama-server", server) as d:
            until(lambda: d.log().count(" engine-lost ") >= 3, "three attempts")
            said = [x for x in d.log().splitlines() if x.startswith("cloisterd: ")]
            assert len(said) == 1 and "llama-server ended before it was ready" in said[0] and model in said[0], said
            assert d.ready_count() == 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@tap
def wrong_options_are_one_sentence_and_status_1():
    folder = tempfile.mkdtemp(prefix="cloister-smoke-")
    try:
        good = ("--runtime-dir", folder + "/run", "--state-dir", folder + "/state", "--listen", "127.0.0.1:0")
        sim = ("--tee", "simulated", *good)
        model = os.path.join(folder, "m.gguf")
        open(model, "w").close()
        keys = os.path.join(folder, "keys")
        with open(keys, "w") as f:
            f.write("sixteen-letters!\n")
        os.chmod(keys, 0o644)
        refused("or simulated, which protects nothing, not 'none'", "--tee", "none", "--model", model, *good)
        refused("either --model FILE", *sim)
        refused("no option '--frob'", *sim, "--frob")
        refused("must stay inside this machine", *sim, "--upstream", "http://example.org:80")
        refused("can't be read", *sim, "--model", folder + "/absent.gguf")
        refused("correct --llama-server", *sim, "--model", model, "--llama-server", folder + "/absent")
        refused("llama-server was not found", *sim, "--model", model, env={"PATH": folder, "HOME": folder})
        refused("chmod 600", *sim, "--upstream", "unix:/x", "--api-keys", keys)
        refused("everybody could use", "--tee", "simulated", "--upstream", "unix:/x", "--listen", "0.0.0.0:0")
        refused("can't be made", "--tee", "simulated", "--upstream", "unix:/x", "--runtime-dir", model + "/x")
        refused("isn't open", *sim, "--upstream", "unix:/x", "--ready-fd", "77")
        with socket.create_server(("127.0.0.1", 0)) as s:
            port = s.getsockname()[1]
            refused("taken by another program", "--tee", "simulated", "--upstream", "unix:/x", "--runtime-dir", folder + "/run",
                    "--state-dir", folder + "/state", "--listen", f"127.0.0.1:{port}")
        conf = os.path.join(folder, "c.conf")
        with open(conf, "w") as f:
            f.write("Tee simulated\nUpstream unix:/x\nColour blue\n")
        r = subprocess.run([CLOISTERD, "--config", conf], capture_output=True, text=True, timeout=harness.WAIT)
        assert r.returncode == 1 and conf + ", line 3: there is no keyword 'Colour'" in r.stderr, r.stderr
        assert not os.path.exists(folder + "/run"), "a refused start left its folder"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@tap
def hardware_that_isnt_there_is_status_20():
    folder = tempfile.mkdtemp(prefix="cloister-smoke-")
    try:
        refused("this machine gives no evidence of sev-snp (looked for /sys/kernel/config/tsm/report, /dev/sev-guest)", "--tee", "sev-snp",
                "--upstream", "unix:/x", "--listen", "127.0.0.1:0", "--runtime-dir", folder + "/run", "--state-dir", folder + "/state",
                "--cache-dir", folder + "/cache", "--fetch", "no", status=20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@tap
def help_and_version_need_nothing_else():
    for option, part in (("--help", "--upstream URL"), ("--version", "cloisterd 0.")):
        r = subprocess.run([CLOISTERD, option], capture_output=True, text=True, timeout=harness.WAIT)
        assert r.returncode == 0 and part in r.stdout and r.stderr == ""


@tap
def the_manual_knows_every_option():
    text = subprocess.run([CLOISTERD, "--help"], capture_output=True, text=True, timeout=harness.WAIT).stdout
    options = {x.split()[0][2:] for x in text.splitlines() if x.startswith("  --")}
    manual = {p: open(os.path.join(harness.ROOT, "man", p)).read() for p in ("cloisterd.8", "cloisterd.conf.5")}
    assert len(options) > 20
    for o in options:
        assert f"Fl -{o}" in manual["cloisterd.8"] or o == "version", o
        if o not in ("config", "ready-fd", "help", "version"):
            assert f"Fl -{o} Ta" in manual["cloisterd.conf.5"], o


if __name__ == "__main__":
    tap.run()
