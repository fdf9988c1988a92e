# SPDX-License-Identifier: Apache-2.0
"""How long dcap-qvl takes to verify a TDX quote: bench/README.md says what is measured."""

import json
import os
import statistics
import sys
import time

import dcap_qvl

folder, at, rounds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(os.path.join(folder, "tdx.quote"), "rb") as f:
    quote = f.read()
with open(os.path.join(folder, "tdx.collateral.json"), encoding="utf-8") as f:
    collateral = dcap_qvl.QuoteCollateralV3.from_json(f.read())

took = []
for _ in range(rounds + 1):
    before = time.process_time_ns()
    dcap_qvl.verify(quote, collateral, at)
    took.append((time.process_time_ns() - before) / 1e3)
print(json.dumps({"us": statistics.median(took[1:])}))
