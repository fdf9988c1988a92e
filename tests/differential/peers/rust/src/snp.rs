// SPDX-License-Identifier: Apache-2.0

//! The crate `sev`: an SEV-SNP report, and the chain of the key that signed it. It has no policy, no dates and no revocation.

use crate::{octets, Verdict};
use serde::Deserialize;
use sev::certs::snp::{builtin, ca, Certificate, Chain, Verifiable};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;
use std::io::Result;

#[derive(Deserialize)]
struct Job {
    #[serde(deserialize_with = "octets")]
    report: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    leaf: Vec<u8>,
    /// empty: that of the product, which the crate has
    #[serde(deserialize_with = "octets")]
    ask: Vec<u8>,
    /// as above
    #[serde(deserialize_with = "octets")]
    ark: Vec<u8>,
    product: String,
}

/// The ARK and the ASK of the product, where they aren't given.
pub fn authorities(product: &str, ark: &[u8], ask: &[u8]) -> Result<ca::Chain> {
    let known = match product {
        "Milan" => Some((builtin::milan::ark()?, builtin::milan::ask()?)),
        "Genoa" => Some((builtin::genoa::ark()?, builtin::genoa::ask()?)),
        "Turin" => Some((builtin::turin::ark()?, builtin::turin::ask()?)),
        _ => None,
    };
    let choose = |given: &[u8], known: Option<&Certificate>| match (given, known) {
        ([], Some(k)) => Ok(k.clone()),
        (given, _) => Certificate::from_der(given),
    };
    Ok(ca::Chain {
        ark: choose(ark, known.as_ref().map(|k| &k.0))?,
        ask: choose(ask, known.as_ref().map(|k| &k.1))?,
    })
}

pub fn judge(line: &str) -> Verdict {
    let job: Job = serde_json::from_str(line)?;
    let chain = Chain {
        ca: authorities(&job.product, &job.ark, &job.ask)?,
        vek: Certificate::from_der(&job.leaf)?,
    };
    let report = AttestationReport::from_bytes(&job.report)?;
    Ok((&chain, &report).verify()?)
}
