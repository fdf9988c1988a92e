"""The driver behind scripts/bench, which says what it does."""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build", "bench")
PEERS = os.path.join(ROOT, "bench", "peers")
VECTORS = os.path.join(os.environ.get("CLOISTER_VECTORS", os.path.join(ROOT, "..", "shared", "vectors")), "attestation")
OPENSSL = os.environ["CLOISTER_OPENSSL_PREFIX"]
CACHE = os.environ["CLOISTER_CACHE"]
WAIT = 900

# What the peers are given: the files behind the rows of tests/vectors/evidence_table.json that bench/appraise.c takes.
EVIDENCE = {
    "snp.report": "120d77b213c8868dd42f160ccb0114f05336ec715f6d51070f534b33c7e03f3b",
    "snp.vcek": "3bbfb6ee259f75a95d13168cfdf2e034181bb93c7c016825731cbe8ea16c95e1",
    "snp.chain.pem": "cc871f0d2294176386175d9b5b962e18556b15ec13f55f8698b5f7a07aebf0c7",
    "snp.crl": "53a61dc059e525ef637c4f28b7ab2542f64ef1ad0a485eca425bafe722e15f58",
    "tdx.quote": "c42f9164325024bca2757bc8819b11879a0a369132ea4e2b7c85df4805ea72db",
    "tdx.collateral.json": "b0a5f5fd620a8881b1eda45261fdf30dd930b49aff93231556645c81fcb4c0bc",
    "gpu.report": "712fc6408be614ce0b22e5d30968899b7972c3d3e51ff7cd53b1caa991eb609f",
    "gpu.certs.pem": "3d4eb0143377aa50bf63d927954610ce514ef9323d3b987586a939927c72b920",
    "driver.xml": "1b939fae0138ceda87c434820e1e118739861b070c0043677a68807049eae668",
    "vbios.xml": "3f9877de674d57ead7095bf3d32f8aa3fb1881d524bf4c7e5cf504fcac47c6bf",
}


class Missing(Exception):
    """What can't be had here, and why."""


def run(command, **kwargs):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", timeout=WAIT, check=False,
                              **kwargs)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise Missing(str(e)) from e
    if done.returncode != 0:
        said = [x.strip() for x in (done.stderr + done.stdout).splitlines() if x.strip()]
        raise Missing("%s: %s" % (os.path.basename(command[0]), said[-1] if said else "exit status %d" % done.returncode))
    return done.stdout


def need(program):
    if shutil.which(program) is None:
        raise Missing("no %s here" % program)


def evidence(folder):
    """The files by their digests, under the names that the peers know; false where they aren't."""
    wanted = {digest: name for name, digest in EVIDENCE.items()}
    for at, _, names in os.walk(VECTORS):
        for name in names:
            path = os.path.join(at, name)
            with open(path, "rb") as f:
                digest = hashlib.sha256(f.read()).hexdigest()
            if digest in wanted:
                shutil.copyfile(path, os.path.join(folder, wanted.pop(digest)))
    return not wanted


# ---- other people's ----

# When each piece of evidence is judged, as its row of the table says.
AT = {"snp": 1748779200, "tdx": 1751371200, "gpu": 1748779200}


def wheels(name):
    """A folder with these wheels: pip takes nothing that doesn't match a hash of the list."""
    listed = os.path.join(PEERS, "python", name + ".txt")
    with open(listed, "rb") as f:
        key = hashlib.sha256(f.read() + repr((sys.version_info[:2], platform.machine())).encode()).hexdigest()[:8]
    at = os.path.join(CACHE, "peers-bench-" + key)
    if not os.path.isdir(at):
        print("fetching %s ..." % name, file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix="tmp.", dir=CACHE) as aside:
            run([sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--target",
                 os.path.join(aside, "got"), "-r", listed])
            os.rename(os.path.join(aside, "got"), at)
    return at


def python(name, program, at, rounds):
    def measure(folder):
        with tempfile.TemporaryDirectory() as scratch:
            return run([sys.executable, "-B", os.path.join(PEERS, "python", program), folder, str(at), str(rounds), scratch],
                       env=dict(os.environ, PYTHONPATH=wheels(name)))
    return measure


def go(folder):
    need("go")
    program = os.path.join(BUILD, "peers", "go")
    run(["go", "build", "-trimpath", "-buildvcs=false", "-o", program, "."], cwd=os.path.join(PEERS, "go"),
        env=dict(os.environ, GOFLAGS="-mod=readonly", GOTOOLCHAIN="local", GOWORK="off", CGO_ENABLED="0"))
    return run([program, folder, str(AT["snp"]), "500"])


def rust(folder):
    need("cargo")
    target = os.path.join(BUILD, "peers", "rust")
    env = dict(os.environ)
    if OPENSSL:
        env.update(OPENSSL_DIR=OPENSSL, OPENSSL_NO_VENDOR="1", LD_LIBRARY_PATH=os.path.join(OPENSSL, "lib"))
    run(["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", target], cwd=os.path.join(PEERS, "rust"), env=env)
    return run([os.path.join(target, "release", "bench"), folder, str(AT["snp"]), "500"], env=env)


# (case that it stands beside, name, what it does, how it is measured)
OTHERS = [
    ("SEV-SNP", "go-sev-guest v0.15.0", "by Go's own crypto", go),
    ("SEV-SNP", "sev 8.0.0 (Rust)", "by our libcrypto; no revocation list, but the root's own signature", rust),
    ("TDX", "dcap-qvl 0.7.0 (Python over Rust)", "no claims judged",
     python("dcap-qvl", "dcap_qvl_peer.py", AT["tdx"], 300)),
    ("H100, no OCSP", "nv-local-gpu-verifier 2.7.3 (Python)", "with both RIMs, each time; no OCSP",
     python("nv-local-gpu-verifier", "nv_local_gpu_verifier_peer.py", AT["gpu"], 31)),
]


def others(floors):
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        whole = evidence(folder)
        for case, name, what, measure in OTHERS:
            row = {"case": case, "peer": name, "what": what}
            try:
                if not whole:
                    raise Missing("no recorded evidence: CLOISTER_VECTORS names none")
                os.makedirs(os.path.join(BUILD, "peers"), exist_ok=True)
                row["whole_us"] = round(json.loads(measure(folder))["us"], 1)
                if case in floors:
                    row["ratio"] = round(row["whole_us"] / floors[case], 3)
            except Missing as e:
                row["missing"] = str(e)
            rows.append(row)
    return rows


# ---- ours ----

# What $CLOISTER_VECTORS is needed for; RIMs also need cloister-rim's libraries.
RECORDED = ("SEV-SNP", "TDX", "H100, no OCSP", "RIM, driver", "RIM, VBIOS")


def ours(rounds):
    rows = []
    for name in ("bench_appraise", "bench_rim"):
        program = os.path.join(BUILD, "bench", name)
        if not os.path.exists(program):
            rows += [{"case": c, "missing": "cloister-rim isn't built here: libxml2 or libxmlsec is missing"} for c in RECORDED if c.startswith("RIM")]
            continue
        done = subprocess.run([program, "--json", "--rounds", str(rounds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False, env=dict(os.environ, CLOISTER_VECTORS=os.path.dirname(VECTORS)))
        if done.returncode != 0:
            sys.exit("%s failed:\n%s%s" % (name, done.stdout[-2000:], done.stderr[-2000:]))
        rows += [json.loads(x) for x in done.stdout.splitlines() if x.startswith("{")]
    return rows


def line(row):
    name = "  " + row["peer"] if "peer" in row else row["case"]
    if "missing" in row:
        return "%-38s %9s  %s" % (name, "-", row["missing"][:100])
    if "peer" in row:
        return "%-38s %9.0f %9s %7.2f  %s" % (name, row["whole_us"], "", row.get("ratio", float("nan")), row["what"])
    return "%-38s %9.0f %9.0f %7.2f %9d %8d" % (name, row["whole_us"], row["floor_us"], row["ratio"], row["verified"], row["allocs"])


def main():
    args = argparse.ArgumentParser(prog="scripts/bench")
    args.add_argument("--json", action="store_true")
    args.add_argument("--rounds", type=int, default=101)
    args.add_argument("--no-peers", action="store_true")
    args = args.parse_args()
    rows = ours(args.rounds)
    beside = [] if args.no_peers else others({r["case"]: r["floor_us"] for r in rows if "floor_us" in r})
    if not args.json:
        print("%-38s %9s %9s %7s %9s %8s" % ("", "us", "floor us", "ratio", "verified", "allocs"))
    measured = {r["case"] for r in rows}
    rows += [{"case": c, "missing": "no recorded evidence"} for c in RECORDED if c not in measured]
    for row in rows:
        for r in [row] + [b for b in beside if b["case"] == row["case"]]:
            print(json.dumps(r) if args.json else line(r))


if __name__ == "__main__":
    main()
