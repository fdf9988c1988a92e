#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cloister policy from-evidence` with recorded evidence of every kind, from $CLOISTER_VECTORS, in bundles made here."""
import base64
import json
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from harness import cloister  # noqa: E402

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


if __name__ == "__main__":
    test.run()
