// SPDX-License-Identifier: Apache-2.0

//! `az-snp-vtpm` and `az-cvm-vtpm`: the evidence of Azure's confidential VMs, in the order that az-snp-vtpm's documentation has. On TDX
//! they leave the TD's quote to others; what it covers is in the job.

use crate::snp::authorities;
use crate::{octets, Verdict};
use az_cvm_vtpm::hcl::{HclReport, ReportType};
use az_cvm_vtpm::tdx::TdReport;
use az_cvm_vtpm::vtpm::Quote;
use az_snp_vtpm::certs::{AmdChain, Vcek, X509};
use az_snp_vtpm::report::{AttestationReport, Validateable};
use openssl::pkey::PKey;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Job {
    #[serde(deserialize_with = "octets")]
    hcl: Vec<u8>,
    /// SEV-SNP: the report's certificate, its issuer's, and the root where it isn't AMD's
    #[serde(deserialize_with = "octets")]
    leaf: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    ask: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    ark: Vec<u8>,
    product: String,
    /// TDX: the report data of the TD's quote
    #[serde(deserialize_with = "octets")]
    covered: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    quote: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    signature: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    pcrs: Vec<u8>,
    #[serde(deserialize_with = "octets")]
    nonce: Vec<u8>,
}

pub fn judge(line: &str) -> Verdict {
    let job: Job = serde_json::from_str(line)?;
    let hcl = HclReport::new(job.hcl)?;
    let digest = hcl.var_data_sha256();
    match hcl.report_type() {
        ReportType::Snp => {
            let report: AttestationReport = (&hcl).try_into()?;
            let known = authorities(&job.product, &job.ark, &job.ask)?;
            let chain = AmdChain {
                ask: known.ask.into(),
                ark: known.ark.into(),
            };
            let vcek = Vcek(X509::from_der(&job.leaf)?);
            chain.validate()?;
            vcek.validate(&chain)?;
            report.validate(&vcek)?;
            if digest != report.report_data[..32] {
                return Err("var_data_hash mismatch".into());
            }
        }
        ReportType::Tdx => {
            let report: TdReport = (&hcl).try_into()?;
            if digest != report.report_mac.reportdata[..32] {
                return Err("var_data_hash mismatch".into());
            }
            if job.covered != report.report_mac.reportdata {
                return Err("the TD quote is of another report".into());
            }
        }
    }
    let key = PKey::public_key_from_der(&hcl.ak_pub()?.key.try_to_der()?)?;
    let quote: Quote = serde_json::from_value(json!({
        "signature": job.signature,
        "message": job.quote,
        "pcrs": job.pcrs.chunks(32).collect::<Vec<_>>(),
    }))?;
    Ok(quote.verify(&key, &job.nonce)?)
}
