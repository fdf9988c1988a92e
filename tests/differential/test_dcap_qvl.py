#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dcap-qvl 0.7.0 (Rust, under Python) and @phala/dcap-qvl 0.3.9 (JavaScript): quotes of TDX and SGX with Intel's collateral."""
import base64
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import differential as d  # noqa: E402

test = d.harness.Tap()
# Format, chains, revocation, signatures, collateral and TCB levels; no policy, and nothing that a TD or enclave says of itself but that it isn't debugged.
SCOPE = ("quote.*", "tdx.module", "tdx.module_tcb", "tdx.debug", "sgx.debug")
# ... but for what only a policy can ask for.
POLICY = ("quote.collateral_number", "quote.advisories")


def pem(ders):
    return "".join("-----BEGIN CERTIFICATE-----\n%s-----END CERTIFICATE-----\n" % base64.encodebytes(x).decode() for x in ders)


def answer(data, member):
    """The signed text, verbatim, and its signature."""
    m = re.fullmatch(rb'\s*\{\s*"%s"\s*:\s*(.*?)\s*,\s*"signature"\s*:\s*"([0-9a-fA-F]*)"\s*\}\s*' % member, data, re.S)
    return (m[1].decode(errors="replace"), m[2].decode()) if m else ("", "")


def pem_crls(data):
    return d.recorded.unpem(data, "X509 CRL")


def split_crls(case):
    """The root's list and the PCK authority's, in hexadecimal, told apart by their issuers."""
    crls = [x for data in case.items("crl") for x in (pem_crls(data) if b"-----BEGIN" in data else [data])]
    name = d.names(case.root("intel") or builtin_root())[-1:]
    root = [c for c in crls if d.names(c) == name]
    other = [c for c in crls if d.names(c) != name]
    return (root[0] if root else b"").hex(), (other[0] if other else b"").hex()


def with_root(case, chain):
    """Both libraries want the root in the chain of the collateral's signer; ours need not be told."""
    return [*chain, case.root("intel") or builtin_root()] if len(chain) == 1 else chain


def job(case):
    if case.type not in ("tdx", "sgx") or not case.items("report") or d.other_policy(case):
        return None
    info, info_sig = answer(case.item("tcb-info") or b"", b"tcbInfo")
    identity, identity_sig = answer(case.item("qe-identity") or b"", b"enclaveIdentity")
    root_crl, pck_crl = split_crls(case)
    chain = with_root(case, case.certificates("collateral-chain"))
    root = case.root("intel")
    return {
        "quote": case.item("report").hex(), "now": case.now, "root": d.hexed(root),
        "collateral": {
            "pck_crl_issuer_chain": pem(chain), "root_ca_crl": root_crl, "pck_crl": pck_crl,
            "tcb_info_issuer_chain": pem(chain), "tcb_info": info, "tcb_info_signature": info_sig,
            "qe_identity_issuer_chain": pem(chain), "qe_identity": identity, "qe_identity_signature": identity_sig,
            **({"pck_certificate_chain": pem(case.certificates())} if case.certificates() else {}),
        },
    }


def scope(case):
    return [c for c in case.status if any(d.fnmatch.fnmatchcase(c, p) for p in SCOPE) and c not in POLICY]


@d.functools.lru_cache(None)
def builtin_root():
    """Intel's root, out of the chain of a recorded quote."""
    for case in d.cases():
        if case.recorded and case.type == "tdx" and not case.roots:
            for der in d.recorded.unpem(case.item("report")):
                if b"Intel SGX Root CA" in der and der.count(b"Intel SGX Root CA") == 2:
                    return der
    return b""


@test
def dcap_qvl_in_rust_agrees_but_for_what_is_known():
    d.compare("dcap-qvl", [sys.executable, "-B", os.path.join(d.PEERS, "dcap_qvl_peer.py")], job, scope, {"PYTHONPATH": d.wheels("dcap-qvl")})


@test
def dcap_qvl_in_javascript_agrees_but_for_what_is_known():
    at = d.npm()
    with open(os.path.join(d.PEERS, "npm", "dcap_qvl_peer.cjs"), encoding="utf-8") as f:
        d.compare("@phala/dcap-qvl", ["node", "--eval", f.read()], job, scope, {"NODE_PATH": os.path.join(at, "node_modules")})


if __name__ == "__main__":
    test.run()
