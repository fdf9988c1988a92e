#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`cloister measure` beside somebody else's implementation, sev-snp-measure, over the same firmware, kernels and command lines.

The firmware is Debian's OVMF: as it is, and with a place for a kernel's hashes, which Debian 12 builds it without and Debian 13 has in a file of its own.
"""
import atexit
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402
from harness import cloister  # noqa: E402

tap = harness.Tap()
TMP = tempfile.mkdtemp(prefix="cloister-measure-")
atexit.register(shutil.rmtree, TMP, ignore_errors=True)
OVMF = "/usr/share/ovmf/OVMF.fd"
AMDSEV = "/usr/share/ovmf/OVMF.amdsev.fd"
FOOTER, METADATA, RESET, HASHES = (uuid.UUID(g).bytes_le for g in (
    "96b582de-1fb2-45f7-baea-a366c55a082d", "dc886566-984a-4798-a75e-5585a7bf67cc", "00f771de-1a7e-4fcb-890e-68c77e2fb44e",
    "7255371f-3a3b-4b04-927b-1da6efa8d454"))
VMMS = {"qemu": "QEMU", "ec2": "ec2", "gce": "gce"}
CPUS = ("EPYC-v4", "EPYC-Rome", "EPYC-Milan-v2", "EPYC-Genoa", "EPYC-Turin")


def file(name, n):
    path = os.path.join(TMP, name)
    if not os.path.exists(path):
        with open(path, "wb") as f:
            f.write(os.urandom(n))
    return path


def rebuilt(path, hashes):
    """The same firmware, with or without a section for a kernel's hashes, whose table begins within its page. (It would not run.)"""
    with open(path, "rb") as f:
        image = bytearray(f.read())
    sections = [(0x800000, 0x9000, 1), (0x80a000, 0x3000, 1), (0x80d000, 0x1000, 2), (0x80e000, 0x1000, 3), (0x810000, 0x1000, 0x10),
                (0x811000, 0xf000, 1)]
    if not hashes:
        del sections[4]
    metadata = b"ASEV" + struct.pack("<III", 16 + 12 * len(sections), 1, len(sections)) + b"".join(struct.pack("<III", *s) for s in sections)
    at = len(image) - 4096
    image[at:at + len(metadata)] = metadata
    table = b"".join(data + struct.pack("<H", len(data) + 18) + guid for guid, data in (
        (HASHES, struct.pack("<II", 0x810c00, 0x400)), (RESET, struct.pack("<I", 0x80b004)), (METADATA, struct.pack("<I", 4096))))
    table += struct.pack("<H", len(table) + 18) + FOOTER
    image[len(image) - 32 - len(table):len(image) - 32] = table
    path = os.path.join(TMP, f"hashes-{hashes}.fd")
    with open(path, "wb") as f:
        f.write(image)
    return path


HASHING = [rebuilt(OVMF, True), *([AMDSEV] if os.path.exists(AMDSEV) else [])]
KERNEL, INITRD = file("kernel", 700001), file("initrd", 90007)
GUESTS = (
    [],
    ["--kernel", KERNEL],
    ["--kernel", KERNEL, "--initrd", INITRD],
    ["--kernel", KERNEL, "--initrd", INITRD, "--append", "console=ttyS0 root=/dev/vda ro \u00e9"],
)


def theirs(*cases):
    """Its measurements of these argument lists, in one process."""
    code = ("import contextlib, io, json, sys\n"
            "from sevsnpmeasure import cli\n"
            "for args in json.load(sys.stdin):\n"
            "    sys.argv = ['sev-snp-measure', *args]\n"
            "    out = io.StringIO()\n"
            "    with contextlib.redirect_stdout(out): assert cli.main() == 0\n"
            "    print(out.getvalue().strip())\n")
    env = {**os.environ, "PYTHONPATH": os.environ["CLOISTER_PYTHONPATH"]}
    r = subprocess.run([sys.executable, "-c", code], input=json.dumps(cases), capture_output=True, text=True, env=env, timeout=harness.WAIT)
    assert r.returncode == 0, r.stderr
    return r.stdout.split()


def ours(*args):
    r = cloister("measure", *args)
    assert r.returncode == 0 and r.stderr == b"", (args, r)
    return r.stdout.decode().strip()


def agree(firmware, cases):
    """cases: (arguments that both take, ours for it alone, theirs for it alone)"""
    got = [ours("--firmware", firmware, *own, *both) for both, own, _ in cases]
    want = theirs(*(["--mode", "snp", "--ovmf", firmware, *their, *both] for both, _, their in cases))
    assert got == want, [(c, g, w) for c, g, w in zip(cases, got, want) if g != w]
    return got


@tap
def the_measurement_is_what_sev_snp_measure_says_for_every_vmm_and_guest():
    for firmware in (OVMF, *HASHING):
        cases = [(["--vcpus", str(n), "--vcpu-type", "EPYC-v4", *guest], ["--vmm", own], ["--vmm-type", their])
                 for own, their in VMMS.items() for guest in (GUESTS if firmware != OVMF else GUESTS[:1]) for n in (1, 2, 7)]
        got = agree(firmware, cases)
        assert len(set(got)) == len(got)


@tap
def and_for_every_kind_of_processor():
    names = [(["--vcpus", "4", "--vcpu-type", c], [], []) for c in CPUS]
    agree(OVMF, names)
    signature = [(["--vcpus", "4"], ["--vcpu-signature", "0xb00f21"], ["--vcpu-sig", "0xb00f21"])]
    assert agree(OVMF, signature) == [ours("--firmware", OVMF, "--vcpus", "4", "--vcpu-signature", "b00f21")]


@tap
def and_for_other_guest_features():
    both = ["--vcpus", "2", "--vcpu-type", "EPYC-Milan"]
    agree(OVMF, [(both, ["--guest-features", f], ["--guest-features", f]) for f in ("0x1", "0x21", "0x8000000000000001")])


@tap
def json_says_what_was_measured():
    r = cloister("measure", "--firmware", HASHING[0], "--vcpus", "2", "--vcpu-type", "EPYC-Milan", "--kernel", KERNEL, "--json")
    v = json.loads(r.stdout)
    assert r.returncode == 0 and v["v"] == 1 and v["type"] == "sev-snp" and v["vcpus"] == 2, v
    assert v["vcpu_signature"] == "00a00f11" and v["guest_features"] == "1", v
    assert v["measurement"] == ours("--firmware", HASHING[0], "--vcpus", "2", "--vcpu-type", "EPYC-Milan", "--kernel", KERNEL)


@tap
def firmware_that_starts_no_such_guest_is_refused_with_the_reason():
    r = cloister("measure", "--firmware", file("no-firmware", 8192), "--vcpus", "1", "--vcpu-type", "EPYC-v4")
    assert r.returncode == 20 and r.stdout == b"" and b"no SEV-SNP metadata" in r.stderr, r
    r = cloister("measure", "--firmware", rebuilt(OVMF, False), "--vcpus", "1", "--vcpu-type", "EPYC-v4", "--kernel", KERNEL)
    assert r.returncode == 20 and r.stdout == b"" and b"checks no kernel" in r.stderr, r
    r = cloister("measure", "--firmware", file("short", 5000), "--vcpus", "1", "--vcpu-type", "EPYC-v4")
    assert r.returncode == 30 and b"pages" in r.stderr, r


@tap
def what_is_missing_or_wrong_on_the_command_line_is_said():
    fw = ["--firmware", OVMF]
    for args, word in ((["--vcpus", "1"], b"--firmware"), (fw, b"--vcpus"), ([*fw, "--vcpus", "0"], b"--vcpus"),
                       ([*fw, "--vcpus", "5000", "--vcpu-type", "EPYC"], b"4096"), ([*fw, "--vcpus", "1"], b"--vcpu-type"),
                       ([*fw, "--vcpus", "1", "--vcpu-type", "Xeon"], b"EPYC-Genoa"),
                       ([*fw, "--vcpus", "1", "--vcpu-type", "EPYC", "--vcpu-signature", "1"], b"--vcpu-type"),
                       ([*fw, "--vcpus", "1", "--vcpu-signature", "0x100000000"], b"CPUID"),
                       ([*fw, "--vcpus", "1", "--vcpu-signature", "-1"], b"CPUID"),
                       ([*fw, "--vcpus", "1", "--vcpu-type", "EPYC", "--guest-features", "x"], b"--guest-features"),
                       ([*fw, "--vcpus", "1", "--vcpu-type", "EPYC", "--guest-features", " -1"], b"--guest-features"),
                       ([*fw, "--vcpus", "1", "--vcpu-type", "EPYC", "--vmm", "xen"], b"qemu, ec2 or gce"),
                       ([*fw, "--vcpus", "1", "--vcpu-type", "EPYC", "--append", "ro"], b"--kernel"),
                       ([*fw, "--vcpus", "1", "--vcpu-type", "EPYC", "--kernel", TMP + "/none"], b"none"),
                       ([*fw, "--vcpus", "1", "--vcpu-type", "EPYC", "--kernel", TMP], TMP.encode()),
                       (["--firmware", TMP + "/none", "--vcpus", "1", "--vcpu-type", "EPYC"], b"none")):
        r = cloister("measure", *args)
        assert r.returncode == 1 and r.stdout == b"" and word in r.stderr and r.stderr.count(b"\n") == 1, (args, r)


@tap
def the_measurement_can_be_pinned_as_it_is():
    m = ours("--firmware", OVMF, "--vcpus", "2", "--vcpu-type", "EPYC-Genoa")
    r = cloister("policy", "init", "--sev-snp", "genoa", "--min-tcb", "10.0.27.84", "--min-firmware", "1.55.43", "--measurement", m)
    assert r.returncode == 0 and json.loads(r.stdout)["measurements"] == [m], r


if __name__ == "__main__":
    tap.run()
