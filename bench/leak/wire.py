# SPDX-License-Identifier: Apache-2.0
"""Replays recorded conversations through cloisterd under a shape, and gives what was seen on the wire (stored.py)."""
import os
import random
import shutil
import subprocess
import sys
import tempfile

import numpy as np

import stored

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "support"))
from harness import BUILD, Daemon, until  # noqa: E402


class Engine:
    def __init__(self, folder):
        self.path, self.tape, self.marks = (os.path.join(folder, x) for x in ("socket", "tape", "marks"))

    def start(self):
        self.proc = subprocess.Popen([os.path.join(BUILD, "bench", "bench_leak_engine"), self.path, self.tape, self.marks])
        until(lambda: os.path.exists(self.path) or self.proc.poll() is not None, "the engine's socket")
        os.chmod(self.path, 0o666)  # for the daemon's processes, which have users of their own

    def stop(self):
        self.proc.kill()
        self.proc.wait()


def replay(conversations, shape, parallel, gap_ms, seed=1):
    """Each conversation once, in random order, as a Stored of the wire. gap_ms: the mean between two beginnings."""
    order = list(range(conversations.n))
    random.Random(seed).shuffle(order)
    folder = tempfile.mkdtemp(prefix="cloister-leak-")
    os.chmod(folder, 0o755)
    engine = Engine(folder)
    try:
        stored.write_tape(conversations.take(order), engine.tape)
        engine.start()
        out = os.path.join(folder, "out")
        options = ["--slots", "1024", "--max-parallel", "4096", "--max-queue", "4096", "--max-connections", "4096", "--max-memory", str(2 << 30)]
        with Daemon(*options, engine=engine, shape=shape) as d:
            d.wait_ready()
            subprocess.run([os.path.join(BUILD, "bench", "bench_leak_ask"), str(d.port), d.policy, d.key_file, engine.tape, engine.marks, out,
                            str(parallel), str(int(gap_ms * 1000))], check=True)
        return stored.of_wire(out, np.array(order), {"shape": shape, "parallel": parallel, "gap_ms": gap_ms})
    finally:
        engine.stop()
        shutil.rmtree(folder)
