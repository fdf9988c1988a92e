/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every check of the verifier: number, id, title. Numbers and ids are never reused; new ones are appended within their
 * hundred. Included by <cloister/verify.h>.
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
    X(145, SNP_GUEST_SVN, "snp.guest_svn", "the guest's security version is high enough")

enum cloister_check_id {
    CLOISTER_CHECK_NO_ID = 0,
#define CLOISTER_CHECK_ENUM_(number, id, name, title) CLOISTER_CHECK_##id = (number),
    CLOISTER_CHECK_LIST(CLOISTER_CHECK_ENUM_)
#undef CLOISTER_CHECK_ENUM_
};

#endif
