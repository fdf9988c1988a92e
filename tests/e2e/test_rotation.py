#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Keys change while requests come: a client that keeps to `valid_until` never sees it."""
import os
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import ohttp
from harness import API_KEY, Daemon, Engine, Tap
from ohttp import chat, keys_section

tap = Tap()
LIFETIME, ROTATIONS, CLIENTS = 10, 2, 4


def valid_until(section):
    """docs/PROTOCOL.md section 1.5."""
    return section["expires"] - min(120, (section["expires"] - section["created"]) / 5)


class Client(threading.Thread):
    """Asks without a pause, in both forms in turn, until it has been under enough keys."""

    def __init__(self, d):
        super().__init__(daemon=True)
        self.d, self.keys, self.asked, self.wrong = d, set(), 0, []
        self.start()

    def run(self):
        section = {"expires": 0, "created": 0}
        end = time.monotonic() + (ROTATIONS + 2) * LIFETIME
        while len(self.keys) <= ROTATIONS and time.monotonic() < end:
            if time.time() >= valid_until(section):
                section = keys_section(self.d)
                self.keys.add(section["ohttp_keys"])
            text = f"{id(self)} {self.asked}"
            r = ohttp.sealed(section, ohttp.inner(chat(text, stream=self.asked % 3 == 0), API_KEY), self.asked % 2 == 0)
            try:
                status, _, answer = self.d.post(section["gateway"], r.body, r.media)
                inner, _, content = r.open(answer) if status == 200 else (0, {}, answer)
                if inner != 200 or str(self.asked).encode() not in content:
                    self.wrong.append((status, inner, content))
            except Exception as e:  # noqa: whatever it was, a request has failed
                self.wrong.append(e)
            self.asked += 1


@tap
def no_request_fails_while_keys_change():
    with Daemon("--allow-x25519", "--key-lifetime", str(LIFETIME), engine=E) as d:
        d.wait_ready()
        clients = [Client(d) for _ in range(CLIENTS)]
        for c in clients:
            c.join(6 * LIFETIME)
            assert not c.wrong, (len(c.wrong), c.asked, c.wrong[:3])
            assert len(c.keys) > ROTATIONS, "the keys didn't change"
        print(f"# {sum(c.asked for c in clients)} requests", flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        E = Engine(os.path.join(folder, "engine"))
        tap.run()
