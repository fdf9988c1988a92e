#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Recorded reference manifests against evidence_table.json: what `cloister-rim` makes of each at the row's time, and that the table's
policies hold the values that it reads. The files come from $CLOISTER_VECTORS.
"""
import glob
import hashlib
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support"))
import harness  # noqa: E402

test = harness.Tap()
RIM = os.path.join(harness.BUILD, "src", "rim", "cloister-rim")
VECTORS = os.path.join(os.environ.get("CLOISTER_VECTORS", "/nonexistent"), "attestation", "nvidia-rim")
WHY = {"signature": "signature does not match", "chain": "wrong chain", "dates": "too old"}

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "evidence_table.json"), encoding="utf-8") as f:
    TABLE = json.load(f)


def recorded():
    """Path by SHA-256."""
    found = {}
    for path in glob.glob(os.path.join(VECTORS, "*.xml")):
        with open(path, "rb") as one:
            found[hashlib.sha256(one.read()).hexdigest()] = path
    if not found:
        raise harness.Skip("$CLOISTER_VECTORS names no recorded RIMs")
    return found


def rows():
    return [r for r in TABLE["rows"] if r["kind"] == "rim"]


def show(path, at):
    return subprocess.run([RIM, "show", path, "--at", str(at), "--json"], capture_output=True, timeout=harness.WAIT, check=False,
                          env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"})


@test
def every_recorded_manifest_is_in_a_row():
    assert set(recorded()) == {r["file"] for r in rows()}


@test
def every_manifest_ends_in_its_rows_verdict():
    paths = recorded()
    for row in rows():
        got = show(paths[row["file"]], row["time"])
        assert got.returncode == (0 if row["verdict"] == "accept" else 10), (row["name"], got)
        if row["verdict"] != "accept":
            assert WHY[row["decides"]] in got.stderr.decode(), (row["name"], got)
            continue
        says = json.loads(got.stdout)
        assert (says["version"], len(says["measurements"])) == (row["version"], row["active"]), (row["name"], says)
        # Its last second is the last one at which it is believed: a row of its own says so of the next.
        assert show(paths[row["file"]], row["until"] - 1).returncode == 0, row["name"]
        print(f"# {row['name']:<56} {row['verdict']:<8} {row['what']}")


@test
def the_tables_policies_hold_what_the_manifests_say():
    paths, believed = recorded(), {r["file"]: r["time"] for r in rows() if r["verdict"] == "accept"}
    seen = 0
    for name, policy in TABLE["policies"].items():
        for ref in policy["devices"].get("reference_values", []):
            if ref["rim_sha256"] not in believed:
                continue  # forged ones, which a row shows to be refused
            says = json.loads(show(paths[ref["rim_sha256"]], believed[ref["rim_sha256"]]).stdout)
            for member in ("kind", "arch", "version", "measurements"):
                assert says[member] == ref[member], (name, member)
            seen += 1
    assert seen > 0


if __name__ == "__main__":
    test.run()
