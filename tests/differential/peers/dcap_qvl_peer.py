# SPDX-License-Identifier: Apache-2.0
"""dcap-qvl (Rust, under Python) as a peer: TDX and SGX quotes with their collateral. It judges no claim of the TD or enclave."""
import json
import sys

import dcap_qvl

for line in sys.stdin:
    job = json.loads(line)
    out = {"id": job["id"]}
    try:
        collateral = dcap_qvl.QuoteCollateralV3.from_json(json.dumps(job["collateral"]))
        quote, now = bytes.fromhex(job["quote"]), job["now"]
        if job["root"] is None:
            report = dcap_qvl.verify(quote, collateral, now)
        else:
            report = dcap_qvl.verify_with_root_ca(quote, collateral, bytes.fromhex(job["root"]), now)
        out.update(accept=True, why=report.status)
    except Exception as e:  # noqa: whatever it throws is its answer
        out.update(accept=False, why=str(e)[:200])
    print(json.dumps(out), flush=True)
