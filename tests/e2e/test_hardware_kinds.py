#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole daemon on the other kinds of machines that don't exist (a TD; Azure's VMs, whose vTPM is swtpm), and certificates and collateral as
they become old, fail to come, or are put into the cache by hand. Machines, vendors and roots are test_hardware.py's.
"""
import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import ohttp  # noqa: E402
from harness import Skip, Tap, WAIT, until  # noqa: E402
from test_hardware import Machine, SUPPORT, Vendors, b64, evidence_status, examined, post, read, said, wait_said  # noqa: E402

tap = Tap()
DAY = 86400
SWTPM = next((x for x in ("/usr/bin/swtpm", "/usr/local/bin/swtpm", "/bin/swtpm") if os.access(x, os.X_OK)), None)


class MoreVendors(Vendors):
    """Intel's services and Azure's instance service too. `later`: what is new of four days later has come out."""

    later = False

    def answer(self, path, body):
        if path == "/acc/tdquote":
            report = read(self.folder, "azure/tdreport")
            if json.loads(body) != {"report": b64(report)}:
                return 400, b""
            return 200, json.dumps({"quote": b64(read(self.folder, "azure/quote"))}).encode()
        name = {"/IntelSGXRootCA.der": "root-crl.der", "/tdx/certification/v4/tcb?fmspc=00a0b1c2d3e4": "tcb.json",
                "/tdx/certification/v4/qe/identity": "qe.json",
                "/sgx/certification/v4/pckcrl?ca=platform&encoding=der": "pck-crl.der"}.get(path)
        if name is None:
            if self.later and path.endswith("/crl"):
                return 200, read(self.folder, "amd/crl-later.der")
            if body:
                file = f"nvidia{'-later' if self.later else ''}/nvidia-ocsp-{hashlib.sha256(body).hexdigest()}.der"
                return 200, read(self.folder, file), ("Content-Type", "application/ocsp-response")
            return super().answer(path, body)
        folder = "intel-later" if self.later else "intel"
        header = {"tcb.json": "TCB-Info-Issuer-Chain", "qe.json": "SGX-Enclave-Identity-Issuer-Chain"}.get(name)
        chain = [] if header is None else [(header, urllib.parse.quote(read(self.folder, folder, "chain.pem"), safe=""))]
        return 200, read(self.folder, folder, name), *chain


class Kind(Machine):
    """A machine of this kind."""

    def __init__(self, kind, gpus=0):
        if kind.endswith("-azure") and SWTPM is None:
            raise Skip("there is no swtpm")
        self.kind, self.tpm = kind, None
        super().__init__(gpus)

    def make(self):
        if self.kind in ("sev-snp", "sev-snp-azure"):
            super().make()
            self.vendors.close()
        else:
            os.symlink(os.path.join(self.made, "roots"), os.path.join(self.programs, "roots"))
            self.write("fake_tee", os.path.join(self.made, "tee") + "\n")
        if self.kind.endswith("-azure"):
            shutil.copy(os.path.join(SUPPORT, "fake_vtpm_attester"), os.path.join(self.programs, "cloisterd-attester"))
            self.start_tpm()
        if self.kind != "sev-snp":
            subprocess.run([os.path.join(SUPPORT, "kind_maker"), self.kind, self.made], check=True)
        subprocess.run(["chmod", "-R", "a+rX", self.made], check=True)  # the attester, another user, reads its roots
        self.vendors = MoreVendors(self.made)

    def start_tpm(self):
        folder = os.path.join(self.made, "tpm")
        os.makedirs(folder, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, "swtpm"))
        self.tpm = subprocess.Popen([SWTPM, "socket", "--tpm2", "--tpmstate", "dir=" + folder, "--server", f"type=unixio,path={folder}/swtpm",
                                     "--flags", "not-need-init,startup-clear"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: os.path.exists(os.path.join(folder, "swtpm")), "swtpm")
        self.write("fake_tpm", folder + "\n")

    def extend(self, pcr):
        """TPM2_PCR_Extend: the handle, an empty password, one digest by SHA-256."""
        command = bytes.fromhex(f"8002 00000041 00000182 {pcr:08x} 00000009 40000009 0000 00 0000 00000001 000b") + b"\x77" * 32
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(os.path.join(self.made, "tpm", "swtpm"))
            s.sendall(command)
            assert s.recv(4096)[6:10] == b"\0" * 4

    def end_tpm(self):
        self.tpm.kill()
        self.tpm.wait(WAIT)

    def policy(self, vmpl=0):
        if self.kind in ("sev-snp", "sev-snp-azure"):
            policy = super().policy(vmpl)
        else:
            policy = json.loads(read(self.made, "policy.json"))
        if self.kind.endswith("-azure"):
            policy.update({"tee": [self.kind], "azure": {}, "tpm": {"pcrs": [{"4": "00" * 32, "7": "00" * 32}]}})
        return policy

    def roots(self):
        if self.kind in ("sev-snp", "sev-snp-azure"):
            return super().roots()
        return [{"vendor": "intel", "certificate": b64(read(self.made, "roots/intel.der"))}]

    def clock(self, seconds):
        """The attester's, ahead by so much."""
        self.write("clock", str(int(seconds)))

    def cached(self, name):
        return os.path.join(self.folder, "cache", name)

    def close(self):
        if self.tpm:
            self.end_tpm()
        super().close()


def is_kind(kind, source):
    with Kind(kind) as m, m.start() as d:
        d.wait_ready()
        assert m.verdict(d) == ("verified", []), m.verdict(d)
        outcome, failed = m.verdict(d, builtin=True)
        assert outcome != "verified" and failed, (outcome, failed)
        assert any(f"evidence of {kind} comes from {source}" in x for x in said(d)), said(d)
        assert "simulated_root" not in d.info
        assert post(d, ohttp.keys_section(d))[0] == 200
        assert examined(m)["tee"] == ("ok", f"{kind}: reports come from {source}; GPUs that belong to it: 0"), examined(m)["tee"]


@tap
def a_td_is_verified_under_its_root_and_no_other():
    is_kind("tdx", "/sys/kernel/config/tsm/report")


@tap
def azures_snp_machine_is_verified_under_its_root_and_no_other():
    is_kind("sev-snp-azure", "Azure's vTPM (/dev/tpmrm0)")


@tap
def azures_td_is_verified_under_its_root_and_no_other():
    is_kind("tdx-azure", "Azure's vTPM (/dev/tpmrm0)")


@tap
def other_code_in_azures_machine_shows_in_the_verdict():
    with Kind("sev-snp-azure") as m, m.start() as d:
        d.wait_ready()
        assert m.verdict(d) == ("verified", [])
        m.extend(4)
        outcome, failed = m.verdict(d)
        assert outcome == "refused" and "tpm.pcrs" in failed, (outcome, failed)


@tap
def a_vtpm_that_goes_costs_errors_only_while_it_is_away():
    with Kind("sev-snp-azure") as m, m.start() as d:
        d.wait_ready()
        keys = ohttp.keys_section(d)["ohttp_keys"]
        m.end_tpm()
        assert evidence_status(d) == 503
        m.start_tpm()
        until(lambda: evidence_status(d) == 200, "evidence again")
        assert m.verdict(d) == ("verified", []), m.verdict(d)
        assert ohttp.keys_section(d)["ohttp_keys"] == keys and d.ready_count() == 1


@tap
def a_tds_report_interface_that_fails_costs_errors_only_while_it_does():
    with Kind("tdx") as m, m.start() as d:
        d.wait_ready()
        for fault in ("busy 1", "changed 1", "cut 100", "other_data 1", "vanishes 1"):
            m.tee("tsm 1", "provider tdx_guest", fault)
            assert evidence_status(d) == 503, fault
            m.tee("tsm 1", "provider tdx_guest")
            until(lambda: evidence_status(d) == 200, "evidence again")
        assert m.verdict(d) == ("verified", []), m.verdict(d)
        assert d.ready_count() == 1


@tap
def azures_td_waits_for_the_instance_service():
    ways = {"answered 500": lambda path: (500, b""), "what came isn't one": lambda path: (200, b'{"quote":"AAAA"}')}
    for part, script in ways.items():
        with Kind("tdx-azure") as m:
            m.vendors.script = lambda path: script(path) if path == "/acc/tdquote" else None
            with m.start() as d:
                wait_said(d, part)
                assert any("no evidence without the quote that Azure's instance service makes" in x for x in said(d)), said(d)
                assert d.ready_count() == 0
                m.vendors.script = None
                d.kill("fetcher")
                d.wait_ready()
                assert m.verdict(d) == ("verified", []), m.verdict(d)
    with Kind("tdx-azure") as m, m.start("--fetch", "no") as d:
        wait_said(d, "no service may be asked")
        assert d.ready_count() == 0 and m.vendors.asked == []


def shown(d):
    """The collateral in fresh evidence, as text in which clo_b64 of each answer can be found."""
    status, _, body = d.get(f"/.well-known/cloister/evidence?nonce={b64(os.urandom(32))}&full=1")
    assert status == 200, (status, body, said(d))
    text = json.loads(body)["sections"]["collateral"]["bytes"]
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def has(d, *file):
    return b64(read(*file)) in shown(d)


def renewed(m):
    """What has a later one: the files, and their name in the cache."""
    if m.kind == "tdx":
        return [(f"intel/{x}", f"intel-later/{x}", name) for x, name in (
            ("tcb.json", "intel-tcb-tdx-00a0b1c2d3e4.json"), ("qe.json", "intel-qe-identity-tdx.json"),
            ("pck-crl.der", "intel-pck-crl-platform.der"), ("root-crl.der", "intel-root-crl.der"))]
    nvidia = os.listdir(os.path.join(m.made, "nvidia")) if m.gpus else []
    return [("amd/crl.der", "amd/crl-later.der", "amd-vcek-crl-genoa.der")] + [(f"nvidia/{x}", f"nvidia-later/{x}", x) for x in nvidia]


def is_renewed(kind, gpus=0):
    """At half of its time the new one is asked for, while the old one still is in evidence; no question goes unanswered."""
    with Kind(kind, gpus) as m, m.start() as d:
        d.wait_ready()
        asked = len(m.vendors.asked)
        m.clock(2 * DAY)
        assert all(has(d, m.made, old) for old, _, _ in renewed(m))
        assert len(m.vendors.asked) == asked, "it was asked for before half of its time was over"
        m.vendors.later = True
        m.clock(4 * DAY + 60)
        for old, new, name in renewed(m):  # `has` insists on an answer each time
            until(lambda: has(d, m.made, new), "the new one in evidence")
            assert not has(d, m.made, old), (old, new)
            until(lambda: read(m.cached(name)) == read(m.made, new), "the new one in the cache")
        again = m.vendors.asked[asked:]
        assert len(again) == len(renewed(m)), again
        m.clock(9 * DAY)  # where the first ones are at their end
        assert all(has(d, m.made, new) for _, new, _ in renewed(m))
        assert d.ready_count() == 1
        assert not any("no evidence" in x for x in said(d)), said(d)


@tap
def amds_list_and_nvidias_answers_are_renewed_before_their_end():
    is_renewed("sev-snp", gpus=1)


@tap
def intels_collateral_is_renewed_before_its_end():
    is_renewed("tdx")


def is_served_to_its_end(kind, part, script):
    """The service fails at the renewal: what there is serves to its end, then there is no evidence until the service is back."""
    with Kind(kind) as m, m.start() as d:
        d.wait_ready()
        old, new, name = renewed(m)[0]
        keys = ohttp.keys_section(d)["ohttp_keys"]
        asked = len(m.vendors.asked)
        m.vendors.script = script
        m.clock(4 * DAY)
        until(lambda: has(d, m.made, old) and len(m.vendors.asked) > asked, "a question for the new one")
        for _ in range(5):
            assert has(d, m.made, old), "the old one serves while it holds"
        assert read(m.cached(name)) == read(m.made, old), "what came in its place got into the cache"
        assert d.ready_count() == 1 and not any("no evidence" in x for x in said(d)), said(d)
        m.clock(7 * DAY + 60)
        until(lambda: evidence_status(d) == 503, "no evidence")
        until(lambda: any("no evidence without " in x and part in x for x in said(d)), f"'{part}' in {said(d)}")
        until(lambda: d.get("/readyz")[0] == 503, "not ready")
        m.vendors.script, m.vendors.later = None, True
        d.kill("fetcher")  # its successor knows of no rest that the service needs
        until(lambda: evidence_status(d) == 200, "evidence again")
        assert has(d, m.made, new) and not has(d, m.made, old)
        until(lambda: d.get("/readyz")[0] == 200, "ready")
        assert ohttp.keys_section(d)["ohttp_keys"] == keys, "nobody had to start over"


@tap
def a_list_serves_to_its_end_while_the_service_throttles():
    is_served_to_its_end("sev-snp", "answered 429", lambda path: (429, b"later"))


@tap
def a_list_serves_to_its_end_while_rubbish_comes():
    is_served_to_its_end("sev-snp", "what came", lambda path: (200, b"<html>rubbish"))


@tap
def intels_collateral_serves_to_its_end_while_the_service_throttles():
    is_served_to_its_end("tdx", "answered 429", lambda path: (429, b"later"))


@tap
def intels_collateral_serves_to_its_end_while_rubbish_comes():
    is_served_to_its_end("tdx", "what came", lambda path: (200, b"{}", ("TCB-Info-Issuer-Chain", "rubbish"), ("SGX-Enclave-Identity-Issuer-Chain", "rubbish")))


@tap
def a_clock_that_jumps_past_all_ends_has_them_asked_for_at_once():
    for kind in ("sev-snp", "tdx"):
        with Kind(kind) as m, m.start() as d:
            d.wait_ready()
            m.vendors.later = True
            m.clock(9 * DAY)
            until(lambda: evidence_status(d) == 200, "evidence again")
            assert all(has(d, m.made, new) for _, new, _ in renewed(m))
            assert not any("answered 200" in x for x in said(d)), said(d)


def put_by_hand(m, name, *files):
    """As cloisterd(8) says it: under another name first; what belongs to it before it."""
    for suffix, b in reversed(list(zip(("", ".chain.pem"), files))):
        path = os.path.join(m.folder, "cache", name + suffix)
        with open(path + ".mine", "wb") as f:
            f.write(b)
        os.rename(path + ".mine", path)


def named(d):
    """What sentences have named so far, in order."""
    return [re.search(r"by hand as \S*/cache/([^\s,/]+?)[,.]* *(or wait|$)", x).group(1) for x in said(d) if "no evidence without" in x]


def by_hand(m, answers):
    """Each file that a sentence names is put there, one at a time, until it is ready."""
    with m.start("--fetch", "no") as d:
        for count in range(1, len(answers) + 1):
            until(lambda: len(named(d)) == count, f"the {count}th name in {said(d)}")
            assert d.ready_count() == 0
            name = named(d)[-1]
            assert "put it there by hand as " + os.path.join(m.folder, "cache", name) in said(d)[-1], said(d)
            put_by_hand(m, name, *answers[re.sub(r"[0-9a-f]{64,}-[0-9a-f]{16}", "CHIP-TCB", name)])
        d.wait_ready()
        assert m.verdict(d) == ("verified", []), m.verdict(d)
        assert m.vendors.asked == [], m.vendors.asked


def ocsp_by_openssl(m):
    """The recipe in cloisterd(8), for each certificate of the GPU's chain but the first and the root."""
    ret, folder = {}, os.path.join(m.folder, "by-openssl")
    os.mkdir(folder)
    page = read(os.path.dirname(os.path.abspath(__file__)), "..", "..", "man", "cloisterd.8").decode()
    recipe = next(x for x in re.findall(r"^\.Bd -literal\n(.*?)^\.Ed", page, re.M | re.S) if x.startswith("openssl ocsp "))
    recipe = recipe.replace("\\e\n", "\\\n").replace("https://ocsp.ndis.nvidia.com", m.vendors.url)
    chain = re.findall(rb"-----BEGIN.*?-----END CERTIFICATE-----\n", read(m.made, "gpus", "gpu-0.pem"), re.S)
    for i in range(1, len(chain) - 1):
        for name, b in (("certificate.pem", chain[i]), ("issuer.pem", chain[i + 1])):
            with open(os.path.join(folder, name), "wb") as f:
                f.write(b)
        subprocess.run(recipe, shell=True, cwd=folder, capture_output=True)
    for name in os.listdir(folder):
        if name.startswith("nvidia-ocsp-"):
            ret[name] = (read(folder, name),)
    assert len(ret) == len(chain) - 2, ret.keys()
    del m.vendors.asked[:]
    return ret


@tap
def files_by_hand_make_an_snp_machine_with_a_gpu_ready():
    with Kind("sev-snp", gpus=1) as m:
        by_hand(m, {"amd-vcek-genoa-CHIP-TCB.der": (read(m.made, "amd/vcek.der"),),
                    "amd-vcek-chain-genoa.pem": (read(m.made, "amd/cert_chain.pem"),),
                    "amd-vcek-crl-genoa.der": (read(m.made, "amd/crl.der"),), **ocsp_by_openssl(m)})


@tap
def files_by_hand_make_a_td_ready():
    with Kind("tdx") as m:
        chain = read(m.made, "intel/chain.pem")
        by_hand(m, {"intel-tcb-tdx-00a0b1c2d3e4.json": (read(m.made, "intel/tcb.json"), chain),
                    "intel-qe-identity-tdx.json": (read(m.made, "intel/qe.json"), chain),
                    "intel-pck-crl-platform.der": (read(m.made, "intel/pck-crl.der"),),
                    "intel-root-crl.der": (read(m.made, "intel/root-crl.der"),)})


@tap
def with_the_hosts_certificates_the_list_alone_is_missing():
    with Kind("sev-snp") as m:
        for interface in ("tsm", "sev_guest"):
            m.tee(f"{interface} 1", "provider sev_guest", "table table-of-two")
            by_hand(m, {"amd-vcek-crl-genoa.der": (read(m.made, "amd/crl.der"),)})
            os.unlink(m.cached("amd-vcek-crl-genoa.der"))


if __name__ == "__main__":
    tap.run()
