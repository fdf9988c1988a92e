/* SPDX-License-Identifier: Apache-2.0 */
/* `cloister evidence`: save a server's evidence, whole, over a fresh nonce, for later judgement. */
#include "client/commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "client/say.h"
#include "platform/file.h"
#include "platform/process.h"

int clo_command_evidence(const struct clo_options *o)
{
    char nonce_text[CLO_B64_LEN(32) + 2] = {0}, *bundle = NULL;
    struct cloister_evidence *e = NULL;
    struct clo_transport *t = NULL;
    struct cloister_nonce nonce = {0};
    struct clo_fault fault = {0};
    int code = CLO_EXIT_ERROR, err;
    size_t n = 0;

    if (o->out == NULL || o->operands > 0) {
        clo_say_problem("say where the evidence goes: --out FILE (- for standard output)");
        goto out;
    }
    if (clo_common_transport(o, &t, &code) != 0)
        goto out;
    if (clo_evidence_fetch(t, &e, &nonce, &fault) != 0) {
        if (fault.step == CLO_STEP_VERDICT)
            clo_say_problem("what %s sent is not evidence: %s", clo_transport_url(t),
                            cloister_strerror(fault.err));
        else
            clo_say_fault(&fault, NULL, clo_transport_url(t));
        code = clo_fault_exit(&fault, NULL);
        goto out;
    }
    clo_b64(nonce.bytes, sizeof(nonce.bytes), nonce_text);
    if ((err = cloister_evidence_save(e, &bundle, &n)) != 0 ||
        (err = clo_file_write(o->out, bundle, n)) != 0) {
        clo_say_file(o->out, "written", err);
        goto out;
    }
    clo_say_note("judge it at any time with `cloister verify --evidence FILE --nonce %s --at %lld`",
                 nonce_text, (long long)clo_clock_now());
    nonce_text[CLO_B64_LEN(32)] = '\n';
    if (o->nonce_out != NULL &&
        (err = clo_file_write(o->nonce_out, nonce_text, strlen(nonce_text))) != 0) {
        clo_say_file(o->nonce_out, "written", err);
        goto out;
    }
    code = CLO_EXIT_OK;
out:
    free(bundle);
    cloister_evidence_free(e);
    clo_transport_free(t);
    return code;
}
