/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long appraisal takes, and how much of it is more than the signatures that it has to verify. For each case:
 *
 *   appraise   one call of the verifier: parsing, all checks, the verdict
 *   floor      the same signatures alone, over digests that are there already, by keys that are decoded already, in the same run with the
 *              same libcrypto: they are caught on their way into EVP_PKEY_verify during one appraisal, and played again
 *   ratio      of the two
 *   verified   how many signatures that were, and allocs, how many allocations one appraisal made
 *
 * Both are the median of rounds that alternate, so that a machine that slows down slows both. Recorded evidence comes from
 * $CLOISTER_VECTORS, the rest is made here. Prints a table, or JSON lines with --json. No test: nothing fails for being slow.
 */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <cmocka.h>

#include <openssl/evp.h>

#include "attest/evidence.h"
#include "evidence_rows.h"
#include "synthetic.h"

#define ROUNDS     31
#define CAUGHT_MAX 256

/* ---- what an appraisal asks of libcrypto ---- */

typedef int verify_fn(EVP_PKEY_CTX *, const unsigned char *, size_t, const unsigned char *, size_t);

static struct {
    EVP_PKEY_CTX *ctx;
    uint8_t sig[1024], hash[64];
    size_t sig_n, hash_n;
} caught[CAUGHT_MAX];
static size_t caught_n;
static bool catching;

static verify_fn *real_verify(void)
{
    static verify_fn *fn;
    void *p;

    if (fn == NULL) {
        p = dlsym(RTLD_NEXT, "EVP_PKEY_verify");
        memcpy(&fn, &p, sizeof fn);
    }
    return fn;
}

int EVP_PKEY_verify(EVP_PKEY_CTX *ctx, const unsigned char *sig, size_t sig_n,
                    const unsigned char *hash, size_t hash_n)
{
    if (catching && caught_n < CAUGHT_MAX && sig_n <= sizeof caught[0].sig &&
        hash_n <= sizeof caught[0].hash) {
        caught[caught_n].ctx = EVP_PKEY_CTX_dup(ctx);
        memcpy(caught[caught_n].sig, sig, sig_n);
        memcpy(caught[caught_n].hash, hash, hash_n);
        caught[caught_n].sig_n = sig_n;
        caught[caught_n].hash_n = hash_n;
        caught_n++;
    }
    return real_verify()(ctx, sig, sig_n, hash, hash_n);
}

static size_t allocations;

/* The C library's own, under other names (glibc). */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);

void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
    allocations++;
    return __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}

/* ---- measuring ---- */

static bool json;

static double now_us(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double v[ROUNDS])
{
    qsort(v, ROUNDS, sizeof v[0], by_size);
    return v[ROUNDS / 2];
}

struct subject {
    const char *name;
    const struct cloister_raw *raw; /* or: */
    const struct cloister_evidence *evidence;
    const struct cloister_nonce *nonce;
    const struct cloister_policy *policy;
    const struct cloister_roots *roots;
    int64_t now;
};

static int appraise(const struct subject *s, struct cloister_verdict *v)
{
    if (s->raw != NULL)
        return cloister_raw_appraise(s->raw, s->policy, s->roots, s->now, v);
    return cloister_evidence_verify(s->evidence, s->nonce, s->policy, s->roots, s->now, v);
}

static void replay(void)
{
    for (size_t i = 0; i < caught_n; i++)
        assert_int_equal(real_verify()(caught[i].ctx, caught[i].sig, caught[i].sig_n,
                                       caught[i].hash, caught[i].hash_n),
                         1);
}

static void measure(const struct subject *s)
{
    struct cloister_verdict *v = __libc_calloc(1, sizeof *v);
    double whole[ROUNDS], floor_[ROUNDS], a, f;
    size_t allocs;

    assert_non_null(v);
    (void)appraise(s, v); /* warm: constants are decoded once a process */
    caught_n = 0;
    catching = true;
    allocations = 0;
    if (appraise(s, v) != 0)
        fail_msg("%s is not admitted: what is measured has to be a whole appraisal", s->name);
    catching = false;
    allocations = 0;
    (void)appraise(s, v);
    allocs = allocations;
    for (size_t i = 0; i < ROUNDS; i++) {
        const double t0 = now_us();

        (void)appraise(s, v);
        whole[i] = now_us() - t0;
        replay();
        floor_[i] = now_us() - t0 - whole[i];
    }
    a = median(whole);
    f = median(floor_);
    if (json)
        printf(
            "{\"case\":\"%s\",\"appraise_us\":%.0f,\"floor_us\":%.0f,\"ratio\":%.3f,\"verified\":%zu,"
            "\"allocs\":%zu}\n",
            s->name, a, f, a / f, caught_n, allocs);
    else
        printf("%-34s %9.0f %9.0f %7.2f %9zu %8zu\n", s->name, a, f, a / f, caught_n, allocs);
    for (size_t i = 0; i < caught_n; i++)
        EVP_PKEY_CTX_free(caught[i].ctx);
    caught_n = 0;
    free(v);
}

/* ---- recorded evidence ---- */

static void recorded(const char *name, const char *row_name)
{
    struct subject s = {.name = name};
    struct cloister_policy *policy;
    struct cloister_roots *roots;
    struct cloister_raw *raw;
    const json_t *row;

    shelf_load();
    row = row_named(row_name);
    raw = evidence_make(row, true);
    policy = policy_make(row);
    roots = roots_make(row);
    s.raw = raw;
    s.policy = policy;
    s.roots = roots != NULL ? roots : cloister_roots_builtin();
    s.now = json_integer_value(json_object_get(row, "time"));
    measure(&s);
    cloister_raw_free(raw);
    cloister_policy_free(policy);
    cloister_roots_free(roots);
}

static void sev_snp(void **state)
{
    (void)state;
    recorded("SEV-SNP, Milan", "snp-milan-v2-virtee");
}

static void tdx(void **state)
{
    (void)state;
    recorded("TDX", "tdx-v4-phala-uptodate");
}

static void one_h100(void **state)
{
    (void)state;
    recorded("one H100, no OCSP", "nvidia-h100-545.00-e2e");
}

/* ---- made evidence: nobody has recorded OCSP answers, or a processor that vouches for its GPUs ---- */

static struct synthetic *lab;

static void made(const char *name, size_t gpus, size_t switches)
{
    struct cloister_evidence *e = NULL;
    struct cloister_policy *policy = NULL;
    struct cloister_roots *roots = NULL;
    struct synthetic_scene scene;
    struct subject s = {.name = name, .now = SYNTHETIC_NOW};

    synthetic_good(lab, gpus, switches, &scene);
    assert_int_equal(synthetic_make(lab, &scene), 0);
    assert_int_equal(synthetic_roots(lab, &roots), 0);
    assert_int_equal(cloister_evidence_parse(scene.document.p, scene.document.len, &e), 0);
    assert_int_equal(cloister_policy_parse(scene.policy.p, scene.policy.len, &policy), 0);
    s.evidence = e;
    s.nonce = &scene.ours;
    s.policy = policy;
    s.roots = roots;
    measure(&s);
    cloister_evidence_free(e);
    cloister_policy_free(policy);
    cloister_roots_free(roots);
    synthetic_clear(&scene);
}

static void whole_evidence(void **state)
{
    (void)state;
    made("a server: SEV-SNP alone", 0, 0);
    made("a server: SEV-SNP, 1 GPU", 1, 0);
    made("a server: SEV-SNP, 8 GPUs", 8, 0);
    made("a server: SEV-SNP, 8 GPUs, 4 sw.", 8, 4);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest cases[] = {
        cmocka_unit_test(sev_snp),
        cmocka_unit_test(tdx),
        cmocka_unit_test(one_h100),
        cmocka_unit_test(whole_evidence),
    };
    char why[256];
    json_error_t fault;
    int failed;

    json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if ((table = json_load_file(CLO_EVIDENCE_TABLE, 0, &fault)) == NULL) {
        (void)snprintf(why, sizeof why, "%s: %s", CLO_EVIDENCE_TABLE, fault.text);
        (void)fprintf(stderr, "%s\n", why);
        return 1;
    }
    if (clo_crypto_init() != 0 || synthetic_new(SYNTHETIC_NOW, &lab) != 0)
        return 1;
    if (!json)
        printf("%-34s %9s %9s %7s %9s %8s\n", "", "appraise", "floor us", "ratio", "verified",
               "allocs");
    failed = cmocka_run_group_tests(cases, NULL, NULL);
    synthetic_free(lab);
    json_decref(table);
    return failed == 0 ? 0 : 1;
}
