/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of policies share: a policy in single quotes, read or refused. After cmocka.h. */
#ifndef POLICY_TRY_H
#define POLICY_TRY_H

#include <stdio.h>
#include <string.h>

#include "attest/policy.h"

static char text[65536];

/* ' stands for ". */
static inline const char *quoted(const char *s)
{
    (void)snprintf(text, sizeof text, "%s", s);
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\'')
            *c = '"';
    return text;
}

static inline struct cloister_policy *parsed(const char *s)
{
    struct cloister_policy *p = NULL;
    char why[200];

    (void)quoted(s);
    if (cloister_policy_check(text, strlen(text), why, sizeof why) != 0)
        fail_msg("%s", why);
    assert_int_equal(cloister_policy_parse(text, strlen(text), &p), 0);
    return p;
}

/* Refused, and the sentence is this one. */
static inline void refused(const char *s, const char *want)
{
    struct cloister_policy *p = NULL;
    char why[200];

    (void)quoted(s);
    assert_int_not_equal(cloister_policy_parse(text, strlen(text), &p), 0);
    assert_null(p);
    assert_int_not_equal(cloister_policy_check(text, strlen(text), why, sizeof why), 0);
    assert_string_equal(why, want);
}

#endif
