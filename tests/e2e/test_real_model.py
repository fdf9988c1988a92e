#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real text through a real model: llama-server with the default model behind cloisterd, asked through `cloister`."""
import base64
import http.client
import json
import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fault"))
import harness
import ohttp
from harness import Daemon, Relay, Skip, Tap, ask
from test_session import Terminal

tap = Tap()
ENGINE = harness.reachable_server(os.environ.get("CLOISTER_LLAMA_SERVER", ""))
MODEL = os.environ.get("CLOISTER_MODEL", "")


def daemon(*args):
    if not (os.access(ENGINE, os.X_OK) and os.access(MODEL, os.R_OK)):
        raise Skip("no llama-server or model: CLOISTER_LLAMA_SERVER and CLOISTER_MODEL name none")
    return Daemon("--model", MODEL, "--llama-server", ENGINE, *args)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=harness.WAIT)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask_engine_directly(d, question, **members):
    """The same question to llama-server itself, past the daemon: what the answer has to be."""
    run = os.path.join(d.dir, "run", "engine")
    sock = [os.path.join(run, f) for f in os.listdir(run) if f.endswith(".sock")]
    c = UnixConnection(sock[0])
    c.request("POST", "/v1/chat/completions", json.dumps({"messages": [{"role": "user", "content": question}], "temperature": 0,
              "seed": 7, "cache_prompt": False, **members}), {"Content-Type": "application/json"})
    return json.loads(c.getresponse().read())["choices"][0]["message"]["content"]


FIXED = ("--temperature", "0", "--seed", "7", "--max-tokens", "48")


@tap
def four_languages_come_back_exactly_as_the_model_wrote_them():
    with daemon() as d:
        d.wait_ready()
        for q in ("Name three colours of the rainbow.", "Wie heißt die Hauptstadt von Frankreich?",
                  "Écris une phrase en français avec des accents.", "اكتب جملة قصيرة عن البحر", "用中文写一句话。"):
            r = ask(d, q, *FIXED)
            assert r.returncode == 0, (q, r.stderr)
            want = ask_engine_directly(d, q, max_tokens=48)
            assert want.strip(), q
            assert r.stdout.decode().strip() == want.strip(), (q, r.stdout.decode(), want)


@tap
def emoji_whose_bytes_are_split_across_tokens_arrive_whole():
    with daemon() as d:
        d.wait_ready()
        r = ask(d, "Repeat exactly: \U0001f389\U0001f999\U0001f600", *FIXED)
        assert r.returncode == 0, r.stderr
        text = r.stdout.decode("utf-8")  # strict: half a character would raise
        assert "\U0001f389\U0001f999\U0001f600" in text and "\ufffd" not in text, text


@tap
def a_conversation_of_twenty_turns_gets_twenty_answers_and_sends_its_history_each_time():
    with daemon("--context", "4096") as d:
        d.wait_ready()
        relay = Relay(d.port)
        t = Terminal("--server", relay.url, "--policy", d.policy, "--key-file", d.key_file, "--temperature", "0",
                     "--seed", "7", "--max-tokens", "16")
        t.wait_for("> ")
        for i in range(1, 21):
            at = t.type(f"Tell me one short fact about the number {i}.")
            t.wait_prompt(at)
            # the echoed question, at least one line of answer, the next prompt
            assert len([x for x in t.text[at:].splitlines() if x.strip()]) >= 3, t.text[at:]
        assert len(relay.posts()) == 20, relay.posts()
        sent = [int(x) for x in re.findall(r"request-done status=200 in=(\d+)", d.log())]
        assert len(sent) == 20 and all(a < b for a, b in zip(sent, sent[1:])), sent
        t.close()
        relay.close()


@tap
def a_prompt_beyond_the_context_is_refused_with_a_clear_message_and_nothing_is_cut():
    with daemon("--context", "512") as d:
        d.wait_ready()
        r = ask(d, "word " * 3000, *FIXED)
        assert r.returncode == 1, (r.returncode, r.stdout, r.stderr)
        assert r.stdout.strip() == b"", r.stdout
        assert re.search(rb"context|too long", r.stderr), r.stderr
        r = ask(d, "Say hello.", *FIXED)
        assert r.returncode == 0, r.stderr


@tap
def the_model_server_killed_in_the_middle_is_an_explicit_error_and_new_keys_follow():
    with daemon() as d:
        d.wait_ready()
        readies = d.ready_count()
        keys = json.loads(d.get("/.well-known/cloister/evidence?nonce=" + "A" * 43)[2])["sections"]["keys"]["bytes"]
        c = harness.start_cloister("chat", "--server", d.url, "--policy", d.policy, "--key-file", d.key_file, "--max-tokens", "1500",
                                   "Write a very long story about the sea, with many chapters.")
        first = os.read(c.stdout.fileno(), 1)
        assert first
        d.kill("llama")
        _, err = c.communicate(timeout=harness.WAIT)
        assert c.returncode == 1 and err.strip(), (c.returncode, err)
        d.wait_ready(readies + 1)
        harness.until(lambda: d.get("/readyz")[0] == 200, "readiness")
        now = json.loads(d.get("/.well-known/cloister/evidence?nonce=" + "A" * 43)[2])["sections"]["keys"]["bytes"]
        assert now != keys, "the engine was restarted under the old keys"
        r = ask(d, "Say hello.", *FIXED)
        assert r.returncode == 0, r.stderr


def inner(d, path, body, method="POST"):
    """One request past `cloister`, which makes no embeddings."""
    section = ohttp.keys_section(d)
    r = ohttp.sealed(section, ohttp.inner(body, harness.API_KEY, method, path))
    status, _, answer = d.post(section["gateway"], r.body, r.media)
    assert status == 200, status
    status, _, content = r.open(answer)
    return status, json.loads(content)


@tap
def an_engine_for_embeddings_makes_them_and_nothing_else():
    with daemon("--embeddings", "mean", "--context", "512", "--allow-x25519") as d:
        d.wait_ready()
        name = inner(d, "/v1/models", None, "GET")[1]["data"][0]["id"]
        texts = ["The cat sat on the mat.", "A cat is sitting on a rug.", "Stock prices fell sharply on Monday."]
        status, answer = inner(d, "/v1/embeddings", {"model": name, "input": texts, "encoding_format": "float"})
        assert status == 200, answer
        v = [x["embedding"] for x in sorted(answer["data"], key=lambda x: x["index"])]
        assert len(v) == 3 and len({len(x) for x in v}) == 1 and answer["usage"]["prompt_tokens"] > 10

        def near(a, b):
            return sum(x * y for x, y in zip(a, b)) / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5
        for a, b in ((0, 1), (0, 2), (1, 2)):
            assert near(v[a], v[b]) < 0.99, "two texts have one vector"
        # whatever ran before, a text's vector is its own
        for other in ("The cat sat on the", "The cat sat on the mat. And then it slept."):
            assert inner(d, "/v1/embeddings", {"input": other})[0] == 200
            again = inner(d, "/v1/embeddings", {"input": texts[0], "encoding_format": "float"})[1]["data"][0]["embedding"]
            assert near(again, v[0]) > 0.999999, "a text's vector depends on what ran before"
        packed = inner(d, "/v1/embeddings", {"input": texts[0], "encoding_format": "base64"})[1]["data"][0]["embedding"]
        assert len(base64.b64decode(packed)) == 4 * len(v[0])
        status, answer = inner(d, "/v1/embeddings", {"input": texts[0], "dimensions": 8})
        assert (status, answer["error"]["param"]) == (400, "dimensions")
        for path, body in (("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}), ("/v1/completions", {"prompt": "x"})):
            status, answer = inner(d, path, body)
            assert status == 400 and answer["error"]["code"] == "unsupported_endpoint" and "embeddings" in answer["error"]["message"]


@tap
def a_text_too_long_to_embed_is_refused_and_not_cut():
    with daemon("--embeddings", "mean", "--context", "256", "--allow-x25519") as d:
        d.wait_ready()
        status, answer = inner(d, "/v1/embeddings", {"input": "word " * 1000})
        assert status == 400 and answer["error"]["code"] == "context_length_exceeded", answer
        assert inner(d, "/v1/embeddings", {"input": "word " * 100})[0] == 200


@tap
def an_engine_that_generates_makes_no_embeddings():
    with daemon("--allow-x25519") as d:
        d.wait_ready()
        status, answer = inner(d, "/v1/embeddings", {"input": "x"})
        assert status == 400 and answer["error"]["code"] == "unsupported_endpoint"


if __name__ == "__main__":
    tap.run()
