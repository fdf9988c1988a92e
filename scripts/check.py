"""The driver behind scripts/check, which says what it does."""

import fnmatch
import glob
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

TAP_POINT = re.compile(r"^(not )?ok\b\s*(\d*)\s*(?:-\s*)?(.*)$")
TRAP = "-Dc_args=-fno-sanitize-recover=all -fno-omit-frame-pointer"
# without -Werror: instrumented code gives the compiler other ideas of what may be truncated
SANITIZE = ["-Db_sanitize=address,undefined", "-Doptimization=1", "-Dwerror=false"]
VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full", "--errors-for-leak-kinds=definite,indirect",
            "--show-leak-kinds=definite,indirect", "--num-callers=20"]
TAIL = 40


class Results:
    def __init__(self):
        self.passed = 0
        self.skipped = []          # (name, why)
        self.failed = []           # (name, what is known)
        self.slow = []             # (seconds, name)
        self.stages = []           # (seconds, name)

    def skip(self, name, why, allowed):
        plain = re.sub(r"^\[[^]]*\] ", "", name)
        for pattern, _ in allowed:
            if fnmatch.fnmatchcase(plain, pattern.replace("[", "[[]")):
                self.skipped.append((name, why))
                return
        self.failed.append((name, "skipped (%s), and tests/skips.list does not list it" % (why or "no reason given")))


def read_skips(path="tests/skips.list"):
    allowed = []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            name, tab, reason = line.partition("\t")
            if not tab or not reason.strip():
                sys.exit("%s:%d: a name, a tab and a reason are wanted" % (path, number))
            allowed.append((name, reason))
    return allowed


def tail(text):
    """The end of an output, or what a sanitizer had to say."""
    lines = text.rstrip().splitlines()
    for i, line in enumerate(lines):
        if re.search(r"==\d+== ?ERROR: |runtime error: ", line):
            return "\n".join(lines[i:i + TAIL])
    if len(lines) > TAIL:
        lines = ["(%d lines before this)" % (len(lines) - TAIL)] + lines[-TAIL:]
    return "\n".join(lines)


def count(results, allowed, label, test):
    """Adds one entry of Meson's log, a program that printed TAP or only an exit status."""
    name = label + test["name"].rpartition(" / ")[2]
    out, result, status = test.get("stdout", ""), test["result"], test.get("returncode", 0)
    output = out + ("\n" + test["stderr"] if test.get("stderr") else "")
    results.slow.append((test["duration"], name))

    plan, seen, bad, skips, bailed = None, 0, [], [], None
    for line in out.splitlines():
        if re.match(r"^1\.\.\d+", line):
            plan = int(re.match(r"^1\.\.(\d+)", line).group(1))
            whole = re.search(r"#\s*skip\S*\s*(.*)$", line, re.I)
            if plan == 0 and whole:
                skips.append((name, whole.group(1)))
        elif line.startswith("Bail out!"):
            bailed = line
        else:
            m = TAP_POINT.match(line)
            if not m:
                continue
            seen += 1
            text, _, directive = m.group(3).partition("#")
            text, directive = text.strip(), directive.strip()
            if re.match(r"skip", directive, re.I):
                # cmocka prints `not ok N # SKIP name`
                why = re.sub(r"^skip\S*\s*", "", directive, flags=re.I)
                skips.append((name + ": " + (text or why or m.group(2)), why if text else "the test says no more"))
            elif m.group(1) and not re.match(r"todo", directive, re.I):
                bad.append(name + ": " + (text or m.group(2)))
            else:
                results.passed += 1

    if plan is None and seen == 0 and bailed is None:          # not TAP: its exit status is all there is
        if result == "OK":
            results.passed += 1
        elif result == "SKIP":
            results.skip(name, "exit status 77", allowed)
        else:
            results.failed.append((name, "%s, exit status %d\n%s" % (result, status, tail(output))))
        return

    for skipped, why in skips:
        results.skip(skipped, why, allowed)
    for i, failed in enumerate(bad):
        results.failed.append((failed, tail(output) if i == 0 else "(output: above)"))
    if bailed is not None:
        results.failed.append((name, bailed + "\n" + tail(output)))
    elif plan is None or seen != plan:
        results.failed.append((name, "ended early: %d points of %s, %s, exit status %d\n%s" % (
            seen, "an unknown number" if plan is None else plan, result, status, tail(output))))
    elif not bad and (status != 0 or result in ("TIMEOUT", "INTERRUPT")):
        results.failed.append((name, "%s, exit status %d, though no point failed\n%s" % (result, status, tail(output))))


def build(results, folder, options, env):
    """Sets up a build folder and builds it. What fails to build is one failed test."""
    if not env.get("CLOISTER_NO_PACKAGES"):
        options = options + ["-Drim=enabled"]       # scripts/bootstrap has seen to what it needs
    done = subprocess.run(["scripts/build", "-C", folder] + options, env=env, check=False)
    if done.returncode != 0:
        results.failed.append(("building " + folder, "above"))
    return done.returncode == 0


def meson_test(results, allowed, folder, label, arguments, env):
    """Runs tests and lets Meson's line a test through as it comes."""
    logs = os.path.join(folder, "meson-logs", "testlog*.json")      # a wrapper's name becomes part of it
    for log in glob.glob(logs):
        os.unlink(log)
    child = subprocess.Popen(["meson", "test", "-C", folder, "--no-rebuild"] + arguments, env=env,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    said = []
    for line in child.stdout:
        said.append(line)
        if re.match(r"^\s*\d+/\d+ ", line):
            print("  " + line.rstrip(), flush=True)
    child.wait()
    n = 0
    for log in glob.glob(logs):
        with open(log, encoding="utf-8", errors="replace") as f:
            for line in f:
                count(results, allowed, label, json.loads(line))
                n += 1
    if n == 0 and not any("No suitable tests" in line or "No tests defined" in line for line in said):
        results.failed.append((label + "meson test", "exit status %d\n%s" % (child.returncode, tail("".join(said)))))
    return n


def fuzzer_names():
    files = os.listdir("fuzz") if os.path.isdir("fuzz") else []
    return sorted(f[len("fuzz_"):-len(".c")] for f in files if re.match(r"^fuzz_.*\.c$", f))


def run_fuzzers(results, folder, seconds, env):
    """Replays the committed corpora, or with `seconds` goes on looking from there."""
    def one(name):
        program = os.path.join(folder, "fuzz", "fuzz_" + name)
        corpus = os.path.join("fuzz", "corpus", name)
        inputs = sum(len(files) for _, _, files in os.walk(corpus))
        title = "%s %s" % ("fuzzing" if seconds else "corpus", name)
        if inputs == 0:
            return title, 0.0, "no inputs in " + corpus
        command = [program, "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                   "-artifact_prefix=%s/" % os.path.join(folder, "found")]
        if seconds:
            new = os.path.join(folder, "corpus", name)
            os.makedirs(new, exist_ok=True)
            command += ["-max_total_time=%d" % seconds, new, corpus]
        else:
            command += ["-runs=0", corpus]
        start = time.monotonic()
        try:
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace", timeout=300 + 2 * seconds, check=False)
            output, bad = done.stdout, done.returncode != 0
        except (OSError, subprocess.TimeoutExpired) as e:
            output, bad = str(e), True
        took = time.monotonic() - start
        print("  %-40s %s %6.2fs   %d inputs" % (title, "FAIL" if bad else "OK  ", took, inputs), flush=True)
        return title, took, tail(output) if bad else None

    os.makedirs(os.path.join(folder, "found"), exist_ok=True)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for title, took, bad in pool.map(one, fuzzer_names()):
            if not seconds:
                results.slow.append((took, title))
            if bad is None:
                results.passed += 1
            else:
                results.failed.append((title, bad))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    arguments = sys.argv[1:]
    full = "--full" in arguments
    stages = ["full", "fuzzers"] if full else ["sanitizers", "valgrind", "corpora"]
    chosen = [a for a in arguments if a != "--full"] or stages
    for stage in chosen:
        if stage not in stages:
            sys.exit("check: the stages are: " + " ".join(stages))
    allowed = read_skips()

    env = dict(os.environ)
    where = subprocess.run(["scripts/bootstrap", "env", "check"], stdout=subprocess.PIPE, text=True, check=True).stdout
    for word in shlex.split(where):
        name, _, value = word.partition("=")
        env.setdefault(name, value)
    env["CLOISTER_VECTORS"] = os.path.abspath(env.get("CLOISTER_VECTORS") or "../shared/vectors")
    env.setdefault("ASAN_OPTIONS", "abort_on_error=1:strict_string_checks=1:detect_stack_use_after_return=1:"
                   "check_initialization_order=1:detect_leaks=1")
    env.setdefault("UBSAN_OPTIONS", "halt_on_error=1:abort_on_error=1:print_stacktrace=1")
    clang = dict(env, CC="clang")

    results = Results()

    def sanitizers():
        if build(results, "build/check-san", SANITIZE + [TRAP], env):
            meson_test(results, allowed, "build/check-san", "", ["--no-suite", "full"], env)

    def valgrind():
        wrapper = VALGRIND + (["--suppressions=" + os.path.abspath("tests/valgrind.supp")]
                              if os.path.exists("tests/valgrind.supp") else [])
        if build(results, "build/check-plain", [], env):
            meson_test(results, allowed, "build/check-plain", "[valgrind] ",
                       ["--suite", "unit", "-t", "10", "--wrapper", shlex.join(wrapper)],
                       dict(env, CLOISTER_TEST_STRIDE="61"))
            meson_test(results, allowed, "build/check-plain", "", ["--suite", "ct"], env)     # calls valgrind itself

    def fuzz_build():
        if not fuzzer_names():
            print("  no fuzzers")
            return False
        return build(results, "build/check-fuzz", SANITIZE + [
            TRAP + " -fsanitize=fuzzer-no-link", "-Dfuzz=true", "-Dtests=false", "-Db_lundef=false"], clang)

    def corpora():
        if fuzz_build():
            run_fuzzers(results, "build/check-fuzz", 0, clang)

    def full_suite():
        if build(results, "build/check-san", SANITIZE + [TRAP], env):
            meson_test(results, allowed, "build/check-san", "", ["--suite", "full"], env)

    def fuzzers():
        if fuzz_build():
            run_fuzzers(results, "build/check-fuzz", int(env.get("FUZZ_SECONDS") or 20), clang)

    what = {
        "sanitizers": (sanitizers, "all tests, under AddressSanitizer and UndefinedBehaviorSanitizer"),
        "valgrind": (valgrind, "unit tests, under valgrind; constant time"),
        "corpora": (corpora, "fuzz corpora, replayed"),
        "full": (full_suite, "long tests, under the sanitizers"),
        "fuzzers": (fuzzers, "fuzzers, live"),
    }
    for stage in chosen:
        print("== " + what[stage][1], flush=True)
        start = time.monotonic()
        what[stage][0]()
        results.stages.append((time.monotonic() - start, stage))

    if results.slow:
        print("\nSlowest: " + ", ".join("%s %.1f s" % (name, s) for s, name in sorted(results.slow, reverse=True)[:5]))
    print("Stages: " + ", ".join("%s %.0f s" % (name, s) for s, name in results.stages))
    for name, why in results.skipped:
        print("skipped: %s (%s)" % (name, why))
    for name, why in results.failed:
        print("\nFAILED: %s\n%s" % (name, "\n".join("  | " + line for line in why.splitlines())))
    if not full and chosen == stages and results.passed == 0 and not results.failed:
        results.failed.append(("no tests ran", ""))
        print("FAILED: no tests ran")
    print("%d passed, %d failed, %d skipped" % (results.passed, len(results.failed), len(results.skipped)))
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
