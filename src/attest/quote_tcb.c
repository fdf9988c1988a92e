/* SPDX-License-Identifier: Apache-2.0 */
/* Intel's TCB evaluation. Nothing here reads bytes from outside: its inputs were parsed before. */
#include "attest/quote_tcb.h"

#define CONFIGURATION_NEEDED                                          \
    (CLO_TCB_CONFIGURATION | CLO_TCB_CONFIGURATION_AND_SW_HARDENING | \
     CLO_TCB_OUT_OF_DATE_CONFIGURATION | CLO_TCB_RELAUNCH_ADVISED_CONFIGURATION)
#define NOT_OUT_OF_DATE                                                  \
    (CLO_TCB_UP_TO_DATE | CLO_TCB_SW_HARDENING | CLO_TCB_CONFIGURATION | \
     CLO_TCB_CONFIGURATION_AND_SW_HARDENING)
/* What Intel says of a module or an enclave; each is worse than the ones before it. */
#define PART_STATUSES (CLO_TCB_UP_TO_DATE | CLO_TCB_OUT_OF_DATE | CLO_TCB_REVOKED)

const char *clo_tcb_status_name(unsigned status)
{
    switch (status) {
    case CLO_TCB_UP_TO_DATE: return "UpToDate";
    case CLO_TCB_SW_HARDENING: return "SWHardeningNeeded";
    case CLO_TCB_CONFIGURATION: return "ConfigurationNeeded";
    case CLO_TCB_CONFIGURATION_AND_SW_HARDENING: return "ConfigurationAndSWHardeningNeeded";
    case CLO_TCB_OUT_OF_DATE: return "OutOfDate";
    case CLO_TCB_OUT_OF_DATE_CONFIGURATION: return "OutOfDateConfigurationNeeded";
    case CLO_TCB_RELAUNCH_ADVISED: return "TDRelaunchAdvised";
    case CLO_TCB_RELAUNCH_ADVISED_CONFIGURATION: return "TDRelaunchAdvisedConfigurationNeeded";
    case CLO_TCB_REVOKED: return "Revoked";
    default: return "unknown";
    }
}

static bool is_tdx(const struct clo_quote *q)
{
    return q->header.body != CLO_QUOTE_BODY_SGX;
}

/* Is every component from `first` on at least the level's? */
static bool reaches(const uint8_t have[16], const uint8_t level[16], size_t first)
{
    for (size_t i = first; i < 16; i++)
        if (have[i] < level[i])
            return false;
    return true;
}

static bool sgx_reaches(const struct clo_pck *p, const struct clo_tcb_level *l)
{
    return reaches(p->component, l->sgx, 0) && p->pcesvn >= l->pcesvn;
}

/* Where the module has an identity of its own, the first two bytes are its version and SVN, and are judged there. */
static bool tdx_reaches(const uint8_t svn[16], const struct clo_tcb_level *l)
{
    return reaches(svn, l->tdx, svn[1] > 0 ? 2 : 0);
}

static const struct clo_svn_level *svn_level(const struct clo_svn_level *l, size_t n, unsigned svn)
{
    for (size_t i = 0; i < n; i++)
        if (svn >= l[i].svn)
            return &l[i];
    return NULL;
}

static const struct clo_tdx_module *module_find(const struct clo_tcb_info *i, unsigned version)
{
    if (version == 0)
        return &i->module;
    for (size_t k = 0; k < i->identities; k++)
        if (i->identity[k].version == version)
            return &i->identity[k];
    return NULL;
}

/* What an out-of-date or revoked part makes of the whole. */
static unsigned converge(unsigned whole, unsigned part)
{
    if (part == CLO_TCB_REVOKED || part == 0 || whole == 0)
        return whole == 0 ? 0 : part;
    if (part == CLO_TCB_UP_TO_DATE)
        return whole;
    if (whole == CLO_TCB_UP_TO_DATE || whole == CLO_TCB_SW_HARDENING)
        return CLO_TCB_OUT_OF_DATE;
    if (whole == CLO_TCB_CONFIGURATION || whole == CLO_TCB_CONFIGURATION_AND_SW_HARDENING)
        return CLO_TCB_OUT_OF_DATE_CONFIGURATION;
    return whole;
}

/*
 * TD 1.5: the TD was started by a module that is out of date, and a newer one runs now (tee_tcb_svn2). If that one is the latest,
 * starting the TD anew is all that is missing. `sgx` is the status of the first level that fits but for its TDX part.
 */
static unsigned relaunch(const struct clo_quote *q, const struct clo_tcb_info *i, unsigned sgx,
                         const struct clo_tcb_part *started, const struct clo_tcb_part *running)
{
    const uint8_t *now = q->td.tee_tcb_svn2;
    const struct clo_tdx_module *m = module_find(i, now[1]);
    unsigned latest;

    if (m == NULL || (sgx & NOT_OUT_OF_DATE) == 0 ||
        (started->status & (CLO_TCB_OUT_OF_DATE | CLO_TCB_OUT_OF_DATE_CONFIGURATION)) == 0 ||
        started->module_status != CLO_TCB_OUT_OF_DATE || (running->status & NOT_OUT_OF_DATE) == 0)
        return 0;
    latest = now[1] > 0 ? m->level[0].svn : i->level[0].tdx[0];
    if (now[0] < latest || now[2] < i->level[0].tdx[2])
        return 0;
    return ((sgx | started->status) & CONFIGURATION_NEEDED) != 0
               ? CLO_TCB_RELAUNCH_ADVISED_CONFIGURATION
               : CLO_TCB_RELAUNCH_ADVISED;
}

/* Intel's statuses, and the parts' among them, are numbered so that a greater one is worse. */
static unsigned worse(unsigned a, unsigned b)
{
    return a == 0 || b == 0 ? 0 : a > b ? a : b;
}

static void judge_module(const struct clo_tcb_info *i, const uint8_t svn[16],
                         struct clo_tcb_part *part)
{
    const struct clo_tdx_module *m = module_find(i, svn[1]);

    if (svn[1] == 0) {
        part->module_status = CLO_TCB_UP_TO_DATE; /* the platform's level covers it */
        return;
    }
    if (m != NULL)
        part->module_level = svn_level(m->level, m->levels, svn[0]);
    if (part->module_level != NULL)
        part->module_status = part->module_level->status & PART_STATUSES;
}

/* The platform's level with these TDX components (NULL: an enclave's), and what the module makes of it. */
static void judge_part(const struct clo_pck *pck, const struct clo_tcb_info *info,
                       const uint8_t *svn, struct clo_tcb_part *part)
{
    if (svn != NULL)
        judge_module(info, svn, part);
    for (size_t i = 0; pck != NULL && i < info->levels && part->level == NULL; i++)
        if (sgx_reaches(pck, &info->level[i]) && (svn == NULL || tdx_reaches(svn, &info->level[i])))
            part->level = &info->level[i];
    if (part->level != NULL)
        part->status = part->level->status;
    if (svn != NULL)
        part->status = converge(part->status, part->module_status);
}

static unsigned judge_td(const struct clo_quote *q, const struct clo_pck *pck,
                         const struct clo_tcb_info *info, struct clo_tcb_judged *j)
{
    struct clo_tcb_part sgx = {0};
    unsigned advised = 0;

    j->module = module_find(info, q->td.tee_tcb_svn[1]);
    judge_part(pck, info, q->td.tee_tcb_svn, &j->started);
    j->module_status = j->started.module_status;
    if (q->header.body != CLO_QUOTE_BODY_TD15)
        return j->started.status;
    judge_part(pck, info, q->td.tee_tcb_svn2, &j->running);
    judge_part(pck, info, NULL, &sgx);
    if (j->qe_status == CLO_TCB_UP_TO_DATE)
        advised = relaunch(q, info, sgx.status, &j->started, &j->running);
    j->module_status = advised != 0 ? advised
                                    : worse(j->started.module_status, j->running.module_status);
    return advised != 0 ? advised : worse(j->started.status, j->running.status);
}

void clo_tcb_judge(const struct clo_quote *q, const struct clo_pck *pck,
                   const struct clo_tcb_info *info, const struct clo_qe_identity *qe,
                   struct clo_tcb_judged *ret)
{
    struct clo_tcb_judged j = {0};

    if (qe != NULL && (j.qe_level = svn_level(qe->level, qe->levels, q->qe.svn)) != NULL)
        j.qe_status = j.qe_level->status & PART_STATUSES;
    if (info != NULL && is_tdx(q))
        j.status = judge_td(q, pck, info, &j);
    else if (info != NULL) {
        judge_part(pck, info, NULL, &j.started);
        j.status = j.started.status;
    }
    j.status = converge(j.status, j.qe_status);
    *ret = j;
}
