# SPDX-License-Identifier: Apache-2.0
"""`cloister`, or another program, at a pseudo-terminal of its own."""
import contextlib
import os
import pty
import re
import select
import signal
import time

import harness


class Terminal:
    """Started with its arguments; what it writes is read by expect()."""

    def __init__(self, *args, env=None, program=harness.CLOISTER):
        self.text = ""
        self.raw = ""  # everything that came, escape sequences included
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(program, [program, *args], {"TERM": "xterm", "LANG": "C.UTF-8", "HOME": "/nonexistent", **(env or {})})

    def expect(self, pattern, bound=None):
        """Read until the pattern comes; returns what was read, escape sequences left out, and drops it."""
        end = time.monotonic() + (bound or harness.WAIT)
        while True:
            plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]", "", self.text)
            m = re.search(pattern, plain)
            if m:
                self.text = plain[m.end():]
                return plain[:m.end()]
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            try:
                b = os.read(self.fd, 65536) if ready else b""
            except OSError:
                b = b""
            if not b:
                raise AssertionError(f"{pattern!r} did not come; what came: {plain!r}")
            self.text += b.decode(errors="replace")
            self.raw += b.decode(errors="replace")

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        """Wait for its end; its wait status."""
        with contextlib.suppress(OSError):
            while os.read(self.fd, 65536):
                pass
        _, st = os.waitpid(self.pid, 0)
        os.close(self.fd)
        self.pid = 0
        return st

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            os.close(self.fd)
