/* SPDX-License-Identifier: Apache-2.0 */
/* The keeper's logic: what opens, what passes, and when keys and contexts end (docs/PROTOCOL.md section 3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/secret.h"
#include "daemon/keeper/epoch.h"
#include "daemon/messages.h"

#define T0 1800000000
enum {
    LIFETIME = 1800,
    AHEAD = 300
};

static const struct clo_keeper_start config = {.lifetime_s = LIFETIME,
                                               .x25519 = 1,
                                               .quota = 3,
                                               .set_max = 100,
                                               .contexts_max = 16,
                                               .gateway = "/r/0123456789abcdef"};
static const uint8_t alice[32] = {1}, bob[32] = {2};

/* Counts what is drawn, and gives other bytes each time. */
struct counting {
    uint64_t calls, bytes;
};
static int counting_fill(void *ctx, uint8_t *p, size_t n)
{
    struct counting *c = ctx;

    c->calls++;
    c->bytes += n;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(c->calls * 37 + i * 11 + (c->calls >> 8));
    return 0;
}

static struct counting drawn;
static const struct clo_rng rng = {counting_fill, &drawn};

static struct clo_epochs *make_with(const struct clo_keeper_start *c)
{
    struct clo_epochs *k = NULL;

    memset(&drawn, 0, sizeof drawn);
    assert_int_equal(clo_epochs_new(c, &rng, &k), 0);
    assert_int_equal(clo_epochs_reset(k, T0), 0);
    return k;
}

static struct clo_epochs *make(void)
{
    return make_with(&config);
}

/* What a client knows: the keys that evidence shows. */
struct shown {
    struct clo_keys_section section;
    struct clo_ohttp_keyconf conf[2];
    size_t confs;
};
static struct shown show(const struct clo_epochs *k)
{
    struct shown s = {0};
    struct clo_buf b = clo_buf_init(CLO_SECTION_MAX);

    assert_int_equal(clo_epochs_section(k, &b), 0);
    assert_int_equal(clo_keys_section_parse(b.p, b.len, &s.section), 0);
    assert_int_equal(
        clo_ohttp_keys_parse(s.section.ohttp_keys, s.section.ohttp_keys_n, s.conf, 2, &s.confs), 0);
    clo_buf_clear(&b);
    return s;
}

/* A request as it travels: header and enc, and what its sender can open. */
struct request {
    struct clo_ohttp_header header;
    uint8_t enc[CLO_KEM_ENC_MAX];
    size_t enc_n;
    struct clo_ohttp_opened sender;
};
static struct request request_to(const struct clo_ohttp_keyconf *conf)
{
    struct request r = {0};
    struct clo_buf out = clo_buf_init(4096);
    struct clo_rd rd;

    assert_int_equal(clo_ohttp_start_request(conf, CLO_AES_256_GCM, true, clo_rng_system(), &out,
                                             r.enc, &r.sender),
                     0);
    rd = clo_rd_init(out.p, out.len);
    assert_int_equal(clo_ohttp_header_parse(&rd, &r.header), 0);
    r.enc_n = clo_kem_enc_len(conf->kem);
    clo_buf_clear(&out);
    return r;
}

/* The cheap KEM, where the test isn't about the KEM. */
static struct request fast_request(const struct clo_epochs *k)
{
    struct shown s = show(k);

    return request_to(&s.conf[1]);
}

static int open_it(struct clo_epochs *k, uint64_t id, const struct request *r)
{
    struct clo_ohttp_opened o = {0};

    return clo_epochs_open(k, id, &r->header, true, r->enc, r->enc_n, &o);
}

static void a_request_opens_to_its_senders_keys(void **state)
{
    struct clo_epochs *k = make();
    struct shown s = show(k);

    (void)state;
    assert_int_equal(s.confs, 2);
    assert_int_equal(s.conf[0].kem, CLO_KEM_XWING);
    assert_int_equal(s.conf[1].kem, CLO_KEM_X25519);
    assert_int_not_equal(s.conf[0].key_id, s.conf[1].key_id);
    assert_int_equal(s.section.created, T0);
    assert_int_equal(s.section.expires, T0 + LIFETIME);
    for (size_t i = 0; i < 2; i++) {
        struct request r = request_to(&s.conf[i]);
        struct clo_ohttp_opened o = {0};

        assert_int_equal(clo_epochs_open(k, i, &r.header, true, r.enc, r.enc_n, &o), 0);
        assert_memory_equal(o.key, r.sender.key, sizeof o.key);
        assert_memory_equal(o.base_nonce, r.sender.base_nonce, sizeof o.base_nonce);
        assert_memory_equal(o.response_secret, r.sender.response_secret, sizeof o.response_secret);
    }
    clo_epochs_free(k);
}

static void the_keeper_computes_the_info_itself(void **state)
{
    struct clo_epochs *k = make();
    struct request r = fast_request(k);
    struct clo_ohttp_opened o = {0};

    (void)state;
    /* the same enc under the unchunked label gives other keys: the gateway can't choose the context */
    assert_int_equal(clo_epochs_open(k, 1, &r.header, false, r.enc, r.enc_n, &o), 0);
    assert_memory_not_equal(o.key, r.sender.key, sizeof o.key);
    clo_epochs_free(k);
}

static void x25519_is_absent_unless_allowed(void **state)
{
    struct clo_keeper_start c = config;
    struct clo_epochs *k;

    (void)state;
    c.x25519 = 0;
    k = make_with(&c);
    assert_int_equal(show(k).confs, 1);
    clo_epochs_free(k);
}

static void of_many_copies_exactly_one_passes(void **state)
{
    struct clo_epochs *k = make();
    struct request r = fast_request(k);
    int passed = 0;

    (void)state;
    for (uint64_t id = 0; id < 10; id++)
        assert_int_equal(open_it(k, id, &r), 0);
    for (uint64_t id = 0; id < 10; id++) {
        int err = clo_epochs_commit(k, 9 - id, alice);

        passed += err == 0;
        assert_true(err == 0 || err == CLOISTER_E_REPLAY);
    }
    assert_int_equal(passed, 1);
    clo_epochs_free(k);
}

static void what_was_committed_never_opens_again(void **state)
{
    struct clo_epochs *k = make();
    struct request r = fast_request(k);

    (void)state;
    assert_int_equal(open_it(k, 1, &r), 0);
    assert_int_equal(clo_epochs_commit(k, 1, alice), 0);
    assert_int_equal(open_it(k, 2, &r), CLOISTER_E_AUTH);
    clo_epochs_close(k, 1);
    assert_int_equal(open_it(k, 2, &r), CLOISTER_E_AUTH);
    clo_epochs_free(k);
}

static void a_partial_copy_sent_ahead_blocks_nobody(void **state)
{
    struct clo_epochs *k = make();
    struct request r = fast_request(k);

    (void)state;
    assert_int_equal(open_it(k, 1, &r), 0); /* the relay's copy, whose end never comes */
    clo_epochs_close(k, 1);
    assert_int_equal(open_it(k, 2, &r), 0);
    assert_int_equal(open_it(k, 3, &r), 0); /* another partial copy at the same time */
    assert_int_equal(clo_epochs_commit(k, 2, alice), 0);
    clo_epochs_free(k);
}

static void a_context_commits_once(void **state)
{
    struct clo_epochs *k = make();
    struct request r = fast_request(k);

    (void)state;
    assert_int_equal(open_it(k, 1, &r), 0);
    assert_int_equal(clo_epochs_commit(k, 1, alice), 0);
    assert_int_equal(clo_epochs_commit(k, 1, alice), CLOISTER_E_STATE);
    assert_int_equal(clo_epochs_commit(k, 2, alice), CLOISTER_E_STATE);
    clo_epochs_close(k, 1);
    assert_int_equal(clo_epochs_commit(k, 1, alice), CLOISTER_E_STATE);
    clo_epochs_free(k);
}

static void an_id_in_use_is_a_breach(void **state)
{
    struct clo_epochs *k = make();
    struct request r = fast_request(k);

    (void)state;
    assert_int_equal(open_it(k, 1, &r), 0);
    assert_int_equal(open_it(k, 1, &r), CLOISTER_E_PROTOCOL);
    clo_epochs_free(k);
}

static void strangers_cant_fill_the_set(void **state)
{
    struct clo_keeper_start c = config;
    struct clo_epochs *k;
    struct request r;

    (void)state;
    c.set_max = 1;
    k = make_with(&c);
    /* a stranger's requests open, since the gateway must read them, but are never committed */
    for (uint64_t id = 1; id <= 50; id++) {
        r = fast_request(k);
        assert_int_equal(open_it(k, id, &r), 0);
        clo_epochs_close(k, id);
    }
    r = fast_request(k);
    assert_int_equal(open_it(k, 99, &r), 0);
    assert_int_equal(clo_epochs_commit(k, 99, alice), 0);
    clo_epochs_free(k);
}

static void a_quota_binds_one_credential_until_its_keys_end(void **state)
{
    struct clo_epochs *k = make();
    struct request r;

    (void)state;
    for (uint64_t id = 0; id < 4; id++) {
        r = fast_request(k);
        assert_int_equal(open_it(k, id, &r), 0);
        assert_int_equal(clo_epochs_commit(k, id, alice), id < 3 ? 0 : CLOISTER_E_QUOTA);
    }
    r = fast_request(k);
    assert_int_equal(open_it(k, 10, &r), 0);
    assert_int_equal(clo_epochs_commit(k, 10, bob), 0);

    assert_int_equal(clo_epochs_tick(k, T0 + LIFETIME - AHEAD), 0);
    r = fast_request(k);
    assert_int_equal(open_it(k, 11, &r), 0);
    assert_int_equal(clo_epochs_commit(k, 11, alice), 0);
    clo_epochs_free(k);
}

static void a_full_set_ends_its_keys_and_new_ones_follow(void **state)
{
    struct clo_keeper_start c = config;
    struct clo_epochs *k;
    struct request r[3];
    uint64_t before;

    (void)state;
    c.set_max = 2;
    k = make_with(&c);
    before = clo_epochs_current(k);
    for (uint64_t id = 0; id < 3; id++) {
        r[id] = fast_request(k);
        assert_int_equal(open_it(k, id, &r[id]), 0);
    }
    assert_int_equal(clo_epochs_commit(k, 0, alice), 0);
    assert_int_equal(clo_epochs_commit(k, 1, alice), 0);
    assert_int_equal(clo_epochs_commit(k, 2, alice), CLOISTER_E_FULL);
    assert_int_equal(clo_epochs_current(k), 0);
    assert_int_equal(open_it(k, 3, &r[2]), CLOISTER_E_KEYS_CHANGED);
    assert_int_equal(clo_epochs_tick(k, T0 + 1), 0);
    assert_true(clo_epochs_current(k) > before);
    assert_int_equal(open_it(k, 3, &r[2]), CLOISTER_E_KEYS_CHANGED);
    r[0] = fast_request(k);
    assert_int_equal(open_it(k, 3, &r[0]), 0);
    assert_int_equal(clo_epochs_commit(k, 3, alice), 0);
    clo_epochs_free(k);
}

static void contexts_are_bounded(void **state)
{
    struct clo_epochs *k = make();
    struct request r = fast_request(k);

    (void)state;
    for (uint64_t id = 0; id < config.contexts_max; id++)
        assert_int_equal(open_it(k, id * 1000003, &r), 0);
    assert_int_equal(open_it(k, 7, &r), CLOISTER_E_FULL);
    clo_epochs_close(k, 5 * 1000003);
    assert_int_equal(open_it(k, 7, &r), 0);
    clo_epochs_close_all(k);
    for (uint64_t id = 0; id < config.contexts_max; id++)
        assert_int_equal(open_it(k, id, &r), 0);
    clo_epochs_free(k);
}

static void unknown_keys_and_suites_are_told_apart_from_bad_requests(void **state)
{
    struct clo_epochs *k = make();
    struct request r = fast_request(k), bad;

    (void)state;
    bad = r;
    bad.header.key_id = (uint8_t)(r.header.key_id + 7);
    assert_int_equal(open_it(k, 1, &bad), CLOISTER_E_KEYS_CHANGED);
    bad = r;
    bad.header.suite.kem = CLO_KEM_XWING; /* the id of another key */
    assert_int_equal(open_it(k, 1, &bad), CLOISTER_E_KEYS_CHANGED);
    bad = r;
    bad.header.suite.aead = 0xffff;
    assert_int_equal(open_it(k, 1, &bad), CLOISTER_E_KEYS_CHANGED);
    bad = r;
    bad.header.suite.kdf = 0x0011;
    assert_int_equal(open_it(k, 1, &bad), CLOISTER_E_KEYS_CHANGED);
    bad = r;
    bad.enc_n--;
    assert_int_equal(open_it(k, 1, &bad), CLOISTER_E_AUTH);
    memset(bad.enc, 0, sizeof bad.enc); /* a point of small order */
    bad.enc_n = r.enc_n;
    assert_int_equal(open_it(k, 1, &bad), CLOISTER_E_AUTH);
    clo_epochs_free(k);
}

/* FIPS 203's implicit rejection: the keeper can't tell, so that nobody else can. */
static void what_mlkem_rejects_opens_to_keys_that_nobody_has(void **state)
{
    struct clo_epochs *k = make();
    struct shown s = show(k);
    const struct request r = request_to(&s.conf[0]);

    (void)state;
    for (size_t at = 0; at < r.enc_n; at += 101) {
        struct clo_ohttp_opened o = {0};
        struct request bad = r;

        bad.enc[at] ^= 1;
        assert_int_equal(clo_epochs_open(k, 1, &bad.header, true, bad.enc, bad.enc_n, &o), 0);
        assert_memory_not_equal(o.key, r.sender.key, sizeof o.key);
        assert_memory_not_equal(o.base_nonce, r.sender.base_nonce, sizeof o.base_nonce);
        assert_memory_not_equal(o.response_secret, r.sender.response_secret,
                                sizeof o.response_secret);
        clo_epochs_close(k, 1);
    }
    clo_epochs_free(k);
}

static void what_is_refused_leaves_nothing_behind(void **state)
{
    static const struct clo_ohttp_opened none;
    struct clo_epochs *k = make();
    struct shown s = show(k);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct request small = request_to(&s.conf[i]), again = request_to(&s.conf[i]);
        struct clo_ohttp_opened o = {0};

        memset(small.enc + small.enc_n - CLO_X25519_LEN, 0, CLO_X25519_LEN);
        assert_int_equal(open_it(k, 1, &again), 0);
        assert_int_equal(clo_epochs_commit(k, 1, alice), 0);
        clo_epochs_close(k, 1);
        for (uint64_t id = 0; id < 2 * config.contexts_max; id++) {
            const struct request *bad = id % 2 == 0 ? &small : &again;

            assert_int_equal(clo_epochs_open(k, id, &bad->header, true, bad->enc, bad->enc_n, &o),
                             CLOISTER_E_AUTH);
            assert_memory_equal(&o, &none, sizeof o);
            assert_int_equal(clo_epochs_commit(k, id, alice), CLOISTER_E_STATE);
        }
    }
    clo_epochs_free(k);
}

static void the_next_keys_exist_before_the_old_ones_end(void **state)
{
    struct clo_epochs *k = make();
    struct shown old = show(k), new;
    struct request to_old, to_new;

    (void)state;
    assert_int_equal(clo_epochs_next(k), T0 + LIFETIME - AHEAD);
    assert_int_equal(clo_epochs_tick(k, T0 + LIFETIME - AHEAD - 1), 0);
    assert_int_equal(clo_epochs_current(k), 1);
    assert_int_equal(clo_epochs_tick(k, T0 + LIFETIME - AHEAD), 0);
    assert_int_equal(clo_epochs_current(k), 2);
    new = show(k);
    assert_int_equal(new.section.created, T0 + LIFETIME - AHEAD);
    assert_int_equal(new.section.expires - new.section.created, LIFETIME);
    to_old = request_to(&old.conf[1]);
    to_new = request_to(&new.conf[1]);
    assert_int_equal(clo_epochs_tick(k, T0 + LIFETIME - 1), 0);
    assert_int_equal(open_it(k, 1, &to_old), 0);
    assert_int_equal(open_it(k, 2, &to_new), 0);
    assert_int_equal(clo_epochs_next(k), T0 + LIFETIME);
    clo_epochs_free(k);
}

/* docs/PROTOCOL.md section 1.5: a verdict ends min(120 s, a fifth of the lifetime) before its keys. */
static void the_next_keys_are_there_before_verdicts_over_the_old_ones_end(void **state)
{
    (void)state;
    for (int64_t lifetime = 10; lifetime <= 86400; lifetime++)
        assert_true(clo_epoch_ahead(lifetime) > (lifetime / 5 < 120 ? lifetime / 5 : 120));
}

static void short_epochs_overlap_by_three_tenths(void **state)
{
    struct clo_keeper_start c = config;
    struct clo_epochs *k;

    (void)state;
    c.lifetime_s = 10;
    k = make_with(&c);
    assert_int_equal(clo_epochs_next(k), T0 + 7);
    clo_epochs_free(k);
}

static void expired_keys_dont_open(void **state)
{
    struct clo_epochs *k = make();
    struct request r = fast_request(k);

    (void)state;
    assert_int_equal(clo_epochs_tick(k, T0 + LIFETIME), 0);
    assert_int_equal(open_it(k, 1, &r), CLOISTER_E_KEYS_CHANGED);
    clo_epochs_free(k);
}

static void an_open_context_may_commit_for_60_seconds_after_its_key(void **state)
{
    struct clo_epochs *k = make();
    struct request a = fast_request(k), b = fast_request(k);

    (void)state;
    assert_int_equal(open_it(k, 1, &a), 0);
    assert_int_equal(open_it(k, 2, &a), 0);
    assert_int_equal(open_it(k, 3, &b), 0);
    assert_int_equal(clo_epochs_tick(k, T0 + LIFETIME + 59), 0);
    assert_int_equal(clo_epochs_commit(k, 1, alice), 0);
    assert_int_equal(clo_epochs_commit(k, 2, alice),
                     CLOISTER_E_REPLAY); /* the set is still there */
    assert_int_equal(clo_epochs_tick(k, T0 + LIFETIME + 60), 0);
    assert_int_equal(clo_epochs_commit(k, 3, alice), CLOISTER_E_STATE);
    clo_epochs_close(k, 1);
    assert_int_equal(clo_epochs_tick(k, T0 + LIFETIME + 61), 0);
    clo_epochs_free(k);
}

static void a_reset_ends_everything_of_before(void **state)
{
    struct clo_epochs *k = make();
    struct request r = fast_request(k), open = fast_request(k);

    (void)state;
    assert_int_equal(open_it(k, 1, &open), 0);
    assert_int_equal(clo_epochs_reset(k, T0 + 5), 0);
    assert_int_equal(clo_epochs_commit(k, 1, alice), CLOISTER_E_STATE);
    assert_int_equal(open_it(k, 2, &r), CLOISTER_E_KEYS_CHANGED);
    assert_int_equal(clo_epochs_current(k), 2);
    clo_epochs_free(k);
}

static void a_clock_set_back_ends_the_keys(void **state)
{
    struct clo_epochs *k = make();
    struct request r = fast_request(k);

    (void)state;
    assert_int_equal(clo_epochs_tick(k, T0 - 1), 0);
    assert_int_equal(open_it(k, 1, &r), 0);
    assert_int_equal(clo_epochs_tick(k, T0 - 3600), 0);
    assert_int_equal(open_it(k, 2, &r), CLOISTER_E_KEYS_CHANGED);
    assert_int_equal(show(k).section.expires, T0 - 3600 + LIFETIME);
    clo_epochs_free(k);
}

static void each_key_comes_from_fresh_randomness(void **state)
{
    struct clo_epochs *k = make();
    struct shown first = show(k), second;
    uint64_t bytes;

    (void)state;
    /* hash key, key id; then X-Wing, X25519 and receipt key with 32 bytes each */
    assert_int_equal(drawn.bytes, 32 + 1 + 3 * 32);
    assert_int_equal(drawn.calls, 2 + 3);
    bytes = drawn.bytes;
    assert_int_equal(clo_epochs_tick(k, T0 + LIFETIME - AHEAD), 0);
    assert_int_equal(drawn.bytes - bytes, 3 * 32);
    second = show(k);
    assert_memory_not_equal(first.conf[0].pk, second.conf[0].pk, 32);
    assert_memory_not_equal(first.conf[1].pk, second.conf[1].pk, 32);
    assert_memory_not_equal(first.section.receipt_key, second.section.receipt_key, 32);
    /* the X25519 half of X-Wing's public key stands at its end */
    assert_memory_not_equal(first.conf[0].pk + 1184, first.conf[1].pk, 32);
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 2; j++)
            assert_int_not_equal(first.conf[i].key_id, second.conf[j].key_id);
    clo_epochs_free(k);
}

static int failing_fill(void *ctx, uint8_t *p, size_t n)
{
    (void)p;
    (void)n;
    return *(bool *)ctx ? CLOISTER_E_CRYPTO : 0;
}

static void without_randomness_there_are_no_keys(void **state)
{
    bool fails = false;
    const struct clo_rng failing = {failing_fill, &fails};
    struct clo_epochs *k = NULL;
    struct clo_buf b = clo_buf_init(65536);

    (void)state;
    assert_int_equal(clo_epochs_new(&config, &failing, &k), 0);
    fails = true;
    assert_int_equal(clo_epochs_reset(k, T0), CLOISTER_E_CRYPTO);
    assert_int_equal(clo_epochs_current(k), 0);
    assert_int_equal(clo_epochs_section(k, &b), CLOISTER_E_STATE);
    clo_epochs_free(k);
}

static void nothing_exists_before_the_first_reset(void **state)
{
    struct clo_epochs *k = NULL;

    (void)state;
    assert_int_equal(clo_epochs_new(&config, clo_rng_system(), &k), 0);
    assert_int_equal(clo_epochs_tick(k, T0), 0);
    assert_int_equal(clo_epochs_current(k), 0);
    assert_true(clo_epochs_next(k) == INT64_MAX);
    clo_epochs_free(k);
}

static void limits_of_zero_are_refused(void **state)
{
    struct clo_epochs *k = NULL;
    struct clo_keeper_start c;

    (void)state;
    c = config, c.lifetime_s = 9;
    assert_int_equal(clo_epochs_new(&c, &rng, &k), CLOISTER_E_ARGUMENT);
    c = config, c.quota = 0;
    assert_int_equal(clo_epochs_new(&c, &rng, &k), CLOISTER_E_ARGUMENT);
    c = config, c.set_max = 0;
    assert_int_equal(clo_epochs_new(&c, &rng, &k), CLOISTER_E_ARGUMENT);
    c = config, c.contexts_max = 0;
    assert_int_equal(clo_epochs_new(&c, &rng, &k), CLOISTER_E_ARGUMENT);
    assert_null(k);
}

static void ten_thousand_requests_pass_and_none_of_them_twice(void **state)
{
    enum {
        N = 10000,
        KEPT = 100
    };
    struct clo_keeper_start c = config;
    struct clo_epochs *k;
    struct request *kept = calloc(KEPT, sizeof *kept);
    /* Under valgrind, where each takes 50 times as long: every tenth. */
    const size_t step = getenv("CLOISTER_TEST_STRIDE") != NULL ? 10 : 1;
    struct shown s;

    (void)state;
    assert_non_null(kept);
    c.quota = N;
    c.set_max = N;
    k = make_with(&c);
    s = show(k);
    for (uint64_t id = 0; id < N; id += step) {
        struct request r = request_to(&s.conf[1]);

        if (id % (N / KEPT) == 0)
            kept[id / (N / KEPT)] = r;
        assert_int_equal(open_it(k, id, &r), 0);
        assert_int_equal(clo_epochs_commit(k, id, alice), 0);
        clo_epochs_close(k, id);
    }
    for (size_t i = 0; i < KEPT; i += step)
        assert_int_equal(open_it(k, N + i, &kept[i]), CLOISTER_E_AUTH);
    clo_epochs_free(k);
    free(kept);
}

static int guard_up(void **state)
{
    (void)state;
    return clo_guard_init(8);
}

static int guard_down(void **state)
{
    (void)state;
    clo_guard_end();
    return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, guard_up, guard_down)

/* What /proc says of this process, in KiB. */
static long status_kib(const char *name)
{
    FILE *f = fopen("/proc/self/status", "re");
    char line[256];
    long kib = -1;

    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0)
            kib = strtol(line + strlen(name), NULL, 10);
    }
    (void)fclose(f);
    return kib;
}

/*
 * What a stream takes of locked memory: in the keeper nothing, in the gateway one slot. Both processes' places are taken from one pool here,
 * as if they were one.
 */
static void nine_thousand_streams_fit_in_less_than_four_mebibytes(void **state)
{
    enum {
        STREAMS = 9000
    };
    struct clo_keeper_start c = config;
    struct clo_ohttp_opened **stream = calloc(STREAMS, sizeof(*stream));
    const long before = status_kib("VmLck:");
    struct clo_epochs *k = NULL;
    struct request r;

    (void)state;
    assert_non_null(stream);
    clo_guard_end(); /* the usual one */
    assert_int_equal(clo_guard_init(CLO_KEEPER_SLOTS + STREAMS + CLO_GATEWAY_SLOTS_MORE), 0);
    assert_in_range(status_kib("VmLck:") - before, 1, 4095);
    c.contexts_max = STREAMS;
    k = make_with(&c);
    r = fast_request(k);
    for (uint64_t i = 0; i < STREAMS; i++) {
        assert_non_null(stream[i] = clo_guard_alloc());
        assert_int_equal(clo_epochs_open(k, i + 1, &r.header, true, r.enc, r.enc_n, stream[i]), 0);
    }
    assert_int_equal(open_it(k, STREAMS + 1, &r), CLOISTER_E_FULL);
    for (size_t i = 0; i < STREAMS; i++) {
        assert_memory_equal(stream[i]->key, r.sender.key, sizeof(r.sender.key));
        assert_memory_equal(stream[i]->response_secret, r.sender.response_secret,
                            sizeof(r.sender.response_secret));
        clo_guard_free(stream[i]);
    }
    assert_in_range(status_kib("VmLck:") - before, 1, 4095);
    clo_epochs_free(k);
    free(stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_request_opens_to_its_senders_keys),
        T(the_keeper_computes_the_info_itself),
        T(x25519_is_absent_unless_allowed),
        T(of_many_copies_exactly_one_passes),
        T(what_was_committed_never_opens_again),
        T(a_partial_copy_sent_ahead_blocks_nobody),
        T(a_context_commits_once),
        T(an_id_in_use_is_a_breach),
        T(strangers_cant_fill_the_set),
        T(a_quota_binds_one_credential_until_its_keys_end),
        T(a_full_set_ends_its_keys_and_new_ones_follow),
        T(contexts_are_bounded),
        T(unknown_keys_and_suites_are_told_apart_from_bad_requests),
        T(what_mlkem_rejects_opens_to_keys_that_nobody_has),
        T(what_is_refused_leaves_nothing_behind),
        T(the_next_keys_exist_before_the_old_ones_end),
        T(the_next_keys_are_there_before_verdicts_over_the_old_ones_end),
        T(short_epochs_overlap_by_three_tenths),
        T(expired_keys_dont_open),
        T(an_open_context_may_commit_for_60_seconds_after_its_key),
        T(a_reset_ends_everything_of_before),
        T(a_clock_set_back_ends_the_keys),
        T(each_key_comes_from_fresh_randomness),
        T(without_randomness_there_are_no_keys),
        T(nothing_exists_before_the_first_reset),
        T(limits_of_zero_are_refused),
        T(ten_thousand_requests_pass_and_none_of_them_twice),
        T(nine_thousand_streams_fit_in_less_than_four_mebibytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
