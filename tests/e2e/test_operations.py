#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator does with cloisterd day by day: API keys, reloads under load, the service manager, the examination of the host."""
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import CLOISTERD, Daemon, Engine, Tap, ask, until

tap = Tap()


@contextlib.contextmanager
def folder():
    path = tempfile.mkdtemp(prefix="cloister-ops-")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def cloisterd(*args, status=0, **kw):
    r = subprocess.run([CLOISTERD, *args], capture_output=True, text=True, timeout=harness.WAIT, **{"stdin": subprocess.DEVNULL, **kw})
    assert r.returncode == status, (args, r.returncode, r.stdout, r.stderr)
    return r


def entries(store):
    with open(store) as f:
        doc = json.load(f)
    assert doc["v"] == 1
    return doc["keys"]


class Served:
    """A daemon over a scripted engine, with a configuration file that a test may rewrite."""

    def __init__(self, *args, conf="", script=harness.echo, **kw):
        self.dir = tempfile.mkdtemp(prefix="cloister-ops-")
        self.conf = os.path.join(self.dir, "cloisterd.conf")
        self.configure(conf)
        self.engine = Engine(os.path.join(self.dir, "engine.sock"), script)
        self.d = Daemon("--config", self.conf, *args, engine=self.engine, **kw)

    def configure(self, text):
        with open(self.conf, "w") as f:
            f.write(text)

    def reload(self, part):
        """SIGHUP, and wait until the log says so once more."""
        n = self.d.log().count(part)
        self.d.proc.send_signal(signal.SIGHUP)
        until(lambda: self.d.log().count(part) > n, part)

    def answers(self, key):
        harness.write_private(self.d.key_file, key + "\n")
        return ask(self.d, "hello").returncode == 0

    def __enter__(self):
        self.d.wait_ready()
        return self

    def __exit__(self, *exc):
        self.d.__exit__(*exc)
        self.engine.close()
        shutil.rmtree(self.dir, ignore_errors=True)


# ---- API keys ----

@tap
def a_new_key_is_shown_once_and_only_its_digest_is_kept():
    with folder() as at:
        store = os.path.join(at, "keys.json")
        r = cloisterd("key", "add", "--api-keys", store)
        assert re.fullmatch(r"cloister_[A-Za-z0-9_-]{43}\n", r.stdout), r.stdout
        key = r.stdout.strip()
        assert key not in r.stderr and "systemctl reload cloisterd" in r.stderr
        with open(store) as f:
            assert key not in f.read()
        assert stat.S_IMODE(os.stat(store).st_mode) == 0o600
        (entry,) = entries(store)
        assert entry["sha256"] == hashlib.sha256(key.encode()).hexdigest() and entry["id"] in r.stderr
        assert os.listdir(at) == ["keys.json"], "a lock or a draft was left"


@tap
def terms_are_kept_and_listed_without_secrets():
    with folder() as at:
        store = os.path.join(at, "keys.json")
        before = int(time.time())
        cloisterd("key", "add", "--api-keys", store, "--label", "Åsa's laptop", "--expires", "90d", "--requests-per-minute", "60",
                  "--tokens-per-day=100000", "--parallel", "2")
        cloisterd("key", "add", "--api-keys", store, "--expires", "2999-12-31T23:59:59Z", "--label", "far")
        first, second = entries(store)
        assert 0 <= first["expires"] - before - 90 * 86400 < 100 and first["requests_per_minute"] == 60
        assert first["tokens_per_day"] == 100000 and first["parallel"] == 2 and first["label"] == "Åsa's laptop"
        assert second["expires"] == 32503679999
        text = cloisterd("key", "list", "--api-keys", store).stdout
        listed = json.loads(cloisterd("key", "list", "--json", "--api-keys", store).stdout)
        assert listed["v"] == 1 and [x["label"] for x in listed["keys"]] == ["Åsa's laptop", "far"]
        assert "Åsa's laptop" in text and "2999-12-31T23:59:59Z" in text
        for entry in (first, second):
            assert entry["id"] in text and entry["sha256"] not in text + json.dumps(listed)
        assert not any(x["expired"] for x in listed["keys"])


@tap
def a_key_is_revoked_by_id_or_label():
    with folder() as at:
        store = os.path.join(at, "keys.json")
        for label in ("a", "b", "c"):
            cloisterd("key", "add", "--api-keys", store, "--label", label)
        kept = entries(store)[1]
        cloisterd("key", "revoke", "a", "--api-keys", store)
        cloisterd("key", "revoke", entries(store)[1]["id"], "--api-keys", store)
        assert entries(store) == [kept]
        r = cloisterd("key", "revoke", "a", "--api-keys", store, status=1)
        assert "no key with this id or label" in r.stderr and entries(store) == [kept]
        r = cloisterd("key", "add", "--api-keys", store, "--label", "b", status=1)
        assert "choose another label" in r.stderr and r.stdout == "" and entries(store) == [kept]


@tap
def keys_added_at_once_are_all_there():
    with folder() as at:
        store = os.path.join(at, "keys.json")
        running = [subprocess.Popen([CLOISTERD, "key", "add", "--api-keys", store], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                    text=True) for _ in range(12)]
        keys = {p.communicate(timeout=harness.WAIT)[0].strip() for p in running}
        assert {x["sha256"] for x in entries(store)} == {hashlib.sha256(k.encode()).hexdigest() for k in keys} and len(keys) == 12


@tap
def who_waits_for_a_lock_is_told_so():
    with folder() as at:
        lock = os.open(at, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        with subprocess.Popen([CLOISTERD, "key", "add", "--api-keys", os.path.join(at, "keys.json")], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as p:
            assert f"waiting for another program, which holds the lock of {at}" in p.stderr.readline()
            os.close(lock)
            assert p.wait(harness.WAIT) == 0


@tap
def a_key_that_nobody_could_read_is_not_added():
    with folder() as at:
        store = os.path.join(at, "keys.json")
        with open("/dev/full", "w") as full:
            r = subprocess.run([CLOISTERD, "key", "add", "--api-keys", store], stdout=full, stderr=subprocess.PIPE, text=True,
                               timeout=harness.WAIT)
        assert r.returncode == 1 and "none was added" in r.stderr
        assert entries(store) == []


@tap
def keys_that_exist_are_taken_over_and_short_ones_refused():
    with folder() as at:
        store, old = os.path.join(at, "keys.json"), os.path.join(at, "keys")
        one, two = "k" * 31 + "1", "k" * 31 + "2"
        with open(old, "w") as f:
            f.write(f"# ours\n{one}\r\n\n{two}\n")
        r = cloisterd("key", "add", "--from-file", old, "--api-keys", store)
        assert r.stdout == "" and "added 2 keys" in r.stderr
        assert [x["sha256"] for x in entries(store)] == [hashlib.sha256(k.encode()).hexdigest() for k in (one, two)]
        r = cloisterd("key", "add", "--from-file", "-", "--api-keys", store, status=1, stdin=None, input="sixteen-letters!\n")
        assert "line 1: a key must be random, and 32 to 512 characters long" in r.stderr and "sixteen" not in r.stderr
        r = cloisterd("key", "add", "--from-file", old, "--api-keys", store, status=1)
        assert "has this key already" in r.stderr and len(entries(store)) == 2
        # the daemon no longer takes the old file, and names the way out
        os.chmod(old, 0o600)
        r = cloisterd("--config", "/dev/null", "--tee", "simulated", "--upstream", "unix:/x", "--api-keys", old, status=1)
        assert f"cloisterd key add --from-file {old}" in r.stderr and one not in r.stderr


@tap
def the_store_is_the_one_that_the_daemon_reads():
    with folder() as at:
        store, conf = os.path.join(at, "keys.json"), os.path.join(at, "c.conf")
        with open(conf, "w") as f:
            f.write(f"# unfinished\nApiKeys {store}\n")
        cloisterd("key", "add", "--config", conf)
        assert len(entries(store)) == 1
        assert "say which key store" in cloisterd("key", "list", "--config", "/dev/null", status=1).stderr


@tap
def wrong_words_after_key_are_one_sentence():
    with folder() as at:
        store = ("--api-keys", os.path.join(at, "keys.json"))
        for part, *args in (("say add, list or revoke",), ("say add, list or revoke", "remove"), ("one word too many", "add", "Ann", *store),
                            ("there is no option '--json'", "add", "--json", *store), ("is there twice", "list", *store, *store),
                            ("say which key", "revoke", *store), ("wants TEXT behind it", "add", *store, "--label"),
                            ("a time in the future", "add", *store, "--expires", "2001-01-01"),
                            ("--expires wants", "add", *store, "--expires", "2999-02-31"),
                            ("--expires wants", "add", *store, "--expires", "tomorrow"),
                            ("--api-keys has an empty value", "add", "--api-keys", ""),
                            ("--expires wants", "add", *store, "--expires", "99999999999999999999d"),
                            ("a number from 1 to", "add", *store, "--parallel", "0"),
                            ("--label wants", "add", *store, "--label", "deadbeef"),
                            ("--label wants", "add", *store, "--label", "a\x1b[2J"),
                            ("make it first", "add", "--api-keys", at + "/none/keys.json")):
            r = cloisterd("key", *args, status=1)
            assert part in r.stderr and r.stderr.count("\n") == 1 and r.stdout == "", (args, r.stderr)
        assert os.listdir(at) == []


# ---- reloading ----

@tap
def a_reload_drops_no_stream_and_changes_who_may_ask():
    go_on = threading.Event()

    def script(body, out):
        if body["messages"][-1]["content"] != "long":
            return harness.echo(body, out)
        out.head()
        out.event("before ")
        go_on.wait(harness.WAIT)
        out.event("after")
        out.done()

    with Served(script=script) as s:
        store = s.d.key_store
        running = harness.start_cloister("chat", "--server", s.d.url, "--policy", s.d.policy, "--key-file", s.d.key_file, "long")
        assert running.stdout.read(7) == b"before "
        gateway = s.d.children()["gateway"]
        new = cloisterd("key", "add", "--api-keys", store).stdout.strip()
        assert not s.answers(new)
        cloisterd("key", "revoke", "00000000", "--api-keys", store)
        s.reload("info parent reload keys=1")
        until(lambda: s.answers(new), "the new key's acceptance")
        assert not s.answers(harness.API_KEY)
        assert s.d.children()["gateway"] == gateway and s.d.ready_count() == 1
        go_on.set()
        out, err = running.communicate(timeout=harness.WAIT)
        assert running.returncode == 0 and b"after" in out, err


@tap
def after_the_last_key_was_revoked_nobody_is_served():
    with Served() as s:
        assert s.answers(harness.API_KEY)
        cloisterd("key", "revoke", "00000000", "--api-keys", s.d.key_store)
        s.reload("info parent reload keys=0")
        assert "nobody is served until `cloisterd key add`" in s.d.log()
        until(lambda: not s.answers(harness.API_KEY), "the key's refusal")
        s.d.kill("gateway")  # its successor must not take a store without keys for no store
        s.d.wait_ready(2)
        assert not s.answers(harness.API_KEY)


@tap
def a_key_that_has_expired_is_refused():
    with Served(keys=[{"key": harness.API_KEY, "expires": 1}, "k" * 32]) as s:
        assert not s.answers(harness.API_KEY)
        assert s.answers("k" * 32)
        s.d.write_keys([{"key": harness.API_KEY, "expires": 1}])
        s.reload("all keys in the key store have expired: nobody is served")


@tap
def a_reload_takes_what_can_change_and_names_the_rest():
    with Served(conf="MaxParallel 4\n") as s:
        level = "debug gateway evidence"
        s.answers(harness.API_KEY)
        assert level not in s.d.log()
        s.configure("MaxParallel 2\nMaxPeer 50\nRelay 192.0.2.0/24\nDrainTimeout 1\nLogLevel debug\nSlots 2\nKeyLifetime 60\n")
        s.reload("info parent reload")
        assert "restart cloisterd for what can't change while it runs: Slots, KeyLifetime." in s.d.log()
        until(lambda: s.answers(harness.API_KEY) and level in s.d.log(), "events of the new level")
        children = s.d.children()
        s.configure("")
        s.reload("info parent reload")
        assert s.d.children() == children, "a reload replaced a process"


@tap
def a_limit_that_was_reloaded_holds():
    go_on = threading.Event()

    def script(body, out):
        if body["messages"][-1]["content"] == "long":
            out.head()
            out.event("before ")
            go_on.wait(harness.WAIT)
            return out.done()
        return harness.echo(body, out)

    with Served(conf="MaxParallel 2\n", script=script) as s:
        running = harness.start_cloister("chat", "--server", s.d.url, "--policy", s.d.policy, "--key-file", s.d.key_file, "long")
        assert running.stdout.read(7) == b"before "
        assert s.answers(harness.API_KEY)
        s.configure("MaxParallel 1\n")
        s.reload("info parent reload")
        until(lambda: not s.answers(harness.API_KEY), "the lower limit")
        s.configure("MaxParallel 2\n")
        s.reload("info parent reload")
        until(lambda: s.answers(harness.API_KEY), "the higher limit")
        go_on.set()
        assert running.wait(harness.WAIT) == 0


@tap
def a_storm_of_reloads_doesnt_drown_a_gateway_that_is_busy():
    with Served() as s:
        busy = int(re.findall(r"gateway start pid=(\d+)", s.d.log())[-1])
        os.kill(busy, signal.SIGSTOP)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            s.d.proc.send_signal(signal.SIGHUP)
        s.reload("parent reload")
        os.kill(busy, signal.SIGCONT)
        assert ask(s.d, "hello").returncode == 0
        assert s.d.log().count("child-exit") == 0


@tap
def the_largest_store_is_taken_up_again_and_again():
    """Each time all keys but one are others: places of those that no longer hold are given to new ones."""
    with Served() as s:
        (own,) = entries(s.d.key_store)
        for turn in range(1, 4):
            others = [{"id": f"{turn:04x}{i:04x}", "sha256": hashlib.sha256(b"%d %d" % (turn, i)).hexdigest(), "created": 1}
                      for i in range(4095)]
            harness.write_private(s.d.key_store, json.dumps({"v": 1, "keys": [*others, own]}))
            s.reload("parent reload keys=4096")
            r = ask(s.d, "hello")
            assert r.returncode == 0, r.stderr
        assert s.d.log().count("child-exit") == 0


@tap
def a_reload_follows_the_key_store_elsewhere():
    with folder() as at:
        first, second = os.path.join(at, "first.json"), os.path.join(at, "second.json")
        a, b = (cloisterd("key", "add", "--api-keys", x).stdout.strip() for x in (first, second))
        with Served(conf=f"ApiKeys {first}\n", api_key=None) as s:
            s.d.key_file = os.path.join(at, "key")
            assert s.answers(a) and not s.answers(b)
            s.configure(f"ApiKeys {second}\n")
            s.reload("info parent reload")
            until(lambda: s.answers(b), "the other store's key")
            assert not s.answers(a)
            s.configure("")
            s.reload("restart cloisterd for what can't change while it runs: ApiKeys.")
            assert not s.answers(a) and s.answers(b), "without a store in the file the last one holds"


@tap
def a_broken_reload_keeps_everything():
    with Served(conf="LogLevel info\n") as s:
        kept = "nothing was reloaded: the configuration and the API keys stay as they were"
        # a good store beside a broken file: neither is taken
        s.d.write_keys(["k" * 32])
        for conf, part in (("Colour blue\n", "there is no keyword 'Colour'"), ("LogLevel loud\n", "LogLevel wants"),
                           ("MaxMemory 1048576\n", "must hold at least one request"),
                           ("Relay relay.example\n", "Relay wants addresses")):
            s.configure(conf)
            s.reload(kept)
            assert part in s.d.log()
        assert s.answers(harness.API_KEY) and not s.answers("k" * 32)
        # a good file beside a broken store
        s.configure("LogLevel debug\n")
        harness.write_private(s.d.key_store, '{"v":1,"keys":[{}]}')
        s.reload(kept)
        assert "key 1 lacks a member" in s.d.log()
        assert s.answers(harness.API_KEY) and " debug " not in s.d.log()


@tap
def reloads_in_a_row_under_load_fail_no_request():
    with Served() as s:
        stop = threading.Event()

        def reload():
            while not stop.is_set():
                s.d.proc.send_signal(signal.SIGHUP)
                stop.wait(0.01)

        t = threading.Thread(target=reload)
        t.start()
        try:
            for i in range(10):
                r = ask(s.d, f"question {i}")
                assert r.returncode == 0 and f"question {i}".encode() in r.stdout, r.stderr
        finally:
            stop.set()
            t.join()
        assert s.d.log().count("child-exit") == 0


# ---- the service manager ----

class Manager:
    """The service manager's end of the protocol: an abstract socket, or one with a path."""

    def __init__(self, name):
        self.name = name
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind("\0" + name[1:] if name[0] == "@" else name)
        self.sock.settimeout(harness.WAIT)

    def next(self, *passed_over):
        while True:
            lines = self.sock.recv(4096).decode().split("\n")
            if lines[0] not in passed_over:
                return lines

    @contextlib.contextmanager
    def environment(self, **more):
        more["NOTIFY_SOCKET"] = self.name
        os.environ.update(more)
        try:
            yield
        finally:
            for k in more:
                os.environ.pop(k, None)


@tap
def the_service_manager_hears_of_each_step_in_order():
    manager = Manager(f"@cloister-ops-{os.getpid()}")
    with manager.environment():
        s = Served()
    with s:
        assert manager.next() == ["READY=1", "STATUS=serving"]
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        s.reload("info parent reload")
        first, usec = manager.next()
        assert first == "RELOADING=1" and before <= int(usec.removeprefix("MONOTONIC_USEC=")) <= before + 60_000_000
        assert manager.next() == ["READY=1"]
        s.configure("Colour blue\n")  # a reload that fails has ended as well
        s.reload("nothing was reloaded")
        assert manager.next()[0] == "RELOADING=1" and manager.next() == ["READY=1"]
        s.d.kill("keeper")
        assert manager.next()[0].startswith("STATUS=not serving")
        assert manager.next() == ["READY=1", "STATUS=serving"]
        for pid in s.d.children().values():
            with open(f"/proc/{pid}/environ", "rb") as f:
                assert b"NOTIFY_SOCKET" not in f.read()
        s.d.proc.send_signal(signal.SIGTERM)
        assert manager.next() == ["STOPPING=1", "STATUS=finishing open requests"]
        assert s.d.proc.wait(harness.WAIT) == 0


@tap
def a_reload_before_it_is_ready_calls_nothing_ready():
    with folder() as at:
        manager = Manager(os.path.join(at, "notify"))
        with manager.environment():
            d = Daemon("--upstream", "unix:" + os.path.join(at, "absent.sock"))
        with d:
            until(lambda: "parent start" in d.log(), "the start")
            d.proc.send_signal(signal.SIGHUP)
            until(lambda: "info parent reload" in d.log(), "the reload")
            engine = Engine(os.path.join(at, "absent.sock"))
            assert manager.next() == ["READY=1", "STATUS=serving"]
            engine.close()


@tap
def the_watchdog_is_fed_while_every_process_answers():
    manager = Manager(f"@cloister-ops-dog-{os.getpid()}")
    with manager.environment(WATCHDOG_USEC="60000000"):
        s = Served()
    with s:
        assert manager.next("WATCHDOG=1")[0] == "READY=1"
        assert manager.next() == ["WATCHDOG=1"]
        s.d.kill("engine", signal.SIGSTOP)
        # It owes an answer from the next question on; until it is replaced nothing is said.
        until(lambda: "child-hung child=4" in s.d.log(), "the hung engine's replacement")
        manager.sock.setblocking(False)
        fed = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                fed += manager.sock.recv(4096) == b"WATCHDOG=1"
        assert fed <= 1, fed
        manager.sock.settimeout(harness.WAIT)
        assert manager.next("STATUS=not serving: waiting for the engine, or for evidence", "READY=1") == ["WATCHDOG=1"]


# ---- the host ----

@tap
def the_host_is_examined_and_each_finding_has_its_mend():
    with folder() as at:
        sim = ("--config", "/dev/null", "--tee", "simulated", "--state-dir", at, "--runtime-dir", at)
        with socket.create_server(("0.0.0.0", 0)) as open_to_all:
            port = open_to_all.getsockname()[1]
            r = cloisterd("check", "--json", *sim, "--upstream", f"http://127.0.0.1:{port}", status=1)
        doc = json.loads(r.stdout)
        found = {x["id"]: x for x in doc["findings"]}
        assert doc["v"] == 1 and doc["ok"] is False and len(found) == len(doc["findings"])
        assert found["engine"]["status"] == "fail" and str(port) in found["engine"]["text"]
        assert found["tee"]["status"] == "warn" and "simulated" in found["tee"]["text"]
        assert set(found) == {"tee", "tee-debug", "kernel-debug", "ptrace", "command-line", "swap", "dumps", "locked-memory", "open-files",
                              "engine", "clock", "disk", "api-keys", "model", "programs", "cells"}
        for x in found.values():
            assert x["status"] in ("ok", "warn", "fail") and x["text"] and ("mend" in x) == (x["status"] != "ok"), x
        r = cloisterd("check", *sim, "--model", at + "/absent.gguf", status=1)
        assert re.search(r"^fail  model .*absent.gguf can't be read", r.stdout, re.M) and "-> correct --model" in r.stdout
        assert os.listdir(at) == [], "an examination left something behind"


@tap
def the_examination_fails_exactly_if_a_finding_does():
    with folder() as at:
        engine = Engine(os.path.join(at, "engine.sock"))
        r = subprocess.run([CLOISTERD, "check", "--json", "--config", "/dev/null", "--tee", "simulated", "--upstream", "unix:" + engine.path,
                            "--state-dir", at, "--runtime-dir", at], capture_output=True, text=True, timeout=harness.WAIT)
        engine.close()
        doc = json.loads(r.stdout)
        fails = [x["id"] for x in doc["findings"] if x["status"] == "fail"]
        assert r.returncode == (1 if fails else 0) and doc["ok"] is (not fails) and set(fails) <= {"swap", "dumps"}, doc


@tap
def wrong_options_are_said_before_the_host_is_looked_at():
    r = cloisterd("check", "--config", "/dev/null", "--tee", "none", "--upstream", "unix:/x", status=1)
    assert "or simulated, which protects nothing, not 'none'" in r.stderr and r.stdout == ""


@tap
def the_deployed_files_are_understood():
    deploy = os.path.join(harness.ROOT, "deploy")
    r = subprocess.run([CLOISTERD, "check", "--config", os.path.join(deploy, "cloisterd.conf")], capture_output=True, text=True,
                       timeout=harness.WAIT)
    assert r.stderr == "" and re.search("^fail  model .*/srv/models/model.gguf", r.stdout, re.M), (r.stdout, r.stderr)
    if shutil.which("systemd-analyze"):
        with folder() as at, open(os.path.join(deploy, "cloisterd.service")) as f:
            unit = os.path.join(at, "cloisterd.service")
            with open(unit, "w") as out:  # the installed path is not there in a test
                out.write(f.read().replace("/usr/sbin/cloisterd", CLOISTERD))
            r = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit], capture_output=True, text=True,
                               timeout=harness.WAIT)
            assert "cloisterd.service:" not in r.stderr, r.stderr


# ---- the manual ----

@tap
def the_manual_knows_the_commands_and_their_options():
    with open(os.path.join(harness.ROOT, "man", "cloisterd.8")) as f:
        manual = f.read()
    for command in ("key", "check"):
        text = cloisterd(command, "--help").stdout
        options = {x.split()[0][2:] for x in text.splitlines() if x.startswith("  --")}
        assert options and f"Nm Cm {command}" in manual.replace("\n.Cm", " Cm").replace(".Nm", "Nm"), command
        for o in options - {"help", "config", "api-keys"}:
            assert f"Fl -{o}" in manual, (command, o)
    assert "cloisterd key" in cloisterd("--help").stdout and "cloisterd check" in cloisterd("--help").stdout


if __name__ == "__main__":
    tap.run()
