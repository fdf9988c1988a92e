#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The laboratory's programs: what `cloister-lab` writes, what `cloister-oracle` takes and answers, what `lab/run` notices; and that what is made there
passes nowhere but under the roots that come with it.

That every case gets its verdict is test_lab: `lab/run` itself."""
import atexit
import base64
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402

test = harness.Tap()
LAB = os.path.join(harness.BUILD, "lab", "cloister-lab")
ORACLE = os.path.join(harness.BUILD, "lab", "cloister-oracle")
RUN = os.path.join(harness.ROOT, "lab", "run")
TMP = tempfile.mkdtemp(prefix="cloister-lab-")
atexit.register(shutil.rmtree, TMP, ignore_errors=True)


def run(*args, data=None, want=0):
    r = subprocess.run(args, input=data, capture_output=True, timeout=4 * harness.WAIT, check=False)
    assert r.returncode == want, f"{args}: exit status {r.returncode} instead of {want}; stdout {r.stdout[-2000:]!r}, stderr {r.stderr[-2000:]!r}"
    return r


def unb64(s):
    return base64.urlsafe_b64decode(s + "=" * (-len(s) % 4))


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


@functools.cache
def corpus():
    """Every case, made once. Not to be changed."""
    folder = os.path.join(TMP, "all")
    run(LAB, "make", folder)
    cases = []
    with open(os.path.join(folder, "index.json"), encoding="utf-8") as f:
        index = json.load(f)
    for c in index["cases"]:
        with open(os.path.join(folder, c["file"]), encoding="utf-8") as f:
            cases.append(json.load(f))
    return cases


def one(name):
    return next(c for c in corpus() if c["id"] == name)


def judge(cases, *options):
    data = b"".join(json.dumps(c).encode() + b"\n" for c in cases)
    return [json.loads(line) for line in run(ORACLE, "--many", *options, data=data).stdout.splitlines()]


def policy_of(case):
    return json.loads(unb64(case["policy"])) if "policy" in case else None


def kinds(case):
    policy = policy_of(case)
    return policy["tee"] if policy else []


def names_its_root(policy):
    """Two kinds of policy need no vendor's root, and name what is made here by its digest: the simulator's, which is never hardware's too, and
    one of a TPM's quotes alone that lists the attestation key."""
    return policy is not None and (policy["tee"] == ["simulated"] or (policy["tee"] == [] and bool(policy.get("tpm", {}).get("keys"))))


def folder_of(name, cases):
    path = os.path.join(TMP, name)
    os.mkdir(path)
    for c in cases:
        with open(os.path.join(path, c["id"] + ".json"), "w", encoding="utf-8") as f:
            json.dump(c, f)
    return path


@functools.cache
def three():
    """A folder with one case of each outcome."""
    return folder_of("three", [one("snp-good-genoa"), one("snp-debug"), one("snp-crl-none")])


def script(name, body):
    """An oracle of our own: `body` sees the case and makes the verdict `v`."""
    path = os.path.join(TMP, name + ".py")
    with open(path, "w", encoding="utf-8") as f:
        f.write("import json, sys\ncase = json.load(sys.stdin)\n" + body + "\nprint(json.dumps(v))\n")
    return f"{sys.executable} {path}"


def runner(*args, want=0):
    return run(sys.executable, "-B", RUN, "--build", harness.BUILD, *args, want=want)


# ---- what is made passes nowhere else ----

@test
def no_evidence_of_the_laboratory_passes_under_the_vendors_roots():
    cases = [c for c in corpus() if not names_its_root(policy_of(c))]
    accepted = [c["id"] for c, v in zip(cases, judge(cases, "--builtin-roots")) if v["outcome"] == "verified"]
    assert not accepted, accepted
    assert sum(c["expected"]["outcome"] == "verified" for c in cases) > 20 and len(cases) > 380


@test
def what_is_sound_passes_under_no_policy_with_the_vendors_roots():
    cases = corpus()
    policies = sorted({c["policy"] for c in cases if "policy" in c and not names_its_root(policy_of(c))})
    for fmt in sorted({c["format"] for c in cases}):
        good = next(c for c in cases if c["format"] == fmt and c["expected"]["outcome"] == "verified" and not names_its_root(policy_of(c)))
        verdicts = judge([dict(good, policy=p) for p in policies], "--builtin-roots")
        assert len(verdicts) == len(policies) and all(v["outcome"] != "verified" for v in verdicts), (fmt, good["id"])


@test
def the_simulators_evidence_passes_under_no_policy_that_names_hardware():
    cases = corpus()
    simulator = next(c for c in cases if c["id"] == "evidence-good-simulated")
    assert judge([simulator])[0]["outcome"] == "verified"
    hardware = sorted({c["policy"] for c in cases if "policy" in c and kinds(c) and kinds(c) != ["simulated"]})
    assert len(hardware) > 50, len(hardware)
    roots = [r for fmt in sorted({c["format"] for c in cases}) for c in cases if c["format"] == fmt and c["roots"] for r in c["roots"]]
    by_vendor = {(r["vendor"], r.get("product")): r for r in roots}
    for document in (simulator, one("evidence-simulated-renamed")):
        for options in ([], ["--builtin-roots"]):
            asked = [dict(document, policy=p, roots=list(by_vendor.values())) for p in hardware]
            wrong = [v["outcome"] for v in judge(asked, *options) if v["outcome"] == "verified"]
            assert not wrong, len(wrong)


@test
def a_policy_never_names_the_simulator_beside_hardware():
    assert all("simulated" not in kinds(c) or kinds(c) == ["simulated"] for c in corpus())


@test
def without_its_roots_no_case_is_verified():
    cases = [dict(c, roots=[]) for c in corpus() if c["expected"]["outcome"] == "verified" and not names_its_root(policy_of(c))]
    assert len(cases) > 20 and all(v["outcome"] != "verified" for v in judge(cases))


@test
def every_lesson_that_concerns_evidence_is_shown_by_a_case():
    """docs/LESSONS.md. The others concern what happens before and after: keys, streams, logs; 59 is about files of reference values."""
    shown = {row for c in corpus() for row in c.get("lesson", [])}
    wanted = {1, 2, 3, 4, 5, 6, 7, 17, 18, 26, 27, 31, 32, 37, 38, *range(39, 48), *range(50, 59), 60, 61}
    assert wanted <= shown, wanted - shown


# ---- the oracle ----

@test
def one_case_is_judged_as_many_are():
    case = one("snp-debug")
    alone = json.loads(run(ORACLE, data=json.dumps(case).encode()).stdout)
    assert alone == judge([case])[0]
    assert alone["outcome"] == "refused" and [c["id"] for c in alone["checks"] if c["status"] == "fail"] == ["snp.debug"]
    assert set(alone) == {"v", "id", "outcome", "checks"} and all(set(c) == {"id", "status", "reason"} for c in alone["checks"])


@test
def what_a_case_expects_changes_no_verdict():
    case = one("snp-debug")
    lie = dict(case, expected={"outcome": "verified", "fail": [], "missing": []})
    bare = {k: v for k, v in case.items() if k not in ("expected", "title", "basis", "lesson", "format")}
    assert judge([case]) == judge([lie]) == judge([bare])


@test
def what_is_no_case_is_malformed_input():
    good = one("snp-good-genoa")
    items = good["raw"]["items"]

    def but(**members):
        return {k: v for k, v in dict(good, **members).items() if v is not None}

    wrong = [
        but(v=2), but(id=None), but(now=None), but(now=-1), but(now="1"), but(roots=None), but(raw=None), but(more=1), but(policy=""),
        but(policy=b64(b"{}")), but(policy=b64(b"null")), but(policy=good["policy"] + "="), but(roots=[{"vendor": "amd", "certificate": "AAAA"}]),
        but(roots=[dict(good["roots"][0], product="rome")]), but(roots=[dict(good["roots"][0], vendor="nobody")]),
        but(roots=good["roots"] * 2), but(evidence={"document": "AAAA"}), but(raw=dict(good["raw"], type="vax")),
        but(raw=dict(good["raw"], items=[dict(items[0], item="rumour")])), but(raw=dict(good["raw"], items=[dict(items[0], bytes="!")])),
        but(raw=dict(good["raw"], items=[dict(items[0], item="ocsp")])), but(raw=dict(good["raw"], items=[dict(items[0], more=1)])),
        but(raw=dict(good["raw"], expect_any=1)), but(raw={"type": "sev-snp"}),
        but(raw=None, evidence={"document": "AAAA", "nonce": "AAAA", "sent_at": 1}), but(raw=None, evidence={"document": ""}),
        but(raw=None, evidence={"document": "AAAA", "nonce": "A" * 43}),
    ]
    texts = [json.dumps(w).encode() for w in wrong] + [b"", b"{", b"[]", b"null", json.dumps(good).encode() + b"x",
                                                      json.dumps(good).encode().replace(b'"v": 1', b'"v": 1, "v": 1'), b" " * (9 << 20)]
    for text in texts:
        r = run(ORACLE, data=text, want=30)
        assert r.stdout == b"" and r.stderr.startswith(b"cloister-oracle: "), (text[:200], r)
    r = run(ORACLE, "--many", data=json.dumps(good).encode() + b"\n{}\n" + json.dumps(good).encode() + b"\n", want=30)
    assert len(r.stdout.splitlines()) == 1 and b"line 2" in r.stderr


@test
def rubbish_where_evidence_belongs_is_a_verdict():
    case = one("evidence-good")
    v = judge([dict(case, evidence=dict(case["evidence"], document=b64(b"rubbish")))])[0]
    assert v["outcome"] == "malformed" and v["checks"] == []


@test
def a_wrong_command_line_is_told():
    for command in ([ORACLE, "--what"], [ORACLE, "case.json"], [LAB], [LAB, "bake"], [LAB, "make"], [LAB, "show"], [LAB, "list", "--format", "vax"],
                    [LAB, "list", "more"], [LAB, "show", "a", "b"]):
        assert run(*command, want=2).stderr
    for command in ([ORACLE, "--help"], [LAB, "--help"], [sys.executable, "-B", RUN, "--help"]):
        assert run(*command).stdout
    for options in (["--jobs", "0"], ["--what"]):
        runner(*options, want=2)


# ---- the maker ----

@test
def cases_are_written_with_an_index():
    folder = os.path.join(TMP, "snp")
    run(LAB, "make", folder, "--format", "sev-snp")
    with open(os.path.join(folder, "index.json"), encoding="utf-8") as f:
        index = json.load(f)["cases"]
    assert {c["file"] for c in index} == set(os.listdir(folder)) - {"index.json"} and {c["format"] for c in index} == {"sev-snp"}
    listed = json.loads(run(LAB, "list", "--json", "--format", "sev-snp").stdout)["cases"]
    assert [c["id"] for c in listed] == [c["id"] for c in index]
    assert len(run(LAB, "list", "--format", "sev-snp").stdout.splitlines()) == len(index)
    alone = os.path.join(TMP, "alone")
    run(LAB, "make", alone, "--case", "snp-debug")
    assert sorted(os.listdir(alone)) == ["index.json", "snp-debug.json"]
    assert json.loads(run(LAB, "show", "snp-debug").stdout)["id"] == "snp-debug"


@test
def what_is_not_there_or_can_not_be_written_is_an_error():
    assert b"no such case" in run(LAB, "show", "snp-nothing", want=1).stderr
    assert b"no such case" in run(LAB, "list", "--format", "sev-snp", "--case", "evidence-good", want=1).stderr
    assert run(LAB, "make", os.path.join(TMP, "no", "where"), want=1).stderr
    full = subprocess.run([LAB, "show", "snp-debug"], stdout=open("/dev/full", "w"), stderr=subprocess.PIPE, check=False)
    assert full.returncode == 1 and full.stderr


# ---- the runner ----

@test
def an_oracle_that_accepts_everything_is_caught():
    folder = three()
    yes = script("yes", "v = {'v': 1, 'id': case['id'], 'outcome': 'verified'}")
    r = json.loads(runner(folder, "--json", "--oracle", yes, want=1).stdout)
    assert r["right"] == 1 and r["wrong"] == 2
    assert {c["id"] for c in r["cases"] if c["difference"]} == {"snp-debug", "snp-crl-none"}


@test
def an_oracle_that_names_no_checks_has_to_accept_and_to_refuse():
    folder = three()
    right = script("right", "v = {'v': 1, 'id': case['id'], 'outcome': 'refused' if case['id'] != 'snp-good-genoa' else 'verified'}")
    assert json.loads(runner(folder, "--json", "--oracle", right).stdout)["right"] == 3
    no = script("no", "v = {'v': 1, 'id': case['id'], 'outcome': 'refused'}")
    assert json.loads(runner(folder, "--json", "--oracle", no, want=1).stdout)["wrong"] == 1


@test
def an_oracle_that_names_other_checks_is_caught():
    folder = three()
    other = script("other", "e = case['expected']\nv = {'v': 1, 'id': case['id'], 'outcome': e['outcome'], 'checks': "
                            "[{'id': c, 'status': 'fail', 'reason': ''} for c in e['fail'] or []] + "
                            "[{'id': c, 'status': 'missing', 'reason': ''} for c in e['missing'][1:]]}")
    r = json.loads(runner(folder, "--json", "--oracle", other, want=1).stdout)
    assert [c["id"] for c in r["cases"] if c["difference"]] == ["snp-crl-none"]


@test
def what_an_oracle_does_not_support_is_counted_and_not_called_right():
    folder = three()
    none = script("none", "v = {'v': 1, 'id': case['id'], 'outcome': 'unsupported'}")
    r = json.loads(runner(folder, "--json", "--oracle", none).stdout)
    assert (r["right"], r["wrong"], r["unsupported"]) == (0, 0, 3)
    assert b"3 not supported" in runner(folder, "--oracle", none).stdout
    assert runner(folder, "--tap", "--oracle", none).stdout == b"1..1\nok 1 - each of 0 cases of sev-snp gets exactly its verdict # SKIP not supported by this oracle\n"


@test
def the_example_in_the_documentation_is_an_oracle():
    with open(os.path.join(harness.ROOT, "docs", "LAB.md"), encoding="utf-8") as f:
        example = f.read().split("```python\n")[1].split("```")[0]
    path = os.path.join(TMP, "example.py")
    with open(path, "w", encoding="utf-8") as f:
        f.write(example)
    r = json.loads(runner(three(), "--json", "--oracle", f"{sys.executable} {path}", want=1).stdout)
    assert [c["id"] for c in r["cases"] if c["difference"]] == ["snp-crl-none"], r
    r = runner(folder_of("other", [one("evidence-good")]), "--oracle", f"{sys.executable} {path}")
    assert b"1 not supported" in r.stdout


@test
def an_oracle_that_fails_ends_the_run():
    folder = three()
    for name, body in (("other-id", "v = {'v': 1, 'id': 'x', 'outcome': 'refused'}"), ("text", "v = 'verified'"), ("exit", "v = None; sys.exit(30)"),
                       ("list", "v = [1]"), ("deep", "print('[' * 200000); v = 1"), ("twice", "v = {'v': 1, 'id': case['id'], 'outcome': 'refused'}; print(json.dumps(v))"),
                       ("checks", "v = {'v': 1, 'id': case['id'], 'outcome': 'refused', 'checks': [1]}"), ("silent", "sys.exit(0)"),
                       ("status", "v = {'v': 1, 'id': case['id'], 'outcome': 'refused', 'checks': [{'id': 'a.b', 'status': 'maybe'}]}")):
        r = runner(folder, "--oracle", script(name, body), want=3)
        assert r.stderr.startswith(b"lab/run: "), (name, r)
    runner(folder, "--oracle", "/nonexistent/oracle", want=3)
    assert runner(folder, "--tap", "--oracle", "/nonexistent/oracle", want=3).stdout.startswith(b"Bail out!")


@test
def an_oracle_says_what_checks_came_to_only_in_its_checks():
    sly = script("sly", "v = {'v': 1, 'id': case['id'], 'outcome': 'refused', 'status': 5}")
    assert json.loads(runner(three(), "--json", "--oracle", sly, want=1).stdout)["wrong"] == 1


@test
def a_case_that_expects_something_else_is_told():
    case = dict(one("snp-debug"), expected={"outcome": "refused", "fail": ["snp.debug", "snp.migration"], "missing": []})
    r = runner(folder_of("lie", [case]), "--case", "snp-debug", want=1)
    assert b"snp.migration: pass instead of fail" in r.stdout
    r = runner(os.path.join(TMP, "lie"), "--tap", "--case", "snp-debug", want=1)
    assert b"not ok 1" in r.stdout and b"# snp-debug: snp.migration" in r.stdout


@test
def a_case_that_breaks_the_schema_is_told():
    for i, change in enumerate(({"v": True}, {"more": 1}, {"title": ""}, {"now": "1"}, {"lesson": [0]}, {"expected": {"outcome": "refused"}},
                                {"format": "vax"}, {"roots": [{"vendor": "amd"}]}, {"evidence": {"document": "AAAA"}}, {"policy": "A="})):
        r = runner(folder_of(f"broken-{i}", [dict(one("snp-debug"), **change)]), want=3)
        assert b"snp-debug.json: " in r.stderr, (change, r)
    renamed = folder_of("renamed", [one("snp-debug")])
    os.rename(os.path.join(renamed, "snp-debug.json"), os.path.join(renamed, "other.json"))
    assert b"its id is snp-debug" in runner(renamed, want=3).stderr
    runner(folder_of("empty", []), want=3)


@test
def what_the_corpus_lacks_is_told():
    cases = [c for c in corpus() if c["format"] == "sev-snp"]
    whole = folder_of("whole", cases)
    assert json.loads(runner(whole, "--json", "--least", "1").stdout)["lacks"] == []
    assert b"at least 5000 are wanted" in runner(whole, "--least", "5000", want=1).stdout
    r = runner(folder_of("one-format", cases), want=1)
    assert b"tpm: no check of any case" in r.stdout and b"sev-snp: no check" not in r.stdout
    fewer = folder_of("fewer", [c for c in cases if "snp.vmpl" not in c["expected"]["fail"]])
    r = json.loads(runner(fewer, "--json", "--least", "1", want=1).stdout)
    assert r["lacks"] == ["sev-snp: snp.vmpl: no case in which it fails"] and r["wrong"] == 0
    flips = folder_of("flips", cases + [dict(c, id=c["id"] + "-again") for c in cases if c.get("flip") == "report"][:1])
    r = json.loads(runner(flips, "--json", "--least", "1", want=1).stdout)
    assert r["lacks"] == ["sev-snp: snp.signature: 4 cases differ only in the position of a flipped bit (report)"]


if __name__ == "__main__":
    test.run()
