# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end and fault tests stand on: TAP output, a scripted engine, cloisterd, `cloister`, and a relay in the middle.

Only the standard library. Tests wait for events, never for time; every wait has a bound so that a fault ends the test.
"""
import atexit
import contextlib
import hashlib
import http.client
import http.server
import json
import os
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
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("CLOISTER_BUILD", os.path.join(ROOT, "build"))
CLOISTERD = os.path.join(BUILD, "src", "daemon", "cloisterd")
CLOISTER = os.path.join(BUILD, "src", "client", "cloister")
WAIT = float(os.environ.get("CLOISTER_TEST_WAIT", "60"))  # the bound of every wait, not a pause
API_KEY = "test-key-0123456789abcdef"


class Tap:
    """Collects test functions and prints TAP."""

    def __init__(self):
        self.tests = []

    def __call__(self, f):
        self.tests.append(f)
        return f

    def run(self):
        only = sys.argv[1:]
        tests = [t for t in self.tests if not only or t.__name__ in only]
        print(f"1..{len(tests)}", flush=True)
        failed = 0
        for i, t in enumerate(tests, 1):
            name = t.__name__.replace("_", " ")
            try:
                t()
                print(f"ok {i} - {name}", flush=True)
            except Skip as e:
                print(f"ok {i} - {name} # SKIP {e}", flush=True)
            except BaseException as e:  # noqa: a KeyboardInterrupt is a failure as well
                failed += 1
                for line in traceback.format_exc().splitlines():
                    print("# " + line)
                print(f"not ok {i} - {name}", flush=True)
                if isinstance(e, KeyboardInterrupt):
                    break
        sys.exit(1 if failed else 0)


class Skip(Exception):
    pass


def until(cond, what, bound=None):
    """Wait until cond() is true; the one place that polls, for what has no descriptor to wait on."""
    end = time.monotonic() + (bound or WAIT)
    while True:
        v = cond()
        if v:
            return v
        if time.monotonic() > end:
            raise AssertionError("waited in vain for: " + what)
        time.sleep(0.005)


class Stream:
    """What an engine script writes its answer with."""

    def __init__(self, sock):
        self.sock = sock
        self.broken = threading.Event()

    def raw(self, b):
        try:
            self.sock.sendall(b)
        except OSError:
            self.broken.set()

    def head(self, ctype="text/event-stream", status="200 OK"):
        self.raw((f"HTTP/1.1 {status}\r\nContent-Type: {ctype}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n").encode())

    def chunk(self, b):
        self.raw(b"%x\r\n%s\r\n" % (len(b), b))

    def event(self, text, finish=None):
        d = {} if text is None else {"content": text}
        self.chunk(b"data: " + json.dumps({"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
                   "choices": [{"index": 0, "delta": d, "finish_reason": finish}]}, ensure_ascii=False).encode() + b"\n\n")

    def done(self, finish="stop"):
        self.event(None, finish)
        self.chunk(b"data: [DONE]\n\n")
        self.raw(b"0\r\n\r\n")

    def json(self, obj, status="200 OK"):
        b = json.dumps(obj).encode()
        self.raw(f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(b)}\r\nConnection: close\r\n\r\n".encode() + b)

    def peer_gone(self, bound=None):
        """Wait until the gateway closes this connection."""
        r, _, _ = select.select([self.sock], [], [], bound or WAIT)
        return bool(r) and self.sock.recv(1) == b""


def echo(body, out):
    """The default script: the last message comes back word by word."""
    text = body["messages"][-1]["content"] if "messages" in body else body.get("prompt", "")
    if not body.get("stream"):
        out.json({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "echo: " + text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}})
        return
    out.head()
    out.event("echo:")
    for w in text.split(" "):
        out.event(" " + w)
    out.done()


class Engine:
    """An OpenAI-like engine on a Unix socket that does what a script says and remembers what it was asked."""

    def __init__(self, path, script=echo, vllm=None):
        """vllm: the version that it says it is, in vLLM's way; None: an engine of no name."""
        self.path, self.script, self.vllm = path, script, vllm
        self.requests = []  # (path, body), in order of arrival
        self.arrived = threading.Condition()
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    b = self.rfile.read(1)
                    if not b:
                        return
                    head += b
                line, *fields = head.decode("latin-1").split("\r\n")
                method, path, _ = line.split(" ")
                size = 0
                for f in fields:
                    if f.lower().startswith("content-length:"):
                        size = int(f.split(":")[1])
                body = self.rfile.read(size)
                out = Stream(self.connection)
                if path == "/health":
                    return out.json({"status": "ok"})
                if method == "GET" and path in ("/v1/models", "/props"):
                    owner = {} if outer.vllm is None else {"owned_by": "vllm"}
                    return out.json({"object": "list", "data": [{"id": "m", "object": "model", **owner}]})
                if method == "GET" and path == "/version":
                    return out.json({"version": outer.vllm} if outer.vllm else {"detail": "Not Found"}, "200 OK" if outer.vllm else "404 Not Found")
                parsed = json.loads(body)
                with outer.arrived:
                    outer.requests.append((path, parsed))
                    outer.arrived.notify_all()
                outer.script(parsed, out)

        class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            request_queue_size = 1024
            def handle_error(self, *a):
                pass

        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        self.server = Server(path, Handler)
        let_users_in(path)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def wait_requests(self, n):
        with self.arrived:
            if not self.arrived.wait_for(lambda: len(self.requests) >= n, WAIT):
                raise AssertionError(f"the engine saw {len(self.requests)} requests, not {n}")

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


def write_private(path, text):
    """A file that only this user can read, put in place as a whole."""
    with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def let_users_in(path):
    """The daemon's processes are users of their own: they may pass through a test's folder, and connect to a socket in it."""
    os.chmod(path, 0o777 if stat.S_ISSOCK(os.stat(path).st_mode) else 0o755)
    while path != tempfile.gettempdir() and os.path.dirname(path) != "/":
        path = os.path.dirname(path)
        if path.startswith(tempfile.gettempdir() + "/"):
            os.chmod(path, os.stat(path).st_mode | 0o111)


def all_may_reach(path):
    at = os.path.dirname(os.path.realpath(path))
    while os.stat(at).st_mode & 0o001 and at != "/":
        at = os.path.dirname(at)
    return at == "/"


# For a stand-in that runs as a user of its own: this one, unless it is in somebody's closed home.
PYTHON = sys.executable if os.geteuid() != 0 or all_may_reach(sys.executable) else "/usr/bin/python3"


def reachable_server(path):
    """llama-server where its user can reach it: a copy, with its libraries, where the folder that it is in is closed to others."""
    if not path or os.geteuid() != 0 or all_may_reach(path):
        return path
    folder = tempfile.mkdtemp(prefix="cloister-engine-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = os.path.join(folder, "llama")
    shutil.copytree(os.path.dirname(os.path.realpath(path)), copy)
    let_users_in(copy)
    return os.path.join(copy, os.path.basename(path))


class Daemon:
    """cloisterd with the simulated TEE (unless `tee` says otherwise), an ephemeral port, and its own runtime folder.

    api_key: the client's key in key_file, and, unless `keys` says otherwise, all that the key store admits. keys: what write_keys takes.
    shape: of the traffic, for the daemon and in its policy; with the usual one ("full", which needs no option) every answer takes half a minute.
    """

    def __init__(self, *args, engine=None, api_key=API_KEY, keys=None, log=None, program=CLOISTERD, tee="simulated", shape="off", preexec_fn=None):
        self.dir = tempfile.mkdtemp(prefix="cloister-test-")
        self.log_path = log or os.path.join(self.dir, "log")
        cmd = [program, "--tee", tee, "--listen", "127.0.0.1:0", "--runtime-dir", os.path.join(self.dir, "run"),
               "--state-dir", os.path.join(self.dir, "state")]
        os.mkdir(os.path.join(self.dir, "run"), 0o700)
        os.mkdir(os.path.join(self.dir, "state"), 0o700)
        self.shape = shape
        if shape != "full":
            cmd += ["--shape", shape]
        if engine is not None:
            cmd += ["--upstream", "unix:" + engine.path]
        if api_key:
            self.key_file = os.path.join(self.dir, "key")  # the client's, in the clear
            write_private(self.key_file, api_key + "\n")
            self.key_store = os.path.join(self.dir, "keys.json")  # the daemon's
            self.write_keys(keys or api_key.split("\n"))
            cmd += ["--api-keys", self.key_store]
        if os.geteuid() != 0:
            cmd += ["--incomplete-cells"]
        r, w = os.pipe()
        cmd += ["--ready-fd", str(w), *args]
        with open(self.log_path, "ab") as log_file:
            self.proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stderr=log_file, pass_fds=[w], preexec_fn=preexec_fn)
        os.close(w)
        self.ready_pipe = os.fdopen(r, "rb", buffering=0)
        self.lines = []
        self.cond = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.policy = os.path.join(self.dir, "policy.json")

    def write_keys(self, keys):
        """The key store: clear keys, or entries like {"key": CLEAR, "expires": ..., "requests_per_minute": ...}."""
        entries = [{"key": k} if isinstance(k, str) else dict(k) for k in keys]
        store = {"v": 1, "keys": [{"id": f"{i:08x}", "sha256": hashlib.sha256(e.pop("key").encode()).hexdigest(), "created": 1, **e}
                                  for i, e in enumerate(entries)]}
        write_private(self.key_store, json.dumps(store))

    def _read(self):
        buf = b""
        while True:
            b = self.ready_pipe.read(4096)
            with self.cond:
                if not b:
                    self.lines.append(None)
                    self.cond.notify_all()
                    return
                buf += b
                *whole, buf = buf.split(b"\n")
                self.lines += [json.loads(x) for x in whole]
                self.cond.notify_all()

    def _ready_lines(self):
        return [x for x in self.lines if x and x["event"] == "ready"]

    def wait_ready(self, nth=1):
        """Wait for the nth ready line and write the policy that pins what it says."""
        with self.cond:
            ok = self.cond.wait_for(lambda: len(self._ready_lines()) >= nth or None in self.lines, WAIT)
            if not ok or len(self._ready_lines()) < nth:
                raise AssertionError("cloisterd is not ready; its log:\n" + self.log())
            self.info = self._ready_lines()[-1]
        self.port = self.info["port"]
        self.url = f"http://127.0.0.1:{self.port}"
        if "simulated_root" in self.info:
            self.write_policy()
        return self

    def ready_count(self):
        with self.cond:
            return len(self._ready_lines())

    def write_policy(self, **changes):
        policy = {"v": 1, "name": "test", "tee": ["simulated"], "measurements": [self.info["measurement"]],
                  "simulated": {"roots": [self.info["simulated_root"]]}, "allow_unmanaged": True}
        if self.shape != "full":
            policy["shape"] = self.shape
        policy.update(changes)
        with open(self.policy, "w") as f:
            json.dump({k: v for k, v in policy.items() if v is not None}, f)
        return self.policy

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def children(self):
        """{role: pid} of the direct children, and "llama" for what the engine process started."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    parent = int(f.read().rsplit(")", 1)[1].split()[1])
                exe = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    worker = f.read().endswith(b"\0worker\0")
            except OSError:
                continue
            if parent == self.proc.pid and exe.startswith("cloisterd-"):
                found["worker" if worker else exe[len("cloisterd-"):]] = int(pid)
            found.setdefault(("child-of", parent), int(pid))
        if "engine" in found and ("child-of", found["engine"]) in found:
            found["llama"] = found[("child-of", found["engine"])]
        return {k: v for k, v in found.items() if isinstance(k, str)}

    def kill(self, role, sig=signal.SIGKILL):
        pid = until(lambda: self.children().get(role), f"a {role} process")
        os.kill(pid, sig)
        return pid

    def get(self, path, headers=None):
        return http_request(self.port, "GET", path, None, headers or {})

    def post(self, path, body, ctype="message/ohttp-chunked-req", headers=None):
        return http_request(self.port, "POST", path, body, {"Content-Type": ctype, **(headers or {})})

    def stop(self, sig=signal.SIGTERM):
        """End it; returns the exit status. Checks that nothing is left behind."""
        kids = list(self.children().values()) if self.proc.poll() is None else []
        if self.proc.poll() is None:
            self.proc.send_signal(sig)
        status = self.proc.wait(WAIT)
        for pid in kids:
            until(lambda: not alive(pid), f"the end of process {pid}")
        left = os.listdir(os.path.join(self.dir, "run"))
        if sig != signal.SIGKILL and left:
            raise AssertionError(f"left in the runtime folder: {left}")
        return status

    def close(self):
        try:
            if self.proc.poll() is None:
                self.stop()
        finally:
            self.proc.kill()
            self.proc.wait()
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0] is not None:
            sys.stdout.write("".join("# log: " + x + "\n" for x in self.log().splitlines()[-30:]))
        self.close()


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def http_request(port, method, path, body, headers):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT)
    try:
        c.request(method, path, body, headers)
        r = c.getresponse()
        return r.status, dict((k.lower(), v) for k, v in r.getheaders()), r.read()
    finally:
        c.close()


def cloister(*args, stdin=None, env=None, timeout=None):
    """Run the client to its end."""
    e = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
        if k in os.environ:
            e[k] = os.environ[k]
    e.update(env or {})
    return subprocess.run([CLOISTER, *args], input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                          capture_output=True, env=e, timeout=timeout or WAIT)


def start_cloister(*args, **kw):
    e = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
    return subprocess.Popen([CLOISTER, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=e, **kw)


def ask(daemon, question, *args, **kw):
    url = kw.pop("url", daemon.url)
    return cloister("chat", "--server", url, "--policy", daemon.policy, "--key-file", daemon.key_file, *args, question, **kw)


class Relay:
    """A TCP relay before cloisterd that records request heads and bodies and lets a test interfere.

    tamper(direction, index, data) -> bytes or None (None: close both sides) is called for each piece; direction is "up" or "down", index the
    number of the connection.
    """

    def __init__(self, target_port, tamper=None):
        self.target = target_port
        self.tamper = tamper or (lambda direction, index, data: data)
        self.streams = []  # bytes that went up, one bytearray a connection
        self.lock = threading.Lock()
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", 0))
        self.sock.listen(128)
        self.port = self.sock.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            with self.lock:
                index = len(self.streams)
                self.streams.append(bytearray())
            threading.Thread(target=self._serve, args=(c, index), daemon=True).start()

    def _serve(self, c, index):
        try:
            u = socket.create_connection(("127.0.0.1", self.target), timeout=WAIT)
        except OSError:
            c.close()
            return
        u.settimeout(None)
        peers = {c: (u, "up"), u: (c, "down")}
        with c, u:
            while peers:
                for s in select.select(list(peers), [], [])[0]:
                    to, direction = peers[s]
                    try:
                        b = s.recv(65536)
                        if not b:
                            to.shutdown(socket.SHUT_WR)
                            peers.pop(s)
                            if direction == "down":
                                return
                            continue
                        if direction == "up":
                            self.streams[index] += b
                        b = self.tamper(direction, index, b)
                        if b is None:
                            return
                        to.sendall(b)
                    except OSError:
                        return

    def request_lines(self):
        """The request line of every connection, in order of connecting."""
        with self.lock:
            return [bytes(s).split(b"\r\n", 1)[0].decode("latin-1") for s in self.streams if s]

    def posts(self):
        return [x for x in self.request_lines() if x.startswith("POST")]

    def evidence(self):
        return [x for x in self.request_lines() if "/evidence?" in x]

    def close(self):
        # shutdown wakes the accepting thread; close alone would not
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def keys_of(evidence):
    """The keys section's bytes, encoded, of an evidence document."""
    return json.loads(evidence)["sections"]["keys"]["bytes"]


class Proxy:
    """`cloister proxy` on a port of its own; ready when this returns, unless wait is False."""

    def __init__(self, *args, daemon=None, url=None, policy=None, key_file=None, wait=True, command=None, preexec_fn=None):
        self.dir = tempfile.mkdtemp(prefix="cloister-proxy-")
        self.log_path = os.path.join(self.dir, "log")
        r, w = os.pipe()
        cmd = [CLOISTER, "proxy", "--listen", "127.0.0.1:0", "--ready-fd", str(w)]
        if url or (daemon and url is None):
            cmd += ["--server", url or daemon.url]
        cmd += ["--policy", policy or daemon.policy]
        if key_file or daemon:
            cmd += ["--key-file", key_file or daemon.key_file]
        cmd += args
        if command:
            cmd += ["--", *command]
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LANG": "C.UTF-8"}
        env.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})
        with open(self.log_path, "ab") as log_file:
            self.proc = subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log_file, pass_fds=[w], env=env,
                                         preexec_fn=preexec_fn)
        os.close(w)
        self.ready_pipe = os.fdopen(r, "rb")
        if wait:
            self.wait_ready()

    def wait_ready(self):
        line = self.ready_pipe.readline()
        if not line:
            raise AssertionError("cloister proxy is not ready; it says:\n" + self.log())
        self.info = json.loads(line)
        self.port, self.token = self.info["port"], self.info["token"]
        self.base_url = f"http://127.0.0.1:{self.port}/v1"
        return self

    def headers(self, **more):
        return {"Authorization": "Bearer " + self.token, "Content-Type": "application/json", **more}

    def request(self, method, path, body=None, headers=None):
        if isinstance(body, dict):
            body = json.dumps(body)
        return http_request(self.port, method, path, body, self.headers() if headers is None else headers)

    def chat(self, question, **members):
        """(status, headers, document) of one question."""
        status, headers, body = self.request("POST", "/v1/chat/completions",
                                             {"model": "m", "messages": [{"role": "user", "content": question}], **members})
        return status, headers, json.loads(body)

    def stream(self, question, **members):
        """An open connection and its response, of a streamed question."""
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT)
        c.request("POST", "/v1/chat/completions", json.dumps({"model": "m", "stream": True, "messages": [
            {"role": "user", "content": question}], **members}), self.headers())
        return c, c.getresponse()

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def stop(self, sig=signal.SIGTERM):
        self.proc.send_signal(sig)
        return self.proc.wait(WAIT)

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.proc.stdout.close()
        self.ready_pipe.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0] is not None:
            sys.stdout.write("".join("# proxy: " + x + "\n" for x in self.log().splitlines()[-30:]))
        self.close()
