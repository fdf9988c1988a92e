#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nv-local-gpu-verifier 2.7.3 (Python, NVIDIA's own): reports of GPUs against reference values, and the recorded RIMs."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import differential as d  # noqa: E402

test = d.harness.Tap()
PEER = [sys.executable, "-B", os.path.join(d.PEERS, "nv_local_gpu_verifier_peer.py")]


def environment():
    return {"PYTHONPATH": d.wheels("nv-local-gpu-verifier", ((3, 11), (3, 12)))}


# ---- GPUs ----

# Not revocation, which OCSP's servers tell it, nor what only a policy asks for, nor how several devices belong together.
GPU = ("gpu.format", "gpu.chain_present", "gpu.root", "gpu.chain", "gpu.chain_dates", "gpu.identity", "gpu.signature", "gpu.nonce", "gpu.reference",
       "gpu.measurements")


def architecture(ders):
    """As NVML would tell: it is what the leaf's certificate names, or else the next one's."""
    chips = {b"GH1": "hopper", b"GB1": "blackwell", b"GB2": "blackwell", b"LS_10": "ls10"}
    return next((chips[c] for der in ders[:2] for c in chips if c in der), None)


def gpu_job(case):
    if case.type != "nvidia" or len(case.items("report")) != 1 or not case.items("certificates") or d.other_policy(case):
        return None
    chain, nonce, root = case.certificates(), case.expect(), case.root("nvidia")
    arch = architecture(chain)
    if nonce is None or len(nonce) != 32 or arch is None or (case.roots and root is None):
        return None
    if len(set(d.names(chain[-1]))) == 1:
        chain = chain[:-1]
    return {"kind": "gpu", "now": case.now, "report": case.item("report").hex(), "chain": [x.hex() for x in chain], "root": d.hexed(root), "nonce": nonce.hex(),
            "arch": arch, "as_meant": True, "references": case.policy.get("devices", {}).get("reference_values", [])}


@test
def nv_local_gpu_verifier_agrees_about_gpus_but_for_what_is_known():
    d.compare("nv-local-gpu-verifier", PEER, gpu_job, GPU, environment())


@test
def nv_local_gpu_verifier_never_skips_the_decoders_measurement():
    """What the comparison above has it do as it is meant: a measurement that isn't one where NVDEC0 is off counts all the same."""
    ids = ("nvidia-good", "nvidia-nvdec-off-right", "nvidia-nvdec-on-right")
    asked = [c for c in d.cases() if c.id in ids]
    assert [c.outcome for c in asked] == ["verified"] * len(ids)
    got = d.answers(PEER, [{**gpu_job(c), "as_meant": False, "id": c.id} for c in asked], environment())
    assert [a["accept"] for a in got] == [False, True, True], got


# ---- RIMs ----

RIM = os.path.join(d.harness.BUILD, "src", "rim", "cloister-rim")


class Manifest:
    """A row of kind rim, as a case."""
    recorded, outcome = True, None

    def __init__(self, row, data, folder):
        self.id, self.data, self.now = row["name"], data, row["time"]
        path = os.path.join(folder, row["file"])
        with open(path, "wb") as f:
            f.write(data)
        r = subprocess.run([RIM, "show", path, "--at", str(self.now)], capture_output=True, timeout=d.harness.WAIT, check=False,
                           env={**os.environ, "LC_ALL": "C.UTF-8"})
        assert r.returncode in (0, 10), r
        self.status = {"rim": "pass" if r.returncode == 0 else "fail"}

    down = d.Case.down


def manifests(folder):
    shelf = d.recorded.files()
    if shelf is None:
        raise d.harness.Skip("$CLOISTER_VECTORS names no recorded RIMs")
    if not os.path.exists(RIM):
        raise d.harness.Skip("cloister-rim wasn't built")
    with open(d.recorded.TABLE, encoding="utf-8") as f:
        return [Manifest(r, shelf[r["file"]], folder) for r in json.load(f)["rows"] if r["kind"] == "rim"]


def rim_job(m):
    return {"kind": "rim", "now": m.now, "xml": m.data.hex(), "name": "vbios" if b"VBIOS" in m.data else "driver"}


@test
def nv_local_gpu_verifier_agrees_about_rims_but_for_what_is_known():
    env = environment()
    with d.tempfile.TemporaryDirectory(prefix="cloister-rims-") as folder:
        d.compare("nv-local-gpu-verifier's RIMs", PEER, rim_job, ("rim",), env, manifests(folder))


if __name__ == "__main__":
    test.run()
