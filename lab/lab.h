/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The laboratory: evidence of machines that don't exist, each case with exactly the defects that its name says and the verdict that every correct
 * verifier must reach. docs/LAB.md is for those who run it; this is for those who add cases.
 *
 * A format is one file, cases_FORMAT.c, with one function that emits its cases: it makes the evidence out of a recipe that is right in
 * every respect, changes one thing, and says what must follow from the standard. What must follow is written by hand, never taken
 * from a verifier.
 *
 * Makers (snp.h, quote.h, tpm.h, event.h, gpu.h, machine.h) are shared with the unit tests. They end the program when something can't
 * be made: LAB_MUST.
 */
#ifndef CLO_LAB_LAB_H
#define CLO_LAB_LAB_H

#include <stdio.h>
#include <stdlib.h>

#include <cloister/verify.h>

#include "attest/bundle.h"

/* Not an assertion that a build could leave out: a laboratory that can't make its evidence says where, and ends (status 1). */
#define LAB_MUST(condition) ((condition) ? (void)0 : lab_cannot(__FILE__, __LINE__, #condition))
_Noreturn static inline void lab_cannot(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "%s:%d: the laboratory can't: %s\n", file, line, what);
    exit(1);
}

#define LAB_NOW  1795000000 /* 2026-11-18 */
#define LAB_DAY  86400
#define LAB_YEAR (365 * LAB_DAY)

enum lab_root_kind {
    LAB_ROOT_MILAN,
    LAB_ROOT_GENOA,
    LAB_ROOT_TURIN,
    LAB_ROOT_INTEL,
    LAB_ROOT_NVIDIA,
    LAB_ROOT_TPM,
};
struct lab_root {
    enum lab_root_kind kind;
    struct clo_buf der;
};
#define LAB_ROOTS_MAX 4

/* One case. Zero it, fill it in, emit it: lab_emit takes over and clears bundle and root. */
struct lab_case {
    /* "snp-debug-on": lower-case words and digits, unique, never reused with another meaning */
    const char *id;
    /* the corpus' chapter: "sev-snp", "sev-snp-azure", "tdx", "tdx-azure", "sgx", "tpm", "nvidia", "evidence" */
    const char *format;
    const char *title; /* one sentence of what is wrong, or that nothing is */
    /* what decides: the standard and its section ("AMD 56860, Guest Policy: bit 19, DEBUG") */
    const char *basis;
    const char *lesson; /* rows of docs/LESSONS.md, "6 45"; NULL: none */
    /*
     * "report", "quote", ...: the defect is one flipped bit, or byte, and cases of this format that fail the same check with the same word
     * differ only in its position. At most three of these.
     */
    const char *flip;

    /* the evidence and what the verifier is told: raw or evidence; created and expires of the bundle don't count */
    struct clo_bundle bundle;
    bool expect_any;    /* raw: the caller wants no data compared */
    int64_t sent_at;    /* evidence with a nonce: when the client sent it */
    const char *policy; /* ' stands for "; NULL: none is given */
    struct lab_root root[LAB_ROOTS_MAX];
    size_t roots;
    int64_t now;

    /*
     * What must come out. outcome: "verified", "refused", "indeterminate", "malformed". fail and missing: names of exactly the checks that fail, or
     * can't be judged, apart by blanks; every other one passes or isn't applicable. not_applicable: NULL, or exactly these.
     */
    const char *outcome, *fail, *missing, *not_applicable;
};

struct lab;
/* Case bytes in: copies into c->bundle and c->root. */
void lab_item(struct lab_case *c, enum cloister_raw_item item, const void *p, size_t n);
void lab_expect(struct lab_case *c, const void *p, size_t n);
void lab_document(struct lab_case *c, const void *json, size_t n, const uint8_t nonce[32],
                  int64_t sent_at);
void lab_root(struct lab_case *c, enum lab_root_kind kind, const void *der, size_t n);
void lab_emit(struct lab *l, struct lab_case *c);

/* One DER certificate behind what is there, as PEM. */
void lab_pem(struct clo_buf *out, const struct clo_buf *der);

/* One a format. */
void lab_cases_snp(struct lab *l);    /* raw SEV-SNP */
void lab_cases_quote(struct lab *l);  /* raw TDX and SGX */
void lab_cases_azure(struct lab *l);  /* raw SEV-SNP and TDX on Azure */
void lab_cases_tpm(struct lab *l);    /* raw TPM quotes */
void lab_cases_nvidia(struct lab *l); /* raw GPUs and switches */
/* Whole evidence: SEV-SNP and simulated, with GPUs and switches; keys, manifest, batch, binding. */
void lab_cases_evidence(struct lab *l);

#endif
