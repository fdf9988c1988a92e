#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Memory of the real processes: keys are locked in it or the daemon doesn't serve, and a crash leaves no core file."""
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import Daemon, Engine, Proxy, Skip, Tap, ask, until

tap = Tap()
ENGINE = f"/tmp/cloister-memory-{os.getpid()}.sock"


def limited(folder, program, kib):
    """A program that runs another with so much locked memory, and without the capability that is above such limits."""
    path = os.path.join(folder, "limited")
    drop = "setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock " if os.geteuid() == 0 else ""
    with open(path, "w") as f:
        f.write(f'#!/bin/sh\nulimit -l {kib} || exit 99\nexec {drop}{program} "$@"\n')
    os.chmod(path, 0o700)
    return path


def locked_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"^VmLck:\s+(\d+) kB", f.read(), re.M).group(1))


@tap
def keys_of_nine_thousand_streams_fit_in_less_than_four_mebibytes():
    """One pool a process, made before the first request: what the processes have locked then is all that they ever lock."""
    folder = tempfile.mkdtemp(prefix="cloister-memory-")
    engine = Engine(ENGINE)
    try:
        with Daemon("--max-connections", "9000", "--max-parallel", "9000", engine=engine, program=limited(folder, harness.CLOISTERD, 4096)) as d:
            d.wait_ready()
            before = {role: locked_kib(pid) for role, pid in d.children().items()}
            assert before["gateway"] >= 9000 * 128 // 1024, before
            assert before["keeper"] > 0, before
            assert sum(before.values()) < 4096, before
            assert ask(d, "hello").returncode == 0
            assert {role: locked_kib(pid) for role, pid in d.children().items()} == before
    finally:
        engine.close()
        shutil.rmtree(folder)


def gives_up(kib, who):
    folder = tempfile.mkdtemp(prefix="cloister-memory-")
    engine = Engine(ENGINE)
    try:
        with Daemon("--max-connections", "9000", engine=engine, program=limited(folder, harness.CLOISTERD, kib)) as d:
            assert d.proc.wait(harness.WAIT) == 1
            assert f"{who} can't lock its memory for keys" in d.log(), d.log()
            assert d.ready_count() == 0
    finally:
        engine.close()
        shutil.rmtree(folder)


@tap
def a_gateway_that_can_not_lock_its_keys_does_not_serve():
    gives_up(512, "cloisterd-gateway")


@tap
def a_daemon_that_can_lock_nothing_does_not_serve():
    gives_up(0, "")  # gateway or keeper, whichever comes first


@tap
def a_client_that_can_not_lock_its_keys_says_so_once_and_goes_on():
    folder = tempfile.mkdtemp(prefix="cloister-memory-")
    engine, program = Engine(ENGINE), harness.CLOISTER
    try:
        with Daemon(engine=engine) as d:
            d.wait_ready()
            r = ask(d, "hello")
            assert r.returncode == 0 and b"locked in memory" not in r.stderr, r.stderr
            harness.CLOISTER = limited(folder, program, 0)
            r = ask(d, "hello")
            assert r.returncode == 0 and b"echo: hello" in r.stdout, r.stderr
            assert r.stderr.count(b"locked in memory") == 1, r.stderr
            with Proxy(daemon=d) as p:
                for _ in range(3):
                    assert p.chat("hello")[0] == 200
                assert p.log().count("locked in memory") == 1, p.log()
    finally:
        harness.CLOISTER = program
        engine.close()
        shutil.rmtree(folder)


# ---- crashes ----


def core_folder():
    """Where a core file of a process that runs in a folder of ours would be, by a crash that isn't prevented."""
    with open("/proc/sys/kernel/core_pattern") as f:
        if f.read(1) in "/|":
            raise Skip("core_pattern leads elsewhere, and is the whole machine's to change")
    folder = tempfile.mkdtemp(prefix="cloister-core-")
    limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if limit != resource.RLIM_INFINITY:
        os.rmdir(folder)
        raise Skip("core files are limited for this user, so that none would show")
    return folder


def unlimited(folder):
    """For a child that is to be started: in that folder, with all the core files that it could want."""
    def prepare():
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        with open("/proc/self/coredump_filter", "w") as f:
            f.write("0xff")
    return prepare


def assert_that_a_core_would_show(folder):
    p = subprocess.Popen(["sleep", "60"], preexec_fn=unlimited(folder))
    p.send_signal(signal.SIGSEGV)
    assert p.wait(harness.WAIT) == -signal.SIGSEGV
    cores = os.listdir(folder)
    assert len(cores) == 1, "a crash that nobody prevents leaves no core file here: nothing would be tested"
    os.unlink(os.path.join(folder, cores[0]))


def assert_left_out(pid, who):
    """Three things keep memory out of a core file, any of which is enough."""
    with open(f"/proc/{pid}/coredump_filter") as f:
        assert int(f.read(), 16) == 0, who
    with open(f"/proc/{pid}/limits") as f:
        assert re.search(r"Max core file size\s+1\s+1\s", f.read()), who
    # files of a process that isn't dumpable are root's, whoever it runs as (proc(5)); as root that can't be seen
    if os.geteuid() != 0:
        assert os.stat(f"/proc/{pid}/environ").st_uid == 0, who


@tap
def a_crash_of_any_process_of_the_daemon_leaves_no_core_file():
    folder = core_folder()
    engine = Engine(ENGINE)
    try:
        assert_that_a_core_would_show(folder)
        for sig in (signal.SIGSEGV, signal.SIGABRT):
            with Daemon(engine=engine, preexec_fn=unlimited(folder)) as d:
                d.wait_ready()
                assert ask(d, "hello").returncode == 0
                for role in sorted(d.children()):
                    assert_left_out(d.children()[role], role)
                    ready = d.ready_count()
                    pid = d.kill(role, sig)
                    until(lambda: not harness.alive(pid), "its end")
                    d.wait_ready(ready + 1) if role not in ("gateway",) else until(lambda: d.children().get(role, pid) != pid, "another")
                    assert os.listdir(folder) == [], (role, sig)
                assert_left_out(d.proc.pid, "parent")
                os.kill(d.proc.pid, sig)
                assert d.proc.wait(harness.WAIT) in (-sig, -signal.SIGABRT, 1)  # the others: a sanitizer's own handler
                assert os.listdir(folder) == [], ("parent", sig)
    finally:
        engine.close()
        shutil.rmtree(folder)


@tap
def a_crash_of_the_client_leaves_no_core_file():
    folder = core_folder()

    def stall(body, out):
        out.head()
        out.event("first ")
        out.peer_gone()

    engine = Engine(ENGINE, stall)
    try:
        assert_that_a_core_would_show(folder)
        with Daemon(engine=engine) as d:
            d.wait_ready()
            for sig in (signal.SIGSEGV, signal.SIGABRT):
                p = harness.start_cloister("chat", "--server", d.url, "--policy", d.policy, "--key-file", d.key_file, "hello",
                                           preexec_fn=unlimited(folder))
                assert p.stdout.read(6) == b"first "
                assert_left_out(p.pid, "chat")
                p.send_signal(sig)
                assert p.wait(harness.WAIT) in (-sig, -signal.SIGABRT, 1)
                p.stdout.close()
                p.stderr.close()
                assert os.listdir(folder) == [], ("chat", sig)
                proxy = Proxy(daemon=d, preexec_fn=unlimited(folder))
                connection, answer = proxy.stream("hello")
                assert answer.read(1)
                assert_left_out(proxy.proc.pid, "proxy")
                proxy.proc.send_signal(sig)
                assert proxy.proc.wait(harness.WAIT) in (-sig, -signal.SIGABRT, 1)
                connection.close()
                proxy.close()
                assert os.listdir(folder) == [], ("proxy", sig)
    finally:
        engine.close()
        shutil.rmtree(folder)


if __name__ == "__main__":
    tap.run()
