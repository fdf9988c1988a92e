#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The manual pages against the programs: mandoc finds nothing to mend, and each option, command, keyword and exit status that one of the
two knows the other knows too.

A page's options are its `.It Fl -name` items; those that only `cloisterd key` and the like have may stand anywhere in the page.
"""
import glob
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from harness import CLOISTER, CLOISTERD, ROOT  # noqa: E402

test = harness.Tap()


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
def each_keyword_of_cloisters_own_file_stands_in_its_page():
    """The table is in options.c: {"Keyword", AT(...), ...}."""
    have = set(re.findall(r'\{"([A-Z]\w+)", AT\(', source("src", "client", "options.c")))
    line = re.search(r"^Keywords:\n\.Li (.*)$", page("cloister.1"), re.M).group(1)
    documented = set(re.findall(r"[A-Z]\w+", line))
    assert have and documented == have, documented ^ have


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
