/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of errors as it was promised: numbers and names are never reused or changed, new ones are added
 * at the end. Whoever has to change a line here that exists already is breaking somebody's program.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"

static const struct {
    int number;
    int constant;
    const char *name;
    const char *sentence;
} promised[] = {
    {0, CLOISTER_OK, "ok", "no error"},
    {-1, CLOISTER_E_MEMORY, "memory", "not enough memory"},
    {-2, CLOISTER_E_ARGUMENT, "argument", "the program called itself with a wrong argument"},
    {-3, CLOISTER_E_TRUNCATED, "truncated", "the data ends too early"},
    {-4, CLOISTER_E_TRAILING, "trailing", "there are bytes behind the end of the data"},
    {-5, CLOISTER_E_MALFORMED, "malformed", "the data breaks its format"},
    {-6, CLOISTER_E_LIMIT, "limit", "the data is larger than allowed"},
    {-7, CLOISTER_E_DUPLICATE, "duplicate", "something that must be unique appears twice"},
    {-8, CLOISTER_E_UNKNOWN, "unknown", "the data has an unknown member, version or type"},
    {-9, CLOISTER_E_UNSUPPORTED, "unsupported", "this version of Cloister can't judge or use that"},
    {-10, CLOISTER_E_CRYPTO, "crypto", "the cryptographic library failed"},
    {-11, CLOISTER_E_AUTH, "auth", "authentication or decryption failed"},
    {-12, CLOISTER_E_REFUSED, "refused", "the evidence was refused"},
    {-13, CLOISTER_E_INDETERMINATE, "indeterminate",
     "the evidence can't be judged: something is missing"},
    {-14, CLOISTER_E_STALE, "stale", "the evidence is no longer, or never was, fresh"},
    {-15, CLOISTER_E_STATE, "state", "that makes no sense at this point"},
    {-16, CLOISTER_E_REPLAY, "replay", "this request was used before"},
    {-17, CLOISTER_E_QUOTA, "quota",
     "this API key has used up its requests of the current key period"},
    {-18, CLOISTER_E_FULL, "full", "too much at once; try again later"},
    {-19, CLOISTER_E_CUT, "cut", "the answer was cut off before its end"},
    {-20, CLOISTER_E_IO, "io", "the operating system refused a read or write"},
    {-21, CLOISTER_E_NETWORK, "network", "the server can't be reached or went away"},
    {-22, CLOISTER_E_PROTOCOL, "protocol", "the other side broke the protocol"},
    {-23, CLOISTER_E_CANCELLED, "cancelled", "stopped on request"},
    {-24, CLOISTER_E_NOT_FOUND, "not-found", "no such thing"},
    {-25, CLOISTER_E_CONFIG, "config", "the configuration is wrong"},
    {-26, CLOISTER_E_ENGINE, "engine", "the inference engine failed"},
    {-27, CLOISTER_E_CREDENTIAL, "credential", "the API key was not accepted"},
    {-28, CLOISTER_E_KEYS_CHANGED, "keys-changed", "the server's keys have changed"},
    {-29, CLOISTER_E_PERMISSION, "permission", "the operating system doesn't permit that"},
    {-30, CLOISTER_E_BUSY, "busy", "it is in use or throttled; try again later"},
    {-31, CLOISTER_E_DEVICE, "device", "a device is lost, or was reset"},
    {-32, CLOISTER_E_EXPIRED, "expired", "it is outside its dates"},
    {-33, CLOISTER_E_SHAPE, "shape",
     "the answer breaks the traffic shape that the machine promised"},
};

static void every_number_name_and_sentence_is_as_promised(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(promised); i++) {
        assert_int_equal(promised[i].constant, promised[i].number);
        assert_string_equal(cloister_error_name(promised[i].number), promised[i].name);
        assert_string_equal(cloister_strerror(promised[i].number), promised[i].sentence);
    }
}

static void names_are_unique(void **state)
{
    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(promised); i++) {
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(promised[i].name, promised[k].name);
    }
}

static void numbers_that_are_no_error_have_a_sentence_too(void **state)
{
    static const int foreign[] = {1,     1000,      -(int)CLO_ARRAY_LEN(promised),
                                  -1000, INT32_MIN, INT32_MAX};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(foreign); i++) {
        assert_string_equal(cloister_error_name(foreign[i]), "unknown-error");
        assert_string_equal(cloister_strerror(foreign[i]), "an unknown error");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_name_and_sentence_is_as_promised),
        cmocka_unit_test(names_are_unique),
        cmocka_unit_test(numbers_that_are_no_error_have_a_sentence_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
