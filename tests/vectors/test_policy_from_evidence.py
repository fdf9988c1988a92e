#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cloister policy from-evidence` and `policy diff` with recorded evidence of every kind, from $CLOISTER_VECTORS, in bundles and evidence
documents made here.
"""
import base64
import contextlib
import copy
import json
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from harness import Daemon, Engine, cloister  # noqa: E402

test = harness.Tap()
VECTORS = os.path.join(os.environ.get("CLOISTER_VECTORS", "/nonexistent"), "attestation")
SUMMER, WINTER = "2025-07-10T00:00:00Z", "2026-01-10T00:00:00Z"


def read(*path):
    if not os.path.isdir(VECTORS):
        raise harness.Skip("$CLOISTER_VECTORS names no recorded evidence")
    with open(os.path.join(VECTORS, *path), "rb") as f:
        return f.read()


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def collateral(name):
    """Intel's collateral as tools save it, in its parts."""
    d = json.loads(read("tdx-collateral", name))
    return [("tcb-info", ('{"tcbInfo":' + d["tcb_info"] + ',"signature":"' + d["tcb_info_signature"] + '"}').encode()),
            ("qe-identity", ('{"enclaveIdentity":' + d["qe_identity"] + ',"signature":"' + d["qe_identity_signature"] + '"}').encode()),
            ("collateral-chain", d["tcb_info_issuer_chain"].encode()),
            ("crl", bytes.fromhex(d["root_ca_crl"])), ("crl", bytes.fromhex(d["pck_crl"]))]


def propose(kind, items, at, want, *options):
    """Policy (None: none was written) and what was said."""
    doc = {"v": 1, "created": 1700000000, "expires": 1900000000,
           "raw": {"type": kind, "items": [{"item": name, "bytes": b64(value)} for name, value in items]}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(doc, f)
        f.flush()
        r = cloister("policy", "from-evidence", f.name, "--at", at, *options)
    assert r.returncode == want, (r.returncode, r.stderr.decode())
    assert (r.stdout == b"") == (want != 0), r.stdout
    return (json.loads(r.stdout) if want == 0 else None), r.stderr.decode()


def has(text, *parts):
    for p in parts:
        assert p in text, f"{p!r} is not in {text!r}"


def azure(name):
    """The parts of a machine on Azure."""
    return {what: read("azure", f"{name}.{file}") for what, file in (("hcl", "hcl.bin"), ("tpm_quote", "tpmquote.msg"),
                                                                    ("tpm_signature", "tpmquote.sig"), ("pcrs", "pcrs.bin"))}


@contextlib.contextmanager
def document(cpu, devices):
    """Evidence of a simulated machine, in which other hardware speaks: nobody vouches for that, but it can be compared."""
    with tempfile.TemporaryDirectory(prefix="cloister-from-") as folder:
        e = Engine(os.path.join(folder, "engine.sock"))
        path = os.path.join(folder, "evidence")
        try:
            with Daemon(engine=e) as d:
                d.wait_ready()
                assert cloister("evidence", "--server", d.url, "--out", path).returncode == 0
        finally:
            e.close()
        with open(path) as f:
            doc = json.load(f)
        for name, value in (("cpu", cpu), ("devices", {"v": 1, "devices": devices})):
            doc["sections"][name]["bytes"] = b64(json.dumps(value).encode())
        with open(path, "w") as f:
            json.dump(doc, f)
        yield path


def diff(path, policy, *options):
    """Of a policy that is none of this hardware's: whatever differs, nothing is accepted."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(policy, f)
        f.flush()
        r = cloister("policy", "diff", "--policy", f.name, "--evidence", path, "--nonce", "A" * 43, "--accept", "--yes", *options)
        with open(f.name) as left:
            assert json.load(left) == policy
    assert r.returncode == 10, (r.returncode, r.stderr.decode())
    return r.stdout.decode()


@test
def a_platform_up_to_date_is_admitted_at_once():
    doc, said = propose("tdx", [("report", read("tdx", "tdx_v4_phala_uptodate.bin")), *collateral("phala_tdx.json")], SUMMER, 0)
    assert "does not admit" not in said, said
    assert doc["tee"] == ["tdx"] and doc["tdx"]["tcb"] == {"min_evaluation_number": 17}, doc
    assert len(doc["tdx"]["images"]) == 1 and doc["devices"] == {"min": 0}, doc


@test
def a_platform_that_is_not_is_left_to_the_owner():
    doc, said = propose("sgx", [("report", read("sgx", "sgx_v3_phala.bin")), *collateral("phala_sgx.json")], SUMMER, 0)
    has(said, "does not admit that very evidence yet", "quote.tcb", "tcb.statuses")
    assert "statuses" not in doc["sgx"]["tcb"], doc


@test
def debugging_gives_no_policy():
    has(propose("tdx", [("report", read("tdx", "tdx_v4_DEBUG_trustee.bin"))], WINTER, 10)[1], "tdx.debug")
    report, vcek = read("snp", "milan_v2_debug_gsg.report.bin"), read("snp", "milan_v2_debug_gsg.vcek.der")
    has(propose("sev-snp", [("report", report), ("certificates", vcek)], WINTER, 10)[1], "snp.debug")


@test
def a_providers_key_is_named():
    doc, said = propose("sev-snp", [("report", read("snp", "milan_v3_vlek_aws.report.bin")),
                                    ("certificates", read("snp", "milan_v3_vlek_aws.vlek.der"))], SUMMER, 0)
    has(said, "snp.tcb_provisional", "nothing shows that this evidence is genuine")
    snp = doc["sev_snp"]
    assert (snp["vmpl"], snp["signing_keys"], snp["csp_ids"]) == (1, ["vlek"], ["CN=cc-us-east-2.amazonaws.com"]), snp
    assert "allow_provisional" not in snp, snp


@test
def what_azure_quotes_is_pinned():
    for kind, name, quote in (("sev-snp-azure", "az_snp_milan_live", None), ("tdx-azure", "az_tdx_emr_live", "tdquote.bin")):
        def part(what, name=name):
            return read("azure", f"{name}.{what}")
        items = [("report", part("hcl.bin")), ("tpm-quote", part("tpmquote.msg")), ("tpm-signature", part("tpmquote.sig")), ("pcrs", part("pcrs.bin"))]
        items += [("td-quote", part(quote))] if quote else [("certificates", part("vcek.der"))]
        doc, said = propose("azure", items, WINTER, 0, "--pin-chip")
        values = part("pcrs.bin")
        want = {str(i): values[32 * i:32 * i + 32].hex() for i in range(24)}
        assert doc["tee"] == [kind] and doc["tpm"] == {"pcrs": [want]}, doc
        assert len(doc["azure"]["vm_ids"]) == 1, doc["azure"]
        has(said, "PCR 10")
        if quote is None:
            assert len(doc["sev_snp"]["chip_ids"]) == 1 and list(doc["sev_snp"]["products"]) == ["milan"], doc


@test
def gpus_come_without_reference_values():
    doc, said = propose("nvidia", [("report", read("nvidia", "h100_550.90.07_nvtrust.report.bin")),
                                   ("certificates", read("nvidia", "h100_550.90.07_nvtrust.certs.pem"))], WINTER, 0)
    assert doc["devices"] == {"min": 1, "architectures": ["hopper"], "modes": ["single"], "min_driver": "550.90.07", "reference_values": []}, doc
    has(said, "cloister-rim import", "NV_GPU_DRIVER_GH100_550.90.07", "NV_GPU_VBIOS_1010_0200_882_96009F0001")
    has(propose("nvidia", [("report", read("nvidia", "h100_560.00_BADSIG_sdk.report.bin")),
                           ("certificates", read("nvidia", "h100_560.00_BADSIG_sdk.certs.pem"))], WINTER, 10)[1], "gpu.signature")


@test
def a_tpms_quote_over_sha_1_gives_no_policy():
    def part(what):
        return read("tpm", f"gce_cos85_nonce9009.{what}")
    items = [("tpm-quote", part("sha384.msg")), ("tpm-signature", part("sha384.tpmt_signature.bin")), ("pcrs", part("sha384.pcrs.bin")),
             ("tpm-key", part("ak.tpmt_public.bin"))]
    doc, _ = propose("tpm", items, WINTER, 0)
    assert doc["tee"] == [] and doc["tpm"]["bank"] == "sha384" and len(doc["tpm"]["pcrs"][0]) == 24, doc
    propose("tpm", [("tpm-quote", part("sha1.msg")), ("tpm-signature", part("sha1.tpmt_signature.bin")), ("pcrs", part("sha1.pcrs.bin"))], WINTER, 20)


@test
def images_and_pcrs_are_compared_register_by_register():
    parts = azure("az_tdx_emr_live")
    quote = read("azure", "az_tdx_emr_live.tdquote.bin")
    policy, _ = propose("azure", [("report", parts["hcl"]), ("td-quote", quote), ("tpm-quote", parts["tpm_quote"]),
                                  ("tpm-signature", parts["tpm_signature"]), ("pcrs", parts["pcrs"])], WINTER, 0)
    cpu = {"v": 1, "type": "tdx-azure", "hcl": b64(parts["hcl"]), "quote": b64(quote), "tpm_quote": b64(parts["tpm_quote"]),
           "tpm_signature": b64(parts["tpm_signature"]), "pcrs": b64(parts["pcrs"])}
    with document(cpu, []) as path:
        out = diff(path, policy)
        assert "of the TD" not in out and "of what was started" not in out, out
        doc = json.loads(diff(path, policy, "--json"))
        assert (doc["tdx_image"]["differs"], doc["pcrs"]["differs"], doc["acceptable"], "measurement" in doc) == (False, False, False, False), doc
        image, pcrs = policy["tdx"]["images"][0], policy["tpm"]["pcrs"][0]
        old = copy.deepcopy(policy)
        old["tdx"]["images"] = [{r: "22" * 48 for r in image}, {**image, "rtmr1": "11" * 48}]
        old["tpm"]["pcrs"] = [{"4": "22" * 32, "7": "22" * 32}, {"4": pcrs["4"], "9": "33" * 32}]
        out = diff(path, old)
        has(out, f"RTMR1 of the TD that was started\n  - {'11' * 48}\n  + {image['rtmr1']}\n",
            f"PCR 9 of what was started\n  - {'33' * 32}\n  + {pcrs['9']}\n", "NOT VERIFIED")
        assert "MRTD of the TD" not in out and "PCR 4 of" not in out and "PCR 7 of" not in out, out
        doc = json.loads(diff(path, old, "--json"))
        assert doc["tdx_image"] == {"pinned": old["tdx"]["images"], "shown": image, "differs": True}, doc
        assert doc["pcrs"] == {"pinned": old["tpm"]["pcrs"], "shown": {"4": pcrs["4"], "9": pcrs["9"]}, "differs": True}, doc


@test
def devices_without_reference_values_are_named_with_their_rims():
    name = "h100_550.90.07_nvtrust"
    report, certs = read("nvidia", f"{name}.report.bin"), read("nvidia", f"{name}.certs.pem").decode()
    chain = [b64(base64.b64decode(c)) for c in re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END", certs, re.S)]
    device = {"arch": "hopper", "report": b64(report), "chain": chain}
    quote = read("tdx", "tdx_v4_phala_uptodate.bin")
    policy, _ = propose("tdx", [("report", quote)], WINTER, 0)
    values = {"kind": "driver", "arch": "hopper", "id": "x", "version": "550.54.15", "rim_sha256": "00" * 32,
              "measurements": [{"index": 0, "values": ["00" * 48]}]}
    policy["devices"] = {"min": 2, "architectures": ["hopper"], "min_driver": "550.54.15", "reference_values": [values]}
    with document({"v": 1, "type": "tdx", "quote": b64(quote)}, [device, device]) as path:
        out = diff(path, policy)
        has(out, "driver of a hopper device (reference values)\n  - 550.54.15\n  + 550.90.07\n", "NV_GPU_DRIVER_GH100_550.90.07",
            "VBIOS of a hopper device (reference values)\n  + 96.00.9F.00.01\n", "cloister-rim import")
        doc = json.loads(diff(path, policy, "--json"))["devices"]
        assert doc == {"shown": 2, "without_reference_values": [
            {"kind": "driver", "arch": "hopper", "version": "550.90.07", "rim": "NV_GPU_DRIVER_GH100_550.90.07"},
            {"kind": "vbios", "arch": "hopper", "version": "96.00.9F.00.01", "rim": "NV_GPU_VBIOS_1010_0200_882_96009F0001"}]}, doc
        policy["devices"]["reference_values"].append({**values, "version": "550.90.07"})
        out = diff(path, policy)
        assert "driver of a" not in out and "VBIOS of a" in out, out


if __name__ == "__main__":
    test.run()
