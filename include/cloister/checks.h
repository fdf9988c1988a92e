/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every check of the verifier: number, id, title. Numbers and ids are never reused; new ones are appended within their
 * family: common 1 to 99, SEV-SNP 100 to 199, Intel quotes 200 to 249 (TDX 250 to 279, SGX 280 to 299), Azure 300 to
 * 339, TPM 340 to 399, NVIDIA 400 to 499. A verdict has the common checks and those of the families that its kind of
 * evidence needs, and no others. Included by <cloister/verify.h>.
 */
#ifndef CLOISTER_CHECKS_H
#define CLOISTER_CHECKS_H

#define CLOISTER_CHECK_LIST(X)                                                                     \
    X(1, EVIDENCE_COMPLETE, "evidence.complete", "all six sections are there")                     \
    X(2, EVIDENCE_FORMAT, "evidence.format", "every section keeps its format")                     \
    X(3, POLICY_TYPE, "policy.type", "the policy admits this kind of TEE")                         \
    X(4, POLICY_MEASUREMENTS, "policy.measurements", "the policy pins at least one measurement")   \
    X(10, EPOCH_TIME, "epoch.time", "the keys are valid now")                                      \
    X(11, FRESHNESS_NONCE, "freshness.nonce", "the report covers our own nonce")                   \
    X(12, BINDING_REPORT_DATA, "binding.report_data", "the report covers exactly these keys")      \
    X(20, KEYS_SUITE, "keys.suite", "the keys offer a cipher suite that the policy admits")        \
    X(30, MANIFEST_MODEL, "manifest.model", "the model is one that the policy admits")             \
    X(31, MANIFEST_UPSTREAM, "manifest.upstream", "inference stays inside the machine")            \
    X(32, MANIFEST_MANAGED, "manifest.managed", "the engine was started by measured code")         \
    X(33, MANIFEST_RELEASE, "manifest.release", "the release is one that the policy admits")       \
    X(34, MANIFEST_PINNED, "manifest.pinned", "the manifest is one that the policy pins")          \
    X(35, MANIFEST_ENGINE, "manifest.engine", "the engine is one that the policy admits")          \
    X(36, MANIFEST_SHAPE, "manifest.shape", "the traffic's shape hides what the policy wants")     \
    X(40, DEVICES_COUNT, "devices.count", "as many GPUs as the policy wants")                      \
    X(41, DEVICES_APPRAISED, "devices.appraised", "every listed device was appraised")             \
    X(100, SNP_FORMAT, "snp.format", "the report keeps its format")                                \
    X(101, SNP_VERSION, "snp.version", "the report's version is known")                            \
    X(102, SNP_SIGNATURE_ALGO, "snp.signature_algo", "signed with ECDSA P-384 and SHA-384")        \
    X(103, SNP_RESERVED, "snp.reserved", "reserved bits are zero")                                 \
    X(104, SNP_PRODUCT, "snp.product", "chip family, certificates and root belong together")       \
    X(105, SNP_CHAIN_PRESENT, "snp.chain_present", "the certificate chain is there")               \
    X(106, SNP_ROOT, "snp.root", "the chain ends in a pinned root")                                \
    X(107, SNP_CHAIN, "snp.chain", "each certificate is signed by the next")                       \
    X(108, SNP_CHAIN_DATES, "snp.chain_dates", "every certificate is within its dates")            \
    X(109, SNP_CRL, "snp.crl", "a revocation list, signed by the root, is there")                  \
    X(110, SNP_CRL_DATES, "snp.crl_dates", "the revocation list is within its dates")              \
    X(111, SNP_REVOKED, "snp.revoked", "no certificate is revoked")                                \
    X(112, SNP_SIGNING_KEY, "snp.signing_key", "the report names the kind of key that signed it")  \
    X(113, SNP_CHIP, "snp.chip", "certificate and report are of one chip")                         \
    X(114, SNP_CERT_TCB, "snp.cert_tcb", "certificate and report are of one firmware level")       \
    X(115, SNP_SIGNATURE, "snp.signature", "the report's signature is right")                      \
    X(120, SNP_TCB_ORDER, "snp.tcb_order", "reported <= committed <= current firmware")            \
    X(121, SNP_TCB_PROVISIONAL, "snp.tcb_provisional", "no provisional firmware runs")             \
    X(122, SNP_TCB_MIN, "snp.tcb_min", "reported firmware is at least the policy's floor")         \
    X(123, SNP_TCB_LAUNCH, "snp.tcb_launch", "firmware at launch was at least the policy's floor") \
    X(124, SNP_FIRMWARE_MIN, "snp.firmware_min",                                                   \
      "firmware version is at least the policy's floor")                                           \
    X(125, SNP_MITIGATION, "snp.mitigation", "the required mitigations are active")                \
    X(130, SNP_POLICY_ABI, "snp.policy_abi", "the guest's ABI floor is high enough")               \
    X(131, SNP_DEBUG, "snp.debug", "debugging is off")                                             \
    X(132, SNP_MIGRATION, "snp.migration", "no migration agent")                                   \
    X(133, SNP_SMT, "snp.smt", "simultaneous multithreading as the policy allows")                 \
    X(134, SNP_GUEST_POLICY, "snp.guest_policy",                                                   \
      "the other guest policy bits as the policy wants")                                           \
    X(135, SNP_PLATFORM, "snp.platform", "platform protections as the policy wants")               \
    X(140, SNP_VMPL, "snp.vmpl", "the report comes from the expected privilege level")             \
    X(141, SNP_MEASUREMENT, "snp.measurement", "the machine started exactly the pinned image")     \
    X(142, SNP_HOST_DATA, "snp.host_data", "host data as the policy wants")                        \
    X(143, SNP_ID_KEY, "snp.id_key", "the image owner's key as the policy wants")                  \
    X(144, SNP_AUTHOR_KEY, "snp.author_key", "the author's key as the policy wants")               \
    X(145, SNP_GUEST_SVN, "snp.guest_svn", "the guest's security version is high enough")          \
    X(200, QUOTE_FORMAT, "quote.format", "the quote keeps its format")                             \
    X(201, QUOTE_VERSION, "quote.version", "the quote's version and body are known")               \
    X(202, QUOTE_KEY_TYPE, "quote.key_type", "signed with ECDSA P-256 and SHA-256")                \
    X(203, QUOTE_QE_VENDOR, "quote.qe_vendor", "the quoting enclave names Intel as its vendor")    \
    X(204, QUOTE_TRAILING, "quote.trailing", "nothing but zero bytes stands behind the quote")     \
    X(205, QUOTE_CHAIN_PRESENT, "quote.chain_present", "the certificate chain is there")           \
    X(206, QUOTE_ROOT, "quote.root", "the chain ends in the pinned root")                          \
    X(207, QUOTE_CHAIN, "quote.chain", "each certificate is signed by the next")                   \
    X(208, QUOTE_CHAIN_DATES, "quote.chain_dates", "every certificate is within its dates")        \
    X(209, QUOTE_CRL, "quote.crl", "the revocation lists, signed by their issuers, are there")     \
    X(210, QUOTE_CRL_DATES, "quote.crl_dates", "the revocation lists are within their dates")      \
    X(211, QUOTE_REVOKED, "quote.revoked", "no certificate is revoked")                            \
    X(212, QUOTE_PCK, "quote.pck", "the platform's certificate says what its TCB is judged by")    \
    X(213, QUOTE_QE_SIGNATURE, "quote.qe_signature", "the platform's key signed the QE's report")  \
    X(214, QUOTE_QE_BINDING, "quote.qe_binding", "the QE's report covers the attestation key")     \
    X(215, QUOTE_SIGNATURE, "quote.signature", "the quote's signature is right")                   \
    X(220, QUOTE_COLLATERAL, "quote.collateral", "TCB info and QE identity are there")             \
    X(221, QUOTE_COLLATERAL_CHAIN, "quote.collateral_chain", "they are signed by Intel")           \
    X(222, QUOTE_COLLATERAL_DATES, "quote.collateral_dates", "they are within their dates")        \
    X(223, QUOTE_COLLATERAL_NUMBER, "quote.collateral_number",                                     \
      "they are as new as the policy wants (TCB evaluation data number)")                          \
    X(224, QUOTE_TCB_INFO, "quote.tcb_info", "the TCB info is this platform's")                    \
    X(225, QUOTE_QE_IDENTITY, "quote.qe_identity", "the quoting enclave is Intel's own")           \
    X(226, QUOTE_QE_TCB, "quote.qe_tcb", "the quoting enclave's level is one the policy accepts")  \
    X(227, QUOTE_TCB, "quote.tcb", "the platform's TCB status is one the policy accepts")          \
    X(228, QUOTE_ADVISORIES, "quote.advisories", "no advisory is open that the policy rejects")    \
    X(250, TDX_MODULE, "tdx.module", "the TDX module is Intel's own")                              \
    X(251, TDX_MODULE_TCB, "tdx.module_tcb", "the TDX module's level is one the policy accepts")   \
    X(252, TDX_DEBUG, "tdx.debug", "debugging is off")                                             \
    X(253, TDX_ATTRIBUTES, "tdx.attributes", "the TD's attributes are as the policy wants")        \
    X(254, TDX_XFAM, "tdx.xfam", "the TD's extended features are as the policy wants")             \
    X(255, TDX_MEASUREMENT, "tdx.measurement", "the TD started exactly a pinned image")            \
    X(256, TDX_CONFIG, "tdx.config", "MRCONFIGID as the policy wants")                             \
    X(257, TDX_OWNER, "tdx.owner", "MROWNER and MROWNERCONFIG as the policy wants")                \
    X(258, TDX_SERVICE_TD, "tdx.service_td", "no service TD but one that the policy names")        \
    X(259, TDX_EVENT_LOG, "tdx.event_log", "the event log replays to the quoted RTMRs")            \
    X(280, SGX_DEBUG, "sgx.debug", "debugging is off")                                             \
    X(281, SGX_ATTRIBUTES, "sgx.attributes", "the enclave's attributes are as the policy wants")   \
    X(282, SGX_MEASUREMENT, "sgx.measurement", "the enclave is one that the policy pins")          \
    X(283, SGX_ISV, "sgx.isv", "product id and security version as the policy wants")              \
    X(300, AZURE_FORMAT, "azure.format", "the HCL envelope keeps its format")                      \
    X(301, AZURE_TYPE, "azure.type", "envelope and hardware report are of one kind")               \
    X(302, AZURE_RUNTIME, "azure.runtime",                                                         \
      "the hardware's report covers exactly these runtime data")                                   \
    X(303, AZURE_KEY, "azure.key", "the runtime data name the vTPM's one attestation key")         \
    X(304, AZURE_VM, "azure.vm", "the VM is configured as the policy wants")                       \
    X(340, TPM_FORMAT, "tpm.format", "the quote is one that a TPM made")                           \
    X(341, TPM_KEY, "tpm.key", "the attestation key signs nothing but what a TPM made")            \
    X(342, TPM_KEY_TRUSTED, "tpm.key_trusted",                                                     \
      "something trusted vouches for the attestation key")                                         \
    X(343, TPM_ALGORITHM, "tpm.algorithm", "signature and bank use SHA-2")                         \
    X(344, TPM_SIGNATURE, "tpm.signature", "the quote's signature is right")                       \
    X(345, TPM_NONCE, "tpm.nonce", "the quote covers exactly the expected data")                   \
    X(346, TPM_SELECTION, "tpm.selection", "exactly the wanted PCRs are quoted")                   \
    X(347, TPM_PCR_DIGEST, "tpm.pcr_digest", "the PCR values are those that were quoted")          \
    X(348, TPM_PCRS, "tpm.pcrs", "the PCRs have values that the policy pins")                      \
    X(349, TPM_EVENT_LOG, "tpm.event_log", "the event log replays to the quoted PCRs")             \
    X(400, GPU_FORMAT, "gpu.format", "every device's report keeps its format")                     \
    X(401, GPU_ARCHITECTURE, "gpu.architecture", "every device's architecture is admitted")        \
    X(402, GPU_CHAIN_PRESENT, "gpu.chain_present", "every device's certificate chain is there")    \
    X(403, GPU_ROOT, "gpu.root", "every chain ends in the pinned root")                            \
    X(404, GPU_CHAIN, "gpu.chain", "each certificate is signed by the next")                       \
    X(405, GPU_CHAIN_DATES, "gpu.chain_dates", "every certificate is within its dates")            \
    X(406, GPU_IDENTITY, "gpu.identity",                                                           \
      "every report is by the firmware that its certificate names")                                \
    X(407, GPU_OCSP, "gpu.ocsp", "signed revocation answers for every certificate are there")      \
    X(408, GPU_OCSP_DATES, "gpu.ocsp_dates", "the revocation answers are within their dates")      \
    X(409, GPU_REVOKED, "gpu.revoked", "no certificate is revoked or on hold")                     \
    X(410, GPU_SIGNATURE, "gpu.signature", "every report's signature is right")                    \
    X(411, GPU_NONCE, "gpu.nonce", "every report covers exactly the expected nonce")               \
    X(412, GPU_DISTINCT, "gpu.distinct", "no device is listed twice")                              \
    X(413, GPU_DRIVER, "gpu.driver", "the driver is at least the policy's floor")                  \
    X(414, GPU_VBIOS, "gpu.vbios", "the device's firmware is at least the policy's floor")         \
    X(415, GPU_REFERENCE, "gpu.reference", "the policy has reference values for what runs")        \
    X(416, GPU_MEASUREMENTS, "gpu.measurements", "every measurement equals its reference value")   \
    X(417, GPU_MODE, "gpu.mode", "the confidential-computing mode is the policy's")                \
    X(418, GPU_DEBUG, "gpu.debug", "debugging is off")                                             \
    X(419, GPU_SWITCHES, "gpu.switches", "the GPUs' switches are those that are listed")

enum cloister_check_id {
    CLOISTER_CHECK_NO_ID = 0,
#define CLOISTER_CHECK_ENUM_(number, id, name, title) CLOISTER_CHECK_##id = (number),
    CLOISTER_CHECK_LIST(CLOISTER_CHECK_ENUM_)
#undef CLOISTER_CHECK_ENUM_
};

#endif
