/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole Cloister evidence of machines that don't exist: an SEV-SNP report, GPUs and switches beside it, revocation lists and answers,
 * and the policy that admits exactly this; all under roots made here, so that only an explicit set of roots admits it. For
 * tests, measurements and fuzz seeds. Keys are new in each laboratory; nothing that is made twice by one has other keys.
 */
#ifndef CLO_TESTS_SYNTHETIC_H
#define CLO_TESTS_SYNTHETIC_H

#include <cloister/verify.h>

#include "attest/sections.h"

#define SYNTHETIC_NOW      1795000000 /* 2026-11-18 */
#define SYNTHETIC_GPUS     16         /* devices that exist, on all machines together */
#define SYNTHETIC_SWITCHES 8
#define SYNTHETIC_NONCES   3

/* One thing wrong, with device `at` of the list or with the answers for it. */
enum synthetic_defect {
    SYNTHETIC_SOUND,
    SYNTHETIC_REVOKED,
    SYNTHETIC_ON_HOLD,
    SYNTHETIC_UNKNOWN,    /* the responder doesn't know the device */
    SYNTHETIC_NO_ANSWERS, /* none at all */
    SYNTHETIC_NO_ANSWER,  /* none for this device */
    SYNTHETIC_ANSWER_EXPIRED,
    SYNTHETIC_ANSWER_EARLY,    /* from the future */
    SYNTHETIC_ANSWER_ENDLESS,  /* without nextUpdate */
    SYNTHETIC_ANSWER_OF_OTHER, /* about another device */
    SYNTHETIC_ANSWER_STRANGER, /* signed by somebody else */
    SYNTHETIC_ICA_REVOKED,     /* an authority above the device */
    SYNTHETIC_OTHER_NONCE,
    SYNTHETIC_FLIPPED,        /* a bit of the report, after it was signed */
    SYNTHETIC_OTHER_FIRMWARE, /* a measurement that no reference value has */
    SYNTHETIC_OLD_DRIVER,
    SYNTHETIC_OTHER_MODE,     /* "multi" */
    SYNTHETIC_STRANGERS_ROOT, /* the chain ends in somebody else's root */
    SYNTHETIC_NO_CHAIN,
    SYNTHETIC_TWICE,          /* the device is listed in the next one's place too */
    SYNTHETIC_OTHER_FWID,     /* the report names other firmware than the certificate */
    SYNTHETIC_OTHER_SWITCH,   /* the GPU is connected to a switch that isn't listed */
    SYNTHETIC_MORE_SWITCHES,  /* to one besides those that are listed */
    SYNTHETIC_FEWER_SWITCHES, /* not to the last that is listed */
    SYNTHETIC_LEAF_EXPIRED,
};

struct synthetic_scene {
    /* what it is made of: synthetic_good fills it in, and a test changes it */
    int64_t now;
    struct clo_keys_section keys; /* the list of keys is made from key_seed */
    uint8_t key_seed;
    struct clo_manifest manifest;
    size_t gpus, first_gpu; /* those of the machine */
    size_t switches, first_switch;
    size_t policy_gpus,
        policy_switches; /* what the policy wants: synthetic_good takes as many as there are */
    uint8_t nonce[SYNTHETIC_NONCES][32]; /* the batch */
    struct cloister_nonce ours;          /* the last of them */
    enum synthetic_defect defect;
    size_t at;
    bool delegated; /* answers are signed by a responder that the issuer named */
    int64_t answers_until;
    int64_t crl_until;
    bool image_not_pinned;

    /* what was made */
    struct clo_devices devices;
    struct clo_collateral collateral;
    struct clo_buf sec[CLO_SEC_COUNT];
    struct clo_buf document;
    struct clo_buf policy; /* a text, zero-terminated; the zero isn't counted */
};

/* Vendors and devices: their keys and certificates. */
struct synthetic;
CLO_MUST_USE int synthetic_new(int64_t now, struct synthetic **ret);
void synthetic_free(struct synthetic *y);
/* The vendors' roots, for cloister_roots_free. */
CLO_MUST_USE int synthetic_roots(const struct synthetic *y, struct cloister_roots **ret);
/* Their bytes, borrowed. */
const struct clo_buf *synthetic_amd_root(const struct synthetic *y);
const struct clo_buf *synthetic_nvidia_root(const struct synthetic *y);
/* AMD's certificates, DER, borrowed: 0 the VCEK's, 1 ASK, 2 ARK. */
const struct clo_buf *synthetic_amd(const struct synthetic *y, size_t i);
/* What a machine's own hardware does: a report over these data, signed by its VCEK. */
CLO_MUST_USE int synthetic_report(const struct synthetic *y, const uint8_t data[64],
                                  uint8_t ret[CLO_SNP_REPORT_LEN]);
/* The VCEK's private key, for hardware that is imitated by another process: PKCS #8 in PEM, appended to out. */
CLO_MUST_USE int synthetic_vcek_key(const struct synthetic *y, struct clo_buf *out);
/* And GPU i's, that signs its reports. */
CLO_MUST_USE int synthetic_gpu_key(const struct synthetic *y, size_t i, struct clo_buf *out);

/* A sound machine with so many GPUs and switches, at the laboratory's time. */
void synthetic_good(const struct synthetic *y, size_t gpus, size_t switches,
                    struct synthetic_scene *ret);
/* Everything: sections, document and policy. Clear it also after a failure. */
CLO_MUST_USE int synthetic_make(const struct synthetic *y, struct synthetic_scene *s);
/*
 * Batch, report, cpu section and document anew, over keys, manifest and devices as they stand in s->sec: what a host can have
 * made that has a genuine machine and somebody else's sections.
 */
CLO_MUST_USE int synthetic_bind(const struct synthetic *y, struct synthetic_scene *s);
/* Only the document, of the sections as they stand. */
CLO_MUST_USE int synthetic_document(struct synthetic_scene *s);
void synthetic_clear(struct synthetic_scene *s);

#endif
