#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs constant_time.c, which says what it does, under valgrind: first nothing may be reported, then everything has to be.

Argument: the program; none where valgrind's header wasn't there to build it.
"""
import os
import re
import shutil
import subprocess
import sys

REPORTED = 99
VALGRIND = ["valgrind", "-q", "--error-exitcode=%d" % REPORTED, "--error-limit=no", "--num-callers=20"]
POINT = re.compile(r"^(not )?ok \d+ (?:- |(# SKIP) )?(.*)$")
NO_LIBCRYPTO = "no libcrypto that says what of its secrets becomes public: scripts/bootstrap check builds one"

points = []


def point(ok, name, why="", skip=""):
    points.append(ok)
    for line in why.splitlines()[-60:] if not ok else ():
        print("# " + line)
    print("%sok %d - %s%s" % ("" if ok else "not ", len(points), name, " # SKIP " + skip if skip else ""), flush=True)


def run(program, how, libcrypto):
    """Each case's name and whether it was as it has to be, or None; whether memcheck reported anything; and all that was said."""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    if libcrypto:
        # not LD_LIBRARY_PATH: the run path inside the program would have its way
        env["LD_PRELOAD"] = libcrypto
    done = subprocess.run(VALGRIND + [program, how], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=300, check=False)
    plan = re.search(r"^1\.\.(\d+)$", done.stdout, re.M)
    cases = [(m[3].replace("_", " "), None if m[2] else not m[1]) for m in map(POINT.match, done.stdout.splitlines()) if m]
    if not plan or len(cases) != int(plan[1]) or done.returncode not in (0, 1, REPORTED):
        point(False, "the cases ran to their end: " + how, "exit status %d\n%s" % (done.returncode, done.stdout))
    return cases, done.returncode == REPORTED, done.stdout


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else ""
    if not program or not shutil.which("valgrind"):
        print("1..0 # SKIP valgrind isn't there")
        return
    prefix = os.environ.get("CLOISTER_OPENSSL_CT_PREFIX")
    libcrypto = os.path.join(prefix, "lib", "libcrypto.so.3") if prefix else ""

    for how, title in (("clean", "in constant time: %s"), ("leaky", "a leak is found: %s")):
        cases, reported, said = run(program, how, libcrypto)
        for name, good in cases:
            point(good is not False, title % name, said, NO_LIBCRYPTO if good is None else "")
        point(reported == (how == "leaky"), title % "memcheck's own count", said)

    if libcrypto:
        cases, reported, said = run(program, "foreign", "")
        point(reported and [good for _, good in cases] == [False], "a libcrypto that says nothing is found out", said)
    print("1..%d" % len(points))
    sys.exit(0 if all(points) else 1)


if __name__ == "__main__":
    main()
