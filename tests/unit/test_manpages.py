#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages against the programs: mandoc finds nothing to mend, and each option, command, keyword, exit status and member of a
document that one of the two knows the other knows too.

A page's options are its `.It Fl -name` items; those that only `cloisterd key` and the like have may stand anywhere in the page.
"""
import base64
import contextlib
import glob
import json
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from harness import CLOISTER, CLOISTERD, ROOT, Daemon, Engine, cloister  # noqa: E402

test = harness.Tap()
CLOISTER_RIM = os.path.join(harness.BUILD, "src", "rim", "cloister-rim")


def source(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def page(name):
    return source("man", name)


def pages():
    return sorted(glob.glob(os.path.join(ROOT, "man", "**", "*.[0-9]"), recursive=True))


def section(text, title):
    return re.split(r"^\.Sh ", text.split(f".Sh {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]


def told(program, *args):
    r = subprocess.run([program, *args, "--help"], capture_output=True, text=True, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
                       timeout=harness.WAIT, check=False)
    assert r.returncode == 0, (program, args, r.returncode, r.stderr)
    return r.stdout


def told_options(text):
    """{name: has a value} of a --help."""
    return {m.group(1): m.group(2) is not None for m in re.finditer(r"^ +--([a-z0-9][a-z0-9-]*)(?: ([A-Z][^ ]*))?(?= |$)", text, re.M)}


def page_options(text):
    """{name: has a value} of a page; where an option has several meanings, whether any has one."""
    found = {}
    for line in re.findall(r"^\.It (Fl .*)$", text, re.M):
        for one in re.split(r" , (?=Fl )", line):
            m = re.match(r"Fl -([a-z0-9][a-z0-9-]*)(?: (?:Ns = Ns )?(Ar))?", one)
            if m:
                found[m.group(1)] = found.get(m.group(1), False) or m.group(2) is not None
            more = re.findall(r" , -([a-z0-9][a-z0-9-]*)", one)
            found.update({name: False for name in more})
    return found


def item(text, option):
    """What a page says about an option."""
    return "".join(m.group(1) for m in re.finditer(r"^\.It Fl -%s\b.*\n((?:(?!\.It |\.El|\.S[hs] ).*\n)*)" % re.escape(option), text, re.M))


def subsection(text, title):
    return re.split(r"^\.S[hs] ", text.split(f".Ss {title}\n", 1)[1], maxsplit=1, flags=re.M)[0]


def members(text):
    """The members of a JSON document that a page explains: its items `.It Li name , name`."""
    return {name for line in re.findall(r"^\.It Li (.*)$", text, re.M) for name in line.split(" , ")}


def literals(text):
    """All that a page sets as literal, in its text or its displays of JSON."""
    found = {w for line in re.findall(r"^\.(?:It |Pq )?Li (.*)$", text, re.M) for w in re.findall(r"\w+", line)}
    return found | set(re.findall(r'"(\w+)":', text))


def first_column(text):
    """The names in the first column of the tables of a document."""
    return {name for cell in re.findall(r"^\| ([^|]*`[^|]*) \|", text, re.M) for name in re.findall(r"`(\w+)`", cell)}


def commands():
    return re.findall(r"^  cloister ([a-z]+) ", told(CLOISTER), re.M)


def daemon_commands():
    """The commands that cloisterd has beside serving: those that its help or its page names."""
    named = re.findall(r"\bcloisterd ([a-z]+)\b", told(CLOISTERD)) + re.findall(r"^\.Nm\n\.Cm ([a-z]+)", page("cloisterd.8"), re.M)
    return sorted(set(named))


@test
def mandoc_finds_nothing_to_mend():
    assert len(pages()) >= 3, pages()
    for p in pages():
        r = subprocess.run(["mandoc", "-Tlint", "-Wwarning", p], capture_output=True, text=True, timeout=harness.WAIT, check=False)
        assert r.returncode == 0 and not r.stdout + r.stderr, r.stdout + r.stderr
        assert source(p).startswith('.\\" SPDX-License-Identifier: Apache-2.0\n'), p


@test
def every_page_is_installed():
    for folder in {os.path.dirname(p) for p in pages()}:
        listed = set(re.findall(r"'([^']+\.[0-9])'", source(folder, "meson.build")))
        there = {os.path.basename(p) for p in pages() if os.path.dirname(p) == folder}
        assert listed == there, listed ^ there


@test
def each_command_of_cloister_stands_in_its_page():
    names, text = commands(), page("cloister.1")
    assert len(names) >= 5, names
    for part in ("SYNOPSIS", "DESCRIPTION"):
        documented = {m.split()[0] for m in re.findall(r"^\.(?:It )?Cm ([a-z ]+)", section(text, part), re.M)}
        assert documented >= set(names), (part, set(names) - documented)
    documented = {m.split()[0] for m in re.findall(r"^\.Nm\n\.Cm ([a-z ]+)", section(text, "SYNOPSIS"), re.M)}
    assert documented == set(names), documented ^ set(names)


@test
def each_option_of_cloister_stands_in_its_page_and_the_other_way_round():
    have = {}
    for name in commands():
        for option, value in told_options(told(CLOISTER, name)).items():
            have[option] = have.get(option, False) or value
    assert len(have) >= 20, have
    documented = page_options(page("cloister.1"))
    documented.pop("version", None)  # of the program itself
    assert documented == have, set(documented.items()) ^ set(have.items())


@test
def each_option_of_cloisterd_stands_in_its_page_and_the_other_way_round():
    have, text = told_options(told(CLOISTERD)), page("cloisterd.8")
    documented = page_options(text)
    assert len(have) >= 25, have
    for name in daemon_commands():
        for option, value in told_options(told(CLOISTERD, name)).items():
            if option in have or option in documented:
                have[option] = have.get(option, False) or value
            else:
                assert re.search(r"^\.(?:Op )?Fl -%s\b" % option, text, re.M), option
    assert documented == have, set(documented.items()) ^ set(have.items())


@test
def each_command_of_cloisterd_stands_in_its_page():
    for name in daemon_commands():
        assert re.search(r"^\.Cm %s\b" % name, page("cloisterd.8"), re.M), name
        for verb in re.findall(r"cloisterd %s ([a-z]+)" % name, told(CLOISTERD, name)):
            assert re.search(r"^\.(?:It )?Cm %s %s\b" % (name, verb), page("cloisterd.8"), re.M), (name, verb)


@test
def each_default_that_help_tells_is_the_pages():
    text, seen = page("cloisterd.8"), 0
    for line in told(CLOISTERD).splitlines():
        m = re.match(r"^ +--([a-z0-9-]+) .*\(([0-9]+)\)$", line)
        if m:
            seen += 1
            assert re.search(r"\b%s\b" % m.group(2), item(text, m.group(1))), line
    assert seen >= 10, seen


@test
def each_function_of_the_library_stands_in_a_page_and_the_other_way_round():
    have, documented = set(), set()
    for header in glob.glob(os.path.join(ROOT, "include", "cloister", "*.h")):
        have |= set(re.findall(r"^CLOISTER_API [^;(]*?\b(cloister_\w+)\(", source(header), re.M))
    for p in glob.glob(os.path.join(ROOT, "man", "man3", "*.3")):
        documented |= set(re.findall(r"^\.F[on] (?:\"[^\"]*\" )?(cloister_\w+)", section(source(p), "SYNOPSIS"), re.M))
    assert len(have) >= 30 and documented == have, documented ^ have


@test
def each_keyword_of_cloisterd_conf_stands_in_its_page_with_its_option():
    """The table is in config.c: {"option", "Keyword" or NULL, ...}."""
    table = re.findall(r'^    \[\w+\] = \{"([a-z0-9-]+)",\s*(?:"(\w+)"|NULL),', source("src", "daemon", "parent", "config.c"), re.M)
    assert {o for o, _ in table} <= set(told_options(told(CLOISTERD))), table
    have = {keyword: option for option, keyword in table if keyword}
    assert len(have) >= 20, have
    documented = dict(re.findall(r"^\.It ([A-Z]\w+)(?: \+)? Ta Fl -([a-z0-9-]+) Ta ", page("cloisterd.conf.5"), re.M))
    assert documented == have, set(documented.items()) ^ set(have.items())


@test
def each_keyword_of_cloisters_own_file_stands_in_its_page_with_its_option():
    """The tables are in options.c: {"Keyword", AT(field), ...} and {"option", COMMANDS, KIND, AT(field), ...}."""
    text = source("src", "client", "options.c")
    options = {field: name for name, field in re.findall(r'\{"([a-z-]+)", [^,]+, [A-Z]+, AT\((\w+)\)', text)}
    have = {keyword: options[field] for keyword, field in re.findall(r'\{"([A-Z]\w+)", AT\((\w+)\)', text)}
    documented = dict(re.findall(r"^\.It ([A-Z]\w+) Ta Fl -([a-z-]+) Ta ", subsection(page("cloister.1"), "The configuration file"), re.M))
    assert len(have) >= 5 and documented == have, set(documented.items()) ^ set(have.items())


@test
def each_member_of_a_policy_stands_in_its_page_and_the_other_way_round():
    """policy*.c ask for each by name: GETTER(&place, "member", ...); docs/POLICY.md has those of the objects in tables."""
    getters = r"clo_json_obj_\w+|clo_place_(?:object|array|flag|level|text|texts|hex|hex_list|words|bits|word)|\w+_(?:read|member)"
    files = sorted(glob.glob(os.path.join(ROOT, "src", "attest", "policy*.c")))
    read = {name for path in files for name in re.findall(r'\b(?:%s)\(&?\w+(?:(?:\.|->)o)?, "(\w+)"' % getters, source(path))} | {"v"}
    text = page("cloister-policy.5")
    items = members(text)
    # of an item, not items
    inner = {"milan", "genoa", "turin", "bl", "tee", "snp", "ucode", "fmc", "mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "index", "values"}
    assert len(read) >= 90 and items | inner == read, (items | inner) ^ read
    assert inner <= literals(text), inner - literals(text)
    tables = source("docs", "POLICY.md").split("## When a server changes")[0]
    in_tables = first_column(tables)
    assert in_tables | {"roots"} == items, in_tables ^ items


@test
def the_examples_of_the_policy_page_are_policies():
    examples = re.findall(r"^\.Bd -literal\n(.*?)^\.Ed$", page("cloister-policy.5"), re.M | re.S)
    assert len(examples) >= 2, examples
    for example in examples:
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            f.write(example)
            f.flush()
            r = cloister("policy", "show", f.name)
            assert r.returncode == 0, (example, r.stderr)


@test
def each_member_of_a_bundle_and_of_an_explanation_stands_in_its_page_and_the_other_way_round():
    text = page("cloister-evidence.5")
    with tempfile.TemporaryDirectory() as tmp:
        report, policy, raw = (os.path.join(tmp, n) for n in ("report", "policy", "raw"))
        with open(report, "wb") as f:
            f.write(b"\x02\0\0\0" + bytes(1180))
        with open(policy, "w", encoding="utf-8") as f:
            f.write('{"v":1,"name":"none","tee":[]}')
        r = cloister("bundle", "sev-snp", report, "--policy", policy, "--expect", "00" * 64, "--expires", "2999-01-01T00:00:00Z", "--out", raw)
        assert r.returncode == 0, r.stderr
        with open(raw, encoding="utf-8") as f:
            bundle = json.load(f)
        r = cloister("explain", "--json", report)
        assert r.returncode == 0, r.stderr
        explained = json.loads(r.stdout)
    # of a server's: its other half
    server = set(re.findall(r'put(?:_b64)?\(o, "(document|nonce)"', source("src", "attest", "bundle.c")))
    part = subsection(text, "Bundle")
    have = set(bundle) | set(bundle["raw"]) | server | {"evidence"}
    assert len(server) == 2 and members(part) == have, members(part) ^ have
    assert set(bundle["raw"]["items"][0]) <= literals(part), bundle["raw"]["items"]
    part = subsection(text, "Explanation")
    have = set(explained) | {name for p in explained["parts"] for name in p}
    assert members(part) == have, members(part) ^ have
    fields = {name for p in explained["parts"] for f in p["fields"] for name in f}
    assert len(fields) == 3 and fields <= literals(part), fields


@test
def each_member_of_evidence_and_of_a_verdict_stands_in_its_page_and_the_other_way_round():
    text = page("cloister-evidence.5")
    with tempfile.TemporaryDirectory() as tmp:
        with contextlib.closing(Engine(os.path.join(tmp, "engine"))) as e, Daemon(engine=e) as d:
            d.wait_ready()
            saved = os.path.join(tmp, "evidence.json")
            r = cloister("evidence", "--server", d.url, "--out", saved)
            assert r.returncode == 0, r.stderr
            r = cloister("verify", "--server", d.url, "--policy", d.policy, "--json")
            assert r.returncode == 0, r.stderr
        verdict = json.loads(r.stdout)
        with open(saved, encoding="utf-8") as f:
            bundle = json.load(f)
    part = subsection(text, "Evidence")
    have = set(bundle) | {"bytes"}
    assert all(set(s) == {"bytes"} for s in bundle["sections"].values()), bundle
    assert set(re.findall(r"^\.It Sy (\w+)$", part, re.M)) == set(bundle["sections"]), bundle["sections"].keys()
    inner = set()
    for s in bundle["sections"].values():
        section_text = s["bytes"]
        o = json.loads(base64.urlsafe_b64decode(section_text + "=" * (-len(section_text) % 4)))
        have |= set(o)
        inner |= {name for v in o.values() if isinstance(v, dict) for name in v}
    # what a simulated machine doesn't have
    code = source("src", "attest", "sections.c")
    blobs = set(re.findall(r'put_blob\(&w, "(\w+)"', code))
    lists = set(re.findall(r'put(?:_object)?\(&w, "(ocsp|intel)"', code))
    assert len(blobs) >= 6 and len(lists) == 2, (blobs, lists)
    have |= blobs | lists
    inner |= set(re.findall(r'put_blob\(&intel, "(\w+)"', code))
    assert members(part) == have | {"sha256"}, members(part) ^ have
    assert inner | {"args"} <= literals(part), (inner | {"args"}) - literals(part)

    part = subsection(text, "Verdict")
    checks = {name for c in verdict["checks"] for name in c}
    assert members(part) == set(verdict) | checks, members(part) ^ (set(verdict) | checks)
    table = first_column(source("docs", "POLICY.md").split("## For machines")[1])
    assert table == set(verdict), table ^ set(verdict)
    words = set(re.findall(r'return "([a-z-]+)"', source("src", "attest", "verdict.c"))) - {"none"}
    assert words and words == set(re.findall(r"[a-z-]+", " ".join(re.findall(r"^\.(?:It )?Cm (.*)$", part, re.M)))), words


@test
def each_member_of_what_the_programs_print_as_json_stands_in_their_pages():
    def named(text, pattern):
        found = set(re.findall(pattern, text))
        assert found, pattern
        return found

    def packed(path, function):
        body = source(*path).split(f"{function}(", 1)[1].split("\n}\n")[0]
        return named(body[body.index("json_pack("):].split(";")[0], r'"([a-z]\w*)"')

    text = page("cloister.1")
    have = named(source("src", "client", "policy_diff_print.c"), r'\bput\(o, "(\w+)"') | packed(("src", "client", "chat.c"), "int put_json")
    json_item = text.split(".It Fl -json\n")[1].split("\n.It Fl ")[0]  # with the list inside
    assert have <= literals(json_item), have - literals(json_item)
    have = packed(("src", "client", "proxy", "proxy_cmd.c"), "int write_ready")
    assert have <= literals(item(text, "ready-fd")), have
    have = packed(("src", "client", "proxy", "pool.c"), "int clo_pool_verdict_json") | {"error"}
    assert have <= literals(subsection(text, "The proxy")), have
    text = page("cloisterd.8")
    have = named(source("src", "daemon", "parent", "check_cmd.c"), r'json_object_set(?:_new)?\(\w+, "(\w+)"')
    have |= named(source("src", "daemon", "parent", "settle.c"), r'\\"([a-z_]+)\\":')
    assert have <= literals(text), have - literals(text)
    have = named(source("src", "daemon", "parent", "key_cmd.c"), r'json_object_(?:del|set_new)\(key, "(\w+)"')
    assert have <= literals(section(text, "DESCRIPTION")), have
    have = named(source("src", "daemon", "parent", "keys.c"), r'clo_json_obj_\w+\(&\w+, "(\w+)"') | {"v"}
    assert have <= literals(page("cloister-keys.5")), have - literals(page("cloister-keys.5"))


@test
def all_that_cloister_rim_has_stands_in_its_page_and_the_other_way_round():
    if not os.path.exists(CLOISTER_RIM):
        raise harness.Skip("cloister-rim is not built")
    text, have = page("cloister-rim.1"), told(CLOISTER_RIM)
    assert page_options(text) == told_options(have), set(page_options(text).items()) ^ set(told_options(have).items())
    commands_told = set(re.findall(r"^  cloister-rim ([a-z]+) ", have, re.M))
    assert commands_told == set(re.findall(r"^\.Nm\n\.Cm ([a-z]+)", section(text, "SYNOPSIS"), re.M)), commands_told
    printed = set(re.findall(r'\bput\(\w+, "(\w+)"', source("src", "rim", "main.c"))) | set(re.findall(r'= "([a-z]+)"[,}]', source("src", "rim", "main.c")))
    assert {"v", "measurements", "replaced"} <= printed <= literals(item(text, "json")), printed - literals(item(text, "json"))
    codes = sorted(int(x) for x in re.findall(r"RIM_EXIT_\w+ = ([0-9]+)", source("src", "rim", "main.c")))
    assert codes == sorted(int(x) for x in re.findall(r"^\.It ([0-9]+)$", section(text, "EXIT STATUS"), re.M)), codes
    assert codes == sorted(int(x) for x in re.findall(r"\b([0-9]+) ", have.split("exit status:")[1])), have


@test
def each_exit_status_stands_in_its_page():
    def documented(name):
        return sorted(int(x) for x in re.findall(r"^\.It ([0-9]+)$", section(page(name), "EXIT STATUS"), re.M))

    have = sorted(int(x) for x in re.findall(r"CLO_EXIT_\w+ = ([0-9]+)", source("src", "client", "commands.h")))
    assert documented("cloister.1") == have, (documented("cloister.1"), have)
    line = told(CLOISTER).split("exit status:")[1]
    assert sorted(int(x) for x in re.findall(r"\b([0-9]+)\b", line)) == have, line
    assert set(documented("cloisterd.8")) <= set(have) and {0, 1} <= set(documented("cloisterd.8"))


if __name__ == "__main__":
    test.run()
