// SPDX-License-Identifier: Apache-2.0

// @phala/dcap-qvl (JavaScript) as a peer: TDX and SGX quotes with their collateral. It judges no claim of the TD or enclave.
const { createInterface } = require("node:readline");
const { QuoteVerifier } = require("@phala/dcap-qvl");

createInterface({ input: process.stdin }).on("line", (line) => {
    const job = JSON.parse(line);
    const out = { id: job.id };
    try {
        const verifier = job.root === null ? QuoteVerifier.newProd() : QuoteVerifier.newWithRootCa(Buffer.from(job.root, "hex"));
        const report = verifier.verify(Buffer.from(job.quote, "hex"), job.collateral, job.now);
        Object.assign(out, { accept: true, why: report.status });
    } catch (e) {
        Object.assign(out, { accept: false, why: String(e).slice(0, 200) });
    }
    console.log(JSON.stringify(out));
});
