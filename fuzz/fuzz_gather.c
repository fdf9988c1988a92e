/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gathering: four bytes of length and a cpu section, four and a devices section (each may be missing: length 0), then answers: one byte that says
 * which of the wants it is for, four of length and its body, four and its chain. What the host, the vendors' services and whoever is between say is in
 * here, all of it at once.
 */
#include <string.h>

#include "attest/gather.h"
#include "fuzz.h"

#define NOW     1795000000
#define ANSWERS 64

static const uint8_t expected[64] = {0xa0};

static bool piece(struct clo_rd *rd, struct clo_rd *ret)
{
    const uint8_t *p = NULL;
    uint32_t n = 0;

    if (clo_rd_u32be(rd, &n) != 0 || clo_rd_view(rd, n, &p) != 0)
        return false;
    *ret = clo_rd_init(p, n);
    return true;
}

static bool ours(int err)
{
    return err == CLOISTER_E_MEMORY || err == CLOISTER_E_CRYPTO;
}

static void section_digest(const struct clo_cpu_section *c, uint8_t ret[CLO_SHA256_LEN])
{
    struct clo_slice in[3 + CLO_CHAIN_MAX] = {{c->report, sizeof c->report},
                                              {&c->chain_n, sizeof c->chain_n},
                                              {c->quote.p, c->quote.len}};

    for (size_t i = 0; i < CLO_CHAIN_MAX; i++)
        in[3 + i] = (struct clo_slice){c->chain[i].p, c->chain[i].len};
    FUZZ_CHECK(clo_hash(CLO_SHA256, in, CLO_ARRAY_LEN(in), ret) == 0);
}

/* Two wants as they are asked for. */
static bool same_bytes(const struct clo_want *a, const struct clo_want *b)
{
    uint8_t p[2][2 * CLO_WANT_REQUEST_MAX];
    struct clo_wr wr[2] = {clo_wr_init(p[0], sizeof p[0]), clo_wr_init(p[1], sizeof p[1])};

    return clo_want_write(a, &wr[0]) == 0 && clo_want_write(b, &wr[1]) == 0 &&
           wr[0].len == wr[1].len && memcmp(p[0], p[1], wr[0].len) == 0;
}

static bool wanted(const struct clo_cpu_section *cpu, const struct clo_devices *devices,
                   struct clo_wants *l)
{
    struct clo_wants again = {0};
    const int err = clo_wants_of(cpu, devices, l);

    FUZZ_CHECK(err == 0 || err == CLOISTER_E_MALFORMED || err == CLOISTER_E_NOT_FOUND ||
               err == CLOISTER_E_UNSUPPORTED || err == CLOISTER_E_LIMIT || ours(err));
    FUZZ_CHECK(clo_wants_of(cpu, devices, &again) == err || ours(err));
    FUZZ_CHECK(again.count == l->count && l->count <= CLO_WANTS_MAX && (err == 0 || l->count == 0));
    for (size_t i = 0; i < l->count; i++) {
        const struct clo_want *w = &l->want[i];

        for (size_t j = 0; j < l->count; j++) /* each once */
            FUZZ_CHECK(clo_want_same(w, &again.want[j]) == (i == j) &&
                       same_bytes(w, &again.want[j]) == (i == j));
        FUZZ_CHECK(w->kind >= CLO_WANT_AMD_VCEK && w->kind < CLO_WANT_KINDS);
        FUZZ_CHECK(w->hwid_n <= sizeof w->hwid && w->request_n <= sizeof w->request);
        FUZZ_CHECK((w->kind == CLO_WANT_AMD_VCEK) == (w->hwid_n == 8 || w->hwid_n == 64));
    }
    clo_wants_clear(&again);
    return err == 0;
}

static void take(struct clo_gathered *g, const struct clo_want *w, const struct clo_answer *a)
{
    const bool had = clo_gathered_has(g, w, NOW);
    int64_t until = 7, renew = 7;
    const int err = clo_gathered_put(g, w, a, NOW, &until, &renew);

    FUZZ_CHECK(err == 0 || err == CLOISTER_E_MALFORMED || err == CLOISTER_E_EXPIRED ||
               err == CLOISTER_E_STATE || ours(err));
    if (err != 0) {
        FUZZ_CHECK(until == 7 && renew == 7 && clo_gathered_has(g, w, NOW) == had);
        return;
    }
    FUZZ_CHECK(NOW < until && NOW <= renew && renew <= until);
    FUZZ_CHECK(clo_gathered_has(g, w, NOW) && clo_gathered_has(g, w, until - 1));
    if (until != INT64_MAX)
        FUZZ_CHECK(!clo_gathered_has(g, w, until) || w->kind == CLO_WANT_AMD_CHAIN);
    FUZZ_CHECK(clo_gathered_put(g, w, a, NOW, &until, &renew) == 0);
}

/* Nothing that isn't the vendors' own passes under their roots. */
static void appraise(const struct clo_cpu_section *cpu, const struct clo_devices *devices,
                     const struct clo_collateral *made)
{
    const struct clo_self self = {.cpu = cpu,
                                  .report_data = expected,
                                  .devices = devices,
                                  .nonce = expected,
                                  .collateral = made,
                                  .roots = cloister_roots_builtin()};
    enum cloister_check_id check = CLOISTER_CHECK_NO_ID;
    int64_t until = 7;
    const int err = clo_self_appraise(&self, NOW, &check, &until);

    FUZZ_CHECK(err == CLOISTER_E_REFUSED || err == CLOISTER_E_ARGUMENT || ours(err));
    FUZZ_CHECK(err != CLOISTER_E_REFUSED || check != CLOISTER_CHECK_NO_ID);
    FUZZ_CHECK(until == 7);
}

static void complete(struct clo_gathered *g, struct clo_wants *l, struct clo_cpu_section *cpu,
                     const struct clo_devices *devices)
{
    uint8_t before[CLO_SHA256_LEN], after[CLO_SHA256_LEN];
    struct clo_cpu_section none = {0};
    struct clo_collateral made = {0};
    struct clo_wants left = {0};
    size_t missing = SIZE_MAX;
    int err;

    section_digest(cpu == NULL ? &none : cpu, before);
    err = clo_gathered_complete(g, l, NOW, cpu, &made, &missing);
    section_digest(cpu == NULL ? &none : cpu, after);
    if (err != 0) {
        FUZZ_CHECK(memcmp(before, after, sizeof before) == 0);
        FUZZ_CHECK(made.crls == 0 && made.ocsps == 0 && made.tcb_info.len == 0);
        FUZZ_CHECK(err != CLOISTER_E_NOT_FOUND || missing < l->count);
        return;
    }
    for (size_t i = 0; i < l->count; i++)
        FUZZ_CHECK(clo_gathered_has(g, &l->want[i], NOW) || l->want[i].kind == CLO_WANT_AMD_CHAIN);
    FUZZ_CHECK(wanted(cpu, devices, &left));
    for (size_t i = 0; i < left.count; i++)
        FUZZ_CHECK(left.want[i].kind != CLO_WANT_AMD_VCEK);
    appraise(cpu, devices, &made);
    clo_wants_clear(&left);
    clo_collateral_clear(&made);
}

static void answers(struct clo_rd *rd, struct clo_gathered *g, const struct clo_wants *l)
{
    struct clo_rd body, chain;
    uint8_t which = 0;

    for (size_t i = 0; i < ANSWERS && l->count > 0; i++) {
        if (clo_rd_u8(rd, &which) != 0 || !piece(rd, &body) || !piece(rd, &chain))
            return;
        take(g, &l->want[which % l->count],
             &(struct clo_answer){.body = body.p,
                                  .body_n = body.left,
                                  .chain = chain.left == 0 ? NULL : chain.p,
                                  .chain_n = chain.left});
        if (which == UINT8_MAX) /* the next ones are for what follows from these */
            return;
    }
}

static void gather(struct clo_rd *rd, struct clo_cpu_section *cpu,
                   const struct clo_devices *devices)
{
    struct clo_gathered *g = NULL;
    struct clo_wants l = {0};

    if (clo_gathered_new(&g) != 0)
        return;
    for (size_t round = 0; round < 3; round++) {
        const bool prepared = cpu == NULL || clo_gathered_prepare(g, NOW, cpu) == 0;

        clo_wants_clear(&l);
        if (!prepared || !wanted(cpu, devices, &l))
            break;
        answers(rd, g, &l);
    }
    if (l.count > 0)
        complete(g, &l, cpu, devices);
    clo_gathered_sweep(g, &l, NOW);
    clo_gathered_sweep(g, NULL, NOW);
    for (size_t i = 0; i < l.count; i++)
        FUZZ_CHECK(!clo_gathered_has(g, &l.want[i], NOW));
    clo_wants_clear(&l);
    clo_gathered_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clo_rd rd = clo_rd_init(data, size), c, d;
    struct clo_cpu_section cpu = {0};
    struct clo_devices devices = {0};

    if (!piece(&rd, &c) || !piece(&rd, &d))
        return 0;
    if ((c.left == 0 || clo_cpu_section_parse(c.p, c.left, &cpu) == 0) &&
        (d.left == 0 || clo_devices_section_parse(d.p, d.left, &devices) == 0)) {
        if (cpu.kind == CLO_CPU_TDX_AZURE) /* as it comes from the machine */
            clo_buf_clear(&cpu.quote);
        gather(&rd, c.left == 0 ? NULL : &cpu, d.left == 0 ? NULL : &devices);
    }
    clo_cpu_section_clear(&cpu);
    clo_devices_clear(&devices);
    return 0;
}
