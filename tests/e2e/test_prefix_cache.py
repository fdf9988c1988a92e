#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One customer's prompt must not show in another's answer: neither in the count of cached tokens nor in time."""
import base64
import hashlib
import json
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import Daemon, Engine, Proxy, Skip, Tap, cloister, until

tap = Tap()
SERVER = harness.reachable_server(os.environ.get("CLOISTER_LLAMA_SERVER", ""))
MODEL = os.environ.get("CLOISTER_MODEL", "")
ALICE, BOB = "alice-key-0123456789", "bob-key-0123456789ab"
PROMPT = "The patient reports the following. " + "He slept badly and his left knee hurts in the morning. " * 90


class Two:
    """A daemon with two customers, and what each is told."""

    def __init__(self, *args, engine=None):
        if engine is None and not (os.access(SERVER, os.X_OK) and os.access(MODEL, os.R_OK)):
            raise Skip("no llama-server or model: CLOISTER_LLAMA_SERVER and CLOISTER_MODEL name none")
        own = ("--model", MODEL, "--llama-server", SERVER, "--context", "4096") if engine is None else ()
        self.d = Daemon(*own, *args, engine=engine, api_key=ALICE + "\n" + BOB)
        self.files = {}
        for name, key in (("alice", ALICE), ("bob", BOB)):
            self.files[name] = os.path.join(self.d.dir, name)
            with open(os.open(self.files[name], os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write(key + "\n")

    def __enter__(self):
        self.d.wait_ready()
        return self

    def __exit__(self, *exc):
        self.d.__exit__(*exc)

    def ask(self, who, prompt):
        """(cached tokens, prompt tokens, seconds)"""
        start = time.monotonic()
        r = cloister("chat", "--server", self.d.url, "--policy", self.d.policy, "--key-file", self.files[who], "--json",
                     "--max-tokens", "1", "--temperature", "0", prompt)
        took = time.monotonic() - start
        assert r.returncode == 0, r.stderr
        usage = json.loads(r.stdout)["usage"]
        return usage["prompt_tokens_details"]["cached_tokens"], usage["prompt_tokens"], took


def nothing_is_told(slots):
    with Two("--slots", slots) as two:
        cached, tokens, first = two.ask("alice", PROMPT)
        assert cached == 0 and tokens > 1000, (cached, tokens)
        warm = [two.ask("alice", PROMPT) for _ in range(3)]
        assert all(w[0] > 0.9 * tokens for w in warm), "the cache doesn't work at all, so nothing is tested"
        again = min(w[2] for w in warm)  # what the machine can do, whatever else it is doing
        cached, _, bob = two.ask("bob", PROMPT)
        assert cached == 0, f"bob is told of {cached} tokens that alice had sent"
        # A thousand tokens' work is seconds, a cached prompt's is a twentieth of one: which of both it was shows at once.
        assert bob > 3 * again, f"alice's prompt took {first:.2f} s, again {again:.2f} s, bob's {bob:.2f} s"
        cached, _, _ = two.ask("alice", PROMPT)
        if slots == "1":
            assert cached == 0, "the slot changed hands and back, yet alice is told of what was in it"


@tap
def a_slot_that_changes_hands_gives_nothing_away():
    nothing_is_told("1")


@tap
def a_slot_of_ones_own_shares_nothing_with_the_others():
    nothing_is_told("3")


@tap
def a_request_that_the_engine_refused_makes_no_slot_ones_own():
    """A refused request leaves the slot's memory as it was: whoever sent it must not go on from there."""
    with Two("--slots", "1") as two:
        _, tokens, _ = two.ask("alice", PROMPT)
        refused = cloister("chat", "--server", two.d.url, "--policy", two.d.policy, "--key-file", two.files["bob"], PROMPT * 4)
        assert refused.returncode == 1 and b"context" in refused.stderr, refused.stderr
        cached, again, _ = two.ask("bob", PROMPT)
        assert again == tokens and cached == 0, f"bob is told of {cached} tokens that alice had sent"


@tap
def an_engine_that_is_not_ours_is_sent_nothing_about_slots():
    engine = Engine(f"/tmp/cloister-prefix-{os.getpid()}.sock")
    try:
        with Two(engine=engine) as two:
            r = cloister("chat", "--server", two.d.url, "--policy", two.d.policy, "--key-file", two.files["alice"], "hello")
            assert r.returncode == 0, r.stderr
            assert not {"id_slot", "cache_prompt"} & set(engine.requests[0][1]), engine.requests
    finally:
        engine.close()


class Vllm:
    """A scripted engine that says it is vLLM, the daemon before it, and the manifest that clients see."""

    def __init__(self, version, *args):
        self.engine = Engine(f"/tmp/cloister-prefix-{os.getpid()}.sock", vllm=version)
        try:
            self.two = Two("--upstream-engine", "vllm", *args, engine=self.engine)
        except BaseException:
            self.engine.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        try:
            self.two.__exit__(*exc)
        finally:
            self.engine.close()

    def manifest(self):
        path = os.path.join(self.two.d.dir, "evidence")
        r = cloister("evidence", "--server", self.two.d.url, "--out", path)
        assert r.returncode == 0, r.stderr
        with open(path) as f:
            text = json.load(f)["sections"]["manifest"]["bytes"]
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    def chat(self, who):
        d = self.two.d
        r = cloister("chat", "--server", d.url, "--policy", d.policy, "--key-file", self.two.files[who], "hello")
        assert r.returncode == 0, r.stderr
        return self.engine.requests[-1][1]["cache_salt"]


@tap
def vllm_gets_a_salt_for_each_key_that_nobody_can_guess():
    with Vllm("0.9.0") as v:
        v.two.d.wait_ready()
        alice, bob = v.chat("alice"), v.chat("bob")
        assert alice == v.chat("alice") and alice != bob
        for salt, key in ((alice, ALICE), (bob, BOB)):
            raw = base64.urlsafe_b64decode(salt + "=")
            assert len(raw) == 32 and raw not in (hashlib.sha256(key.encode()).digest(), bytes(32))
        manifest = v.manifest()
        assert manifest["prefix_cache"] == "credential", manifest
        assert manifest["engine"] == {"name": "vllm", "version": "0.9.0", "managed": False}, manifest


@tap
def a_salt_ends_with_the_keys():
    with Vllm("0.11.2", "--key-lifetime", "10") as v:
        v.two.d.wait_ready()
        first = v.chat("alice")
        until(lambda: v.chat("alice") != first, "another salt")


@tap
def a_clients_own_salt_is_refused_and_so_are_embeddings_that_may_have_none():
    with Vllm("0.9.0") as v:
        d = v.two.d.wait_ready()
        with Proxy(daemon=d, key_file=v.two.files["alice"]) as p:
            status, _, body = p.chat("hello", cache_salt="mine")
            assert status == 400 and body["error"]["param"] == "cache_salt", (status, body)
            status, _, body = p.request("POST", "/v1/embeddings", {"model": "m", "input": "hello"})
            assert status == 400 and json.loads(body)["error"]["code"] == "unsupported_endpoint", (status, body)
        assert not v.engine.requests, v.engine.requests


def never_comes_up(version):
    with Vllm(version) as v:
        until(lambda: "engine-other" in v.two.d.log(), "a word about the engine")
        assert v.two.d.ready_count() == 0
        v.engine.vllm = "0.10.1.dev5+gabc"  # the operator mends it
        v.two.d.wait_ready()
        assert v.manifest()["engine"]["version"] == "0.10.1.dev5+gabc"


@tap
def an_engine_that_may_not_know_the_salt_is_not_used():
    """A word that the engine passes over would make the manifest a lie."""
    never_comes_up("0.8.5")


@tap
def an_engine_that_is_not_vllm_is_not_used_as_one():
    never_comes_up(None)


@tap
def what_is_not_kept_apart_is_said_and_a_policy_has_to_allow_it():
    engine = Engine(f"/tmp/cloister-prefix-{os.getpid()}.sock", vllm="0.9.0")
    try:
        with Two(engine=engine) as two:
            r = cloister("chat", "--server", two.d.url, "--policy", two.d.policy, "--key-file", two.files["alice"], "hello")
            assert r.returncode == 0 and "cache_salt" not in engine.requests[0][1], (r.stderr, engine.requests)
            two.d.write_policy(allow_unmanaged=None)
            r = cloister("chat", "--server", two.d.url, "--policy", two.d.policy, "--key-file", two.files["alice"], "hello")
            assert r.returncode == 10 and b"didn't start" in r.stderr, r.stderr
            assert len(engine.requests) == 1
    finally:
        engine.close()


if __name__ == "__main__":
    tap.run()
