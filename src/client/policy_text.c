/* SPDX-License-Identifier: Apache-2.0 */
/* Policies as JSON: see policy_text.h. */
#include "client/policy_text.h"

#include <ctype.h>
#include <stdio.h>

/* Adding to an object takes the value over; whatever failed on the way is remembered. */
static void add(json_t *o, const char *name, json_t *v, int *err)
{
    if (json_object_set_new(o, name, v) != 0)
        *err = CLOISTER_E_MEMORY;
}

static json_t *list_of(const char *text)
{
    return json_pack("[s]", text);
}

static json_t *snp(const struct clo_policy_want *w, int *err)
{
    json_t *o = json_object(), *tcb = json_object(), *product = json_object();
    char name[16] = {0}, firmware[16];
    const char *proper = clo_snp_product_name(w->product);

    for (size_t i = 0; i < sizeof(name) - 1 && proper[i] != '\0'; i++)
        name[i] = (char)tolower((unsigned char)proper[i]);
    (void)snprintf(firmware, sizeof(firmware), "%u.%u.%u", w->firmware.major, w->firmware.minor,
                   w->firmware.build);
    add(tcb, "bl", json_integer(w->tcb.bl), err);
    add(tcb, "tee", json_integer(w->tcb.tee), err);
    add(tcb, "snp", json_integer(w->tcb.snp), err);
    add(tcb, "ucode", json_integer(w->tcb.ucode), err);
    if (w->product == CLO_SNP_TURIN)
        add(tcb, "fmc", json_integer(w->tcb.fmc), err);
    add(product, "min_tcb", tcb, err);
    add(product, "min_firmware", json_string(firmware), err);
    add(o, "products", json_pack("{s:o}", name, product), err);
    if (w->vmpl != 0)
        add(o, "vmpl", json_integer(w->vmpl), err);
    if (w->allow_smt)
        add(o, "allow_smt", json_true(), err);
    if (w->host_data != NULL)
        add(o, "host_data", list_of(w->host_data), err);
    if (w->id_key != NULL)
        add(o, "id_keys", list_of(w->id_key), err);
    if (w->author_key != NULL)
        add(o, "author_keys", list_of(w->author_key), err);
    return o;
}

int clo_policy_text(const struct clo_policy_want *w, json_t **ret)
{
    const bool simulated = w->root != NULL;
    json_t *o = json_object();
    int err = 0;

    add(o, "v", json_integer(1), &err);
    add(o, "name",
        json_string(simulated ? "simulated: protects nothing" : "written by cloister policy init"),
        &err);
    add(o, "tee", list_of(simulated ? "simulated" : "sev-snp"), &err);
    add(o, "measurements", list_of(w->measurement), &err);
    if (simulated)
        add(o, "simulated", json_pack("{s:[s]}", "roots", w->root), &err);
    else
        add(o, "sev_snp", snp(w, &err), &err);
    if (w->no_devices && !simulated)
        add(o, "devices", json_pack("{s:i}", "min", 0), &err);
    if (w->model != NULL)
        add(o, "models", list_of(w->model), &err);
    if (w->allow_unmanaged)
        add(o, "allow_unmanaged", json_true(), &err);
    if (err != 0) {
        json_decref(o);
        return err;
    }
    *ret = o;
    return 0;
}
