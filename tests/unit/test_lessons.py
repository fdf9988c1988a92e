#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs/LESSONS.md: every row is there once, and every test that it names exists. docs/THREAT-MODEL.md: secrets, and the cases of tests/ct."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LAST_ROW = 61


def rows():
    with open(os.path.join(ROOT, "docs", "LESSONS.md"), encoding="utf-8") as f:
        return [m.groups() for m in re.finditer(r"^\| (\d+) \|(.*)\|$", f.read(), re.M)]


def every_row_is_there_once():
    numbers = [int(n) for n, _ in rows()]
    assert sorted(numbers) == list(range(1, LAST_ROW + 1)), sorted(numbers)


def every_named_test_exists():
    wrong, named = [], 0
    for number, cells in rows():
        for place in cells.split("|")[-1].split("<br>"):
            m = re.match(r"\s*`([^`]+)`: (.*)", place)
            if not m:
                continue
            path, names = m.group(1), re.findall(r"`([^`]+)`", m.group(2))
            full = os.path.join(ROOT, path)
            text = open(full, encoding="utf-8").read() if os.path.exists(full) else ""
            wrong += [(number, path, n) for n in names if not re.search(r"\b%s\b" % re.escape(n), text)]
            named += len(names)
    assert named >= 120, named
    assert not wrong, wrong


def every_case_of_constant_time_stands_by_its_secret():
    with open(os.path.join(ROOT, "docs", "THREAT-MODEL.md"), encoding="utf-8") as f:
        table = f.read().split("\n## Secrets and time\n")[1].split("\nWhat isn't done so")[0]
    named = {n for cell in re.findall(r"\| ([^|]*) \|$", table, re.M)[1:] for n in re.findall(r"`(\w+)`", cell)}
    with open(os.path.join(ROOT, "tests", "ct", "constant_time.c"), encoding="utf-8") as f:
        cases = set(re.findall(r"ONE\((\w+)\)", f.read().split("static const struct one cases[] = {")[1].split("};")[0]))
    assert len(cases) >= 16 and named == cases, named ^ cases


if __name__ == "__main__":
    checks = [every_row_is_there_once, every_named_test_exists, every_case_of_constant_time_stands_by_its_secret]
    print("1..%d" % len(checks))
    failed = 0
    for i, check in enumerate(checks, 1):
        try:
            check()
            print("ok %d - %s" % (i, check.__name__.replace("_", " ")))
        except AssertionError as e:
            failed += 1
            print("# %s\nnot ok %d - %s" % (e, i, check.__name__.replace("_", " ")))
    sys.exit(failed)
