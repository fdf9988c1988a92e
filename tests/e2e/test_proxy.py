#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cloister proxy` against scripted engines: what passes, what is refused, what happens when something breaks, and that nothing runs twice."""
import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import harness
from harness import Daemon, Engine, Proxy, Relay, Tap, http_request, until

tap = Tap()
numbers = iter(range(1000))


@contextlib.contextmanager
def engine(script=harness.echo):
    e = Engine(f"/tmp/cloister-proxy-{os.getpid()}-{next(numbers)}.sock", script)
    try:
        yield e
    finally:
        e.close()


@contextlib.contextmanager
def all_of_it(script=harness.echo, daemon_args=(), proxy_args=()):
    with engine(script) as e, Daemon(*daemon_args, engine=e) as d:
        d.wait_ready()
        with Proxy(*proxy_args, daemon=d) as p:
            yield e, d, p


def events(response):
    return [x[6:] for x in response.read().decode().split("\n\n") if x]


# ---- what passes ----

@tap
def an_answer_comes_whole_with_the_verdict_in_its_header():
    with all_of_it() as (e, d, p):
        status, headers, doc = p.chat("hello there")
        assert status == 200 and doc["choices"][0]["message"]["content"] == "echo: hello there", doc
        assert headers["cloister-verdict"] == "simulated", headers
        assert len(headers["cloister-evidence"]) == 64 and headers["cache-control"] == "no-store", headers
        assert headers["content-type"] == "application/json" and "content-length" in headers, headers
        assert e.requests[0][0] == "/v1/chat/completions"


@tap
def a_stream_comes_event_by_event_and_ends_with_done():
    go_on = threading.Event()

    def script(body, out):
        out.head()
        out.event("one")
        go_on.wait(harness.WAIT)
        out.event("two")
        out.done()

    with all_of_it(script) as (e, d, p):
        c, r = p.stream("hi")
        assert r.status == 200 and r.getheader("content-type") == "text/event-stream", r.getheaders()
        first = r.readline()
        assert b'"one"' in first, first
        go_on.set()
        rest = r.read()
        assert b'"two"' in rest and rest.endswith(b"data: [DONE]\n\n"), rest
        c.close()


@tap
def the_models_and_one_model_are_told():
    with all_of_it() as (e, d, p):
        status, headers, body = p.request("GET", "/v1/models")
        models = json.loads(body)
        assert status == 200 and models["object"] == "list", body
        assert headers["cloister-verdict"] == "simulated"


tap.run()
