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
    char nonce_text[CLO_B64_LEN(32) + 2] = {0};
    struct clo_live live = {0};
    int code = CLO_EXIT_ERROR, err;

    if (o->out == NULL || o->operands > 0) {
        clo_say_problem("say where the evidence goes: --out FILE (- for standard output)");
        goto out;
    }
    if (clo_common_fetch(o, &live, &code) != 0)
        goto out;
    code = CLO_EXIT_ERROR;
    clo_b64(live.nonce.bytes, sizeof(live.nonce.bytes), nonce_text);
    if ((err = clo_file_write(o->out, live.json.p, live.json.len)) != 0) {
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
    clo_buf_clear(&live.json);
    return code;
}
