// SPDX-License-Identifier: Apache-2.0

//! Verifiers in Rust as peers (tests/differential): the crate `sev`, and Azure's `az-snp-vtpm` and `az-cvm-vtpm`.
//!
//!     peer snp|azure
//!
//! One job a line on standard input, as JSON; one answer a line: {"id":..., "accept":..., "why":...}. Nothing is fetched.

mod azure;
mod snp;

use serde::{de::Error, Deserialize, Deserializer};
use std::error;
use std::io::{stdin, BufRead};
use std::panic::{catch_unwind, set_hook};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

pub type Verdict = Result<(), Box<dyn error::Error>>;

static NOW: AtomicI64 = AtomicI64::new(0);

/// What libcrypto asks for the time: az-snp-vtpm compares with today, and the job says what that is.
#[no_mangle]
pub extern "C" fn time(at: *mut i64) -> i64 {
    let now = NOW.load(Relaxed);
    if !at.is_null() {
        unsafe { *at = now };
    }
    now
}

/// Bytes in hexadecimal.
pub fn octets<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
    hex::decode(String::deserialize(d)?).map_err(D::Error::custom)
}

#[derive(Deserialize)]
struct Head {
    id: String,
    now: i64,
}

fn main() -> Verdict {
    let judge: fn(&str) -> Verdict = match std::env::args().nth(1).as_deref() {
        Some("snp") => snp::judge,
        Some("azure") => azure::judge,
        _ => return Err("usage: peer snp|azure".into()),
    };
    set_hook(Box::new(|_| {})); // a verifier that panics has not accepted, and that is all
    for line in stdin().lock().lines() {
        let line = line?;
        let head: Head = serde_json::from_str(&line)?;
        NOW.store(head.now, Relaxed);
        let why = match catch_unwind(|| judge(&line).map_err(|e| e.to_string())) {
            Ok(Ok(())) => None,
            Ok(Err(e)) => Some(e),
            Err(p) => Some(match p.downcast_ref::<String>() {
                Some(s) => format!("panic: {s}"),
                None => "panic".into(),
            }),
        };
        println!(
            "{}",
            serde_json::json!({"id": head.id, "accept": why.is_none(), "why": why.unwrap_or_default()})
        );
    }
    Ok(())
}
