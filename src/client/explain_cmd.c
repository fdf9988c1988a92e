/* SPDX-License-Identifier: Apache-2.0 */
/* placeholder */
#include "client/commands.h"

#include "client/say.h"

int clo_command_explain(const struct clo_options *o)
{
    (void)o;
    clo_say_problem("not yet");
    return CLO_EXIT_ERROR;
}
