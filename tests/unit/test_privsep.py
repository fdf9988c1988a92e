#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/PRIVSEP.md says what src/daemon/cells.c and messages.h say: the sets of each process, the paths, the messages, the users' number."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "support"))
from harness import Tap  # noqa: E402

tap = Tap()


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


PAGE, CELLS, MESSAGES = read("docs", "PRIVSEP.md"), read("src", "daemon", "cells.c"), read("src", "daemon", "messages.h")
ROWS = {"GATEWAY": "gateway", "KEEPER": "keeper", "ATTESTER": "attester", "WORKER": "worker", "ENGINE": "engine", "WATCH": "engine of an `--upstream`",
        "LLAMA": "llama-server", "FETCHER": "fetcher", "PARENT": "parent"}


def rows(first_cell):
    """The cells of the page's table whose heading begins so."""
    lines = PAGE.splitlines()
    at = next(i for i, x in enumerate(lines) if x.startswith(f"| {first_cell} |"))
    found = []
    for line in lines[at + 2:]:
        if not line.startswith("|"):
            break
        found.append([c.strip() for c in line.strip("|").split("|")])
    return found


@tap
def each_process_has_the_sets_that_the_page_says():
    found = {}
    for line in CELLS.splitlines():
        if m := re.match(r"\s+\[CLO_CELL_(\w+)\]\s*= \{\"", line):
            found[m.group(1)] = re.findall(r"SET\((\w+)\)", line)
    assert set(found) == set(ROWS), found
    page = {r[0]: r[3] for r in rows("process")}
    assert set(page) == set(ROWS.values()), page
    for kind, name in ROWS.items():
        said = re.sub(r"\(.*?\)|, and every call of the others", "", page[name])
        assert [s.strip() for s in said.split(",")] == found[kind], (name, said, found[kind])


@tap
def every_set_is_used_and_no_call_stands_in_one_twice():
    sets = dict(re.findall(r"^static const struct clo_cell_call (\w+)\[\] = \{\n(.*?)^\};", CELLS, re.M | re.S))
    assert len(sets) >= 14, sets
    for name, body in sets.items():
        assert f"SET({name})" in CELLS or name == "sanitizer", name
        calls = re.findall(r"\b(?:CALL|CALL_SELF)\((\w+)\)", body)
        assert len(calls) == len(set(calls)), (name, sorted(calls))
        for never in ("ptrace", "process_vm_readv", "mount", "bpf", "io_uring_setup", "userfaultfd", "unshare", "setns", "keyctl", "perf_event_open"):
            assert never not in calls, (name, never)


@tap
def paths_that_are_more_than_libraries_stand_on_the_page():
    for path in re.findall(r"\{\"(/(?:dev|sys/kernel)[^\"]*)\"", CELLS):
        if path not in ("/dev/null", "/dev/urandom", "/dev"):
            assert path in PAGE or path == "/sys/kernel/config/tsm" and "configfs-tsm" in PAGE, path


@tap
def every_message_is_on_the_page_and_no_other():
    types = set(re.findall(r"^\s+CLO_MSG_(\w+)\s*=", MESSAGES, re.M))
    page = {m.strip() for r in rows("from") for m in r[2].replace("START of the role", "").split(",") if m.strip()}
    assert page == {t for t in types if not t.endswith("_START")}, page ^ {t for t in types if not t.endswith("_START")}


@tap
def the_users_are_numbered_as_the_page_says():
    number = re.search(r"\"CellUid\", NUMBER, 1, \d+, (\d+)", read("src", "daemon", "parent", "config.c")).group(1)
    assert f"`CellUid` ({number}) plus 1 to 6: gateway, keeper, attester, engine (and llama-server), fetcher, worker" in PAGE
    roles = re.search(r"enum clo_role \{(.*?)\}", MESSAGES, re.S).group(1)
    assert [x.lower() for x in re.findall(r"CLO_ROLE_(\w+)", roles)] == ["parent", "gateway", "keeper", "attester", "engine", "fetcher", "worker", "count"]


if __name__ == "__main__":
    tap.run()
