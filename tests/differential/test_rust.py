#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Verifiers in Rust: sev 8.0.0 (SEV-SNP), and az-snp-vtpm and az-cvm-vtpm 0.8.2 (Azure's VMs). All take roots of anybody's.

`sev` verifies signatures. What else there is to judge, its callers judge; how much that is, differences.json says check by check.
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import differential as d  # noqa: E402
from test_google import product  # noqa: E402

test = d.harness.Tap()
SNP = ("snp.format", "snp.version", "snp.signature_algo", "snp.reserved", "snp.product", "snp.chain_present", "snp.root", "snp.chain", "snp.chain_dates",
       "snp.crl", "snp.crl_dates", "snp.revoked", "snp.signing_key", "snp.chip", "snp.cert_tcb", "snp.signature")


def snp_chain(case):
    """The product, the leaf, what issued it, and the root where it isn't AMD's; None where there is nothing to begin with."""
    ders = case.certificates()
    name = product(ders)
    if len(ders) < 2 or name is None:
        return None
    root = case.root("amd", name.lower())
    if case.roots and root is None:
        return None  # it is told which root to believe
    return name, ders[0], ders[1], root or b""


def snp_job(case):
    chain = snp_chain(case)
    if case.type != "sev-snp" or chain is None or not case.items("report") or d.other_policy(case) or len(case.expect() or bytes(64)) != 64:
        return None  # what isn't the evidence's fault
    return {"now": case.now, "report": case.item("report").hex(), "product": chain[0], "leaf": chain[1].hex(), "ask": chain[2].hex(),
            "ark": chain[3].hex()}


@test
def sev_agrees_but_for_what_is_known():
    program, env = d.rust()
    d.compare("sev", [program, "snp"], snp_job, SNP, env)


@test
def sev_lets_16_signed_bytes_change_and_no_others():
    """It verifies what it writes itself after reading: the reserved bytes of four TCB_VERSIONs come back as zeros. The signature is over the bytes received."""
    program, env = d.rust()
    case = next(c for c in d.cases() if c.id == "snp-good-milan")
    job, report = snp_job(case), case.item("report")
    reserved = {at + i for at in (0x038, 0x180, 0x1e0, 0x1f0) for i in range(2, 6)}
    jobs, ours = [], []
    for at in range(len(report)):
        changed = report[:at] + bytes([report[at] ^ 0x10]) + report[at + 1:]
        jobs.append({**job, "report": changed.hex(), "id": str(at)})
        ours.append(case.with_item("report", changed))
    d.judge(ours)
    assert all(c.outcome in ("refused", "indeterminate") for c in ours)
    assert {int(a["id"]) for a in d.answers([program, "snp"], jobs, env) if a["accept"]} & set(range(0x2a0)) == reserved


# ---- Azure ----

AZURE = ("azure.format", "azure.type", "azure.runtime", "azure.key", "tpm.format", "tpm.key", "tpm.key_trusted", "tpm.algorithm", "tpm.signature", "tpm.nonce",
         "tpm.pcr_digest")


def is_tdx(case):
    return bool(case.items("td-quote"))


def bare(signature):
    """It takes RSASSA's bytes alone, as Azure's attester gives them."""
    return signature[6:] if signature[:2] == b"\0\x14" and int.from_bytes(signature[4:6], "big") == len(signature) - 6 else signature


def azure_job(case):
    if case.type != "azure" or not all(case.items(i) for i in ("report", "tpm-quote", "tpm-signature", "pcrs")) or case.expect() is None:
        return None
    job = {"now": case.now, "hcl": case.item("report").hex(), "quote": case.item("tpm-quote").hex(), "signature": bare(case.item("tpm-signature")).hex(),
           "pcrs": case.item("pcrs").hex(), "nonce": case.expect().hex(), "leaf": "", "ask": "", "ark": "", "product": "", "covered": ""}
    if is_tdx(case):
        if case.status["azure.format"] != "fail" and case.down(("policy.type", "quote.*", "tdx.*")):
            return None  # the TD's quote is for others to verify
        return {**job, "covered": report_data(case.item("td-quote")).hex()}
    chain = snp_chain(case)
    if chain is None or d.other_policy(case):
        return None
    return {**job, "leaf": chain[1].hex(), "ask": chain[2].hex(), "ark": chain[3].hex(), "product": chain[0]}


def report_data(quote):
    """Of a TD: quotes of version 5 have six bytes more before its body."""
    at = 48 + (6 if quote[0] == 5 else 0) + 520
    return quote[at:at + 64]


def azure_scope(case):
    return AZURE if is_tdx(case) else AZURE + SNP


@test
def az_snp_vtpm_and_az_cvm_vtpm_agree_but_for_what_is_known():
    program, env = d.rust()
    d.compare("az-vtpm", [program, "azure"], azure_job, azure_scope, env)


if __name__ == "__main__":
    test.run()
