#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Google's verifiers, in Go: go-sev-guest v0.15.0, go-tdx-guest v0.3.2-0.20250814004405-ffb0869e6f4d, and go-tpm-tools v0.4.11.

go-sev-guest takes certificates of AMD's names and places alone, so that the laboratory's are none to it; the others take roots and keys of anybody's.
"""
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import differential as d  # noqa: E402
from test_dcap_qvl import pem_crls, split_crls, with_root  # noqa: E402

test = d.harness.Tap()

# ---- SEV-SNP ----


def product(ders):
    for name in d.recorded.PRODUCTS:
        if any(name.encode() in der for der in ders):
            return name
    return None


def version(text):
    return [int(x) for x in text.split(".")]


def floor(levels):
    return {"BL": levels["bl"], "TEE": levels["tee"], "SNP": levels["snp"], "Ucode": levels["ucode"]}


def snp_policy(case, name):
    """What our policy asks for, where it has an option for it."""
    own = (case.policy or {}).get("sev_snp")
    if own is None or name.lower() not in own["products"] or len(case.policy.get("measurements", [])) != 1:
        return None
    line = own["products"][name.lower()]
    major, minor, build = version(line["min_firmware"])
    abi = version(own["min_abi"])
    return {
        "ABIMajor": abi[0], "ABIMinor": abi[1], "SMT": own.get("allow_smt", False), "Measurement": case.policy["measurements"][0],
        "HostData": (own.get("host_data") or ["00" * 32])[0], "ReportData": d.hexed(case.expect()),
        "Chip": (own.get("chip_ids") or [""])[0] if len(own.get("chip_ids", [])) == 1 else "", "MinTCB": floor(line["min_tcb"]),
        "MinLaunchTCB": floor(line["min_launch_tcb"]), "Version": major << 8 | minor, "Build": build, "GuestSVN": own.get("min_guest_svn", 0),
        "VMPL": own.get("vmpl", 0), "Provisional": own.get("allow_provisional", False),
    }


def snp_job(case):
    ders = case.certificates()
    name = product(ders)
    if case.type != "sev-snp" or not case.recorded or name is None:
        return None
    vlek = b"SEV-VLEK" in ders[0]
    crl = case.item("crl")
    if crl and b"-----BEGIN" in crl:
        crl = pem_crls(crl)[0]
    issuer = ("SEV-VLEK-" if vlek else "SEV-") + name
    ask = [x for x in ders[1:] if issuer.encode() in x and ("ARK-" + name).encode() in x]
    return {"report": case.item("report").hex(), "leaf": ders[0].hex(), "ask": ask[0].hex() if ask else "", "vlek": vlek, "product": name,
            "crl": d.hexed(crl) or "", "now": case.now, "policy": snp_policy(case, name)}


SNP = ("snp.format", "snp.version", "snp.signature_algo", "snp.reserved", "snp.product", "snp.chain_present", "snp.root", "snp.chain", "snp.chain_dates",
       "snp.signing_key", "snp.chip", "snp.cert_tcb", "snp.signature")
SNP_CRL = ("snp.crl", "snp.crl_dates", "snp.revoked")  # it is told to look where there is one
SNP_POLICY = ("snp.tcb_order", "snp.tcb_provisional", "snp.tcb_min", "snp.tcb_launch", "snp.firmware_min", "snp.policy_abi", "snp.debug", "snp.migration",
              "snp.smt", "snp.vmpl", "snp.measurement", "snp.host_data", "snp.guest_svn", "binding.report_data")


def snp_scope(case):
    return SNP + (SNP_CRL if case.items("crl") else ()) + (SNP_POLICY if snp_policy(case, product(case.certificates())) else ())


@test
def go_sev_guest_agrees_but_for_what_is_known():
    if d.recorded.files() is None:
        raise d.harness.Skip("$CLOISTER_VECTORS names no recorded evidence")
    d.compare("go-sev-guest", [d.go(), "snp"], snp_job, snp_scope)


# ---- TDX ----


def tdx_job(case):
    if case.type != "tdx" or not case.items("report") or d.other_policy(case):
        return None
    root_crl, pck_crl = split_crls(case)
    chain = d.recorded.unpem(case.item("report"))
    return {"quote": case.item("report").hex(), "now": case.now, "root": d.hexed(case.root("intel")), "tcbinfo": d.hexed(case.item("tcb-info")) or "",
            "qeidentity": d.hexed(case.item("qe-identity")) or "", "signer": [x.hex() for x in with_root(case, case.certificates("collateral-chain"))],
            "pckcrl": pck_crl, "rootcrl": root_crl, "pckchain": [x.hex() for x in chain[1:]]}


TDX = ("quote.*", "tdx.module", "tdx.module_tcb")
TDX_NOT = ("quote.collateral_number", "quote.advisories")


def tdx_scope(case):
    return [c for c in case.status if any(d.fnmatch.fnmatchcase(c, p) for p in TDX) and c not in TDX_NOT]


@test
def go_tdx_guest_agrees_but_for_what_is_known():
    d.compare("go-tdx-guest", [d.go(), "tdx"], tdx_job, tdx_scope)


# ---- TPM ----

BANKS = {4: 20, 11: 32, 12: 48, 13: 64}


def selected(quote):
    """The first bank of a TPMS_ATTEST's selection, and its PCRs; None if that can't be read."""
    try:
        at = 6
        for _ in range(2):  # qualifiedSigner, extraData
            at += 2 + int.from_bytes(quote[at:at + 2], "big")
        at += 17 + 8 + 4
        bank, n = int.from_bytes(quote[at:at + 2], "big"), quote[at + 2]
        bits = int.from_bytes(quote[at + 3:at + 3 + n], "little")
        return bank, [i for i in range(8 * n) if bits >> i & 1]
    except IndexError:
        return None


def tpm_job(case):
    key, quote, signature = case.item("tpm-key"), case.item("tpm-quote"), case.item("tpm-signature")
    if case.type != "tpm" or not key or not quote or not signature or case.expect() is None or not selected(quote):
        return None
    if case.status["tpm.key_trusted"] in d.DOWN or case.status["tpm.key"] in d.DOWN:
        return None  # it is told to trust the key
    bank, pcrs = selected(quote)
    data = case.item("pcrs") or b""
    size = BANKS.get(bank)
    if size is None or len(data) != size * len(pcrs):
        return None
    return {"quote": quote.hex(), "signature": signature.hex(), "key": key.hex(), "bank": bank, "nonce": case.expect().hex(),
            "pcrs": {str(i): data[k * size:(k + 1) * size].hex() for k, i in enumerate(pcrs)}}


TPM = ("tpm.format", "tpm.algorithm", "tpm.signature", "tpm.nonce", "tpm.pcr_digest")


@test
def go_tpm_tools_agrees_but_for_what_is_known():
    d.compare("go-tpm-tools", [d.go(), "tpm"], tpm_job, TPM)


if __name__ == "__main__":
    test.run()
