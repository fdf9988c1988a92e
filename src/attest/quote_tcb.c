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
                         unsigned whole, const struct clo_tcb_judged *j, unsigned started,
                         unsigned runs)
{
    const uint8_t *now = q->td.tee_tcb_svn2;
    const struct clo_tdx_module *m;
    unsigned latest;

    if (q->header.body != CLO_QUOTE_BODY_TD15 || j->qe_status != CLO_TCB_UP_TO_DATE ||
        (sgx & NOT_OUT_OF_DATE) == 0 ||
        (whole & (CLO_TCB_OUT_OF_DATE | CLO_TCB_OUT_OF_DATE_CONFIGURATION)) == 0 ||
        started != CLO_TCB_OUT_OF_DATE || runs != CLO_TCB_UP_TO_DATE)
        return whole;
    if ((m = module_find(i, now[1])) == NULL)
        return whole;
    latest = now[1] > 0 ? m->level[0].svn : i->level[0].tdx[0];
    if (now[0] < latest || now[2] < i->level[0].tdx[2])
        return whole;
    return ((sgx | whole) & CONFIGURATION_NEEDED) != 0 ? CLO_TCB_RELAUNCH_ADVISED_CONFIGURATION
                                                       : CLO_TCB_RELAUNCH_ADVISED;
}

/* The status of a module, and the level that it has where it has an identity. */
static unsigned module_status(const struct clo_tcb_info *i, const uint8_t svn[16],
                              const struct clo_svn_level **level)
{
    const struct clo_tdx_module *m = module_find(i, svn[1]);

    *level = NULL;
    if (svn[1] == 0)
        return CLO_TCB_UP_TO_DATE; /* the platform's level covers it */
    if (m != NULL)
        *level = svn_level(m->level, m->levels, svn[0]);
    return *level == NULL ? 0 : (*level)->status & PART_STATUSES;
}

static unsigned worse(unsigned a, unsigned b)
{
    return a == 0 || b == 0 ? 0 : a > b ? a : b;
}

/*
 * The platform's level, and the status of the first that fits but for its TDX part. Of TD 1.5 it has to fit what the TD was started by and
 * what runs now: the later one of two levels.
 */
static unsigned judge_platform(const struct clo_quote *q, const struct clo_pck *pck,
                               const struct clo_tcb_info *info, struct clo_tcb_judged *j)
{
    const struct clo_tcb_level *sgx = NULL;

    for (size_t i = 0; i < info->levels && j->level == NULL; i++) {
        const struct clo_tcb_level *l = &info->level[i];

        if (!sgx_reaches(pck, l))
            continue;
        if (sgx == NULL)
            sgx = l;
        if (!is_tdx(q) ||
            (tdx_reaches(q->td.tee_tcb_svn, l) &&
             (q->header.body != CLO_QUOTE_BODY_TD15 || tdx_reaches(q->td.tee_tcb_svn2, l))))
            j->level = l;
    }
    return sgx == NULL ? 0 : sgx->status;
}

void clo_tcb_judge(const struct clo_quote *q, const struct clo_pck *pck,
                   const struct clo_tcb_info *info, const struct clo_qe_identity *qe,
                   struct clo_tcb_judged *ret)
{
    struct clo_tcb_judged j = {0};
    unsigned sgx, whole, started = 0, runs = 0;

    if (qe != NULL && (j.qe_level = svn_level(qe->level, qe->levels, q->qe.svn)) != NULL)
        j.qe_status = j.qe_level->status & PART_STATUSES;
    if (info != NULL && is_tdx(q)) {
        j.module = module_find(info, q->td.tee_tcb_svn[1]);
        runs = started = module_status(info, q->td.tee_tcb_svn, &j.module_level);
        if (q->header.body == CLO_QUOTE_BODY_TD15)
            runs = module_status(info, q->td.tee_tcb_svn2, &j.running_level);
        j.module_status = worse(started, runs);
    }
    if (info != NULL && pck != NULL) {
        sgx = judge_platform(q, pck, info, &j);
        whole = j.level == NULL ? 0 : j.level->status;
        if (is_tdx(q)) {
            whole = converge(whole, j.module_status);
            whole = relaunch(q, info, sgx, whole, &j, started, runs);
        }
        j.status = converge(whole, j.qe_status);
    }
    *ret = j;
}
