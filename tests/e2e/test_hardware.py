#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole daemon on hardware that doesn't exist: an SEV-SNP machine below the system calls (fake_tee.h), GPUs behind a driver's library
of their own (fake_nvml.h), and the vendors' services on loopback; all with synthetic roots, which only this attester is built with.
"""
import base64
import contextlib
import hashlib
import http.server
import json
import os
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness  # noqa: E402
import ohttp  # noqa: E402
from harness import API_KEY, BUILD, CLOISTERD, Daemon, Engine, Tap, until  # noqa: E402

tap = Tap()
SUPPORT = os.path.join(BUILD, "tests", "support")
ORACLE = os.path.join(BUILD, "lab", "cloister-oracle")


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def read(*parts):
    with open(os.path.join(*parts), "rb") as f:
        return f.read()


class Vendors:
    """AMD's and NVIDIA's services for one machine. `script(path)` may answer (status, body) in their place; None: as they do."""

    def __init__(self, folder):
        self.folder, self.script, self.asked, self.lock = folder, None, [], threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def answer(self, body=b""):
                with outer.lock:
                    outer.asked.append(self.path)
                status, out, *headers = (outer.script and outer.script(self.path)) or outer.answer(self.path, body)
                if status is None:
                    return self.connection.close()  # nothing
                self.send_response(status)
                if status == 429:
                    self.send_header("Retry-After", "1")
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            def do_GET(self):
                self.answer()

            def do_POST(self):
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def log_message(self, *a):
                pass

        class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True

            def handle_error(self, *a):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def answer(self, path, body):
        name = (f"nvidia/nvidia-ocsp-{hashlib.sha256(body).hexdigest()}.der" if body else "amd/crl.der" if path.endswith("/crl")
                else "amd/cert_chain.pem" if path.endswith("/cert_chain") else "amd/vcek.der")
        try:
            return 200, read(self.folder, name)
        except OSError:
            return 404, b""

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Machine:
    """A folder with the daemon's programs and a machine beside them; daemons are started on it."""

    def __init__(self, gpus=0, made=True):
        self.folder = tempfile.mkdtemp(prefix="cloister-hardware-")
        self.programs = os.path.join(self.folder, "bin")
        self.made = os.path.join(self.folder, "machine")
        os.mkdir(self.programs)
        os.mkdir(self.made)
        source = os.path.dirname(CLOISTERD)
        for name in ("cloisterd", "cloisterd-gateway", "cloisterd-keeper", "cloisterd-engine", "cloisterd-fetcher"):
            shutil.copy(os.path.join(source, name), self.programs)
        shutil.copy(os.path.join(SUPPORT, "fake_attester"), os.path.join(self.programs, "cloisterd-attester"))
        self.gpus, self.vendors = gpus, None
        self.engine = Engine(os.path.join(self.folder, "engine.sock"))
        harness.let_users_in(self.programs)
        if made:
            self.make()

    def make(self):
        subprocess.run([os.path.join(SUPPORT, "machine_maker"), self.made, str(self.gpus)], check=True, capture_output=True)
        subprocess.run(["chmod", "-R", "a+rX", self.made], check=True)  # the attester, another user, reads its roots
        self.write("fake_tee", os.path.join(self.made, "tee") + "\n")
        os.symlink(os.path.join(self.made, "roots"), os.path.join(self.programs, "roots"))
        self.vendors = Vendors(self.made)
        if self.gpus:
            shutil.copy(os.path.join(SUPPORT, "fake_nvml.so"), os.path.join(self.programs, "libnvidia-ml.so.1"))
            self.write("fake_nvml.conf", os.path.join(self.made, "gpus") + "\n")

    def write(self, name, text):
        with open(os.path.join(self.programs, name + ".new"), "w") as f:
            f.write(text)
        os.rename(os.path.join(self.programs, name + ".new"), os.path.join(self.programs, name))

    def tee(self, *lines):
        """What the report interface does from now on."""
        path = os.path.join(self.made, "tee", "tee")
        with open(path + ".new", "w") as f:
            f.write("".join(x + "\n" for x in lines or ("tsm 1", "sev_guest 1", "provider sev_guest")))
        os.rename(path + ".new", path)

    def gpus_state(self, *lines):
        path = os.path.join(self.made, "gpus", "state")
        with open(path + ".new", "w") as f:
            f.write("".join(x + "\n" for x in lines))
        os.rename(path + ".new", path)

    def start(self, *args, cache="cache", tee="auto"):
        more = ["--cache-dir", os.path.join(self.folder, cache)]
        if self.vendors:
            more += [x for o in ("amd-service", "nvidia-service", "intel-service", "intel-certificates", "azure-service")
                     for x in ("--" + o, self.vendors.url)]
        return Daemon("--allow-x25519", *more, *args, engine=self.engine, tee=tee, program=os.path.join(self.programs, "cloisterd"))

    def policy(self, vmpl=0):
        policy = json.loads(read(self.made, "policy.json"))
        policy["sev_snp"]["vmpl"] = vmpl
        return policy

    def roots(self):
        roots = [{"vendor": "amd", "product": "genoa", "certificate": b64(read(self.made, "roots/ark.der"))}]
        if self.gpus:
            roots.append({"vendor": "nvidia", "certificate": b64(read(self.made, "roots/nvidia.der"))})
        return roots

    def verdict(self, d, builtin=False, vmpl=0):
        """Of fresh evidence: the outcome, and the checks that failed."""
        nonce = os.urandom(32)
        status, _, body = d.get(f"/.well-known/cloister/evidence?nonce={b64(nonce)}&full=1")
        assert status == 200, (status, body)
        policy = self.policy(vmpl)
        policy["allow_unmanaged"], policy["shape"], policy["kems"] = True, "off", ["x-wing", "x25519"]
        now = int(time.time())
        case = {"v": 1, "id": "daemon", "now": now, "policy": b64(json.dumps(policy).encode()), "roots": self.roots(),
                "evidence": {"document": b64(body), "nonce": b64(nonce), "sent_at": now}}
        r = subprocess.run([ORACLE] + (["--builtin-roots"] if builtin else []), input=json.dumps(case).encode(), capture_output=True)
        assert r.returncode == 0, (r, body[:300])
        v = json.loads(r.stdout)
        return v["outcome"], [c["id"] for c in v["checks"] if c["status"] not in ("pass", "passed", "skipped", "not-applicable")]

    def close(self):
        self.engine.close()
        if self.vendors:
            self.vendors.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.close()


def evidence_status(d):
    with contextlib.suppress(OSError, http.client.HTTPException):
        return d.get(f"/.well-known/cloister/evidence?nonce={b64(os.urandom(32))}&full=1")[0]
    return None


def said(d):
    return [x for x in d.log().splitlines() if x.startswith("cloisterd: ")]


def wait_said(d, part):
    until(lambda: any(part in x for x in said(d)), f"'{part}' in {said(d)}")


def post(d, section, text="hello"):
    """The outer status of a request sealed to the keys of this section."""
    r = ohttp.sealed(section, ohttp.inner(ohttp.chat(text), API_KEY))
    return d.post(section["gateway"], r.body, r.media)


def workers(m):
    """Those of this machine's attester."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            parent = int(read(f"/proc/{pid}/stat").rsplit(b")", 1)[1].split()[1])
            if b"\0worker\0" in read(f"/proc/{pid}/cmdline") and os.readlink(f"/proc/{pid}/exe").startswith(m.programs):
                found[int(pid)] = parent
    return found


def kill_worker(m):
    worker, = workers(m)
    os.kill(worker, 9)


@tap
def a_machine_with_two_gpus_is_verified_under_its_roots_and_no_others():
    with Machine(gpus=2) as m, m.start() as d:
        d.wait_ready()
        assert m.verdict(d) == ("verified", []), m.verdict(d)
        outcome, failed = m.verdict(d, builtin=True)
        assert outcome != "verified" and failed, (outcome, failed)
        assert any("evidence of sev-snp comes from /sys/kernel/config/tsm/report, of 2 GPUs" in x for x in said(d)), said(d)
        assert "simulated_root" not in d.info
        assert post(d, ohttp.keys_section(d))[0] == 200


@tap
def a_machine_without_gpus_and_with_the_older_interface_is_verified():
    with Machine() as m:
        m.tee("sev_guest 1")
        with m.start() as d:
            d.wait_ready()
            assert m.verdict(d)[0] == "verified", m.verdict(d)
            assert any("comes from /dev/sev-guest" in x for x in said(d)), said(d)


@tap
def a_guest_under_a_paravisor_shows_its_own_privilege_level():
    with Machine() as m:
        for interface in ("tsm", "sev_guest"):
            m.tee(f"{interface} 1", "provider sev_guest", "vmpl 2")
            with m.start() as d:
                d.wait_ready()
                assert m.verdict(d, vmpl=2) == ("verified", []), m.verdict(d, vmpl=2)
                assert m.verdict(d) == ("refused", ["snp.vmpl"]), m.verdict(d)


@tap
def a_privilege_level_that_isnt_known_is_never_guessed():
    with Machine() as m:
        for interface in ("tsm", "sev_guest"):
            m.tee(f"{interface} 1", "provider sev_guest", "vmpl_said none")
            with m.start() as d:
                wait_said(d, "no evidence without a report")
                assert d.ready_count() == 0
                m.tee(f"{interface} 1", "provider sev_guest")
                d.wait_ready()
                assert m.verdict(d) == ("verified", []), m.verdict(d)


def examined(m, *args):
    r = subprocess.run([os.path.join(m.programs, "cloisterd"), "check", "--json", "--config", "/dev/null", "--upstream", "unix:/x", *args,
                        *(x for o in ("runtime", "state", "cache") for x in (f"--{o}-dir", os.path.join(m.folder, o)))],
                       capture_output=True, text=True, timeout=harness.WAIT)
    return {x["id"]: (x["status"], x["text"]) for x in json.loads(r.stdout)["findings"]}


@tap
def the_examination_finds_what_the_daemon_would():
    with Machine(gpus=2) as m:
        found = examined(m)
        assert found["tee"] == ("ok", "sev-snp: reports come from /sys/kernel/config/tsm/report; GPUs that belong to it: 2"), found["tee"]
        assert found["tee-debug"] == ("ok", "the guest policy forbids debugging"), found["tee-debug"]
        m.tee("tsm 1", "refused 13")
        assert examined(m)["tee"][0] == "fail" and "may not take reports" in examined(m)["tee"][1]
        m.tee("tsm 0")
        assert examined(m)["tee"][0] == "fail" and "no evidence of a confidential VM" in examined(m)["tee"][1]
        assert examined(m)["tee-debug"][0] == "warn"


@tap
def where_nothing_is_found_it_ends_with_status_20_and_never_simulates():
    with Machine() as m:
        m.tee("tsm 0", "sev_guest 0")
        with m.start() as d:
            assert d.proc.wait(harness.WAIT) == 20
            assert len(said(d)) == 1, said(d)
            for part in ("/sys/kernel/config/tsm/report", "/dev/sev-guest", "vTPM", "--tee simulated, which protects nothing"):
                assert part in said(d)[0], said(d)
            assert d.ready_count() == 0


@tap
def what_the_user_may_not_use_is_told_as_that():
    with Machine() as m:
        m.tee("tsm 1", "provider sev_guest", "refused 13")
        with m.start() as d:
            assert d.proc.wait(harness.WAIT) == 1
            assert len(said(d)) == 1 and "doesn't let this user take reports from /sys/kernel/config/tsm/report" in said(d)[0], said(d)


def keys_are_retired(fault, mended, part, reset=False):
    """After a fault of the GPUs: no evidence, the old keys open nothing; after its end all is as before, with new keys."""
    with Machine(gpus=2) as m, m.start() as d:
        d.wait_ready()
        old = ohttp.keys_section(d)
        attester = d.children()["attester"]
        assert post(d, old)[0] == 200
        m.gpus_state(*fault)
        wait_said(d, "keys retired, and the engine started again: " + part)
        until(lambda: evidence_status(d) not in (None, 200), "no evidence")
        until(lambda: d.get("/readyz")[0] == 503, "not ready")
        assert post(d, old)[0] != 200
        # the keeper has destroyed its keys at once, not when there are others to show
        until(lambda: d.log().count(" keeper epoch-new ") == 2, "the end of the old keys")
        assert d.ready_count() == 1
        m.gpus_state(*mended)
        d.wait_ready(2)
        assert m.verdict(d)[0] == "verified", m.verdict(d)
        new = ohttp.keys_section(d)
        assert new["ohttp_keys"] != old["ohttp_keys"]
        assert d.children()["attester"] != attester
        status, _, body = post(d, old)
        assert status != 200, (status, body)
        assert post(d, new)[0] == 200


@tap
def keys_are_retired_when_a_gpu_is_lost():
    keys_are_retired(("lost 1",), (), "a GPU is lost, or needs a reset")


@tap
def keys_are_retired_when_a_gpu_was_reset():
    keys_are_retired(("resets 1",), ("resets 1",), "a GPU was reset, or no longer accepts work")


@tap
def keys_are_retired_when_confidential_computing_goes_off():
    keys_are_retired(("cc off",), (), "the GPUs' confidential computing mode is off")


@tap
def keys_are_retired_when_developer_tools_come_on():
    keys_are_retired(("devtools on",), (), "a GPU is in developer tools mode")


@tap
def keys_are_retired_when_there_are_other_gpus():
    keys_are_retired(("gpus 0",), (), "there are other GPUs than before")


@tap
def keys_are_retired_when_the_gpus_driver_hangs():
    keys_are_retired(("hold nvmlDeviceGetCount_v2",), (), "the GPUs' driver gives no answer")


@tap
def gpus_that_arent_fit_at_the_start_are_told_and_waited_for():
    with Machine(gpus=2) as m:
        m.gpus_state("devtools on")
        with m.start() as d:
            wait_said(d, "no evidence as things are: a GPU is in developer tools mode")
            assert "engine" not in d.children(), "the engine was started before the GPUs were appraised"
            m.gpus_state()
            d.wait_ready()
            assert m.verdict(d)[0] == "verified"


@tap
def gpus_whose_certificates_nobody_answers_for_are_waited_for():
    with Machine(gpus=2) as m:
        m.vendors.script = lambda path: (500, b"") if path == "/" else None
        with m.start() as d:
            wait_said(d, "no evidence without NVIDIA's answer whether a GPU's certificate is revoked")
            m.gpus_state("devtools on")  # what was seen before the waiting is no news after it
            m.vendors.script = None
            d.kill("fetcher")
            wait_said(d, "no evidence as things are: a GPU is in developer tools mode")
            assert "engine" not in d.children()
            m.gpus_state()
            d.wait_ready()
            assert m.verdict(d)[0] == "verified"
            assert not any("keys retired" in x for x in said(d)), said(d)


@tap
def keys_follow_each_other_with_their_own_reports_of_the_gpus():
    with Machine(gpus=2) as m, m.start("--key-lifetime", "10") as d:
        d.wait_ready()
        first = ohttp.keys_section(d)["ohttp_keys"]
        until(lambda: ohttp.keys_section(d)["ohttp_keys"] != first, "the next keys")
        assert m.verdict(d)[0] == "verified"
        assert d.ready_count() == 1


@tap
def a_service_that_gives_nothing_useful_is_told_until_it_does():
    ways = {"answered 429": lambda path: (429, b"later"), "answered 404": lambda path: (404, b""),
            "what came isn't one": lambda path: (200, b"<html>rubbish"), "can't be reached": lambda path: (None, b"")}
    with contextlib.ExitStack() as stack:
        machines = {}
        for part, script in ways.items():
            m = stack.enter_context(Machine())
            m.vendors.script = script
            machines[part] = (m, stack.enter_context(m.start()))
        for part, (m, d) in machines.items():
            until(lambda: any("no evidence without AMD's certificate of this processor and its firmware (" in x and part in x for x in said(d)), f"'{part}' in {said(d)}")
            assert d.ready_count() == 0
        for part, (m, d) in machines.items():
            m.vendors.script = None
            d.kill("fetcher")  # its successor knows of no rest that the service needs
        for part, (m, d) in machines.items():
            d.wait_ready()
            assert m.verdict(d)[0] == "verified"


@tap
def what_was_fetched_once_serves_without_a_service():
    with Machine(gpus=1) as m:
        with m.start() as d:
            d.wait_ready()
            until(lambda: len(os.listdir(os.path.join(m.folder, "cache"))) >= 5, "files in the cache")
            until(lambda: not [x for x in os.listdir(os.path.join(m.folder, "cache")) if "amd-vcek-crl" not in x and x.endswith(".new")], "")
            assert d.stop() == 0
        m.vendors.script = lambda path: (500, b"")
        with m.start() as d:
            d.wait_ready()
            assert m.verdict(d)[0] == "verified"
        with m.start("--fetch", "no") as d:
            d.wait_ready()
            assert m.verdict(d)[0] == "verified"


@tap
def collateral_that_has_ended_is_never_shown():
    with Machine(gpus=1) as m, m.start() as d:
        d.wait_ready()
        assert evidence_status(d) == 200
        m.write("clock", str(3 * 365 * 86400))  # the attester's: everything has ended
        until(lambda: evidence_status(d) == 503, "no evidence")
        wait_said(d, "(what came is outside its dates)")
        until(lambda: d.get("/readyz")[0] == 503, "not ready")
        m.write("clock", "0")
        until(lambda: evidence_status(d) == 200, "evidence again")
        assert m.verdict(d)[0] == "verified"


@tap
def a_file_by_hand_takes_the_place_of_a_service():
    with Machine() as m:
        with m.start("--fetch", "no", cache="by-hand") as d:
            wait_said(d, "and no service may be asked for it")
            first = next(x for x in said(d) if "no evidence without" in x)
            folder, name = os.path.split(first.split(" by hand as ")[1].split(", or wait: ")[0])
            assert folder == os.path.join(m.folder, "by-hand"), first
            assert name.startswith("amd-vcek-genoa-"), name
            for want, file in ((name, "amd/vcek.der"), ("amd-vcek-chain-genoa.pem", "amd/cert_chain.pem"), ("amd-vcek-crl-genoa.der", "amd/crl.der")):
                shutil.copy(os.path.join(m.made, file), os.path.join(folder, want))
            d.wait_ready()
            assert m.verdict(d)[0] == "verified"


@tap
def a_device_that_hangs_costs_errors_and_nothing_else():
    with Machine() as m, m.start() as d:
        d.wait_ready()
        slow = os.path.join(m.made, "tee", "slow")
        os.mkfifo(slow)
        assert evidence_status(d) == 503
        assert " worker-hung " in d.log()
        os.unlink(slow)
        until(lambda: evidence_status(d) == 200, "evidence again")
        assert m.verdict(d)[0] == "verified"
        assert d.ready_count() == 1, "nobody had to start over"


@tap
def a_report_interface_that_fails_costs_errors_only_while_it_does():
    for fault in ("busy 1", "changed 1", "cut 100", "other_data 1", "vanishes 1"):
        with Machine() as m, m.start() as d:
            d.wait_ready()
            keys = ohttp.keys_section(d)["ohttp_keys"]
            m.tee("tsm 1", "provider sev_guest", fault)
            status = evidence_status(d)
            assert status == 503, (fault, status)
            m.tee("tsm 1", "provider sev_guest")
            until(lambda: evidence_status(d) == 200, "evidence again")
            assert m.verdict(d)[0] == "verified"
            assert ohttp.keys_section(d)["ohttp_keys"] == keys


def firmware(m):
    """The machine's report, the same of another firmware level, and what puts one in place."""
    template = os.path.join(m.made, "tee", "template")
    old = read(template)
    new = bytearray(old)
    new[0x187] -= 1  # REPORTED_TCB's microcode: the host has lowered it

    def put(b):
        with open(template + ".new", "wb") as f:
            f.write(b)
        os.rename(template + ".new", template)

    return old, new, put


@tap
def a_firmware_level_that_nobody_certifies_is_waited_for_no_longer_than_it_lasts():
    with Machine() as m:
        old, new, put = firmware(m)
        put(new)
        with m.start() as d:
            wait_said(d, "no evidence without AMD's certificate of this processor and its firmware")
            assert d.ready_count() == 0
            put(old)
            d.wait_ready()
            assert m.verdict(d)[0] == "verified"


@tap
def another_firmware_level_costs_its_batch_and_has_its_certificate_asked_for():
    with Machine() as m, m.start() as d:
        d.wait_ready()
        old, new, put = firmware(m)
        put(new)
        assert evidence_status(d) == 503
        until(lambda: any(f"ucodeSPL={new[0x187]:02d}" in x for x in m.vendors.asked), f"a question for it in {m.vendors.asked}")
        assert evidence_status(d) == 503, "a certificate of another level was taken for it"
        assert d.children()["attester"] and d.ready_count() == 1
        put(old)
        until(lambda: evidence_status(d) == 200, "evidence again")
        assert m.verdict(d)[0] == "verified"


@tap
def the_worker_dies_with_the_attester_and_is_replaced_alone():
    with Machine() as m, m.start() as d:
        d.wait_ready()

        attester = d.children()["attester"]
        worker, = workers(m)
        fds = {os.readlink(f"/proc/{worker}/fd/{x}").split(":")[0] for x in os.listdir(f"/proc/{worker}/fd")}
        assert fds == {"/dev/null", "socket"}, fds
        os.kill(worker, 9)
        until(lambda: set(workers(m)) - {worker}, "another worker")
        until(lambda: evidence_status(d) == 200, "evidence again")
        assert d.children()["attester"] == attester
        worker, = workers(m)
        os.kill(attester, 9)
        until(lambda: worker not in workers(m), "the worker's end")
        d.wait_ready(2)
        assert m.verdict(d)[0] == "verified"


@tap
def a_worker_that_simulates_is_not_believed():
    with Machine() as m:
        m.write("worker", "simulates\n")
        with m.start() as d:
            wait_said(d, "no evidence without a report, which is tried again: the other side broke the protocol")
            assert d.ready_count() == 0
            m.write("worker", "\n")
            d.wait_ready()
            assert m.verdict(d)[0] == "verified"
            assert "simulated" not in str(d.lines), d.lines


def a_worker_costs_nothing_but_evidence(mode):
    with Machine(gpus=2) as m:
        m.write("worker", mode + "\n")
        with m.start() as d:
            wait_said(d, "no evidence without a report, which is tried again")
            attester = d.children()["attester"]
            assert "engine" not in d.children()
            m.write("worker", "\n")
            d.wait_ready()
            assert d.children()["attester"] == attester
            old = ohttp.keys_section(d)
            # and in the middle of its work
            m.write("worker", mode + "\n")
            kill_worker(m)
            wait_said(d, "keys retired, and the engine started again: the GPUs' driver gives no answer")
            m.write("worker", "\n")
            d.wait_ready(2)
            assert post(d, old)[0] != 200


@tap
def a_worker_that_answers_rubbish_costs_nothing_but_evidence():
    a_worker_costs_nothing_but_evidence("rubbish")


@tap
def a_worker_that_answers_nothing_costs_nothing_but_evidence():
    a_worker_costs_nothing_but_evidence("deaf")


ATTESTER, FETCHER = 3, 5  # enum clo_role
# Says rubbish on its channel to the attester, once; its successor is the real one.
BAD_FETCHER = """
import array, os, socket, struct, sys
here = os.path.dirname(os.path.abspath(__file__))
try:
    os.close(os.open(os.path.join(here, "was-bad"), os.O_CREAT | os.O_EXCL))
except FileExistsError:
    real = os.path.join(here, "cloisterd-fetcher.real")
    os.execve(real, [real, *sys.argv[1:]], {"LD_BIND_NOW": "1"})
control = socket.socket(fileno=3)
control.setblocking(True)
while True:
    m, rights, _, _ = control.recvmsg(65536, 64)
    if not m:
        break
    version, kind, length, id = struct.unpack_from("<HHIQ", m)
    if kind == 16:  # FETCHER_START: READY
        control.send(struct.pack("<HHIQ", version, 4, 0, 0))
    elif kind == 5:  # PING
        control.send(struct.pack("<HHIQ", version, 5, 0, id))
    elif kind == 1:  # PEER
        attester = socket.socket(fileno=array.array("i", rights[0][2])[0])
        attester.send(b"rubbish")
"""


@tap
def a_fetcher_that_breaks_the_rules_is_replaced_and_not_the_attester():
    with Machine() as m:
        fetcher = os.path.join(m.programs, "cloisterd-fetcher")
        os.rename(fetcher, fetcher + ".real")
        with open(fetcher, "w") as f:
            f.write(f"#!{sys.executable} -I" + BAD_FETCHER)
        os.chmod(fetcher, 0o755)
        with m.start() as d:
            d.wait_ready()
            assert os.path.exists(os.path.join(m.programs, "was-bad"))
            log = d.log()
            assert f"parent child-start child={FETCHER} " in log and log.count(f"parent child-exit child={FETCHER} ") == 1, log
            assert f"parent child-exit child={ATTESTER} " not in log, log
            assert m.verdict(d) == ("verified", []), m.verdict(d)


@tap
def keys_are_retired_when_another_worker_finds_no_gpus():
    with Machine(gpus=2) as m, m.start() as d:
        d.wait_ready()
        old = ohttp.keys_section(d)
        library = os.path.join(m.programs, "libnvidia-ml.so.1")
        os.rename(library, library + ".gone")
        kill_worker(m)
        wait_said(d, "keys retired, and the engine started again: the GPUs' driver gives no answer")
        os.rename(library + ".gone", library)
        until(lambda: post(d, old)[0] != 200, "the end of the old keys")


@tap
def keys_of_gpus_are_retired_when_nobody_looks_at_them():
    with Machine(gpus=2) as m, m.start() as d:
        d.wait_ready()
        old = ohttp.keys_section(d)
        engine, attester = d.children()["engine"], d.children()["attester"]
        # whoever started it over would find it waiting for something, while keys hold
        m.gpus_state("devtools on")
        os.kill(attester, 9)  # before it looks again
        wait_said(d, "keys retired, and the engine started again: ")
        until(lambda: d.log().count(" keeper epoch-new ") == 2, "the end of the old keys")
        wait_said(d, "no evidence as things are: a GPU is in developer tools mode")
        assert d.children().get("engine") is None
        m.gpus_state()
        d.wait_ready(2)
        assert d.children()["engine"] != engine
        assert post(d, old)[0] != 200


if __name__ == "__main__":
    tap.run()
