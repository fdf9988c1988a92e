#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cloister policy diff`: what it shows, what it lets the policy admit, and what it never does."""
import base64
import contextlib
import ctypes
import hashlib
import json
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from harness import Daemon, Engine, cloister  # noqa: E402
from terminal import Terminal  # noqa: E402

test = harness.Tap()
OTHER_IMAGE = "ab" * 48


def same(got, want):
    assert got == want, f"{got!r} instead of {want!r}"


def has(text, *parts):
    for p in parts:
        assert p in text, f"{p!r} is not in {text!r}"


def lacks(text, *parts):
    for p in parts:
        assert p not in text, f"{p!r} is in {text!r}"


def status(r, want):
    assert r.returncode == want, f"exit status {r.returncode} instead of {want}; stdout {r.stdout!r}, stderr {r.stderr!r}"
    return r.stdout.decode(), r.stderr.decode()


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def unb64(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


class Server:
    """cloisterd, and the policy that `policy init --from-server` writes for it."""

    def __init__(self, daemon, folder):
        self.daemon, self.folder, self.url = daemon, folder, daemon.url
        self.policy = os.path.join(folder, "policy.json")
        out, _ = status(cloister("policy", "init", "--from-server", "--server", self.url), 0)
        self.pinned = json.loads(out)
        self.manifest = unb64(self.pinned["manifests"][0])
        self.write()

    def write(self, **changes):
        """The policy, with these members changed; None takes one away."""
        doc = {k: v for k, v in {**self.pinned, **changes}.items() if v is not None}
        with open(self.policy, "w") as f:
            json.dump(doc, f)
        return doc

    def other_manifest(self, **changes):
        """The manifest that the server shows, with these members changed, as a policy pins it."""
        m = json.loads(self.manifest)
        for path, value in changes.items():
            *path, last = path.split("__")
            at = m
            for p in path:
                at = at[p]
            at[last] = value
        return b64(json.dumps(m, separators=(",", ":")).encode())

    def text(self):
        with open(self.policy, "rb") as f:
            return f.read()

    def doc(self):
        return json.loads(self.text())

    def diff(self, *args, **kw):
        return cloister("policy", "diff", "--server", self.url, "--policy", self.policy, *args, **kw)

    def verify(self):
        return cloister("verify", "--server", self.url, "--policy", self.policy)


@contextlib.contextmanager
def served():
    with tempfile.TemporaryDirectory(prefix="cloister-diff-") as folder:
        e = Engine(os.path.join(folder, "engine.sock"))
        try:
            with Daemon(engine=e) as d:
                yield Server(d.wait_ready(), folder)
        finally:
            e.close()


# ---- what it shows ----


@test
def a_server_that_is_as_pinned_does_not_differ():
    with served() as s:
        before = s.text()
        out, _ = status(s.diff(), 0)
        has(out, "no difference: VERIFIED", "SIMULATED")
        lacks(out, "\033")
        status(s.diff("--accept", "--yes"), 0)
        same(s.text(), before)
        doc = json.loads(status(s.diff("--json"), 0)[0])
        same([doc[x] for x in ("v", "verified", "acceptable", "accepted", "simulated", "wrong")], [1, True, True, False, True, []])
        same((doc["measurement"]["differs"], doc["manifest"]["differs"]), (False, False))


@test
def a_changed_model_is_shown_old_and_new():
    with served() as s:
        name = json.loads(s.manifest)["model"]["name"]
        s.write(manifests=[s.other_manifest(model__name="Gr\u00fc\u00dfe 7B", limits__slots=99)])
        out, _ = status(s.diff(), 10)
        has(out, "model\n  - Gr\u00fc\u00dfe 7B\n  + " + name + "\n", "conversations at a time\n  - 99\n  + ",
            hashlib.sha256(s.manifest).hexdigest(), "policy diff --accept")
        lacks(out, "measurement of", "release of", "engine", "key exchange", "can't be accepted")
        doc = json.loads(status(s.diff("--json"), 10)[0])
        same((doc["verified"], doc["acceptable"], doc["manifest"]["differs"]), (False, True, True))
        has([m for m in doc["manifest"]["members"] if m["member"] == "model.name"],
            {"member": "model.name", "pinned": "Gr\u00fc\u00dfe 7B", "shown": name})


@test
def the_nearest_pinned_manifest_is_compared_with():
    with served() as s:
        far = s.other_manifest(model__name="far", release="9", engine__name="x", limits__slots=99)
        near = s.other_manifest(model__name="near")
        for pinned in ([far, near], [near, far]):
            s.write(manifests=pinned)
            out, _ = status(s.diff(), 10)
            has(out, "- near\n", hashlib.sha256(unb64(near)).hexdigest())
            lacks(out, "far", "release of")


@test
def another_measurement_is_shown_old_and_new():
    with served() as s:
        s.write(measurements=[OTHER_IMAGE, "cd" * 48])
        out, _ = status(s.diff(), 10)
        has(out, f"  - {OTHER_IMAGE}\n  - {'cd' * 48}\n  + {s.pinned['measurements'][0]}\n", "--accept")
        lacks(out, "manifest")


@test
def a_changed_shape_is_shown_old_and_new():
    full = [{"name": n, "frame": f, "interval_ms": 50, "delay_ms": 100, "first": k, "max": 32768}
            for n, f, k in (("chat", 512, 512), ("wide", 4096, 128), ("bulk", 16384, 32))]
    with served() as s:
        s.write(manifests=[s.other_manifest(shape=full)])
        has(status(s.diff(), 10)[0], "shape of the traffic\n  - full\n  + off\n")
        doc = json.loads(status(s.diff("--json"), 10)[0])
        same([m for m in doc["manifest"]["members"] if m["member"] == "shape"], [{"member": "shape", "pinned": "full", "shown": "off"}])


@test
def the_same_members_in_other_bytes_are_another_manifest():
    with served() as s:
        s.write(manifests=[b64(s.manifest + b" ")])
        has(status(s.diff(), 10)[0], "the same members in other bytes")
        status(s.verify(), 10)


@test
def a_policy_that_pins_no_manifest_gains_none():
    with served() as s:
        s.write(manifests=None)
        has(status(s.diff(), 0)[0], "no difference")
        s.write(manifests=None, measurements=[OTHER_IMAGE])
        lacks(status(s.diff("--accept", "--yes"), 0)[0], "manifest (SHA-256)")
        same(set(s.doc()), set(s.pinned) - {"manifests"})
        status(s.verify(), 0)


@test
def saved_evidence_is_compared_with_its_nonce():
    with served() as s:
        saved, nonce = os.path.join(s.folder, "e"), os.path.join(s.folder, "n")
        status(cloister("evidence", "--server", s.url, "--out", saved, "--nonce-out", nonce), 0)
        with open(nonce) as f:
            nonce = f.read().strip()
        base = ["policy", "diff", "--policy", s.policy, "--evidence", saved]
        status(cloister(*base, "--nonce", nonce), 0)
        has(status(cloister(*base), 1)[1], "--nonce")
        s.write(measurements=[OTHER_IMAGE])
        out, _ = status(cloister(*base, "--nonce", "A" * 43, "--accept", "--yes"), 10)
        has(out, "freshness.nonce", "can't be accepted")
        same(s.doc()["measurements"], [OTHER_IMAGE])
        status(cloister(*base, "--nonce", nonce, "--accept", "--yes"), 0)
        status(s.verify(), 0)


@test
def refusals_name_the_command_that_shows_more():
    with served() as s:
        s.write(measurements=[OTHER_IMAGE])
        has(status(s.verify(), 10)[0], "snp.measurement", "cloister policy diff")
        s.write(manifests=[s.other_manifest(release="9")])
        has(status(s.verify(), 10)[0], "manifest.pinned", "cloister policy diff")
        r = cloister("chat", "--server", s.url, "--policy", s.policy, "--key-file", s.daemon.key_file, "hi")
        has(status(r, 10)[1], "manifest.pinned", "cloister policy diff", "nothing was sent")


@test
def policy_show_says_what_a_pinned_manifest_says():
    with served() as s:
        s.write(replicas=["https://a.example", "http://b.example:8080/x"])
        out, _ = status(cloister("policy", "show", s.policy), 0)
        has(out, hashlib.sha256(s.manifest).hexdigest(), json.loads(s.manifest)["model"]["name"], "X-Wing", "https://a.example",
            "http://b.example:8080/x")
        with open(s.policy, "rb") as f:
            same(status(cloister("policy", "show", "-", stdin=f.read()), 0)[0], out)
        s.write(manifests=None)
        has(status(cloister("policy", "show", s.policy), 0)[0], "any manifest")
        s.write(manifests=[])
        has(status(cloister("policy", "show", s.policy), 0)[0], "NO manifest")


# ---- what it accepts ----


@test
def what_was_accepted_is_verified_from_then_on():
    with served() as s:
        old = s.other_manifest(model__name="old", engine__version="0")
        before = s.write(measurements=[OTHER_IMAGE], manifests=[old], replicas=["https://a.example"], max_age_s=600,
                         name="gr\u00fc\u00df \"dich\"")
        os.chmod(s.policy, 0o640)
        status(s.verify(), 10)
        out, err = status(s.diff("--accept", "--yes"), 0)
        has(out, OTHER_IMAGE, "- old\n")
        has(err, "accepted")
        after = s.doc()
        same(after, {**before, "measurements": [OTHER_IMAGE] + s.pinned["measurements"], "manifests": [old] + s.pinned["manifests"]})
        same(list(after), list(before))  # in their order
        same(stat.S_IMODE(os.stat(s.policy).st_mode), 0o640)
        same(sorted(os.listdir(s.folder)), ["engine.sock", "policy.json"])
        status(s.verify(), 0)
        status(s.diff(), 0)


@test
def what_was_pinned_before_can_be_replaced():
    with served() as s:
        s.write(measurements=[OTHER_IMAGE], manifests=[s.other_manifest(model__name="old")])
        status(s.diff("--accept", "--replace", "--yes"), 0)
        same(s.doc(), s.pinned)
        s.write(measurements=[OTHER_IMAGE] + s.pinned["measurements"])
        status(s.diff(), 0)
        status(s.diff("--accept", "--replace", "--yes"), 0)  # the old one is done with
        same(s.doc(), s.pinned)
        status(s.verify(), 0)


@test
def a_link_to_the_policy_stays_a_link():
    with served() as s:
        s.write(measurements=[OTHER_IMAGE])
        link = os.path.join(s.folder, "link")
        os.symlink("policy.json", link)
        status(cloister("policy", "diff", "--server", s.url, "--policy", link, "--accept", "--yes"), 0)
        assert os.path.islink(link)
        status(s.verify(), 0)


@test
def machines_accept_with_json_and_yes():
    with served() as s:
        s.write(measurements=[OTHER_IMAGE])
        has(status(s.diff("--accept", "--json"), 1)[1], "--yes")
        doc = json.loads(status(s.diff("--accept", "--json", "--yes"), 0)[0])
        same((doc["verified"], doc["acceptable"], doc["accepted"]), (False, True, True))
        same(doc["measurement"], {"pinned": [OTHER_IMAGE], "shown": s.pinned["measurements"][0], "differs": True})


# ---- what it never does ----


@test
def what_is_not_authentic_can_not_be_accepted():
    with served() as s:
        roots = {"roots": ["0" * 64]}
        for changes in ({}, {"measurements": [OTHER_IMAGE]}, {"manifests": []}):
            s.write(simulated=roots, **changes)
            before = s.text()
            out, err = status(s.diff("--accept", "--yes"), 10)
            has(out, "can't be accepted:", "snp.root", "NOT VERIFIED")
            lacks(out, "--accept` lets")
            has(err, "stays as it is")
            doc = json.loads(status(s.diff("--json"), 10)[0])
            same((doc["acceptable"], doc["accepted"]), (False, False))
            has([w["id"] for w in doc["wrong"]], "snp.root")
            same(s.text(), before)


@test
def a_forged_signature_can_not_be_accepted():
    with served() as s:
        saved, nonce = os.path.join(s.folder, "e"), os.path.join(s.folder, "n")
        status(cloister("evidence", "--server", s.url, "--out", saved, "--nonce-out", nonce), 0)
        with open(nonce) as f:
            nonce = f.read().strip()
        with open(saved) as f:
            evidence = json.load(f)
        cpu = json.loads(unb64(evidence["sections"]["cpu"]["bytes"]))
        report = bytearray(unb64(cpu["report"]))
        report[0x90] ^= 1  # another measurement, which nobody signed
        cpu["report"] = b64(bytes(report))
        evidence["sections"]["cpu"]["bytes"] = b64(json.dumps(cpu, separators=(",", ":")).encode())
        with open(saved, "w") as f:
            json.dump(evidence, f)
        before = s.text()
        out, _ = status(cloister("policy", "diff", "--policy", s.policy, "--evidence", saved, "--nonce", nonce, "--accept", "--yes"), 10)
        has(out, "snp.signature", "measurement of", "NOT VERIFIED")
        same(s.text(), before)


@test
def what_the_policy_lists_by_hand_is_left_to_the_hand():
    with served() as s:
        for changes, check in (({"models": ["0" * 64]}, "manifest.model"), ({"releases": ["9"]}, "manifest.release"),
                               ({"allow_unmanaged": None}, "manifest.managed"), ({"shape": None}, "manifest.shape"),
                               ({"devices": {"min": 1, "architectures": ["hopper"], "min_driver": "550.90.07"}}, "devices.count")):
            s.write(measurements=[OTHER_IMAGE], **changes)
            before = s.text()
            has(status(s.diff("--accept", "--yes"), 10)[0], "can't be accepted:", check)
            same(s.text(), before)
        s.write(models=["0" * 64])
        has(status(s.diff(), 10)[0], "manifest.model", "by hand")
        s.write(shape="size")
        has(status(s.diff(), 10)[0], "manifest.shape", "expected size\n      found    off", '"shape" is yours: change it by hand')


@test
def a_policy_that_can_pin_no_more_says_so():
    with served() as s:
        s.write(manifests=[s.other_manifest(limits__slots=1000 + i) for i in range(16)])
        before = s.text()
        out, _ = status(s.diff("--accept", "--yes"), 10)
        has(out, "manifests: has too many values", "--replace")
        same(s.text(), before)
        status(s.diff("--accept", "--replace", "--yes"), 0)
        same(s.doc(), s.pinned)


@test
def malformed_evidence_ends_with_30_and_what_a_later_version_promises_with_20():
    with served() as s:
        saved = os.path.join(s.folder, "e")
        status(cloister("evidence", "--server", s.url, "--out", saved), 0)
        with open(saved) as f:
            evidence = json.load(f)
        before = s.text()
        later = {**json.loads(s.manifest), "shape": [1]}
        for section, value, code in (("cpu", {"v": 1}, 30), ("cpu", {"v": 1, "type": "unheard-of", "token": "AAAA"}, 30), ("manifest", later, 20)):
            sections = {**evidence["sections"], section: {"bytes": b64(json.dumps(value).encode())}}
            with open(saved, "w") as f:
                json.dump({**evidence, "sections": sections}, f)
            args = ["policy", "diff", "--policy", s.policy, "--evidence", saved, "--nonce", "A" * 43]
            has(status(cloister(*args, "--accept", "--yes"), code)[0], "can't be accepted:", "evidence.format")
            doc = json.loads(status(cloister(*args, "--json"), code)[0])
            same(("measurement" in doc, doc["acceptable"]), (False, False))
        status(cloister("policy", "diff", "--policy", s.policy, "--evidence", "-", "--nonce", "A" * 43, stdin=b"{}"), 30)
        same(s.text(), before)


@test
def another_kind_of_machine_is_named_and_never_accepted():
    with served() as s:
        saved = os.path.join(s.folder, "e")
        status(cloister("evidence", "--server", s.url, "--out", saved), 0)
        with open(saved) as f:
            evidence = json.load(f)
        evidence["sections"]["cpu"]["bytes"] = b64(json.dumps({"v": 1, "type": "tdx", "quote": "AAAA"}).encode())
        with open(saved, "w") as f:
            json.dump(evidence, f)
        before = s.text()
        out, _ = status(cloister("policy", "diff", "--policy", s.policy, "--evidence", saved, "--nonce", "A" * 43, "--accept", "--yes"), 10)
        has(out, "policy.type", "can't be accepted:")
        lacks(out, "quote.signature")  # nobody asked
        same(s.text(), before)


def accept_after(s, prepare):
    """`policy diff --accept --yes` in a process that was prepared for it."""
    return subprocess.run([harness.CLOISTER, "policy", "diff", "--server", s.url, "--policy", s.policy, "--accept", "--yes"],
                          stdin=subprocess.DEVNULL, capture_output=True, preexec_fn=prepare, timeout=harness.WAIT, restore_signals=False,
                          env={"HOME": "/nonexistent", "LANG": "C.UTF-8"})


@test
def a_full_disk_leaves_the_policy_as_it_was():
    def small_files(sigxfsz):
        def prepare():
            signal.signal(signal.SIGXFSZ, sigxfsz)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        return prepare
    with served() as s:
        s.write(measurements=[OTHER_IMAGE])
        before = s.text()
        has(status(accept_after(s, small_files(signal.SIG_IGN)), 1)[1], "can't be written")
        same(s.text(), before)
        same(sorted(os.listdir(s.folder)), ["engine.sock", "policy.json"])
        status(accept_after(s, small_files(signal.SIG_DFL)), -signal.SIGXFSZ)  # killed in the middle of writing
        same(s.text(), before)
        status(s.diff(), 10)


@test
def a_folder_that_takes_no_file_leaves_the_policy_as_it_was():
    def obey_modes():
        ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE: root obeys as well
    with served() as s:
        s.write(measurements=[OTHER_IMAGE])
        before = s.text()
        os.chmod(s.folder, 0o500)
        try:
            has(status(accept_after(s, obey_modes), 1)[1], "can't be written")
            same(s.text(), before)
        finally:
            os.chmod(s.folder, 0o700)


@test
def without_a_terminal_nothing_is_accepted_by_default():
    with served() as s:
        s.write(measurements=[OTHER_IMAGE])
        before = s.text()
        has(status(s.diff("--accept"), 1)[1], "--yes")
        has(status(s.diff("--accept", stdin=b"y\n"), 1)[1], "--yes")
        for args in (["--yes"], ["--replace"]):
            has(status(s.diff(*args), 1)[1], "--accept")
        has(status(cloister("policy", "diff", "--server", s.url, "--policy", "-", "--accept", "--yes", stdin=before), 1)[1], "--policy FILE")
        for command in (["show", s.policy], ["init", "--from-server", "--server", s.url]):
            has(status(cloister("policy", *command, "--accept"), 1)[1], "policy diff")
        same(s.text(), before)


@test
def at_a_terminal_it_asks_first():
    with served() as s:
        s.write(measurements=[OTHER_IMAGE])
        before = s.text()
        args = ["policy", "diff", "--server", s.url, "--policy", s.policy, "--accept"]
        for answer in ("n\n", "\n", "yyyyyyyyyyyyyyyyyyyy\n", "\x04"):
            with Terminal(*args) as t:
                t.expect(OTHER_IMAGE)
                t.expect(r"\[y/N\] ")
                t.type(answer)
                same(os.waitstatus_to_exitcode(t.end()), 10)
                has(t.raw, "\033[31m")
            same(s.text(), before)
        with Terminal(*args) as t:
            t.expect(r"\[y/N\] ")
            t.type("\x03")
            same(t.end(), signal.SIGINT)
        same(s.text(), before)
        with Terminal(*args) as t:
            t.expect(r"\[y/N\] ")
            t.type("y\n")
            same(os.waitstatus_to_exitcode(t.end()), 0)
        status(s.verify(), 0)


@test
def what_was_typed_before_the_question_is_no_answer():
    with served() as s:
        s.write(measurements=[OTHER_IMAGE])
        before = s.text()
        with Terminal("policy", "diff", "--server", s.url, "--policy", s.policy, "--accept") as t:
            t.type("y\n")
            t.expect(r"\[y/N\] ")
            t.type("\n")
            same(os.waitstatus_to_exitcode(t.end()), 10)
        same(s.text(), before)


@test
def nobody_is_asked_about_what_they_can_not_see():
    with served() as s:
        s.write(measurements=[OTHER_IMAGE])
        ours, theirs = os.openpty()
        r = subprocess.run([harness.CLOISTER, "policy", "diff", "--server", s.url, "--policy", s.policy, "--accept"],
                           stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, timeout=harness.WAIT)
        said = os.read(ours, 4096).decode()
        os.close(ours)
        os.close(theirs)
        same(r.returncode, 1)
        has(said, "--yes")


@test
def another_image_comes_with_a_warning():
    with served() as s:
        s.write(manifests=[s.other_manifest(model__name="old")])
        lacks(status(s.diff(), 10)[0], "another image")  # pinned code vouches for its manifest
        s.write(measurements=[OTHER_IMAGE])
        out, _ = status(s.diff(), 10)
        has(out, "another image", "a source that you trust")
        s.write(measurements=[OTHER_IMAGE], simulated={"roots": ["0" * 64]})
        lacks(status(s.diff(), 10)[0], "another image")  # nothing to be accepted


@test
def a_policy_that_was_changed_meanwhile_is_left_alone():
    with served() as s:
        s.write(measurements=[OTHER_IMAGE])
        with Terminal("policy", "diff", "--server", s.url, "--policy", s.policy, "--accept") as t:
            t.expect(r"\[y/N\] ")
            s.write(measurements=[OTHER_IMAGE], max_age_s=60)
            before = s.text()
            t.type("y\n")
            t.expect("changed meanwhile")
            same(os.waitstatus_to_exitcode(t.end()), 1)
        same(s.text(), before)


if __name__ == "__main__":
    test.run()
