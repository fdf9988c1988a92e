// SPDX-License-Identifier: Apache-2.0

//! How long the crate `sev` takes to verify an SEV-SNP report: bench/README.md says what is measured.

use sev::certs::snp::{ca, Certificate, Chain, Verifiable};
use sev::firmware::guest::AttestationReport;
use sev::parser::ByteParser;
use std::{env, error::Error, fs, path::Path};

/// Of the processor, in microseconds.
fn spent() -> f64 {
    let mut t = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut t) };
    t.tv_sec as f64 * 1e6 + t.tv_nsec as f64 / 1e3
}

/// The PEM file's first two blocks, ASK and ARK.
fn authorities(pem: &str) -> Option<(&str, &str)> {
    let end = "-----END CERTIFICATE-----";
    let first = pem.find(end)? + end.len();
    let second = first + pem[first..].find(end)? + end.len();
    Some((&pem[..first], &pem[first..second]))
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().collect();
    let folder = Path::new(args.get(1).ok_or("no folder")?);
    let rounds: usize = args.get(3).ok_or("no rounds")?.parse()?;
    let report = fs::read(folder.join("snp.report"))?;
    let vcek = fs::read(folder.join("snp.vcek"))?;
    let pem = fs::read_to_string(folder.join("snp.chain.pem"))?;
    let (ask, ark) = authorities(&pem).ok_or("no chain")?;
    let ca = ca::Chain {
        ark: Certificate::from_pem(ark.trim().as_bytes())?,
        ask: Certificate::from_pem(ask.trim().as_bytes())?,
    };
    let once = || -> Result<(), Box<dyn Error>> {
        let chain = Chain {
            ca: ca.clone(),
            vek: Certificate::from_der(&vcek)?,
        };
        let parsed = AttestationReport::from_bytes(&report)?;
        (&chain, &parsed).verify()?;
        Ok(())
    };
    once()?;
    let mut took = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let before = spent();
        once()?;
        took.push(spent() - before);
    }
    took.sort_by(f64::total_cmp);
    println!("{{\"us\": {}}}", took[rounds / 2]);
    Ok(())
}
