#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every process of the running daemon in its cell: what the kernel says of each; a process that was taken over, in each one's place, trying what it must
not do; and what happens where cells can't be built."""
import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import BUILD, CLOISTERD, Daemon, Engine, Skip, Tap, ask, until

tap = Tap()
CAPTIVE = os.path.join(BUILD, "tests", "support", "captive")
ROLES = {"gateway": 1, "keeper": 2, "attester": 3, "engine": 4, "worker": 6}
USERS = 65520
NOBODY = 65534
SIGSYS = 31
ACTS = ("open", "connect", "exec", "fork", "ptrace", "memory", "kill", "root")


def root_only(f):
    @functools.wraps(f)
    def test():
        if os.geteuid() != 0:
            raise Skip("only root's processes get users of their own")
        f()
    return test


@contextlib.contextmanager
def folder():
    d = tempfile.mkdtemp(prefix="cloister-cells-")
    try:
        os.chmod(d, 0o755)
        yield d
    finally:
        shutil.rmtree(d, ignore_errors=True)


@contextlib.contextmanager
def running(*args):
    with folder() as d:
        engine = Engine(os.path.join(d, "engine.sock"))
        try:
            with Daemon(*args, engine=engine) as daemon:
                yield daemon
        finally:
            engine.close()


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def limits(pid):
    with open(f"/proc/{pid}/limits") as f:
        return {line[:26].strip(): line[26:].split()[1] for line in f}


@tap
@root_only
def each_process_is_its_own_user_without_rights_behind_a_filter():
    with running() as d:
        d.wait_ready()
        assert ask(d, "hello").returncode == 0
        pids = d.children()
        assert set(pids) == set(ROLES), pids
        for role, pid in pids.items():
            s, user = status(pid), str(USERS + ROLES[role])
            assert s["Uid"].split() == [user] * 4 and s["Gid"].split() == [user] * 4, (role, s["Uid"], s["Gid"])
            assert s["Groups"].split() == [], (role, s["Groups"])
            assert all(int(s[c], 16) == 0 for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")), (role, s)
            assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2", (role, s)
            assert int(s["Seccomp_filters"]) >= 2, (role, s)  # its own, and its parent's
            assert limits(pid)["Max core file size"] == "1", role
            if role not in ("engine", "worker"):
                assert limits(pid)["Max processes"] == "0", role
        s = status(d.proc.pid)
        assert s["NoNewPrivs"] == "1" and s["Seccomp"] == "2" and s["Uid"].split() == ["0"] * 4, s
        assert int(s["CapEff"], 16) == int(s["CapBnd"], 16) == 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8, s  # KILL, SETGID, SETUID, SETPCAP


@tap
@root_only
def llama_server_is_in_a_cell_as_well():
    server, model = harness.reachable_server(os.environ.get("CLOISTER_LLAMA_SERVER", "")), os.environ.get("CLOISTER_MODEL", "")
    if not server or not model:
        raise Skip("no llama-server or model: CLOISTER_LLAMA_SERVER and CLOISTER_MODEL name none")
    with Daemon("--model", model, "--llama-server", server, "--slots", "1", "--context", "512") as d:
        d.wait_ready()
        engine = d.children()["engine"]
        llama, = [int(p) for p in os.listdir("/proc") if p.isdigit() and parent_of(p) == engine]
        s = status(llama)
        assert s["Uid"].split() == [str(USERS + 4)] * 4 and int(s["CapEff"], 16) == 0 and s["NoNewPrivs"] == "1", s
        assert int(s["Seccomp_filters"]) == 3, s  # its own, the engine's, the parent's
        assert ask(d, "hello").returncode == 0
        assert "cell-broken" not in d.log(), d.log()


def parent_of(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat") as f:
            return int(f.read().rsplit(")", 1)[1].split()[1])


@contextlib.contextmanager
def with_captive(role, act):
    """The daemon with a process that was taken over in the role's place."""
    with folder() as d:
        for name in ("gateway", "keeper", "attester", "engine", "fetcher"):
            shutil.copy(f"{CLOISTERD}-{name}", d)
        shutil.copy(CLOISTERD, d)
        program = os.path.join(d, "cloisterd-" + ("attester" if role == "worker" else role))
        os.rename(program, program + ".real")
        shutil.copy(CAPTIVE, program)
        with open(os.path.join(d, "captive"), "w") as f:
            f.write(("w-" if role == "worker" else "") + act)
        engine = Engine(os.path.join(d, "engine.sock"))
        try:
            with Daemon(engine=engine, program=os.path.join(d, "cloisterd")) as daemon:
                yield daemon
        finally:
            engine.close()


def ends_of(d, role):
    """Status and signal of each end of the role's processes."""
    return [(int(a), int(b)) for a, b in re.findall(rf"parent child-exit child={ROLES[role]} pid=\d+ status=(\d+) signal=(\d+)", d.log())]


def nothing_succeeds_for(role):
    for act in ACTS:
        if act == "root" and os.geteuid() != 0:
            continue
        with with_captive(role, act) as d:
            until(lambda: ends_of(d, role), f"the end of the {role} that tries to {act}")
            ended = ends_of(d, role)[0]
            assert ended in ((42, 0), (0, SIGSYS)), (role, act, ended)
            if ended[1] == SIGSYS:
                until(lambda: f" parent cell-broken child={ROLES[role]} " in d.log(), "the word that it was for its cell")
            assert d.proc.poll() is None and d.ready_count() == 0


for _role in ROLES:
    def _case(role=_role):
        nothing_succeeds_for(role)
    _case.__name__ = f"a_{_role}_that_was_taken_over_gets_nothing"
    tap(_case)


@tap
def what_its_state_doesnt_permit_ends_a_process():
    for role, who in (("gateway", "keeper"), ("attester", None), ("keeper", "parent"), ("engine", "parent")):
        with with_captive(role, "rules") as d:
            if who:  # an attester may say nothing at all to the keeper, which tells the parent
                until(lambda: f" {who} ipc-bad peer={ROLES[role]} " in d.log(), f"the {who}'s word about the {role}")
            until(lambda: (0, 9) in ends_of(d, role), f"the end of the {role}")


def refused(*args, owner=None, **kw):
    with folder() as d:
        if owner:
            os.chown(d, owner, owner)
        r = subprocess.run([CLOISTERD, "--tee", "simulated", "--upstream", "unix:/nowhere", "--listen", "127.0.0.1:0", "--runtime-dir", d + "/run",
                            "--state-dir", d + "/state", *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.WAIT, **kw)
    return r


def as_nobody():
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


@contextlib.contextmanager
def programs_for_all():
    """The build folder may be closed to others."""
    with folder() as d:
        for name in ("", "-gateway", "-keeper", "-attester", "-engine", "-fetcher"):
            shutil.copy(CLOISTERD + name, d)
        yield os.path.join(d, "cloisterd")


def nobody_can_run():
    """libcrypto may be in somebody's closed home."""
    with programs_for_all() as program:
        return subprocess.run([program, "--version"], capture_output=True, preexec_fn=as_nobody if os.geteuid() == 0 else None).returncode == 0


@tap
def without_root_it_refuses_and_says_which_cells_are_missing():
    if not nobody_can_run():
        raise Skip("users other than root can't run cloisterd here: its libcrypto is in a folder that is closed to them")
    with programs_for_all() as program:
        more = {"preexec_fn": as_nobody, "owner": NOBODY} if os.geteuid() == 0 else {}
        r = refused(executable=program, **more)
        assert r.returncode == 20, r
        sentence, = r.stderr.splitlines()
        assert "no users of their own for gateway, keeper, attester, engine, worker (that takes root)" in sentence, r
        assert "--incomplete-cells" in sentence and "start cloisterd as root" in sentence, r


@tap
@root_only
def root_without_the_right_to_change_users_is_refused_as_well():
    def drop():
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(24, 7, 0, 0, 0) == 0  # PR_CAPBSET_DROP, CAP_SETUID

    r = refused(preexec_fn=drop)
    assert r.returncode == 20 and "no users of their own for gateway" in r.stderr and "CAP_SETUID" in r.stderr, r
    with folder() as d:
        engine = Engine(os.path.join(d, "engine.sock"))
        with open(os.path.join(d, "log"), "wb") as log:
            rd, wr = os.pipe()
            p = subprocess.Popen([CLOISTERD, "--tee", "simulated", "--upstream", "unix:" + engine.path, "--listen", "127.0.0.1:0", "--runtime-dir",
                                  d + "/run", "--state-dir", d + "/state", "--ready-fd", str(wr), "--incomplete-cells"],
                                 stdin=subprocess.DEVNULL, stderr=log, pass_fds=[wr], preexec_fn=drop)
            os.close(wr)
        try:
            with os.fdopen(rd) as ready:
                line = ready.readline()
            assert '"ready"' in line and '"missing_cells":"no users of their own for gateway' in line, line
            with open(os.path.join(d, "log")) as f:
                assert "going on with incomplete cells: no users of their own" in f.read()
            # What can be built is.
            for pid in [int(x) for x in os.listdir("/proc") if x.isdigit() and parent_of(x) == p.pid]:
                s = status(pid)
                assert s["NoNewPrivs"] == "1" and int(s["Seccomp_filters"]) >= 2 and int(s["CapEff"], 16) == 0, s
        finally:
            p.send_signal(signal.SIGTERM)
            assert p.wait(harness.WAIT) == 0
            engine.close()


@tap
@root_only
def an_engine_that_its_user_cant_reach_is_told():
    with folder() as d:
        closed = os.path.join(d, "closed")
        os.mkdir(closed, 0o700)
        server, model = os.path.join(closed, "llama-server"), os.path.join(d, "m.gguf")
        shutil.copy("/bin/true", server)
        with open(model, "w") as f:
            f.write("weights")
        os.chmod(model, 0o600)
        common = ("--tee", "simulated", "--model", model, "--llama-server")
        for program, part in ((server, f"user {USERS + 4} can't run {server}"), ("/bin/true", f"user {USERS + 4} can't read {model}")):
            r = subprocess.run([CLOISTERD, *common, program, "--listen", "127.0.0.1:0", "--runtime-dir", d + "/run", "--state-dir", d + "/state"],
                               stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.WAIT)
            assert r.returncode == 20 and part in r.stderr, r
            check = subprocess.run([CLOISTERD, "check", *common, program, "--runtime-dir", d + "/run", "--state-dir", d + "/state"],
                                   stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.WAIT)
            assert check.returncode == 1 and re.search(r"^fail  cells .*" + re.escape(part), check.stdout, re.M), check


@tap
@root_only
def the_examination_says_that_cells_can_be_built():
    r = subprocess.run([CLOISTERD, "check", "--tee", "simulated", "--upstream", "unix:/nowhere"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       timeout=harness.WAIT)
    assert re.search(r"^ok    cells +every process can be shut into its cell$", r.stdout, re.M), r


if __name__ == "__main__":
    tap.run()
