/* SPDX-License-Identifier: Apache-2.0 */
/* What the attester has for people: each is one sentence. Public words and numbers only. */
#include <stdio.h>
#include <string.h>

#include <cloister/verify.h>

#include "daemon/parent/parent.h"

static void say_missing(const struct clo_found *f, uint8_t tee)
{
    char sentence[1024], tried[256];

    clo_sources_list(f, 0, tried, sizeof tried);
    if (tee == CLO_TEE_AUTO)
        snprintf(
            sentence, sizeof sentence,
            "this machine shows no confidential VM (looked for %s): run it in one, load its driver (modprobe sev-guest or "
            "tdx-guest), or choose --tee simulated, which protects nothing",
            tried);
    else
        snprintf(
            sentence, sizeof sentence,
            "this machine gives no evidence of %s (looked for %s): run it in such a VM, load its driver, or let --tee auto find "
            "what there is",
            clo_tee_name(tee), tried);
    clo_parent_say(sentence);
}

static void say_refused(const struct clo_found *f)
{
    char sentence[512], tried[256];

    clo_sources_list(f, CLOISTER_E_PERMISSION, tried, sizeof tried);
    snprintf(
        sentence, sizeof sentence,
        "the operating system doesn't let this user take reports from %s: run cloisterd as root, or give it the right to write there",
        tried);
    clo_parent_say(sentence);
}

static void say_found(const struct clo_found *f)
{
    char sentence[256], gpus[64] = "";

    if (f->gpus_error == 0)
        snprintf(gpus, sizeof gpus, ", of %u GPU%s from NVIDIA's driver", f->gpus,
                 f->gpus == 1 ? "" : "s");
    snprintf(sentence, sizeof sentence, "evidence of %s comes from %s%s", clo_tee_name(f->tee),
             clo_source_name((enum clo_source)f->source), gpus);
    clo_parent_say(sentence);
}

static void say_gpus(const struct clo_found *f)
{
    clo_parent_say(
        f->gpus_error == CLOISTER_E_PERMISSION
            ? "the operating system doesn't let this user ask NVIDIA's driver: give it /dev/nvidia*, or choose --gpus none, if nothing private "
              "gets to the GPUs"
            : "there are GPUs whose driver can't attest them: install one that can, or choose --gpus none, if nothing private gets to the GPUs");
}

int clo_parent_found(struct clo_parent *p, const struct clo_ipc_msg *m)
{
    struct clo_found f = {0};
    int err;

    if ((err = clo_found_read(m->payload, m->n, &f)) != 0)
        return err;
    if (f.error == 0 && (f.tee == CLO_TEE_SIMULATED) != (p->cfg.tee == CLO_TEE_SIMULATED))
        return CLOISTER_E_PROTOCOL;
    if (f.error == CLOISTER_E_NOT_FOUND || f.error == CLOISTER_E_UNSUPPORTED)
        say_missing(&f, (uint8_t)p->cfg.tee);
    else if (f.error == CLOISTER_E_PERMISSION)
        say_refused(&f);
    else if (f.gpus_error == CLOISTER_E_PERMISSION || f.gpus_error == CLOISTER_E_UNSUPPORTED ||
             f.gpus_error == CLOISTER_E_LIMIT)
        say_gpus(&f);
    else if (f.error == 0 && f.tee != CLO_TEE_SIMULATED && !p->said_found)
        say_found(&f);
    p->gpus = f.error == 0 && f.gpus_error == 0;
    p->said_found |= f.error == 0;
    p->said_unfit = true; /* if it is */
    return 0;
}

/* ---- waiting ---- */

static const char *fault_text(uint32_t fault)
{
    static const char *const text[CLO_DEVICES_FAULTS] = {
        [CLO_DEVICES_GONE] = "a GPU is lost, or needs a reset",
        [CLO_DEVICES_RESET] = "a GPU was reset, or no longer accepts work",
        [CLO_DEVICES_OTHER] = "there are other GPUs than before",
        [CLO_DEVICES_CC_OFF] = "the GPUs' confidential computing mode is off",
        [CLO_DEVICES_DEVTOOLS] =
            "a GPU is in developer tools mode, in which its memory can be read",
        [CLO_DEVICES_SIMULATED] = "the GPUs' environment isn't a production one",
        [CLO_DEVICES_SILENT] = "the GPUs' driver gives no answer",
    };

    return fault < CLO_DEVICES_FAULTS && text[fault] != NULL ? text[fault]
                                                             : "the GPUs can't be vouched for";
}

static const char *service_text(const struct clo_waiting *w, char *ret, size_t cap)
{
    if (w->error == CLOISTER_E_MALFORMED)
        return "what came isn't one";
    if (w->error == CLOISTER_E_EXPIRED)
        return "what came is outside its dates";
    if (w->detail != 0)
        snprintf(ret, cap, "the service answered %u", w->detail);
    else if (w->error == CLOISTER_E_NETWORK)
        return "the service can't be reached";
    else if (w->error == CLOISTER_E_BUSY)
        return "the service may not be asked again so soon";
    else if (w->error == CLOISTER_E_NOT_FOUND)
        return "it isn't in the cache, and no service may be asked for it";
    else
        return cloister_strerror(w->error);
    return ret;
}

/* What the file with this name holds. */
static const char *collateral_text(const char *name)
{
    static const struct {
        const char *start, *text;
    } kind[] = {
        {"amd-vcek-chain-", "AMD's certificates of its processors' issuer"},
        {"amd-vlek-chain-", "AMD's certificates of its providers' issuer"},
        {"amd-vcek-crl-", "AMD's list of revoked certificates"},
        {"amd-vlek-crl-", "AMD's list of revoked certificates"},
        {"amd-vcek-", "AMD's certificate of this processor and its firmware"},
        {"intel-tcb-", "Intel's statement about this platform's firmware"},
        {"intel-qe-identity-", "Intel's statement about its quoting enclave"},
        {"intel-", "Intel's list of revoked certificates"},
        {"nvidia-ocsp-", "NVIDIA's answer whether a GPU's certificate is revoked"},
        {"azure-td-quote-", "the quote that Azure's instance service makes of a report"},
    };

    for (size_t i = 0; i < CLO_ARRAY_LEN(kind); i++)
        if (strncmp(name, kind[i].start, strlen(kind[i].start)) == 0)
            return kind[i].text;
    return name;
}

static void say_collateral(const struct clo_parent *p, const struct clo_waiting *w)
{
    const bool is_file = p->cfg.fetch.cache[0] != 0 &&
                         strncmp(w->name, "azure-", 6) != 0; /* each is used once */
    char sentence[2 * CLO_STR_MAX], why[64], again[64] = "",
                                             file[CLO_STR_MAX + CLO_WANT_NAME_MAX + 64] = "";

    if (w->again_s > 0)
        snprintf(again, sizeof again, " in %u s", w->again_s);
    if (is_file)
        snprintf(file, sizeof file, "put it there by hand as %s/%s, or wait: ", p->cfg.fetch.cache,
                 w->name);
    snprintf(sentence, sizeof sentence, "no evidence without %s (%s): %sit is tried again%s",
             collateral_text(w->name), service_text(w, why, sizeof why), file, again);
    clo_parent_say(sentence);
}

int clo_parent_waiting(struct clo_parent *p, const struct clo_ipc_msg *m)
{
    struct clo_waiting w = {0};
    const char *check;
    char sentence[512];
    int err;

    if ((err = clo_waiting_read(m->payload, m->n, &w)) != 0)
        return err;
    if (w.what == p->waiting.what && w.error == p->waiting.error && w.detail == p->waiting.detail &&
        strcmp(w.name, p->waiting.name) == 0)
        return 0; /* it was said of the attester before this one */
    p->waiting = w;
    switch (w.what) {
    case CLO_WAIT_COLLATERAL: say_collateral(p, &w); return 0;
    case CLO_WAIT_REPORT:
        snprintf(sentence, sizeof sentence,
                 "no evidence without a report, which is tried again: %s",
                 cloister_strerror(w.error));
        break;
    case CLO_WAIT_DEVICES:
        snprintf(sentence, sizeof sentence, "no evidence as things are: %s", fault_text(w.detail));
        break;
    default:
        check = cloister_check_title((enum cloister_check_id)w.detail);
        snprintf(
            sentence, sizeof sentence,
            "no client would take this machine's evidence, so none is given, and it is tried again: the check \"%s\" fails",
            check != NULL ? check : "unknown");
    }
    clo_parent_say(sentence);
    return 0;
}

/* ---- GPUs that were lost ---- */

/*
 * What was said of these GPUs doesn't hold any more, and text may be in their memory. The keeper destroys the keys that evidence bound to
 * them; the engine that used them ends; the attester, which has forgotten the keys and ends by itself, is started over, and the engine once
 * it has vouched for the GPUs again.
 */
void clo_parent_retire_keys(struct clo_parent *p, uint32_t fault)
{
    char sentence[256];

    snprintf(sentence, sizeof sentence, "keys retired, and the engine started again: %s",
             fault_text(fault));
    clo_parent_say(sentence);
    (void)clo_child_send(p, CLO_ROLE_KEEPER, CLO_MSG_RESET, 0, NULL, 0, -1);
    p->keeper_reset[0] = 0;
    p->up = false;
    clo_child_kill(p, CLO_ROLE_ENGINE);
}

int clo_parent_devices_lost(struct clo_parent *p, const struct clo_ipc_msg *m)
{
    if (m->payload[0] == 0 || m->payload[0] >= CLO_DEVICES_FAULTS)
        return CLOISTER_E_PROTOCOL;
    p->child[CLO_ROLE_ATTESTER].state = CLO_CHILD_STARTING; /* until it has ended, it is nobody */
    clo_parent_retire_keys(p, m->payload[0]);
    return 0;
}
