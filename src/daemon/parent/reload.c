/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGHUP: the configuration file is read again, with the same command line on top, and the key store. What can change while requests
 * run does; what can't is named. Everything is read and judged before anything changes, so that a slip of the pen in a file leaves
 * a daemon that runs on as it was.
 */
#include <stdio.h>

#include "daemon/parent/parent.h"
#include "platform/process.h"

/* A store without keys that hold is one that nobody may use, as after the last one was revoked or has expired. */
void clo_parent_say_if_no_keys(const struct clo_parent *p)
{
    const int64_t now = clo_clock_now();

    if (p->cfg.api_keys[0] == 0)
        return;
    for (uint32_t i = 0; i < p->keys.count; i++)
        if (p->keys.at[i].terms.expires == 0 || p->keys.at[i].terms.expires > now)
            return;
    clo_parent_say(
        p->keys.count == 0
            ? "the key store holds no key: nobody is served until `cloisterd key add` makes one"
            : "all keys in the key store have expired: nobody is served until `cloisterd key add` makes one");
}

static int read_again(struct clo_parent *p, struct clo_config *ret, struct clo_keys *ret_keys,
                      char *names, size_t names_cap, struct clo_problem *problem)
{
    static struct clo_config next;
    enum clo_config_want want = CLO_WANT_RUN;
    int err;

    if ((err = clo_config_read(p->argc, p->argv, &next, &want, problem)) != 0 ||
        (err = clo_config_merge(&p->cfg, &next, ret, names, names_cap, problem)) != 0)
        return err;
    return ret->api_keys[0] == 0 ? 0 : clo_keys_load(ret->api_keys, ret_keys, problem);
}

static void tell_children(struct clo_parent *p)
{
    const uint8_t level = (uint8_t)p->cfg.log_level;

    clo_log_level(p->cfg.log_level);
    for (enum clo_role r = CLO_ROLE_GATEWAY; r < CLO_ROLE_COUNT; r++)
        if (p->child[r].state != CLO_CHILD_ABSENT)
            (void)clo_child_send(p, r, CLO_MSG_LOG_LEVEL, 0, &level, 1, -1);
    if (p->child[CLO_ROLE_GATEWAY].state == CLO_CHILD_ABSENT)
        return; /* its successor starts with all this */
    /* A gateway that can't be given what holds now must not go on with what held before. */
    if (clo_parent_send_limits(p) != 0 || clo_parent_send_credentials(p) != 0)
        clo_child_kill(p, CLO_ROLE_GATEWAY);
}

void clo_parent_reload(struct clo_parent *p)
{
    static struct clo_config cfg;
    struct clo_problem problem = {0};
    struct clo_keys keys = {0};
    char names[512], sentence[sizeof names + 64];

    if (p->ever_ready)
        clo_notify_reloading(&p->notify);
    if (read_again(p, &cfg, &keys, names, sizeof names, &problem) != 0) {
        clo_parent_say(problem.text);
        clo_parent_say(
            "nothing was reloaded: the configuration and the API keys stay as they were");
    } else {
        p->cfg = cfg;
        clo_keys_clear(&p->keys);
        p->keys = keys;
        if (names[0] != 0) {
            snprintf(sentence, sizeof sentence,
                     "restart cloisterd for what can't change while it runs: %s", names);
            clo_parent_say(sentence);
        }
        clo_parent_say_if_no_keys(p);
        tell_children(p);
        clo_log("parent", CLO_EV_RELOAD, p->keys.count, 0, 0, 0);
    }
    if (p->ever_ready)
        clo_notify_send(&p->notify, "READY=1");
}
