# SPDX-License-Identifier: Apache-2.0
"""cloisterd-fetcher alone, driven over its channels as its parent and the attester would, against services on loopback that do everything
wrong: whatever they do, there is an answer, it is a clear error or bytes as they came, and the cache keeps what it had until somebody says KEEP.
"""
import base64
import contextlib
import fcntl
import gzip
import hashlib
import os
import resource
import select
import shutil
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from harness import BUILD, Skip, Tap, WAIT, until  # noqa: E402

test = Tap()
PROGRAM = os.path.join(BUILD, "src", "daemon", "cloisterd-fetcher")
HASTY = os.path.join(BUILD, "tests", "fault", "fetcher_hasty")  # the same with a second for an answer

PEER, DRAIN, DRAINED, READY, PING, PEER_BAD, LOG_LEVEL, START = 1, 2, 3, 4, 5, 6, 7, 16
FETCH, FETCHED, KEEP = 80, 81, 82
ROLE_KEEPER, ROLE_ATTESTER = 2, 3
IO, NETWORK, NOT_FOUND, BUSY = -20, -21, -24, -30
ANSWER_MAX, CHAIN_MAX, JOBS_MAX, RUNNING = 65536, 16384, 256, 4
SEALS = 0xf  # seal, shrink, grow, write
F_GET_SEALS = 1034

GENOA, TURIN = 1, 2
CHAIN = "-----BEGIN CERTIFICATE-----\nQUJD+/==\n-----END CERTIFICATE-----\n"
ESCAPED = CHAIN.replace("\n", "%0A").replace(" ", "%20").replace("+", "%2B").replace("=", "%3D")


def ocsp(request):
    return bytes([8]) + struct.pack("<H", len(request)) + request


VCEK = bytes([1, GENOA]) + bytes(range(64)) + bytes([3, 0, 0, 0, 0, 0, 23, 211])
VCEK_TURIN = bytes([1, TURIN]) + bytes(range(8)) + bytes([1, 2, 0, 4, 0, 0, 0, 85])
AMD_CHAIN = bytes([2, GENOA, 0])
AMD_CRL = bytes([3, GENOA, 1])
TCB_INFO = bytes([4, 1]) + bytes.fromhex("b0c06f000000")
QE_IDENTITY = bytes([5, 0])
PCK_CRL = bytes([6, 0])
ROOT_CRL = bytes([7])
OCSP = ocsp(b"request")
TD_QUOTE = bytes([9]) + struct.pack("<H", 1024) + bytes([0xfb]) * 1024
NAMES = {
    VCEK: f"amd-vcek-genoa-{bytes(range(64)).hex()}-03000000000017d3.der",
    VCEK_TURIN: f"amd-vcek-turin-{bytes(range(8)).hex()}-0102000400000055.der",
    AMD_CHAIN: "amd-vcek-chain-genoa.pem", AMD_CRL: "amd-vlek-crl-genoa.der", TCB_INFO: "intel-tcb-tdx-b0c06f000000.json",
    QE_IDENTITY: "intel-qe-identity-sgx.json", PCK_CRL: "intel-pck-crl-platform.der", ROOT_CRL: "intel-root-crl.der",
    OCSP: f"nvidia-ocsp-{hashlib.sha256(b'request').hexdigest()}.der",
    TD_QUOTE: f"azure-td-quote-{hashlib.sha256(bytes([0xfb]) * 1024).hexdigest()}.bin",
}
WITH_CHAIN = (TCB_INFO, QE_IDENTITY)


# ---- a service ----

class Service:
    """Remembers what it was asked and answers as `script(request, sock)` says; a script may be bytes. Closes the connection then."""

    def __init__(self, script=b""):
        self.script = script
        self.requests = []  # (first line, {field: value}, body)
        self.running = self.most = 0
        self.cond = threading.Condition()
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                f = self.request.makefile("rb")
                line = f.readline().decode("latin-1").strip()
                fields = {}
                for raw in iter(f.readline, b"\r\n"):
                    if not raw:
                        return
                    k, v = raw.decode("latin-1").split(":", 1)
                    fields[k.lower()] = v.strip()
                body = f.read(int(fields.get("content-length", 0)))
                with outer.cond:
                    outer.requests.append((line, fields, body))
                    outer.running += 1
                    outer.most = max(outer.most, outer.running)
                    outer.cond.notify_all()
                script = outer.script
                with contextlib.suppress(OSError):
                    if callable(script):
                        script((line, fields, body), self.request)
                    else:
                        self.request.sendall(script)
                with outer.cond:
                    outer.running -= 1
                    outer.cond.notify_all()

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *a):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def wait(self, count):
        with self.cond:
            if not self.cond.wait_for(lambda: len(self.requests) >= count, WAIT):
                raise AssertionError(f"{len(self.requests)} requests came, not {count}")

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()


def ok(body, *fields, status="200 OK"):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *fields]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


# ---- the fetcher ----

def pack(kind, ident=0, payload=b""):
    return struct.pack("<HHIQ", 1, kind, len(payload), ident) + payload


def text(s):
    return struct.pack("<H", len(s)) + s.encode()


class Answer:
    def __init__(self, ident, payload, data):
        self.id, self.data = ident, data
        self.error, self.status, self.again_s, self.from_file, body_n, chain_n = struct.unpack("<iIIBII", payload)
        assert len(data) == body_n + chain_n, (len(data), body_n, chain_n)
        self.body, self.chain = data[:body_n], data[body_n:]

    def __repr__(self):
        return f"<error {self.error} status {self.status} again {self.again_s} file {self.from_file} body {self.body[:40]!r}>"


while os.dup(2) <= 3:  # descriptor 3 has to be taken here, or subprocess would use it for something of its own
    pass


class Fetcher:
    """The process, started, and with a channel as the attester has one. services: a URL for each of the five, or one for all."""

    def __init__(self, cache="", services="", online=1, proxy="", program=PROGRAM, start=True):
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.log_file = tempfile.TemporaryFile()
        # As its parent starts it: in its cache. In the cell that anybody can build.
        self.proc = subprocess.Popen([program, "0", "0:1:0"], cwd=cache if os.path.isdir(cache) else "/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log_file, env={},
                                     close_fds=True, pass_fds=[3], preexec_fn=lambda: os.dup2(theirs.fileno(), 3),
                                     restore_signals=False)  # a file that becomes too long is an error, no signal
        theirs.close()
        self.attester = None
        self.next_id = 1
        if start:
            urls = [services] * 5 if isinstance(services, str) else services
            self.command(START, 0, bytes([online]) + b"".join(text(s) for s in ["." if os.path.isdir(cache) else cache, *urls, proxy]))
            assert self.told()[0] == READY
            self.connect()

    def command(self, kind, ident=0, payload=b"", fds=()):
        socket.send_fds(self.control, [pack(kind, ident, payload)], list(fds))

    @staticmethod
    def receive(sock):
        if not select.select([sock], [], [], WAIT)[0]:
            raise AssertionError("no message came")
        packet, fds, flags, _ = socket.recv_fds(sock, 16384, 4)
        if not packet:
            raise EOFError
        version, kind, n, ident = struct.unpack("<HHIQ", packet[:16])
        assert version == 1 and n == len(packet) - 16
        return kind, ident, packet[16:], fds

    def told(self):
        kind, ident, payload, fds = self.receive(self.control)
        assert not fds
        return kind, ident, payload

    def connect(self, role=ROLE_ATTESTER):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.command(PEER, 0, bytes([role]), [theirs.fileno()])
        theirs.close()
        if self.attester:
            self.attester.close()
        self.attester = ours

    def ping(self):
        self.command(PING, 77)
        assert self.told() == (PING, 77, b"")

    def fetch(self, want, renew=0):
        ident = self.next_id
        self.next_id += 1
        self.attester.send(pack(FETCH, ident, bytes([renew]) + want))
        return ident

    def answer(self):
        kind, ident, payload, fds = self.receive(self.attester)
        assert kind == FETCHED and len(fds) == 1
        assert fcntl.fcntl(fds[0], F_GET_SEALS) & SEALS == SEALS
        data = os.pread(fds[0], ANSWER_MAX + CHAIN_MAX + 1, 0)
        os.close(fds[0])
        return Answer(ident, payload, data)

    def ask(self, want, renew=0):
        ident = self.fetch(want, renew)
        a = self.answer()
        assert a.id == ident
        return a

    def keep(self, ident):
        self.attester.send(pack(KEEP, ident))

    def kept(self):
        """Everything that was sent has been looked at."""
        self.attester.send(pack(FETCH, 0, b"\0" + ocsp(b"nobody asked for this before: " + os.urandom(8))))
        while self.answer().id != 0:
            pass

    def log(self):
        self.log_file.seek(0)
        return self.log_file.read().decode()

    def close(self, killed=False):
        status = None
        try:
            if self.proc.poll() is None and not killed:
                self.command(DRAIN, 9)
                while self.told()[0] != DRAINED:
                    pass
            status = self.proc.wait(WAIT)
        finally:
            self.proc.kill()
            self.proc.wait()
            self.control.close()
            if self.attester:
                self.attester.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, kind, *a):
        failed = kind not in (None, Skip)
        if failed:
            print("# " + self.log().replace("\n", "\n# "))
            self.proc.kill()
        status = self.close(failed)
        assert failed or status == 0, status
        self.log_file.close()


@contextlib.contextmanager
def folder():
    d = tempfile.mkdtemp(prefix="cloister-fetcher-")
    try:
        yield d
    finally:
        shutil.rmtree(d, ignore_errors=True)


def put(cache, want, body, chain=None):
    path = os.path.join(cache, NAMES[want])
    with open(path, "wb") as f:
        f.write(body)
    if chain is not None:
        with open(path + ".chain.pem", "wb") as f:
            f.write(chain)
    return path


def contents(path):
    with open(path, "rb") as f:
        return f.read()


# ---- answers as they should be ----

@test
def an_answer_is_handed_over_and_becomes_a_file_only_when_it_is_to_be_kept():
    with folder() as cache, Service(ok(b"the chain")) as s, Fetcher(cache, s.url) as f:
        first = f.ask(AMD_CHAIN)
        assert (first.error, first.status, first.from_file, first.body, first.chain) == (0, 200, 0, b"the chain", b"")
        assert os.listdir(cache) == []
        again = f.ask(AMD_CHAIN)
        assert again.from_file == 0 and len(s.requests) == 2, "it wasn't to be kept"
        f.keep(again.id)
        third = f.ask(AMD_CHAIN)
        assert (third.error, third.from_file, third.body, third.status) == (0, 1, b"the chain", 0)
        assert len(s.requests) == 2
        assert os.listdir(cache) == [NAMES[AMD_CHAIN]]
        path = os.path.join(cache, NAMES[AMD_CHAIN])
        assert contents(path) == b"the chain" and os.stat(path).st_mode & 0o7777 == 0o644


@test
def the_cache_outlives_the_process_and_what_is_newer_takes_the_place_of_what_is_older():
    with folder() as cache, Service(ok(b"{}", "TCB-Info-Issuer-Chain: " + ESCAPED)) as s:
        with Fetcher(cache, s.url) as f:
            f.keep(f.ask(TCB_INFO).id)
            assert f.ask(TCB_INFO).from_file == 1
        s.script = ok(b"{newer}", "SGX-TCB-Info-Issuer-Chain: x")
        with Fetcher(cache, s.url) as f:
            a = f.ask(TCB_INFO)
            assert (a.from_file, a.body, a.chain.decode()) == (1, b"{}", CHAIN)
            a = f.ask(TCB_INFO, renew=1)
            assert (a.from_file, a.body, a.chain) == (0, b"{newer}", b"x")
            assert f.ask(TCB_INFO).body == b"{}"
            f.keep(a.id)
            a = f.ask(TCB_INFO)
            assert (a.from_file, a.body, a.chain) == (1, b"{newer}", b"x")
        assert len(s.requests) == 2
        assert sorted(os.listdir(cache)) == [NAMES[TCB_INFO], NAMES[TCB_INFO] + ".chain.pem"]


@test
def each_kind_is_asked_for_as_its_vendor_publishes():
    expected = {
        VCEK: f"GET /0/vcek/v1/Genoa/{bytes(range(64)).hex()}?blSPL=03&teeSPL=00&snpSPL=23&ucodeSPL=211",
        VCEK_TURIN: f"GET /0/vcek/v1/Turin/{bytes(range(8)).hex()}?fmcSPL=01&blSPL=02&teeSPL=00&snpSPL=04&ucodeSPL=85",
        AMD_CHAIN: "GET /0/vcek/v1/Genoa/cert_chain", AMD_CRL: "GET /0/vlek/v1/Genoa/crl",
        TCB_INFO: "GET /1/tdx/certification/v4/tcb?fmspc=b0c06f000000", QE_IDENTITY: "GET /1/sgx/certification/v4/qe/identity",
        PCK_CRL: "GET /1/sgx/certification/v4/pckcrl?ca=platform&encoding=der", ROOT_CRL: "GET /2/IntelSGXRootCA.der",
        OCSP: "POST /3/", TD_QUOTE: "POST /4/acc/tdquote",
    }

    def script(request, sock):
        if "tdquote" in request[0]:
            return sock.sendall(ok(b'{"quote":"LS0_AA=="}'))
        chain = "SGX-Enclave-Identity" if "identity" in request[0] else "TCB-Info"
        sock.sendall(ok(b"bytes \0 as they are", f"{chain}-Issuer-Chain: {ESCAPED}", "Set-Cookie: a=b", "WWW-Authenticate: Basic"))

    with folder() as cache, Service(script) as s, Fetcher(cache, [f"{s.url}/{i}" for i in range(5)]) as f:
        for want, line in expected.items():
            a = f.ask(want)
            got, fields, body = s.requests[-1]
            assert got == line + " HTTP/1.1", got
            assert (a.error, a.body) == (0, b"--?\0" if want == TD_QUOTE else b"bytes \0 as they are"), a
            assert a.chain.decode() == (CHAIN if want in WITH_CHAIN else "")
            assert not {"cookie", "authorization", "referer", "expect"} & fields.keys(), fields
            if want == OCSP:
                assert (fields["content-type"], body) == ("application/ocsp-request", b"request")
            elif want == TD_QUOTE:
                report = base64.urlsafe_b64encode(bytes([0xfb]) * 1024).rstrip(b"=")
                assert (fields["content-type"], body) == ("application/json", b'{"report":"' + report + b'"}')
            else:
                assert body == b""
            f.keep(a.id)
        f.kept()
        assert set(os.listdir(cache)) == {NAMES[w] for w in expected} | {NAMES[w] + ".chain.pem" for w in WITH_CHAIN}


@test
def what_is_as_long_as_allowed_arrives_whole():
    body, chain = os.urandom(ANSWER_MAX), "c" * CHAIN_MAX
    with folder() as cache, Service(ok(body, "TCB-Info-Issuer-Chain: " + chain)) as s, Fetcher(cache, s.url) as f:
        a = f.ask(TCB_INFO)
        assert a.error == 0 and a.body == body and a.chain == chain.encode()
        f.keep(a.id)
        a = f.ask(TCB_INFO)
        assert a.from_file == 1 and a.body == body and a.chain == chain.encode()


# ---- answers as they shouldn't be ----

def early(request, sock):
    sock.shutdown(socket.SHUT_RDWR)


PACKED = gzip.compress(b"good bytes")  # what libcurl unpacks unasked has no end that anybody could wait for
FAULTS = [
    # name, script, want, error, status, (least, most) seconds until it may be asked again
    ("429 with a Retry-After", ok(b"slow down", "Retry-After: 77", status="429 Too Many"), OCSP, BUSY, 429, (77, 77)),
    ("429 without", ok(b"", status="429 Too Many"), OCSP, BUSY, 429, (10, 13)),
    ("429 that wants a week", ok(b"", "Retry-After: 604800", status="429 Too Many"), OCSP, BUSY, 429, (3600, 3600)),
    ("429 with a senseless Retry-After", ok(b"", "Retry-After: -5 parsecs", status="429 Too Many"), OCSP, BUSY, 429, (10, 13)),
    ("503 with a Retry-After", ok(b"", "Retry-After: 300", status="503 No"), OCSP, BUSY, 503, (300, 300)),
    ("404", ok(b"good bytes", status="404 Not Found"), OCSP, NOT_FOUND, 404, (3600, 3600)),
    ("500", ok(b"good bytes", status="500 Oops"), OCSP, NETWORK, 500, (20, 24)),
    ("400", ok(b"good bytes", status="400 Bad"), OCSP, NETWORK, 400, (20, 24)),
    ("a password, please", ok(b"x", "WWW-Authenticate: Basic", status="401 No"), OCSP, NETWORK, 401, (20, 24)),
    ("a part", ok(b"x", "Content-Range: bytes 0-0/9", status="206 Partial"), OCSP, NETWORK, 206, (20, 24)),
    ("nothing, successfully", ok(b""), OCSP, NETWORK, 200, (20, 24)),
    ("another protocol", b"SSH-2.0-OpenSSH_9\r\n", OCSP, NETWORK, 0, (20, 24)),
    ("the old protocol", b"<html>good bytes</html>", OCSP, NETWORK, 0, (20, 24)),
    ("nothing at all", b"", OCSP, NETWORK, 0, (20, 24)),
    ("the connection ends in the head", b"HTTP/1.1 200 OK\r\nContent-", OCSP, NETWORK, None, (20, 24)),
    ("the connection ends at once", early, OCSP, NETWORK, 0, (20, 24)),
    ("less than the length says", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort", OCSP, NETWORK, 0, (20, 24)),
    ("no length but a letter", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nbytes", OCSP, NETWORK, None, (20, 24)),
    ("chunks that end too early", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbytes\r\n", OCSP, NETWORK, 0, (20, 24)),
    ("one byte too many", ok(bytes(ANSWER_MAX + 1)), OCSP, NETWORK, 200, (20, 24)),
    ("a length that is too large", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + bytes(ANSWER_MAX + 1), OCSP, NETWORK, 200,
     (20, 24)),
    ("a head without an end", b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 4000000, OCSP, NETWORK, None, (20, 24)),
    ("a head without an end, of short lines", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 400000, OCSP, NETWORK, None, (20, 24)),
    ("a head that is too long", ok(b"good bytes", *["X: " + "x" * 1000] * 200), OCSP, NETWORK, 200, (20, 24)),
    ("a tail that is too long", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbytes\r\n0\r\n" + b"X: y\r\n" * 400000 + b"\r\n", OCSP,
     NETWORK, 200, (20, 24)),
    ("promises alone", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 100000, OCSP, NETWORK, 0, (20, 24)),
    ("bytes that are packed", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(PACKED), PACKED), OCSP, NETWORK, None,
     (20, 24)),
    ("bytes that are packed, said in two lines", b"HTTP/1.1 200 OK\r\nTransfer-encoding:gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" %
     (len(PACKED), PACKED), OCSP, NETWORK, None, (20, 24)),
    ("no issuers", ok(b"{}"), TCB_INFO, NETWORK, 200, (20, 24)),
    ("empty issuers", ok(b"{}", "TCB-Info-Issuer-Chain:"), TCB_INFO, NETWORK, 200, (20, 24)),
    ("another's issuers", ok(b"{}", "TCB-Info-Issuer-Chain: x"), QE_IDENTITY, NETWORK, 200, (20, 24)),
    ("issuers twice", ok(b"{}", "TCB-Info-Issuer-Chain: x", "TCB-Info-Issuer-Chain: y"), TCB_INFO, NETWORK, 200, (20, 24)),
    ("issuers with a zero", ok(b"{}", "TCB-Info-Issuer-Chain: x%00y"), TCB_INFO, NETWORK, 200, (20, 24)),
    ("issuers that are cut", ok(b"{}", "TCB-Info-Issuer-Chain: x%4"), TCB_INFO, NETWORK, 200, (20, 24)),
    ("too many issuers", ok(b"{}", "TCB-Info-Issuer-Chain: " + "c" * (CHAIN_MAX + 1)), TCB_INFO, NETWORK, 200, (20, 24)),
    ("no quote", ok(b'{"error":{"code":"x"}}'), TD_QUOTE, NETWORK, 200, (20, 24)),
    ("a quote that is none", ok(b'{"quote":"<>"}'), TD_QUOTE, NETWORK, 200, (20, 24)),
    ("no JSON", ok(b"quote"), TD_QUOTE, NETWORK, 200, (20, 24)),
]


@test
def whatever_a_service_does_wrong_is_a_clear_error_and_the_file_that_was_there_is_served():
    for name, script, want, error, status, (least, most) in FAULTS:
        print("# " + name)
        with folder() as cache, Service(script) as s:
            path = put(cache, want, b"from before", b"issuers")
            with Fetcher(cache, s.url) as f:
                a = f.ask(want, renew=1)
                assert a.error == error and a.data == b"", a
                assert status is None or a.status == status, a
                assert least <= a.again_s <= most, a
                f.keep(a.id)  # what isn't there can't be kept
                old = f.ask(want)
                assert (old.error, old.from_file, old.body) == (0, 1, b"from before"), old
                again = f.ask(want, renew=1)
                assert again.error == error and 0 < again.again_s <= a.again_s, again
                assert len(s.requests) == 1, "it was asked again, too soon"
                assert f"fetch-fail kind={want[0]} error={-error}" in f.log(), f.log()
            assert contents(path) == b"from before" and len(os.listdir(cache)) == 2


@test
def without_a_file_the_same_errors_are_told_and_no_file_comes_of_them():
    for name, script, want, error, _, _ in FAULTS:
        print("# " + name)
        with folder() as cache, Service(script) as s, Fetcher(cache, s.url) as f:
            a = f.ask(want)
            assert a.error == error and a.data == b"", a
            f.keep(a.id)
            f.kept()
            assert os.listdir(cache) == []


@test
def a_redirect_leads_nowhere():
    with folder() as cache, Service(ok(b"stolen")) as other, Service() as s:
        for status in ("301 M", "302 F", "303 S", "307 T", "308 P"):
            for target in (other.url + "/", "/elsewhere", "file:///etc/passwd"):
                s.requests.clear()
                s.script = ok(b"moved", "Location: " + target, status=status)
                with Fetcher(cache, s.url) as f:
                    a = f.ask(ROOT_CRL)
                    assert (a.error, a.status, a.data) == (NETWORK, int(status[:3]), b""), a
                assert len(s.requests) == 1
        assert other.requests == []


@test
def nobody_listening_is_an_error():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and doesn't listen
        with Fetcher("", f"http://127.0.0.1:{nobody.getsockname()[1]}") as f:
            a = f.ask(ROOT_CRL)
            assert (a.error, a.status) == (NETWORK, 0) and 20 <= a.again_s <= 24, a
            b = f.ask(AMD_CRL)
            assert b.error == NETWORK, b
        # another service is another matter
        with Service(ok(b"here")) as s, Fetcher("", [f"http://127.0.0.1:{nobody.getsockname()[1]}"] + [s.url] * 4) as f:
            assert f.ask(AMD_CRL).error == NETWORK
            assert f.ask(ROOT_CRL).error == 0


@test
def rubbish_with_status_200_comes_as_it_is_and_replaces_nothing():
    with folder() as cache, Service(ok(b"<html>Welcome to the hotel's network</html>")) as s, Fetcher(cache, s.url) as f:
        path = put(cache, ROOT_CRL, b"good")
        a = f.ask(ROOT_CRL, renew=1)
        assert a.error == 0 and a.body.startswith(b"<html>")
        f.kept()  # and it wasn't told to keep it
        assert contents(path) == b"good" and os.listdir(cache) == [NAMES[ROOT_CRL]]
        assert f.ask(ROOT_CRL).body == b"good"


@test
def a_service_that_throttles_is_left_alone_whatever_is_wanted_of_it():
    with Service(ok(b"", "Retry-After: 60", status="429 Too Many")) as s, Fetcher("", s.url) as f:
        assert f.ask(AMD_CHAIN).error == BUSY
        for want in (AMD_CRL, VCEK, VCEK_TURIN, AMD_CHAIN):
            a = f.ask(want)
            assert (a.error, a.status) == (BUSY, 429) and 0 < a.again_s <= 60, a
        assert len(s.requests) == 1
        assert f.ask(OCSP).error == BUSY and len(s.requests) == 2  # NVIDIA's wasn't asked before


@test
def what_isnt_there_keeps_nothing_else_waiting():
    with Service(lambda r, sock: sock.sendall(ok(b"x") if "crl" in r[0] else ok(b"", status="404 Not Found"))) as s, Fetcher("", s.url) as f:
        assert f.ask(VCEK).error == NOT_FOUND
        assert f.ask(AMD_CRL).error == 0
        assert f.ask(VCEK).error == NOT_FOUND and len(s.requests) == 2


# ---- time ----

def hang(release):
    def script(request, sock):
        if not release.wait(WAIT):
            raise AssertionError("never released")
        sock.sendall(ok(b"at last"))
    return script


@test
def while_services_say_nothing_the_parent_and_the_attester_are_answered():
    release = threading.Event()
    with folder() as cache, Service(hang(release)) as s, Fetcher(cache, s.url) as f:
        put(cache, AMD_CRL, b"a file")
        f.fetch(ROOT_CRL)
        s.wait(1)
        for _ in range(3):
            f.ping()
        assert f.ask(AMD_CRL).body == b"a file"
        f.command(LOG_LEVEL, 0, b"\3")
        f.ping()
        release.set()
        assert f.answer().body == b"at last"


@test
def a_service_that_never_answers_or_never_ends_is_given_up():
    def drip(request, sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            sock.sendall(b".")
            if select.select([sock], [], [], 0.02)[0]:
                return  # it hung up

    def drip_head(request, sock):
        sock.sendall(b"HTTP/1.1 200 OK\r\n")
        while not select.select([sock], [], [], 0.02)[0]:
            sock.sendall(b"X: y\r\n")

    def silence(request, sock):
        select.select([sock], [], [], WAIT)

    with Service(drip) as a, Service(drip_head) as b, Service(silence) as c, folder() as cache:
        path = put(cache, OCSP, b"from before")
        with Fetcher(cache, [a.url, b.url, "", c.url, ""], program=HASTY) as f:
            ids = [f.fetch(AMD_CRL), f.fetch(TCB_INFO), f.fetch(OCSP, renew=1)]
            f.ping()
            got = sorted((f.answer() for _ in ids), key=lambda x: x.id)
            assert [x.id for x in got] == ids
            for x in got:
                assert (x.error, x.status, x.data) == (NETWORK, 0, b"") and 20 <= x.again_s <= 24, x
            assert f.ask(OCSP).body == b"from before"
        for s in (a, b, c):
            until(lambda: s.running == 0, "the connection's end")
        assert contents(path) == b"from before"


# ---- many at a time ----

@test
def equal_wants_are_asked_for_once_and_all_are_answered():
    release = threading.Event()
    with folder() as cache, Service(hang(release)) as s, Fetcher(cache, s.url) as f:
        put(cache, AMD_CRL, b"a file")
        ids = [f.fetch(ROOT_CRL, renew=i % 2) for i in range(5)]
        s.wait(1)
        assert f.ask(AMD_CRL).from_file == 1  # so all before it were looked at
        release.set()
        got = [f.answer() for _ in ids]
        assert [a.id for a in got] == ids and all(a.body == b"at last" for a in got)
        assert len(s.requests) == 1
        for i in ids[1:]:
            f.keep(i)
        assert f.ask(ROOT_CRL).from_file == 1


@test
def a_few_run_at_a_time_and_the_others_wait_for_their_turn():
    release = threading.Event()
    with Service(hang(release)) as s, Fetcher("", s.url) as f:
        ids = [f.fetch(ocsp(b"%d" % i)) for i in range(20)]
        s.wait(RUNNING)
        f.ping()
        release.set()
        assert sorted(f.answer().id for _ in ids) == ids
        assert s.most == RUNNING and len(s.requests) == 20


@test
def a_flood_of_questions_is_answered_to_the_last_and_the_oldest_answers_are_forgotten():
    count = JOBS_MAX + 60
    release = threading.Event()
    with folder() as cache, Service(hang(release)) as s, Fetcher(cache, s.url) as f:
        flood = threading.Thread(target=lambda: [f.fetch(ocsp(b"n%d" % i)) for i in range(count)])
        flood.start()
        s.wait(RUNNING)
        f.ping()
        release.set()
        got = {a.id: a for a in (f.answer() for _ in range(count))}
        flood.join()
        assert sorted(got) == list(range(1, count + 1)) and all(a.error == 0 for a in got.values())
        f.keep(1)
        f.keep(count)
        f.kept()
        assert os.listdir(cache) == ["nvidia-ocsp-%s.der" % hashlib.sha256(b"n%d" % (count - 1)).hexdigest()]
        assert "ipc-bad" not in f.log()


# ---- files ----

@test
def files_that_were_put_in_by_hand_are_served_by_their_names_and_nobody_is_asked():
    with folder() as cache, Service(ok(b"x")) as s:
        for want, name in NAMES.items():
            put(cache, want, name.encode(), b"issuers" if want in WITH_CHAIN else None)
        for online in (0, 1):
            with Fetcher(cache, s.url, online=online) as f:
                for want, name in NAMES.items():
                    a = f.ask(want)
                    assert (a.error, a.from_file, a.body) == (0, 1, name.encode()), a
                    assert a.chain == (b"issuers" if want in WITH_CHAIN else b"")
        assert s.requests == []


@test
def where_only_files_are_asked_a_new_file_is_seen_and_a_missing_one_is_told():
    with folder() as cache, Service(ok(b"x")) as s, Fetcher(cache, s.url, online=0) as f:
        for renew in (0, 1):
            a = f.ask(ROOT_CRL, renew)
            assert (a.error, a.status) == (NOT_FOUND, 0) and 0 < a.again_s <= 60, a
        path = put(cache, ROOT_CRL, b"one")
        assert f.ask(ROOT_CRL, renew=1).body == b"one"
        with open(path + "~", "wb") as w:
            w.write(b"two")
        os.rename(path + "~", path)
        assert f.ask(ROOT_CRL, renew=1).body == b"two"
        put(cache, TCB_INFO, b"{}")
        assert f.ask(TCB_INFO).error == NOT_FOUND, "its issuers are missing"
        assert s.requests == []


def link(path):
    with open(path + ".good", "wb") as w:
        w.write(b"good")
    os.symlink(path + ".good", path)


def of_length(n):
    def make(path):
        with open(path, "wb") as w:
            w.truncate(n)
    return make


def unix_socket(path):
    with socket.socket(socket.AF_UNIX) as s:
        here = os.getcwd()
        os.chdir(os.path.dirname(path))
        try:
            s.bind(os.path.basename(path))
        finally:
            os.chdir(here)


def unreadable(path):
    of_length(4)(path)
    os.chmod(path, 0)


@test
def what_is_no_readable_file_of_a_sensible_size_is_refused_and_the_service_is_asked():
    bad = {"a link": link, "a pipe": os.mkfifo, "a folder": os.mkdir, "an empty file": of_length(0), "too long": of_length(ANSWER_MAX + 1),
           "far too long": of_length(1 << 40), "a socket": unix_socket, "a link to nothing": lambda p: os.symlink("nothing", p),
           "a link to a device": lambda p: os.symlink("/dev/zero", p), "a link to itself": lambda p: os.symlink(p, p)}
    if os.geteuid() != 0:  # root reads everything
        bad["unreadable"] = unreadable
    for name, make in bad.items():
        print("# " + name)
        for which in ("", ".chain.pem"):
            with folder() as cache, Service(ok(b"fresh", "TCB-Info-Issuer-Chain: x")) as s:
                path = put(cache, TCB_INFO, b"{}", b"issuers") + which
                os.unlink(path)
                make(path)
                with Fetcher(cache, s.url, online=0) as f:
                    a = f.ask(TCB_INFO)
                    assert (a.error, a.data) == (IO, b"") and 0 < a.again_s <= 60, a
                    f.ping()
                    assert f.log().count("cache-fail errno=") == 1
                with Fetcher(cache, s.url) as f:
                    a = f.ask(TCB_INFO)
                    assert (a.error, a.from_file, a.body) == (0, 0, b"fresh"), a
                    f.keep(a.id)  # in the place of what was there, not through it
                    f.kept()
                    f.ping()
                if name != "a folder":
                    assert os.path.isfile(path) and not os.path.islink(path)
                    assert contents(path) == (b"x" if which else b"fresh")
                if name == "a link":
                    assert contents(path + ".good") == b"good"


@test
def without_a_folder_that_can_be_written_to_everything_else_goes_on():
    with folder() as d, Service(ok(b"fresh")) as s:
        a_file = os.path.join(d, "file")
        of_length(1)(a_file)
        for cache in ("", a_file, os.path.join(a_file, "x"), os.path.join(d, "missing", "x"), "/proc/self/cloister"):
            print("# " + cache)
            with Fetcher(cache, s.url) as f:
                for _ in range(3):
                    a = f.ask(ROOT_CRL)
                    assert (a.error, a.from_file, a.body) == (0, 0, b"fresh"), a
                    f.keep(a.id)
                f.kept()
                assert f.log().count("cache-fail") == (1 if cache else 0), f.log()
        assert os.listdir(d) == ["file"]


@test
def a_full_disk_leaves_the_old_file_and_no_other_and_is_logged_once():
    with folder() as cache, Service(ok(b"n" * 5000)) as s, Fetcher(cache, s.url) as f:
        path = put(cache, ROOT_CRL, b"old")
        ids = [f.ask(ROOT_CRL, renew=1).id for _ in range(3)]
        soft, hard = resource.prlimit(f.proc.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(f.proc.pid, resource.RLIMIT_FSIZE, (4096, hard))  # as if there were no more room
        f.keep(ids[0])
        f.keep(ids[1])
        assert f.ask(ROOT_CRL).body == b"old"
        assert os.listdir(cache) == [NAMES[ROOT_CRL]] and contents(path) == b"old"
        assert f.log().count("cache-fail") == 1
        resource.prlimit(f.proc.pid, resource.RLIMIT_FSIZE, (soft, hard))
        f.keep(ids[2])
        assert f.ask(ROOT_CRL).body == b"n" * 5000
        assert contents(path) == b"n" * 5000


@test
def a_process_that_is_killed_while_it_writes_leaves_a_whole_file():
    old, new = b"o" * ANSWER_MAX, b"n" * ANSWER_MAX
    with folder() as cache, Service(ok(new)) as s:
        path = put(cache, ROOT_CRL, old)
        for turn in range(25):
            with Fetcher(cache, s.url) as f:
                ids = [f.ask(ROOT_CRL, renew=1).id for _ in range(4)]
                for i in ids:
                    f.keep(i)
                select.select([f.attester], [], [], 0.0005 * (turn % 5))  # somewhere in the middle
                f.proc.kill()
                f.proc.wait()
                f.close()
                f.proc.returncode = 0
            assert contents(path) in (old, new)
            assert all(n == NAMES[ROOT_CRL] or n.startswith(".new-") for n in os.listdir(cache))


@test
def what_a_killed_process_left_unfinished_is_removed_and_nothing_else():
    with folder() as cache:
        others = [NAMES[ROOT_CRL], "README", ".hidden", "new-x", ".new"]
        for n in others + [".new-0123456789abcdef", ".new-"]:
            of_length(3)(os.path.join(cache, n))
        os.mkdir(os.path.join(cache, ".new-folder"))
        with Fetcher(cache, online=0) as f:
            assert f.ask(ROOT_CRL).from_file == 1
            assert sorted(os.listdir(cache)) == sorted(others + [".new-folder"])


# ---- channels ----

@test
def keep_says_nothing_about_what_wasnt_fetched():
    with folder() as cache, Service(ok(b"fresh")) as s, Fetcher(cache, s.url) as f:
        path = put(cache, ROOT_CRL, b"by hand")
        for ident in (0, 1, 2 ** 64 - 1, f.ask(ROOT_CRL).id):
            f.keep(ident)
        a = f.ask(AMD_CRL)
        f.keep(a.id)
        f.keep(a.id)
        f.kept()
        assert contents(path) == b"by hand" and sorted(os.listdir(cache)) == sorted([NAMES[AMD_CRL], NAMES[ROOT_CRL]])
        assert "ipc-bad" not in f.log()


@test
def keep_before_the_answer_takes_nothing_away():
    release = threading.Event()
    with folder() as cache, Service(hang(release)) as s, Fetcher(cache, s.url) as f:
        ident = f.fetch(ROOT_CRL)
        f.keep(ident)
        put(cache, AMD_CRL, b"a file")
        assert f.ask(AMD_CRL).from_file == 1
        release.set()
        a = f.answer()
        assert (a.id, a.body) == (ident, b"at last") and os.listdir(cache) == [NAMES[AMD_CRL]]


@test
def an_attester_that_goes_away_takes_its_questions_along():
    hung_up = threading.Semaphore(0)

    def wait_for_the_end(request, sock):
        if select.select([sock], [], [], WAIT)[0] and sock.recv(1) == b"":
            hung_up.release()

    with folder() as cache, Service(wait_for_the_end) as s, Fetcher(cache, s.url) as f:
        for how in ("another comes", "its channel ends"):
            f.fetch(ROOT_CRL)
            f.fetch(AMD_CRL)
            s.wait(2)
            if how == "another comes":
                kept_open = f.attester
                f.attester = None
                f.connect()
            else:
                f.attester.close()
                f.attester = None
            for _ in range(2):
                assert hung_up.acquire(timeout=WAIT), "its requests go on: " + how
            s.requests.clear()
        kept_open.close()
        f.connect()
        s.script = ok(b"for the next")
        a = f.ask(OCSP)
        assert (a.error, a.body) == (0, b"for the next"), "and it gets no answers of the other's"
        f.connect()
        f.keep(a.id)
        f.kept()
        assert os.listdir(cache) == []


@test
def an_attester_that_goes_away_when_there_is_no_room_left_takes_its_questions_along_too():
    hung_up = threading.Semaphore(0)

    def wait_for_the_end(request, sock):
        if select.select([sock], [], [], WAIT)[0] and sock.recv(1) == b"":
            hung_up.release()

    with Service(wait_for_the_end) as s, Fetcher("", s.url) as f:
        for i in range(JOBS_MAX + 4):
            f.fetch(ocsp(b"n%d" % i))
        s.wait(RUNNING)
        f.attester.close()
        f.attester = None
        for _ in range(RUNNING):
            assert hung_up.acquire(timeout=WAIT)
        f.ping()
        assert "fetch-fail" not in f.log(), "its requests went on to their end"


@test
def more_questions_than_there_is_room_for_wait_outside():
    release = threading.Event()
    with Service(hang(release)) as s, Fetcher("", s.url) as f:
        f.attester.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        f.attester.setblocking(False)
        most, sent, asleep = 4 * JOBS_MAX, 0, 0
        while sent < most and asleep < 5:  # it sleeps although there is something to read
            try:
                f.fetch(ocsp(b"n%d" % sent))
                sent += 1
                asleep = 0
            except BlockingIOError:
                f.next_id -= 1
                with open(f"/proc/{f.proc.pid}/stat") as stat:
                    asleep += stat.read().rsplit(")", 1)[1].split()[0] == "S"
        f.ping()
        assert JOBS_MAX <= sent < most, sent
        f.attester.setblocking(True)
        release.set()
        assert sorted(f.answer().id for _ in range(sent)) == list(range(1, sent + 1))


@test
def an_attester_that_breaks_the_rules_is_refused_and_the_parent_is_told():
    bad = [pack(FETCH, 1, b""), pack(FETCH, 1, b"\0"), pack(FETCH, 1, b"\2" + ROOT_CRL), pack(FETCH, 1, b"\0\0"), pack(FETCH, 1, b"\0\x0a"),
           pack(FETCH, 1, b"\0" + ROOT_CRL + b"x"), pack(FETCH, 1, b"\0" + VCEK[:-1]), pack(FETCH, 1, bytes(2000)), pack(KEEP, 1, b"x"),
           pack(FETCHED, 1, bytes(21)), pack(PING, 1), pack(PEER, 1, b"\3"), b"x", pack(FETCH, 1, b"\0" + ROOT_CRL)[:-1] + b"\7\7"]
    with Service(ok(b"x")) as s, Fetcher("", s.url) as f:
        for packet in bad:
            f.attester.send(packet)
            assert f.told() == (PEER_BAD, 0, bytes([ROLE_ATTESTER])), packet
            try:
                f.receive(f.attester)
                raise AssertionError("the channel is still open")
            except (EOFError, ConnectionResetError):
                pass
            f.connect()
            f.ping()
        assert s.requests == []
        assert f.ask(ROOT_CRL).error == 0


@test
def a_parent_that_breaks_the_rules_ends_it():
    good = b"\0" + text("") * 7
    a, b = socket.socketpair()
    cases = [[(PEER, b"\3", [a.fileno()])], [(START, good, []), (START, good, [])], [(START, good[:-1], [])], [(START, good + b"x", [])],
             [(START, b"\2" + good[1:], [])], [(START, b"\1" + text("relative") + text("") * 6, [])],
             [(START, b"\1" + text("") + text("http://elsewhere.example") + text("") * 5, [])], [(START, good, []), (PEER, b"\3", [])],
             [(START, good, []), (PEER, bytes([ROLE_KEEPER]), [a.fileno()])], [(FETCH, b"\0" + ROOT_CRL, [])], [(99, b"", [])],
             [(LOG_LEVEL, b"\x09", [])]]
    for case in cases:
        f = Fetcher(start=False)
        for kind, payload, fds in case:
            f.command(kind, 0, payload, fds)
        try:
            assert f.proc.wait(WAIT) == 1, case
            assert "ipc-bad" in f.log()
        finally:
            f.proc.kill()
            f.close()
    a.close()
    b.close()


@test
def it_ends_when_it_is_told_to_and_with_its_parent_whatever_it_is_doing():
    release = threading.Event()
    with Service(hang(release)) as s:
        for how in ("drain", "gone"):
            f = Fetcher("", s.url)
            s.requests.clear()
            f.fetch(ROOT_CRL)
            s.wait(1)
            if how == "drain":
                assert f.close() == 0
            else:
                f.control.close()
                assert f.proc.wait(WAIT) == 0
                f.attester.close()
        release.set()


@test
def before_its_start_it_answers_pings():
    f = Fetcher(start=False)
    f.ping()
    assert f.close() == 0


@test
def the_log_has_numbers_and_no_chip_no_name_and_no_url():
    with folder() as cache, Service(ok(b"x" * 123)) as s, Fetcher(cache, s.url) as f:
        f.keep(f.ask(VCEK).id)
        s.script = ok(b"", status="404 Not Found")
        assert f.ask(ROOT_CRL).error == NOT_FOUND
        f.kept()
        log = f.log()
        assert "info fetcher fetched kind=1 status=200 bytes=123 ms=" in log, log
        assert "warn fetcher fetch-fail kind=7 error=24 status=404 again-s=3600" in log, log
        for secret in (VCEK[2:10].hex(), "genoa", "http", "127.0.0.1", s.url.split(":")[-1] + " ", cache, "vcek", "root-crl"):
            assert secret not in log.lower(), secret


# ---- the way there ----

@test
def a_proxy_is_used_for_what_is_far_and_not_for_what_is_near():
    def refuse(request, sock):
        sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with Service(refuse) as proxy, Service(ok(b"near")) as s:
        with Fetcher("", ["", s.url, s.url, "https://ocsp.example", ""], proxy=proxy.url) as f:
            assert f.ask(ROOT_CRL).body == b"near" and proxy.requests == []
            a = f.ask(AMD_CRL)
            assert (a.error, a.status) == (NETWORK, 0), a
            assert f.ask(OCSP).error == NETWORK
            assert [r[0] for r in proxy.requests] == ["CONNECT kdsintf.amd.com:443 HTTP/1.1", "CONNECT ocsp.example:443 HTTP/1.1"]


@test
def amds_own_service_is_asked_once_in_ten_seconds():
    release = threading.Event()

    def hold(request, sock):
        release.wait(WAIT)

    with Service(hold) as proxy, Fetcher("", "", proxy=proxy.url) as f:
        f.fetch(AMD_CRL)
        proxy.wait(1)
        a = f.ask(AMD_CHAIN)
        assert (a.error, a.status) == (BUSY, 0) and 1 <= a.again_s <= 10, a
        assert len(proxy.requests) == 1
        release.set()
        assert f.answer().error == NETWORK


@test
def a_service_that_talks_no_tls_gets_nothing():
    with Service(ok(b"plain")) as s, Fetcher("", s.url.replace("http:", "https:")) as f:
        a = f.ask(OCSP)
        assert (a.error, a.status, a.data) == (NETWORK, 0, b""), a
        assert not any("request" in str(r) for r in s.requests)


if __name__ == "__main__":
    test.run()
