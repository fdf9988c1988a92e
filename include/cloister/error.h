/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors. Every fallible function of Cloister returns 0 or one of these negative values; the
 * numbers are part of the contract and are never reused (tests/unit/test_error.c holds the list).
 */
#ifndef CLOISTER_ERROR_H
#define CLOISTER_ERROR_H

#if defined(__GNUC__)
#define CLOISTER_MUST_USE __attribute__((warn_unused_result))
#define CLOISTER_API      __attribute__((visibility("default")))
#else
#define CLOISTER_MUST_USE
#define CLOISTER_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

enum cloister_error {
    CLOISTER_OK = 0,
    CLOISTER_E_MEMORY = -1,      /* allocation failed */
    CLOISTER_E_ARGUMENT = -2,    /* the caller broke the contract */
    CLOISTER_E_TRUNCATED = -3,   /* input ends before the structure does */
    CLOISTER_E_TRAILING = -4,    /* bytes after the end of the structure */
    CLOISTER_E_MALFORMED = -5,   /* input breaks its format */
    CLOISTER_E_LIMIT = -6,       /* input is larger than the documented cap */
    CLOISTER_E_DUPLICATE = -7,   /* a member that must be unique appears twice */
    CLOISTER_E_UNKNOWN = -8,     /* an unknown member, version or type */
    CLOISTER_E_UNSUPPORTED = -9, /* well-formed, but this build can't judge or use it */
    CLOISTER_E_CRYPTO = -10,     /* the crypto library failed (not a verification result) */
    CLOISTER_E_AUTH = -11,       /* authentication or decryption failed */
    CLOISTER_E_REFUSED = -12,    /* appraisal ended with a failed check: the verdict says which */
    CLOISTER_E_INDETERMINATE = -13, /* appraisal lacks something that it needs */
    CLOISTER_E_STALE = -14,         /* the verdict is past its valid_until, or has no freshness */
    CLOISTER_E_STATE = -15,         /* the call makes no sense in this state */
    CLOISTER_E_REPLAY = -16,        /* this encapsulated key was used before */
    CLOISTER_E_QUOTA = -17,         /* the credential's quota of this epoch is used up */
    CLOISTER_E_FULL = -18,          /* a bounded table or queue is full; try again later */
    CLOISTER_E_CUT = -19,           /* the answer ended before its authenticated end */
    CLOISTER_E_IO = -20,            /* an operating system call failed */
    CLOISTER_E_NETWORK = -21,       /* the peer can't be reached or went away */
    CLOISTER_E_PROTOCOL = -22,      /* the peer broke the protocol */
    CLOISTER_E_CANCELLED = -23,     /* the user or the caller stopped it */
    CLOISTER_E_NOT_FOUND = -24,     /* no such thing */
    CLOISTER_E_CONFIG = -25,        /* the configuration is wrong */
    CLOISTER_E_ENGINE = -26,        /* the inference engine failed or refused */
    CLOISTER_E_CREDENTIAL = -27,    /* the API key was not accepted */
    CLOISTER_E_KEYS_CHANGED = -28,  /* the server no longer has the key: fetch evidence again */
    CLOISTER_E_PERMISSION = -29,    /* the operating system doesn't let this process */
    CLOISTER_E_BUSY = -30,    /* a device or service is in use or throttles; try again later */
    CLOISTER_E_DEVICE = -31,  /* a device is lost, was reset, or needs a reset */
    CLOISTER_E_EXPIRED = -32, /* outside its dates */
    CLOISTER_E_SHAPE = -33,   /* an answer breaks the traffic shape that the machine promised */
};

/* One sentence for people, static, without a final stop. Unknown values get a sentence as well. */
CLOISTER_API const char *cloister_strerror(int err);

/* The constant's name without its prefix in lower case ("truncated"), static; for machines. */
CLOISTER_API const char *cloister_error_name(int err);

#ifdef __cplusplus
}
#endif
#endif
