/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of errors: number, name for machines, sentence for people. */
#include "base/base.h"

static const struct {
    const char *name;
    const char *text;
} errors[] = {
    [-CLOISTER_OK] = {"ok", "no error"},
    [-CLOISTER_E_MEMORY] = {"memory", "not enough memory"},
    [-CLOISTER_E_ARGUMENT] = {"argument", "the program called itself with a wrong argument"},
    [-CLOISTER_E_TRUNCATED] = {"truncated", "the data ends too early"},
    [-CLOISTER_E_TRAILING] = {"trailing", "there are bytes behind the end of the data"},
    [-CLOISTER_E_MALFORMED] = {"malformed", "the data breaks its format"},
    [-CLOISTER_E_LIMIT] = {"limit", "the data is larger than allowed"},
    [-CLOISTER_E_DUPLICATE] = {"duplicate", "something that must be unique appears twice"},
    [-CLOISTER_E_UNKNOWN] = {"unknown", "the data has an unknown member, version or type"},
    [-CLOISTER_E_UNSUPPORTED] = {"unsupported", "this version of Cloister can't judge or use that"},
    [-CLOISTER_E_CRYPTO] = {"crypto", "the cryptographic library failed"},
    [-CLOISTER_E_AUTH] = {"auth", "authentication or decryption failed"},
    [-CLOISTER_E_REFUSED] = {"refused", "the evidence was refused"},
    [-CLOISTER_E_INDETERMINATE] = {"indeterminate",
                                   "the evidence can't be judged: something is missing"},
    [-CLOISTER_E_STALE] = {"stale", "the evidence is no longer, or never was, fresh"},
    [-CLOISTER_E_STATE] = {"state", "that makes no sense at this point"},
    [-CLOISTER_E_REPLAY] = {"replay", "this request was used before"},
    [-CLOISTER_E_QUOTA] = {"quota",
                           "this API key has used up its requests of the current key period"},
    [-CLOISTER_E_FULL] = {"full", "too much at once; try again later"},
    [-CLOISTER_E_CUT] = {"cut", "the answer was cut off before its end"},
    [-CLOISTER_E_IO] = {"io", "the operating system refused a read or write"},
    [-CLOISTER_E_NETWORK] = {"network", "the server can't be reached or went away"},
    [-CLOISTER_E_PROTOCOL] = {"protocol", "the other side broke the protocol"},
    [-CLOISTER_E_CANCELLED] = {"cancelled", "stopped on request"},
    [-CLOISTER_E_NOT_FOUND] = {"not-found", "no such thing"},
    [-CLOISTER_E_CONFIG] = {"config", "the configuration is wrong"},
    [-CLOISTER_E_ENGINE] = {"engine", "the inference engine failed"},
    [-CLOISTER_E_CREDENTIAL] = {"credential", "the API key was not accepted"},
    [-CLOISTER_E_KEYS_CHANGED] = {"keys-changed", "the server's keys have changed"},
    [-CLOISTER_E_PERMISSION] = {"permission", "the operating system doesn't permit that"},
    [-CLOISTER_E_BUSY] = {"busy", "it is in use or throttled; try again later"},
    [-CLOISTER_E_DEVICE] = {"device", "a device is lost, or was reset"},
    [-CLOISTER_E_EXPIRED] = {"expired", "it is outside its dates"},
    [-CLOISTER_E_SHAPE] = {"shape",
                           "the answer breaks the traffic shape that the machine promised"},
};

static bool known(int err)
{
    return err <= 0 && err > -(int)CLO_ARRAY_LEN(errors);
}

const char *cloister_strerror(int err)
{
    return known(err) ? errors[-err].text : "an unknown error";
}

const char *cloister_error_name(int err)
{
    return known(err) ? errors[-err].name : "unknown-error";
}
