#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cloister policy from-evidence`: what it proposes from evidence that the user chose to trust, and what it refuses to."""
import base64
import contextlib
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from harness import Daemon, Engine, cloister  # noqa: E402

test = harness.Tap()


def status(r, want):
    assert r.returncode == want, f"exit status {r.returncode} instead of {want}; stdout {r.stdout!r}, stderr {r.stderr!r}"
    return r.stdout.decode(), r.stderr.decode()


def has(text, *parts):
    for p in parts:
        assert p in text, f"{p!r} is not in {text!r}"


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def unb64(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


@contextlib.contextmanager
def saved():
    """A server, its evidence in a file, and the nonce that this answers."""
    with tempfile.TemporaryDirectory(prefix="cloister-from-") as folder:
        e = Engine(os.path.join(folder, "engine.sock"))
        path, nonce = os.path.join(folder, "evidence"), os.path.join(folder, "nonce")
        try:
            with Daemon(engine=e) as d:
                d.wait_ready()
                status(cloister("evidence", "--server", d.url, "--out", path, "--nonce-out", nonce), 0)
                with open(nonce) as f:
                    yield d, path, f.read().strip()
        finally:
            e.close()


def write(path, text):
    with open(path, "w") as f:
        f.write(text)
    return path


@test
def saved_evidence_gives_the_policy_that_its_server_gives():
    with saved() as (d, path, _):
        out, err = status(cloister("policy", "from-evidence", path), 0)
        has(err, "WARNING", "protects nothing", "compare what was started", "hides less than it could", "shape: off")
        live = json.loads(status(cloister("policy", "init", "--from-server", "--server", d.url), 0)[0])
        doc = json.loads(out)
        assert {**doc, "name": ""} == {**live, "name": ""}, (doc, live)
        assert doc["shape"] == "off", doc
        policy = write(path + ".policy", out)
        status(cloister("verify", "--server", d.url, "--policy", policy), 0)
        with open(path, "rb") as f:
            assert status(cloister("policy", "from-evidence", "-", stdin=f.read()), 0)[0] == out


@test
def a_bundle_gives_the_same_policy():
    with saved() as (_, path, nonce):
        bundle = path + ".bundle"
        status(cloister("bundle", "--evidence", path, "--nonce", nonce, "--out", bundle), 0)
        assert status(cloister("policy", "from-evidence", bundle), 0)[0] == status(cloister("policy", "from-evidence", path), 0)[0]


@test
def forged_evidence_gives_none():
    with saved() as (_, path, _):
        with open(path) as f:
            evidence = json.load(f)
        cpu = json.loads(unb64(evidence["sections"]["cpu"]["bytes"]))
        report = bytearray(unb64(cpu["report"]))
        report[0x90] ^= 1  # the measurement
        cpu["report"] = b64(bytes(report))
        evidence["sections"]["cpu"]["bytes"] = b64(json.dumps(cpu).encode())
        r = cloister("policy", "from-evidence", write(path, json.dumps(evidence)))
        has(status(r, 10)[1], "snp.signature", "even a policy that pins what is shown")
        assert r.stdout == b""


@test
def old_evidence_is_judged_as_of_then():
    with saved() as (_, path, _):
        r = cloister("policy", "from-evidence", path, "--at", "2030-01-01T00:00:00Z")
        has(status(r, 10)[1], "epoch.time")
        assert r.stdout == b""


@test
def what_is_no_evidence_ends_with_30():
    with tempfile.TemporaryDirectory() as tmp:
        for text in ("", "{}", "[]", '{"v":1}', "\x00", '{"v":1,"sections":{}}'):
            r = cloister("policy", "from-evidence", write(os.path.join(tmp, "x"), text))
            has(status(r, 30)[1], "neither saved evidence nor a bundle")
            assert r.stdout == b""
        has(status(cloister("policy", "from-evidence", os.path.join(tmp, "none")), 1)[1], "can't be read")


@test
def options_of_other_commands_are_refused():
    with saved() as (_, path, _):
        status(cloister("policy", "from-evidence"), 1)
        status(cloister("policy", "from-evidence", path, "--accept"), 1)
        status(cloister("policy", "show", path, "--pin-chip"), 1)
        status(cloister("policy", "init", "--simulated-root", "ab" * 32, "--measurement", "cd" * 48, "--at", "1795000000"), 1)
        status(cloister("policy", "from-evidence", path, "--root", "intel"), 1)


@test
def show_tells_what_every_kind_admits_and_leaves_open():
    hex48, hex32 = "ab" * 48, "cd" * 32
    doc = {
        "v": 1, "name": "all kinds", "tee": ["sev-snp", "tdx-azure", "sgx"], "revocation": "if-present", "measurements": [hex48],
        "sev_snp": {"products": {"genoa": {"min_tcb": {"bl": 1, "tee": 0, "snp": 2, "ucode": 3}, "min_firmware": "1.55.29"}}, "chip_ids": []},
        "tdx": {"images": [{r: hex48 for r in ("mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3")}],
                "tcb": {"min_evaluation_number": 17, "statuses": ["UpToDate", "OutOfDate"]}, "allow_attributes": ["perfmon"]},
        "sgx": {"signers": [hex32], "product_id": 7, "min_svn": 3, "tcb": {"min_evaluation_number": 0}},
        "azure": {"allow_console": True}, "tpm": {"selection": [0, 1, 2, 4, 7, 9], "pcrs": [{"4": hex32, "9": hex32}]},
        "devices": {"min": 2, "max": 8, "architectures": ["hopper", "blackwell"], "modes": ["multi"], "min_driver": "550.90.07",
                    "reference_values": [{"kind": "driver", "arch": "hopper", "id": "NV_GPU_DRIVER_GH100_550.90.07", "version": "550.90.07",
                                          "rim_sha256": hex32, "measurements": [{"index": 3, "values": [hex48, "00" * 48]}]}]},
    }
    with tempfile.TemporaryDirectory() as tmp:
        out, _ = status(cloister("policy", "show", write(os.path.join(tmp, "p"), json.dumps(doc))), 0)
        has(out, "SEV-SNP machines", "NO chip, so nothing is admitted", "Intel TDX machines on Azure", f"MRTD {hex48}", "UpToDate, OutOfDate", "PERFMON",
            "Intel SGX enclaves", f"signer (MRSIGNER) {hex32}", "product 7, version 3", "PCR 0 to 2, 4, 7, 9", f"PCR  9 {hex32}",
            "2 to 8 verified GPUs", "Hopper, Blackwell", "several GPUs", "driver 550.90.07 or later", "2 values for 1 measurements",
            "NV_GPU_DRIVER_GH100_550.90.07")
        opened = out.split("left open")[1]
        has(opened, "revocation: if-present", "TDX: platforms with holes", "no advisories", "TDX: any genuine platform", "perfmon",
            "SGX: whatever the signer signs", "min_evaluation_number is 0", "Azure: any VM", "allow_console", "any value of PCR 0 1 2 7")
        assert "\033" not in out
        has(out, "shape of the traffic: full\n")
        assert "(shape)" not in opened, opened
        for word, tells in (("size", "times of the traffic tell how"), ("off", "sizes and times of the traffic tell how long")):
            out, _ = status(cloister("policy", "show", write(os.path.join(tmp, "p"), json.dumps({**doc, "shape": word}))), 0)
            has(out, f"shape of the traffic: {word} or more\n")
            has(out.split("left open")[1], tells, "(shape)")
        nothing = {"v": 1, "name": "n", "tee": ["tdx"], "tdx": {"images": [], "tcb": {"min_evaluation_number": 1, "statuses": []}}}
        out, _ = status(cloister("policy", "show", write(os.path.join(tmp, "p"), json.dumps(nothing))), 0)
        has(out, "NO image, so none is admitted", "NONE, so nothing is admitted", "NO architecture is admitted")
        out, _ = status(cloister("policy", "show", write(os.path.join(tmp, "p"), '{"v":1,"name":"n","tee":[]}')), 0)
        has(out, "admits NO machine")


if __name__ == "__main__":
    test.run()
