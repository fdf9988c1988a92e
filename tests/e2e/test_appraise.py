#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cloister appraise`, `explain` and `bundle` as a person would use them: on a synthetic machine's raw files under its own roots, which are there
everywhere; on a simulated server's saved evidence; and on recorded evidence where that is.
"""
import atexit
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from harness import Daemon, Engine, cloister  # noqa: E402

tap = harness.Tap()
BUILD = os.environ["CLOISTER_BUILD"]
TMP = tempfile.mkdtemp(prefix="cloister-appraise-")
atexit.register(shutil.rmtree, TMP, ignore_errors=True)
RAW = os.path.join(TMP, "raw")
DAY = 86400


def make(folder, gpus, at):
    os.makedirs(folder, exist_ok=True)
    r = subprocess.run([os.path.join(BUILD, "tests", "support", "raw_maker"), folder, str(gpus), str(at)], capture_output=True, text=True,
                       check=True, timeout=harness.WAIT)
    return json.loads(r.stdout)


# As of now: bundles are made by the clock.
FACTS = make(RAW, 2, int(time.time()))
AT = str(FACTS["time"])


def raw(name):
    return os.path.join(RAW, name)


def snp(*more, expect=None):
    return ["sev-snp", raw("snp.report"), "--certificates", raw("snp.cert0.der"), "--certificates", raw("snp.cert1.der"),
            "--crl", raw("crl0.der"), "--expect", expect or FACTS["report_data"], *more]


def nvidia(*more):
    args = ["nvidia"]
    for i in range(FACTS["gpus"]):
        args.append(raw(f"gpu{i}.report"))
        for k in range(FACTS["certs"]):
            args += ["--certificates", raw(f"gpu{i}.cert{k}.der")]
    for i in range(FACTS["ocsps"]):
        args += ["--ocsp", raw(f"ocsp{i}.der")]
    return [*args, "--expect", FACTS["gpu_nonce"], *more]


POLICY = ["--policy", raw("policy.json")]
AMD = ["--root", "amd-genoa=" + raw("amd-root.der")]
NVIDIA = ["--root", "nvidia=" + raw("nvidia-root.der")]


def verdict(r):
    return json.loads(r.stdout)


def of(v, status):
    return {c["id"] for c in v["checks"] if c["status"] == status}


def unb64(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


def collateral_of(evidence):
    return json.loads(unb64(evidence["sections"]["collateral"]["bytes"]))


def asleep(pid):
    """Does the process wait for something?"""
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0] == "S"


def vectors(name):
    folder = os.environ.get("CLOISTER_VECTORS", "")
    path = os.path.join(folder, "attestation", name)
    return path if folder and os.path.exists(path) else None


# ---- appraise ----


@tap
def a_report_is_admitted_under_its_policy_and_roots():
    r = cloister("appraise", *snp(*POLICY, *AMD, "--at", AT))
    assert r.returncode == 0, r
    assert r.stdout.startswith(b"VERIFIED: AMD SEV-SNP Genoa"), r.stdout
    assert b"freshness" not in r.stdout and b"0000000000000000" not in r.stdout, r.stdout
    assert r.stderr == b"", r.stderr


@tap
def the_verdict_as_json_has_the_checks_of_its_kind_alone():
    r = cloister("appraise", *snp(*POLICY, *AMD, "--at", AT, "--json"))
    v = verdict(r)
    assert (r.returncode, v["outcome"], v["type"]) == (0, "verified", "sev-snp"), v
    families = {c["id"].split(".")[0] for c in v["checks"]}
    assert families == {"policy", "binding", "snp"}, families
    assert "gateway" not in v and "keys_sha256" not in v, v


@tap
def only_an_explicit_root_admits_a_synthetic_machine():
    r = cloister("appraise", *snp(*POLICY, "--at", AT, "--json"))
    assert r.returncode == 10 and "snp.root" in of(verdict(r), "fail"), r


@tap
def without_a_policy_authenticity_is_shown_and_nothing_admitted():
    r = cloister("appraise", *snp(*AMD, "--at", AT, "--json"))
    v = verdict(r)
    assert r.returncode == 20 and not of(v, "fail"), v
    assert {"snp.signature", "snp.root", "snp.chain", "binding.report_data"} <= of(v, "pass"), v
    assert {"policy.type", "snp.measurement", "snp.tcb_min"} <= of(v, "missing"), v
    assert b"--policy FILE" in r.stderr, r.stderr


@tap
def other_report_data_is_refused_and_none_is_said():
    r = cloister("appraise", *snp(*POLICY, *AMD, "--at", AT, "--json", expect="00" * 64))
    assert r.returncode == 10 and of(verdict(r), "fail") == {"binding.report_data"}, r
    args = snp(*POLICY, *AMD, "--at", AT, "--json")
    del args[args.index("--expect"):args.index("--expect") + 2]
    r = cloister("appraise", *args)
    assert r.returncode == 20 and of(verdict(r), "missing") == {"binding.report_data"}, r
    assert b"--expect HEX" in r.stderr, r.stderr
    r = cloister("appraise", *args, "--expect-any")
    assert r.returncode == 0 and "binding.report_data" in of(verdict(r), "not-applicable"), r


@tap
def gpus_are_judged_with_their_certificates_and_answers():
    r = cloister("appraise", *nvidia(*POLICY, *NVIDIA, "--at", AT, "--json"))
    v = verdict(r)
    assert r.returncode == 0, v
    assert {"gpu.signature", "gpu.ocsp", "gpu.revoked", "gpu.measurements", "gpu.nonce"} <= of(v, "pass"), v
    late = str(FACTS["time"] + 3650 * DAY)
    r = cloister("appraise", *nvidia(*POLICY, *NVIDIA, "--at", late, "--json"))
    assert r.returncode == 10 and "gpu.ocsp_dates" in of(verdict(r), "fail"), r


@tap
def certificates_belong_to_the_report_before_them():
    swapped = nvidia(*POLICY, *NVIDIA, "--at", AT, "--json")
    a, b = swapped.index(raw("gpu0.report")), swapped.index(raw("gpu1.report"))
    swapped[a], swapped[b] = swapped[b], swapped[a]
    r = cloister("appraise", *swapped)
    assert r.returncode == 10 and "gpu.signature" in of(verdict(r), "fail"), r


@tap
def hexadecimal_text_is_taken_for_what_it_says():
    with open(raw("snp.report"), "rb") as f, open(raw("snp.hex"), "w") as out:
        text = f.read().hex()
        out.write("\n".join(text[i:i + 64] for i in range(0, len(text), 64)).upper() + "\n")
    for der in ["snp.cert0.der", "crl0.der"]:
        with open(raw(der), "rb") as f, open(raw(der + ".hex"), "w") as out:
            out.write(f.read().hex())
    args = snp(*POLICY, *AMD, "--at", AT)
    args[1] = raw("snp.hex")
    args = [a + ".hex" if a in (raw("snp.cert0.der"), raw("crl0.der")) else a for a in args]
    assert cloister("appraise", *args).returncode == 0
    with open(raw("snp.hex"), "rb") as f:
        args[1] = "-"
        assert cloister("appraise", *args, stdin=f.read()).returncode == 0


@tap
def what_makes_no_sense_is_said_in_one_sentence():
    for args, code, words in [
            ([], 1, b"a type (sev-snp, tdx"),
            (["vax", raw("snp.report")], 1, b'there is no type "vax"'),
            (["tdx"], 1, b"which file the report is in"),
            (["tdx", raw("nothing")], 1, b"there is no such file"),
            (["sev-snp", raw("snp.report"), "--ocsp", raw("ocsp0.der")], 1, b"has no use for --ocsp"),
            (["sev-snp", raw("snp.report"), raw("snp.report")], 1, b'more than one "report"'),
            (["sev-snp", raw("snp.report"), "--expect", "xyz"], 1, b"hexadecimal"),
            (["sev-snp", raw("snp.report"), "--expect", "00"], 1, b"64 bytes of report data"),
            (["sev-snp", raw("snp.report"), "--root", "amd-rome=" + raw("amd-root.der")], 1, b"amd-milan"),
            (["sev-snp", raw("snp.report"), "--root", "intel=" + raw("amd-root.der")], 30, b"root certificate"),
            (["sev-snp", raw("snp.report"), "--policy", raw("nothing")], 1, b"no such file"),
            (["sev-snp", raw("snp.report"), "--bundle", raw("x")], 1, b"a bundle has everything inside"),
            (["sev-snp", raw("snp.report"), "--expect", "00" * 64, "--expect-any"], 1, b"not both"),
            (["sev-snp", raw("snp.report"), "--collateral", raw("policy.json")], 1, b"no use for --collateral"),
            (["sev-snp", raw("snp.report"), "--crl", raw("snp.report")], 30, b'given as "crl" is none'),
            (["nvidia", "--certificates", raw("gpu0.cert0.der"), raw("gpu0.report")], 1, b"belong to the report before"),
            (["nvidia", *[raw("gpu0.report")] * 33], 30, b'more of "report" than can be taken'),
            (["tdx", os.devnull], 30, b"is empty"),
            (["tdx", "/dev/zero"], 30, b"larger than allowed"),
            (["tdx", RAW], 1, b"Is a directory"),
            (["tdx", raw("snp.report"), "--collateral", raw("policy.json")], 30, b"Intel's collateral"),
            (["nvidia", raw("snp.report"), "--bundle-policy", "00"], 1, b"SHA-256"),
    ]:
        r = cloister("appraise", *args)
        assert r.returncode == code and words in r.stderr and r.stderr.count(b"\n") == 1 and r.stdout == b"", (args, r)


@tap
def garbage_is_no_evidence_of_any_kind():
    with open(raw("garbage"), "wb") as f:
        f.write(os.urandom(1184))
    for kind in ["sev-snp", "tdx", "sgx", "azure", "nvidia", "tpm"]:
        r = cloister("appraise", kind, raw("garbage"), "--json")
        assert r.returncode in (10, 20, 30) and verdict(r)["outcome"] != "verified", (kind, r)


# ---- recorded evidence ----


@tap
def a_recorded_quote_is_authentic_under_intels_own_root():
    quote = vectors("tdx/tdx_v4_phala_uptodate.bin")
    if quote is None:
        raise harness.Skip("recorded evidence is not here")
    r = cloister("appraise", "tdx", quote, "--collateral", vectors("tdx-collateral/phala_tdx.json"), "--at", "2025-06-20T00:00:00Z", "--expect-any",
                 "--json")
    v = verdict(r)
    assert r.returncode == 20 and not of(v, "fail"), v
    assert {"quote.signature", "quote.root", "quote.qe_identity", "quote.tcb_info", "quote.revoked"} <= of(v, "pass"), v


@tap
def amds_own_certificate_files_are_taken_as_they_are():
    for product, name, leaf in [("milan", "milan_v2_virtee", "vcek.der"), ("milan", "milan_v3_vlek_aws", "vlek.der"),
                                ("genoa", "oak_genoa_oc_v5", "vcek.der"), ("turin", "oak_turin_oc_v5", "vcek.der")]:
        report = vectors(f"snp/{name}.report.bin")
        if report is None:
            raise harness.Skip("recorded evidence is not here")
        # intermediate of VCEKs, root, intermediate of VLEKs
        v = verdict(cloister("appraise", "sev-snp", report, "--certificates", vectors(f"snp/{name}.{leaf}"), "--certificates",
                             vectors(f"snp-roots/{product}_ask_ark_asvk.pem"), "--expect-any", "--json"))
        assert {"snp.chain_present", "snp.root", "snp.chain", "snp.signature"} <= of(v, "pass"), v


@tap
def nvidias_own_json_is_read():
    gpus = vectors("nvidia/evidence_hopper_x4.json")
    if gpus is None:
        raise harness.Skip("recorded evidence is not here")
    v = verdict(cloister("appraise", "nvidia", gpus, "--expect-any", "--json"))
    assert {"gpu.signature", "gpu.root", "gpu.distinct"} <= of(v, "pass"), v
    with open(gpus, "rb") as f:
        text = f.read()
    v = verdict(cloister("appraise", "nvidia", "-", "--expect-any", "--json", stdin=b"\n " + text))
    assert {"gpu.signature", "gpu.root", "gpu.distinct"} <= of(v, "pass"), v
    r = cloister("explain", gpus)
    assert r.returncode == 0 and b"NVIDIA device 3" in r.stdout, r


@tap
def intels_collateral_is_explained_in_each_of_its_forms():
    if vectors("tdx-collateral/phala_tdx.json") is None:
        raise harness.Skip("recorded evidence is not here")
    for name, words in [("phala_tdx.json", ["Intel TCB info", "identity of the quoting enclave", "Revocation list", "Certificate of"]),
                        ("gtg_tcbinfo_v5.json", ["Intel TCB info"]), ("gtg_td_qe_identity.json", ["identity of the quoting enclave"]),
                        ("gtg_root_ca.crl", ["Revocation list"]), ("intel_sgx_root_ca.pem", ["Certificate of"])]:
        r = cloister("explain", vectors("tdx-collateral/" + name))
        assert r.returncode == 0 and b"can't be read" not in r.stdout, r
        assert all(w in r.stdout.decode() for w in words), (name, r)


# ---- explain ----


@tap
def a_report_is_explained_and_nothing_is_said_to_be_verified():
    r = cloister("explain", raw("snp.report"))
    out = r.stdout.decode()
    assert r.returncode == 0 and r.stderr == b"", r
    for words in ["AMD SEV-SNP attestation report", "signed by", "would prove", "not proven", "measurement", "Nothing was verified"]:
        assert words in out, (words, out)
    assert max(map(len, (l for l in out.split("\n") if l.startswith("   ")))) <= 80


@tap
def every_kind_of_file_has_an_explanation():
    for name, words in [("gpu0.report", "NVIDIA device 0"), ("snp.cert0.der", "Certificate of"), ("server.json", "Manifest of the server"),
                        ("crl0.der", "Revocation list"), ("ocsp0.der", "Revocation answer"),
                        ("server.json", "NVIDIA device 1"), ("server.json", "Revocation answer")]:
        r = cloister("explain", raw(name))
        assert r.returncode == 0 and words in r.stdout.decode(), (name, r)


@tap
def machines_get_the_explanation_as_json():
    doc = json.loads(cloister("explain", "--json", raw("server.json")).stdout)
    assert doc["v"] == 1 and doc["verified"] is False, doc
    part = next(p for p in doc["parts"] if p["title"].startswith("AMD SEV-SNP"))
    assert {"title", "signed_by", "proves", "fields", "unproven"} == set(part), part
    assert any(f["name"] == "measurement" and len(f["value"]) == 96 for f in part["fields"]), part


@tap
def what_is_no_evidence_is_malformed():
    for data in [b"", b"hello", b"{}", b"[]", b"\xff" * 100]:
        with open(raw("odd"), "wb") as f:
            f.write(data)
        r = cloister("explain", raw("odd"))
        assert r.returncode == 30 and b"neither evidence" in r.stderr and r.stdout == b"", (data, r)
    assert cloister("explain").returncode == 1


@tap
def text_out_of_evidence_reaches_the_terminal_harmless():
    with open(raw("server.json")) as f:
        doc = json.load(f)
    manifest = json.loads(base64.urlsafe_b64decode(doc["sections"]["manifest"]["bytes"] + "=="))
    manifest["model"]["name"] = "x\u202ey\n\nVERIFIED: AMD SEV-SNP\x1b[2J"
    doc["sections"]["manifest"]["bytes"] = base64.urlsafe_b64encode(json.dumps(manifest).encode()).decode().rstrip("=")
    with open(raw("evil.json"), "w") as f:
        json.dump(doc, f)
    r = cloister("explain", raw("evil.json"))
    assert r.returncode == 0 and "\u202e" not in r.stdout.decode() and b"\x1b" not in r.stdout, r
    assert b"\nVERIFIED" not in r.stdout, r


@tap
def no_evidence_writes_lines_of_its_own():
    envelope = vectors("azure/az_snp_milan_live.hcl.bin")
    if envelope is None:
        raise harness.Skip("recorded evidence is not here")
    with open(envelope, "rb") as f:
        data = f.read()
    at = data.index(b'"vmUniqueId":"') + 14
    text = rb"\n\nVERIFIED\tby AMD\u001b[2J".ljust(36)
    r = cloister("explain", "-", stdin=data[:at] + text + data[at + 36:])
    assert r.returncode == 0 and b"VERIFIED by AMD" in r.stdout, r
    assert b"\nVERIFIED" not in r.stdout and b"\x1b" not in r.stdout and b"\t" not in r.stdout, r


@tap
def an_unsigned_report_is_said_to_be_signed_by_nobody():
    with open(raw("snp.report"), "rb") as f:
        report = bytearray(f.read())
    report[0x48] |= 7 << 2
    r = cloister("explain", "-", stdin=bytes(report))
    assert r.returncode == 0 and b"signed by     NOBODY" in r.stdout and b"genuine AMD" not in r.stdout, r


@tap
def what_waits_for_input_can_be_stopped():
    for args in [["explain", "-"], ["appraise", "tdx", "-"], ["appraise", "--bundle", "-"], ["verify", "--bundle", "-"]]:
        for sig in [signal.SIGINT, signal.SIGTERM]:
            p = subprocess.Popen([harness.CLOISTER, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            harness.until(lambda p=p: asleep(p.pid), "the program waits for input")
            p.send_signal(sig)
            assert p.wait(timeout=harness.WAIT) == -sig, (args, p.returncode, p.stderr.read())
            assert p.stdout.read() == b""
            for f in (p.stdin, p.stdout, p.stderr):
                f.close()


# ---- bundles ----


def bundle(*args):
    return cloister("bundle", *args)


@tap
def raw_files_and_a_policy_travel_in_one_file():
    out = raw("bundle.json")
    soon = str(int(time.time()) + DAY)
    r = bundle(*snp("--policy", raw("policy.json"), "--expires", soon, "--out", out))
    assert r.returncode == 0, r
    with open(raw("policy.json"), "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    assert digest.encode() in r.stderr, r.stderr
    now = ["--at", str(int(time.time()) + 5)]
    now += ["--expect", FACTS["report_data"]]
    r = cloister("appraise", "--bundle", out, *AMD, "--json", *now)
    assert r.returncode == 20, r  # its own policy counts for nothing yet
    r = cloister("appraise", "--bundle", out, *AMD, "--bundle-policy", "00" * 32, *now)
    assert r.returncode == 10 and b"another SHA-256" in r.stderr, r
    r = cloister("appraise", "--bundle", out, *AMD, "--bundle-policy", digest, "--json", *now)
    assert r.returncode == 0 and verdict(r)["policy_sha256"] == digest, r


@tap
def what_a_bundles_evidence_has_to_cover_is_the_users_to_say():
    out, now = raw("bundle.json"), ["--at", str(int(time.time()) + 5), *POLICY, *AMD, "--json"]
    r = cloister("appraise", "--bundle", out, *now)
    assert r.returncode == 20 and of(verdict(r), "missing") == {"binding.report_data"}, r
    assert FACTS["report_data"].encode() in r.stderr and b"--expect" in r.stderr, r.stderr
    r = cloister("appraise", "--bundle", out, *now, "--expect", "00" * 64)
    assert r.returncode == 10 and of(verdict(r), "fail") == {"binding.report_data"}, r
    r = cloister("appraise", "--bundle", out, *now, "--expect", FACTS["report_data"])
    assert r.returncode == 0 and "binding.report_data" in of(verdict(r), "pass"), r
    r = cloister("appraise", "--bundle", out, *now, "--expect-any")
    assert r.returncode == 0 and "binding.report_data" in of(verdict(r), "not-applicable"), r


@tap
def a_bundle_is_good_until_it_expires_and_not_before_it_was_made():
    out = raw("bundle.json")
    late = str(int(time.time()) + 2 * DAY)
    r = cloister("appraise", "--bundle", out, *AMD, "--at", late)
    assert r.returncode == 10 and b"expired" in r.stderr, r
    r = cloister("appraise", "--bundle", out, *AMD, "--at", "1000000000")
    assert r.returncode == 10 and b"clock" in r.stderr, r


@tap
def a_bundle_ends_with_its_collateral():
    r = bundle(*snp("--out", raw("b2.json")))
    assert r.returncode == 0, r
    with open(raw("b2.json")) as f:
        ends = json.load(f)["expires"]
    r = bundle(*snp("--out", raw("b2.json"), "--expires", str(ends + DAY)))
    with open(raw("b2.json")) as f:
        assert json.load(f)["expires"] == ends
    r = bundle(*snp("--out", raw("b3.json"), "--expires", "1000000000"))
    assert r.returncode == 1 and b"expired already" in r.stderr and not os.path.exists(raw("b3.json")), r
    args = snp("--out", raw("b3.json"))
    del args[args.index("--crl"):args.index("--crl") + 2]
    r = bundle(*args)
    assert r.returncode == 1 and b"--expires" in r.stderr and not os.path.exists(raw("b3.json")), r


@tap
def a_servers_evidence_is_bundled_with_newer_collateral():
    out = raw("b4.json")
    r = bundle("--evidence", raw("server.json"), "--nonce", FACTS["nonce"], "--crl", raw("crl0.der"), "--ocsp", raw("ocsp0.der"), "--out", out)
    assert r.returncode == 0, r
    with open(out) as f:
        doc = json.load(f)
    with open(raw("server.json")) as f:
        before = collateral_of(json.load(f))
    after = collateral_of(json.loads(unb64(doc["evidence"]["document"])))
    assert (len(after["crls"]), len(after["ocsp"])) == (len(before["crls"]), len(before["ocsp"])), (before, after)
    assert doc["expires"] <= FACTS["time"] + 1800, doc["expires"]  # the server's keys end first
    assert set(doc) == {"v", "created", "expires", "evidence"} and set(doc["evidence"]) == {"document", "nonce"}, doc
    r = cloister("explain", out)
    assert r.returncode == 0 and b"Bundle" in r.stdout and b"AMD SEV-SNP" in r.stdout, r
    r = cloister("appraise", "--bundle", out)
    assert r.returncode == 1 and b"cloister verify --bundle" in r.stderr, r
    r = cloister("verify", "--bundle", out, "--policy", raw("policy.json"), "--json")
    assert r.returncode == 10 and "snp.root" in of(verdict(r), "fail"), r  # synthetic: verify knows the vendors' roots alone
    assert FACTS["nonce"].encode() in r.stderr, r.stderr
    r = bundle("--evidence", raw("server.json"), "--certificates", raw("snp.cert0.der"), "--out", out)
    assert r.returncode == 1 and b"collateral only" in r.stderr, r
    r = bundle("--evidence", raw("server.json"), "--tcb-info", raw("policy.json"), "--out", out)
    assert r.returncode == 1 and b"go together" in r.stderr, r
    r = cloister("verify", "--bundle", raw("b2.json"), "--policy", raw("policy.json"))
    assert r.returncode == 1 and b"cloister appraise --bundle" in r.stderr, r


@tap
def a_simulated_servers_bundle_is_verified_offline_with_its_nonce():
    engine = Engine(os.path.join(TMP, "engine"))
    with Daemon(engine=engine) as d:
        d.wait_ready()
        evidence, nonce = raw("live.json"), raw("live.nonce")
        assert cloister("evidence", "--server", d.url, "--out", evidence, "--nonce-out", nonce).returncode == 0
        policy = d.policy
        with open(policy, "rb") as f, open(raw("live-policy.json"), "wb") as to:
            to.write(f.read())
    engine.close()
    with open(nonce) as f:
        said = f.read().strip()
    out = raw("live-bundle.json")
    r = bundle("--evidence", evidence, "--nonce", said, "--policy", raw("live-policy.json"), "--out", out)
    assert r.returncode == 0, r
    r = cloister("verify", "--bundle", out, "--policy", raw("live-policy.json"))
    assert r.returncode == 20 and said.encode() in r.stderr, r  # freshness: the user has to know the nonce
    r = cloister("verify", "--bundle", out, "--policy", raw("live-policy.json"), "--nonce", said, "--json")
    assert r.returncode == 0 and verdict(r)["freshness"] == "fresh", r


@tap
def old_collateral_gives_way_to_new():
    old, day = os.path.join(TMP, "old"), int(time.time()) - 3650 * DAY
    facts = make(old, 1, day)
    args = ["sev-snp", raw("snp.report"), "--crl", os.path.join(old, "crl0.der"), "--crl", raw("crl0.der"), "--out", raw("b5.json")]
    assert bundle(*args).returncode == 0
    del args[4:6]
    r = bundle(*args)
    assert r.returncode == 1 and b"expired already" in r.stderr, r
    r = bundle("--evidence", os.path.join(old, "server.json"), "--nonce", facts["nonce"], "--out", raw("b5.json"))
    assert r.returncode == 1 and b"the keys in" in r.stderr and b"anew" in r.stderr, r


@tap
def old_evidence_is_bundled_as_of_its_own_time():
    old, day = os.path.join(TMP, "older"), int(time.time()) - 3650 * DAY
    facts = make(old, 0, day)
    out = raw("b7.json")
    files = {n: os.path.join(old, n) for n in ("snp.report", "snp.cert0.der", "snp.cert1.der", "crl0.der", "policy.json", "amd-root.der", "server.json")}
    args = ["sev-snp", files["snp.report"], "--certificates", files["snp.cert0.der"], "--certificates", files["snp.cert1.der"], "--crl", files["crl0.der"]]
    assert bundle(*args, "--at", str(day), "--out", out).returncode == 0
    judge = ["appraise", "--bundle", out, "--policy", files["policy.json"], "--root", "amd-genoa=" + files["amd-root.der"], "--expect", facts["report_data"]]
    r = cloister(*judge)
    assert r.returncode == 10 and b"expired" in r.stderr, r
    r = cloister(*judge, "--at", str(day + 5))
    assert r.returncode == 0, r
    r = cloister(*judge, "--at", str(day - 5))
    assert r.returncode == 10 and b"clock" in r.stderr, r
    assert bundle("--evidence", files["server.json"], "--at", str(day), "--out", out).returncode == 0
    with open(out) as f:
        doc = json.load(f)
    assert doc["created"] == day and day < doc["expires"] <= day + 1800, doc


@tap
def a_policy_is_made_from_recorded_evidence_and_admits_it():
    quote = vectors("tdx/tdx_v4_phala_uptodate.bin")
    if quote is None:
        raise harness.Skip("recorded evidence is not here")
    out, at = raw("tdx.bundle"), ["--at", "2025-06-20T00:00:00Z"]
    assert bundle("tdx", quote, "--collateral", vectors("tdx-collateral/phala_tdx.json"), "--out", out, *at).returncode == 0
    r = cloister("policy", "from-evidence", out, *at)
    assert r.returncode == 0, r
    with open(raw("tdx.policy"), "wb") as f:
        f.write(r.stdout)
    r = cloister("appraise", "--bundle", out, "--policy", raw("tdx.policy"), "--expect-any", *at)
    assert r.returncode == 0 and r.stdout.startswith(b"VERIFIED: Intel TDX"), r


@tap
def intels_collateral_goes_into_a_servers_bundle():
    whole = vectors("tdx-collateral/phala_tdx.json")
    if whole is None:
        raise harness.Skip("recorded evidence is not here")
    r = bundle("--evidence", raw("server.json"), "--collateral", whole, "--out", raw("b6.json"))
    assert r.returncode == 1 and b"expired already" in r.stderr, r  # of 2025: read, and put in


@tap
def a_bundle_goes_out_whole_or_not_at_all():
    r = bundle(*snp("--out", "/dev/full"))
    assert r.returncode == 1 and b"disk is full" in r.stderr, r
    r = bundle(*snp())
    assert r.returncode == 1 and b"--out FILE" in r.stderr, r
    r = bundle(*snp("--out", "-"))
    assert r.returncode == 0 and json.loads(r.stdout)["raw"]["type"] == "sev-snp", r


sys.exit(tap.run())
