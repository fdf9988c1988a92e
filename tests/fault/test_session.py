#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an interactive chat does after a failure: fresh evidence before the next question, and the old one is never sent again."""
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import CLOISTER, Daemon, Engine, Relay, Tap, until

tap = Tap()
PROMPT = re.compile(r"\n[^\n]*> $")


class Terminal:
    """`cloister chat` on a pseudo-terminal."""

    def __init__(self, *args):
        self.master, slave = pty.openpty()
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TERM": "dumb", "LANG": "C.UTF-8"}
        self.proc = subprocess.Popen([CLOISTER, "chat", *args], stdin=slave, stdout=slave, stderr=slave, env=env,
                                     start_new_session=True)
        os.close(slave)
        self.text = ""

    def wait_for(self, text, since=0):
        end = time.monotonic() + harness.WAIT
        while text not in self.text[since:]:
            r, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            if not r:
                raise AssertionError(f"waited in vain for {text!r} in:\n{self.text}")
            try:
                b = os.read(self.master, 4096)
            except OSError:
                b = b""
            if not b:
                raise AssertionError(f"the program ended before {text!r}:\n{self.text}")
            self.text += b.decode("utf-8", "replace")
        return self.text

    def wait_prompt(self, since):
        """Wait for the next prompt at the start of a line: the answer is over."""
        end = time.monotonic() + harness.WAIT
        while not PROMPT.search(self.text[since:]):
            assert time.monotonic() < end
            r, _, _ = select.select([self.master], [], [], harness.WAIT)
            assert r, f"no prompt after:\n{self.text}"
            b = os.read(self.master, 4096)
            assert b, f"the program ended:\n{self.text}"
            self.text += b.decode("utf-8", "replace")

    def type(self, line):
        os.write(self.master, line.encode() + b"\n")
        return len(self.text)

    def close(self):
        self.proc.kill()
        self.proc.wait()
        os.close(self.master)


def chat_over(relay, d):
    return Terminal("--server", relay.url, "--policy", d.policy, "--key-file", d.key_file)


@tap
def after_a_cut_answer_the_next_question_follows_fresh_evidence_and_the_old_one_is_not_sent_again():
    started = threading.Event()
    kill = threading.Event()

    def script(body, out):
        if body["messages"][-1]["content"] != "first question":
            return harness.echo(body, out)
        out.head()
        out.event("begun")
        started.set()
        kill.wait(harness.WAIT)

    engine = Engine(f"/tmp/cloister-session-{os.getpid()}.sock", script)
    try:
        with Daemon(engine=engine) as d:
            d.wait_ready()
            readies = d.ready_count()
            relay = Relay(d.port)
            t = chat_over(relay, d)
            t.wait_for("> ")
            t.type("first question")
            t.wait_for("begun")
            d.kill("gateway")
            at = len(t.text)
            t.wait_for("> ", at)
            d.wait_ready(readies + 1)
            until(lambda: d.get("/readyz")[0] == 200, "readiness")
            before = len(relay.evidence())
            at = t.type("second question")
            t.wait_for("echo: second question", at)
            assert len(relay.evidence()) > before or before > 1, "no fresh evidence before the next question"
            lines = relay.request_lines()
            posts = [i for i, x in enumerate(lines) if x.startswith("POST")]
            assert len(posts) == 2, lines
            assert any("/evidence?" in x for x in lines[posts[0] + 1:posts[1]]), lines
            asked = [[m["content"] for m in r[1]["messages"] if m["role"] == "user"] for r in engine.requests]
            assert sum(a[-1] == "first question" for a in asked) == 1, asked
            assert asked[-1][-1] == "second question", asked
            t.close()
            relay.close()
    finally:
        kill.set()
        engine.close()


@tap
def one_evidence_serves_several_questions():
    engine = Engine(f"/tmp/cloister-session-{os.getpid()}.sock")
    try:
        with Daemon(engine=engine) as d:
            d.wait_ready()
            relay = Relay(d.port)
            t = chat_over(relay, d)
            t.wait_for("> ")
            for q in ("alpha", "beta", "gamma"):
                at = t.type(q)
                t.wait_for("echo: " + q, at)
                t.wait_for("> ", len(t.text[:at]) + 1)
            assert len(relay.evidence()) == 1 and len(relay.posts()) == 3, relay.request_lines()
            t.close()
            relay.close()
    finally:
        engine.close()


@tap
def ctrl_c_in_an_answer_stops_the_generation_and_the_chat_goes_on():
    gone = threading.Event()

    def script(body, out):
        if body["messages"][-1]["content"] != "endless":
            return harness.echo(body, out)
        out.head()
        out.event("begun")
        if out.peer_gone():
            gone.set()

    engine = Engine(f"/tmp/cloister-session-{os.getpid()}.sock", script)
    try:
        with Daemon(engine=engine) as d:
            d.wait_ready()
            relay = Relay(d.port)
            t = chat_over(relay, d)
            t.wait_for("> ")
            t.type("endless")
            t.wait_for("begun")
            at = len(t.text)
            os.kill(t.proc.pid, signal.SIGINT)
            assert gone.wait(harness.WAIT), "the engine was left generating"
            t.wait_for("> ", at)
            at = t.type("still here")
            t.wait_for("echo: still here", at)
            t.close()
            relay.close()
    finally:
        engine.close()


@tap
def each_question_carries_the_whole_conversation_and_a_failed_one_leaves_it():
    engine = Engine(f"/tmp/cloister-session-{os.getpid()}.sock")
    failing = "this one fails"

    def script(body, out):
        if body["messages"][-1]["content"] == failing:
            return out.json({"error": {"message": "no", "type": "server_error"}}, "500 Internal Server Error")
        harness.echo(body, out)

    engine.script = script
    try:
        with Daemon(engine=engine) as d:
            d.wait_ready()
            t = Terminal("--server", d.url, "--policy", d.policy, "--key-file", d.key_file, "--system", "be brief")
            t.wait_for("> ")
            asked = [f"turn {i}" for i in range(20)]
            for q in asked[:10] + [failing] + asked[10:]:
                at = t.type(q)
                t.wait_prompt(at)
            want = [("system", "be brief")]
            for q in asked[:-1]:
                want += [("user", q), ("assistant", "echo: " + q)]
            want.append(("user", asked[-1]))
            got = [(m["role"], m["content"]) for m in engine.requests[-1][1]["messages"]]
            assert got == want, got
            t.close()
    finally:
        engine.close()


@tap
def a_long_system_message_is_shown_whole():
    engine = Engine(f"/tmp/cloister-session-{os.getpid()}.sock")
    try:
        with Daemon(engine=engine) as d:
            d.wait_ready()
            t = Terminal("--server", d.url, "--policy", d.policy, "--key-file", d.key_file, "--system", "x" * 3000 + " the end")
            t.wait_for("> ")
            at = t.type("/system")
            t.wait_for("the end", at)
            t.close()
    finally:
        engine.close()


if __name__ == "__main__":
    tap.run()
