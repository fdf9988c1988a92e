/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that runs out inside libcrypto: every allocation of a whole exchange fails once. What fails says so
 * and leaks nothing (the sanitisers look); nothing succeeds by halves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/crypto.h>
#include <openssl/err.h>

#include "codec/ohttp.h"

static const uint8_t seed[CLO_KEM_SEED] = {7};
static struct clo_ohttp_keyconf conf;

/* Allocations until one fails; none fails while it is negative. */
static long left = -1;
static unsigned long failed;

static bool fails(void)
{
    if (left != 0) {
        left -= left > 0;
        return false;
    }
    left = -1;
    failed++;
    return true;
}

static void *hook_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : malloc(n);
}

static void *hook_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return fails() ? NULL : realloc(p, n);
}

static void hook_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static int same_randomness(void *ctx, uint8_t *p, size_t n)
{
    (void)ctx;
    memset(p, 5, n);
    return 0;
}

static const struct clo_rng rng = {same_randomness, NULL};

static int exchange(struct clo_buf *out)
{
    struct clo_ohttp_opened client = {0}, server = {0};
    struct clo_ohttp_header h = {0};
    uint8_t enc[CLO_KEM_ENC_MAX] = {0};
    struct clo_buf text = clo_buf_init(64);
    struct clo_rd rd;
    int err;

    err = clo_ohttp_start_request(&conf, CLO_AES_256_GCM, false, &rng, out, enc, &client);
    if (err == 0) {
        rd = clo_rd_init(out->p, out->len);
        err = clo_ohttp_header_parse(&rd, &h);
    }
    if (err == 0)
        err = clo_ohttp_open_request(seed, &h, false, enc, &server);
    if (err == 0)
        err = clo_ohttp_plain_seal_request(&client, "ask", 3, out);
    if (err == 0)
        err = clo_ohttp_plain_seal_response(&server, enc, &rng, "answer", 6, out);
    if (err == 0)
        err = clo_ohttp_plain_open_response(&client, enc, out->p + out->len - 54, 54, &text);
    clo_buf_clear(&text);
    return err;
}

static int signature(struct clo_buf *out)
{
    uint8_t pk[32] = {0}, sig[64] = {0}, hash[32] = {0};
    int err;

    if ((err = clo_ed25519_public(seed, pk)) != 0 ||
        (err = clo_ed25519_sign(seed, "receipt", 7, sig)) != 0 ||
        (err = clo_ed25519_verify(pk, "receipt", 7, sig)) != 0 ||
        (err = clo_sha256("receipt", 7, hash)) != 0 || (err = clo_buf_append(out, sig, 64)) != 0)
        return err;
    return clo_buf_append(out, hash, sizeof(hash));
}

/* Let each allocation fail in its turn, until a run has none left that could. */
static void fail_each(int (*run)(struct clo_buf *out))
{
    struct clo_buf want = clo_buf_init(4096);
    unsigned long runs = 0, refused = 0;

    assert_int_equal(run(&want), 0);
    for (bool again = true; again; runs++) {
        struct clo_buf got = clo_buf_init(4096);
        const unsigned long before = failed;
        int err;

        left = (long)runs;
        err = run(&got);
        left = -1;
        again = failed != before;
        refused += err != 0;
        if (err == 0) { /* libcrypto could do without, or nothing failed */
            assert_int_equal(got.len, want.len);
            assert_memory_equal(got.p, want.p, want.len);
        }
        clo_buf_clear(&got);
        ERR_clear_error();
    }
    print_message("# %lu allocations failed, %lu runs were refused\n", runs - 1, refused);
    assert_true(refused > 10);
    clo_buf_clear(&want);
}

static void an_exchange_succeeds_wholly_or_says_that_it_failed(void **state)
{
    (void)state;
    fail_each(exchange);
}

static void a_signature_succeeds_wholly_or_says_that_it_failed(void **state)
{
    (void)state;
    fail_each(signature);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exchange_succeeds_wholly_or_says_that_it_failed),
        cmocka_unit_test(a_signature_succeeds_wholly_or_says_that_it_failed),
    };

    if (CRYPTO_set_mem_functions(hook_malloc, hook_realloc, hook_free) != 1)
        return 1;
    conf = (struct clo_ohttp_keyconf){.key_id = 1, .kem = CLO_KEM_XWING, .suites = 1};
    conf.suite[0].kdf = CLO_KDF_HKDF_SHA256;
    conf.suite[0].aead = CLO_AES_256_GCM;
    if (clo_kem_public(conf.kem, seed, conf.pk) != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
