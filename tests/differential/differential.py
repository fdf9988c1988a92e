# SPDX-License-Identifier: Apache-2.0
"""Other people's verifiers beside ours, over the same cases: recorded ones and the laboratory's.

A peer is somebody's library behind a small program (peers/): it reads one job a line, as JSON, and answers each with one line,
{"id": ..., "accept": true or false, "why": ...}. It is compared with our verdict, as far as it judges the same: `scope` names our checks
that it makes too. Where all of these pass it has to accept, and where one of them fails or can't be judged it has to refuse. What differs and is
right to differ stands in differences.json, with the words of the standard that decide; an entry that explains nothing is an error as well.
"""
import base64
import fnmatch
import functools
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support"))
import harness  # noqa: E402
import recorded  # noqa: E402
from peers import toolchain  # noqa: E402

LAB = os.path.join(harness.BUILD, "lab", "cloister-lab")
ORACLE = os.path.join(harness.BUILD, "lab", "cloister-oracle")
PEERS = os.path.join(HERE, "peers")
LIMIT = 900  # seconds for one peer over all cases, or for building it
OFFLINE = ("Could not resolve", "Temporary failure in name resolution", "dial tcp", "ENOTFOUND", "ECONNREFUSED", "Connection refused", "Network is unreachable",
           "Could not connect to server", "download of config.json failed")
DOWN = ("fail", "missing")


class Case:
    def __init__(self, case):
        self.json, self.id, self.now, self.roots = case, case["id"], case["now"], case["roots"]
        self.recorded = case["format"] == "recorded"
        self.raw = case.get("raw")
        self.type = self.raw["type"] if self.raw else "evidence"
        self.policy = json.loads(recorded_b64(case["policy"])) if "policy" in case else None
        self.status = {}  # of each check
        self.outcome = None

    def items(self, name):
        return [recorded_b64(i["bytes"]) for i in self.raw["items"] if i["item"] == name] if self.raw else []

    def item(self, name):
        """The one of this name, or None."""
        got = self.items(name)
        return got[0] if got else None

    def with_item(self, name, data):
        """The same case with other bytes in this item."""
        items = [{**i, "bytes": recorded.b64(data)} if i["item"] == name else i for i in self.raw["items"]]
        return Case({**self.json, "raw": {**self.raw, "items": items}})

    def certificates(self, name="certificates"):
        """DER, in their order, whichever way they come."""
        return [der for data in self.items(name) for der in (recorded.unpem(data) if b"-----BEGIN" in data else [data])]

    def expect(self):
        return recorded_b64(self.raw["expect"]) if "expect" in self.raw else None

    def root(self, vendor, product=None):
        for r in self.roots:
            if r["vendor"] == vendor and r.get("product") == product:
                return recorded_b64(r["certificate"])
        return None

    def down(self, scope):
        """Our checks within the scope that don't pass; the outcome itself where the evidence can't be read and nothing is checked."""
        if not self.status:
            return {self.outcome}
        return {c for c, s in self.status.items() if s in DOWN and any(fnmatch.fnmatchcase(c, p) for p in scope)}


def elements(data):
    """The DER elements in these bytes: (tag, contents, whole); as many as can be read."""
    at = 0
    while at + 2 <= len(data):
        n, head = data[at + 1], 2
        if n & 0x80:
            head += n & 0x7f
            n = int.from_bytes(data[at + 2:at + head], "big")
        yield data[at], data[at + head:at + head + n], data[at:at + head + n]
        at += head + n


def names(data):
    """The names in a certificate (issuer, subject) or a revocation list (issuer), in DER."""
    try:
        signed = next(elements(next(elements(data))[1]))[1]
        # sequences that begin with a set: a name, unlike an algorithm or a validity
        return [whole for tag, inside, whole in elements(signed) if tag == 0x30 and inside[:1] == b"\x31"]
    except StopIteration:
        return []


def recorded_b64(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


def hexed(data):
    return None if data is None else data.hex()


def judge(cases, *options):
    """Our verdicts."""
    if not cases:
        return
    lines = "".join(json.dumps(c.json) + "\n" for c in cases)
    r = subprocess.run([ORACLE, "--many", *options], input=lines, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert r.returncode == 0, r.stderr[-2000:]
    for case, line in zip(cases, r.stdout.splitlines(), strict=True):
        v = json.loads(line)
        assert v["id"] == case.id
        case.outcome = v["outcome"]
        case.status = {c["id"]: c["status"] for c in v["checks"]}


@functools.lru_cache(None)
def cases():
    """All cases, judged."""
    out = [Case(c) for c in recorded.cases() or []]
    judge([c for c in out if not c.roots], "--builtin-roots")
    judge([c for c in out if c.roots])
    lab = []
    with tempfile.TemporaryDirectory(prefix="cloister-lab-") as folder:
        subprocess.run([LAB, "make", folder], check=True, capture_output=True, timeout=LIMIT)
        for name in sorted(os.listdir(folder)):
            if name == "index.json" or not name.endswith(".json"):
                continue
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                lab.append(Case(json.load(f)))
    judge(lab)
    return out + lab


def differences(peer):
    with open(os.path.join(HERE, "differences.json"), encoding="utf-8") as f:
        return [d for d in json.load(f)["differences"] if peer in d["peers"]]


def explained(entry, case, down, accepted):
    """Is this the difference that the entry is about? theirs: what the peer does; checks: all that don't pass here are of these; cases: of these ids."""
    return (entry["theirs"] == ("accept" if accepted else "refuse")
            and any(fnmatch.fnmatchcase(case.id, p) for p in entry.get("cases", ["*"]))
            and ("checks" not in entry or all(any(fnmatch.fnmatchcase(c, p) for p in entry["checks"]) for c in down)))


def answers(command, jobs, env=None):
    r = subprocess.run(command, input="".join(json.dumps(j) + "\n" for j in jobs), capture_output=True, text=True, timeout=LIMIT, check=False,
                       env={**os.environ, **(env or {})})
    assert r.returncode == 0, (r.returncode, r.stderr[-3000:])
    got = [json.loads(line) for line in r.stdout.splitlines() if line.startswith("{")]  # some libraries log there
    assert [g["id"] for g in got] == [j["id"] for j in jobs], "not every job was answered, in order"
    return got


def compare(peer, command, job, scope, env=None, among=None):
    """
    job(case): what the peer is given, or None where it can't be asked about such a case. scope: patterns, or a function of the case. among: these, and not all. Says how many cases agree and
    how many differ as expected; an unexpected difference, an entry without use, and a peer that never accepts or never refuses are errors.
    """
    asked = [(c, j) for c in (cases() if among is None else among) if (j := job(c)) is not None]
    assert asked, "there is no case for " + peer
    got = answers(command, [{**j, "id": c.id} for c, j in asked], env)
    entries, used, wrong, agree = differences(peer), set(), [], {True: 0, False: 0}
    for (case, _), answer in zip(asked, got):
        down = case.down(scope(case) if callable(scope) else scope)
        if answer["accept"] == (not down):
            agree[answer["accept"]] += 1
            continue
        why = [i for i, e in enumerate(entries) if explained(e, case, down, answer["accept"])]
        used.update(why)
        if not why:
            wrong.append("%s: %s %s (%s), ours: %s" % (case.id, peer, "accepts" if answer["accept"] else "refuses", answer.get("why", ""),
                                                       ", ".join(sorted(down)) or "passes"))
    # Without recorded evidence an entry about it has nothing to explain.
    idle = [e["why"] for i, e in enumerate(entries) if i not in used and (recorded.files() is not None or not e.get("recorded"))]
    print("# %s: %d cases: %d accepted by both, %d refused by both, %d differ as expected" %
          (peer, len(asked), agree[True], agree[False], len(asked) - agree[True] - agree[False] - len(wrong)))
    assert not wrong, "\n".join([f"{len(wrong)} unexpected differences:", *wrong])
    assert not idle, "differences that are none: " + "; ".join(idle)
    assert agree[True] and agree[False], "it always says the same"


def other_policy(case):
    """Without a policy, or with one for another kind of evidence or of platform, ours has nothing to compare TCB levels with."""
    return case.status.get("policy.type") in DOWN or case.id.endswith("fmspc-not-admitted")


def need(program, at_least=(0,), ask="--version"):
    """Skip where a toolchain is missing, or older than its peer wants."""
    toolchain(program, at_least, ask)


def make(command, **more):
    """Fetch and build; a network that isn't there is a reason to skip, a peer that doesn't build is an error."""
    r = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT, **more)
    if r.returncode != 0 and any(w in r.stderr for w in OFFLINE):
        raise harness.Skip("it can't be fetched: " + r.stderr.strip()[-200:].replace("\n", " "))
    assert r.returncode == 0, r.stderr[-3000:]


def place(name):
    """A folder of the build for this peer."""
    at = os.path.join(harness.BUILD, "peers", "differential-" + name)
    os.makedirs(at, exist_ok=True)
    return at


@functools.lru_cache(None)
def npm():
    """A folder whose node_modules has what peers/npm/package-lock.json lists, each with the hash that stands there."""
    need("npm")
    at = place("npm")
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(os.path.join(PEERS, "npm", name), os.path.join(at, name))
    make(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=at)
    return at


@functools.lru_cache(None)
def go():
    """The program of peers/go."""
    need("go", (1, 26, 0), "version")
    program = os.path.join(place("go"), "peer")
    make(["go", "build", "-trimpath", "-buildvcs=false", "-o", program, "."], cwd=os.path.join(PEERS, "go"),
         env=dict(os.environ, GOFLAGS="-mod=readonly", GOTOOLCHAIN="local", GOWORK="off", CGO_ENABLED="0"))
    return program


@functools.lru_cache(None)
def rust():
    """The program of peers/rust, and the environment that it is built and run in: it uses the libcrypto that Cloister uses."""
    need("cargo", (1, 89, 0))
    env, prefix = dict(os.environ), os.environ.get("CLOISTER_OPENSSL_PREFIX")
    if prefix:
        env.update(OPENSSL_DIR=prefix, OPENSSL_NO_VENDOR="1", LD_LIBRARY_PATH=os.path.join(prefix, "lib"))
    make(["cargo", "build", "--quiet", "--release", "--locked", "--target-dir", place("rust")], cwd=os.path.join(PEERS, "rust"), env=env)
    return os.path.join(place("rust"), "release", "peer"), env


def wheels(name, pythons=None):
    """A folder with the wheels that peers/NAME.txt lists; nothing is taken that doesn't match a hash there. pythons: there are wheels for these alone."""
    if (pythons and sys.version_info[:2] not in pythons) or platform.machine() not in ("x86_64", "aarch64"):
        raise harness.Skip("there are no wheels for this Python or this processor")
    listed = os.path.join(PEERS, name + ".txt")
    with open(listed, "rb") as f:
        key = hashlib.sha256(f.read() + repr((sys.version_info[:2], platform.machine())).encode()).hexdigest()[:8]
    cache = os.environ.get("CLOISTER_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "cloister")
    at = os.path.join(cache, "peers-differential-" + key)
    if not os.path.isdir(at):
        os.makedirs(cache, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="tmp.", dir=cache) as aside:
            make([sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--target",
                  os.path.join(aside, "got"), "-r", listed])
            os.rename(os.path.join(aside, "got"), at)
    return at
