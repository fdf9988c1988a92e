/* SPDX-License-Identifier: Apache-2.0 */
/* The key store: what is understood, that all else is refused in a sentence, and that changes are whole and lose nothing. */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/parent/keys.h"

#define HEX32       "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX33       "10112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define KEY         "{\"id\":\"0123abcd\",\"sha256\":\"" HEX32 "\",\"created\":7}"
#define STORE(keys) "{\"v\":1,\"keys\":[" keys "]}"

static struct clo_problem problem;
static char dir[64], file[128];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/clo-keys-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(file, sizeof file, "%s/keys.json", dir);
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_file(const char *text, mode_t mode)
{
    FILE *f = fopen(file, "we");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(file, mode), 0);
}

static int parse(const char *text, struct clo_keys *ret, uint32_t *at)
{
    return clo_keys_parse(text, strlen(text), ret, at);
}

static struct clo_key some_key(unsigned n)
{
    struct clo_key k = {.created = 7};

    snprintf(k.id, sizeof k.id, "%08x", n);
    memcpy(k.terms.digest, &n, sizeof n);
    return k;
}

/* ---- the text ---- */

static void a_key_has_its_terms(void **state)
{
    struct clo_keys keys = {0};

    (void)state;
    assert_int_equal(parse(STORE(KEY ",{\"id\":\"ffffffff\",\"label\":\"Ann\",\"sha256\":\"" HEX33
                                     "\",\"created\":8,\"expires\":9,\"requests_per_minute\":10,"
                                     "\"tokens_per_day\":11,\"parallel\":12}"),
                           &keys, NULL),
                     0);
    assert_int_equal(keys.count, 2);
    assert_string_equal(keys.at[0].id, "0123abcd");
    assert_string_equal(keys.at[0].label, "");
    assert_int_equal(keys.at[0].terms.digest[1], 0x11);
    assert_true(keys.at[0].terms.expires == 0 && keys.at[0].terms.requests_minute == 0 &&
                keys.at[0].terms.tokens_day == 0 && keys.at[0].terms.parallel == 0);
    assert_string_equal(keys.at[1].label, "Ann");
    assert_true(keys.at[1].created == 8 && keys.at[1].terms.expires == 9 &&
                keys.at[1].terms.requests_minute == 10 && keys.at[1].terms.tokens_day == 11 &&
                keys.at[1].terms.parallel == 12);
    assert_ptr_equal(clo_keys_find(&keys, "Ann"), &keys.at[1]);
    assert_ptr_equal(clo_keys_find(&keys, "0123abcd"), &keys.at[0]);
    assert_null(clo_keys_find(&keys, ""));
    clo_keys_clear(&keys);
}

static void what_is_written_is_read_again(void **state)
{
    struct clo_keys keys = {0}, again = {0};
    struct clo_buf out = clo_buf_init(CLO_KEYS_FILE_MAX);
    struct clo_key k = some_key(1);

    (void)state;
    snprintf(k.label, sizeof k.label, "the \"laptop\" of \xc3\x85sa");
    k.terms.expires = CLO_TIME_MAX;
    k.terms.tokens_day = INT64_MAX;
    k.terms.parallel = k.terms.requests_minute = UINT32_MAX;
    assert_int_equal(clo_keys_add(&keys, &k), 0);
    k = some_key(2);
    assert_int_equal(clo_keys_add(&keys, &k), 0);
    assert_int_equal(clo_keys_write(&keys, &out), 0);
    assert_int_equal(clo_keys_parse(out.p, out.len, &again, NULL), 0);
    assert_int_equal(again.count, 2);
    assert_memory_equal(again.at, keys.at, 2 * sizeof *keys.at);
    clo_keys_clear(&keys);
    clo_keys_clear(&again);
    clo_buf_clear(&out);
}

static void the_largest_store_fits_and_one_key_more_is_refused(void **state)
{
    struct clo_keys keys = {0}, again = {0};
    struct clo_buf out = clo_buf_init(CLO_KEYS_FILE_MAX);
    struct clo_key k;

    (void)state;
    for (unsigned i = 0; i < CLO_CREDENTIALS_MAX; i++) {
        k = some_key(i);
        memset(k.label, 'x', CLO_KEY_LABEL_MAX);
        memcpy(k.label, k.id, CLO_KEY_ID_LEN);
        k.terms.expires = k.created = CLO_TIME_MAX;
        k.terms.tokens_day = INT64_MAX;
        k.terms.parallel = k.terms.requests_minute = UINT32_MAX;
        assert_int_equal(clo_keys_add(&keys, &k), 0);
    }
    k = some_key(CLO_CREDENTIALS_MAX);
    assert_int_equal(clo_keys_add(&keys, &k), CLOISTER_E_FULL);
    assert_int_equal(clo_keys_write(&keys, &out), 0);
    assert_int_equal(clo_keys_parse(out.p, out.len, &again, NULL), 0);
    assert_int_equal(again.count, CLO_CREDENTIALS_MAX);
    clo_keys_clear(&keys);
    clo_keys_clear(&again);
    clo_buf_clear(&out);
}

static void whatever_is_not_exactly_a_store_is_refused(void **state)
{
    static const struct {
        const char *text;
        int err;
        uint32_t key;
    } bad[] = {
        {"", CLOISTER_E_MALFORMED, 0},
        {"[]", CLOISTER_E_MALFORMED, 0},
        {"{\"v\":1}", CLOISTER_E_MALFORMED, 0},
        {"{\"v\":2,\"keys\":[]}", CLOISTER_E_UNKNOWN, 0},
        {"{\"v\":1,\"keys\":[],\"x\":1}", CLOISTER_E_UNKNOWN, 0},
        {"{\"v\":1,\"v\":1,\"keys\":[]}", CLOISTER_E_DUPLICATE, 0},
        {STORE("") "x", CLOISTER_E_MALFORMED, 0},
        {STORE("1"), CLOISTER_E_MALFORMED, 1},
        {STORE(KEY "," KEY), CLOISTER_E_DUPLICATE, 2},
        {STORE("{\"id\":\"0123abc\",\"sha256\":\"" HEX32 "\",\"created\":7}"), CLOISTER_E_MALFORMED,
         1},
        {STORE("{\"id\":\"0123ABCD\",\"sha256\":\"" HEX32 "\",\"created\":7}"),
         CLOISTER_E_MALFORMED, 1},
        {STORE("{\"id\":\"0123abcd\",\"sha256\":\"00\",\"created\":7}"), CLOISTER_E_MALFORMED, 1},
        {STORE("{\"id\":\"0123abcd\",\"sha256\":\"" HEX32 "\",\"created\":-1}"),
         CLOISTER_E_MALFORMED, 1},
        {STORE("{\"id\":\"0123abcd\",\"sha256\":\"" HEX32 "\"}"), CLOISTER_E_MALFORMED, 1},
        {STORE("{\"id\":\"0123abcd\",\"sha256\":\"" HEX32 "\",\"created\":7,\"expires\":0}"),
         CLOISTER_E_MALFORMED, 1},
        {STORE("{\"id\":\"0123abcd\",\"sha256\":\"" HEX32 "\",\"created\":7,\"expire\":9}"),
         CLOISTER_E_UNKNOWN, 1},
        {STORE("{\"id\":\"0123abcd\",\"sha256\":\"" HEX32 "\",\"created\":7,\"label\":\"\"}"),
         CLOISTER_E_MALFORMED, 1},
        {STORE("{\"id\":\"0123abcd\",\"sha256\":\"" HEX32
               "\",\"created\":7,\"label\":\"two\\nlines\"}"),
         CLOISTER_E_MALFORMED, 1},
        {STORE("{\"id\":\"0123abcd\",\"sha256\":\"" HEX32
               "\",\"created\":7,\"label\":\"deadbeef\"}"),
         CLOISTER_E_MALFORMED, 1},
        {STORE(KEY ",{\"id\":\"0123abcd\",\"sha256\":\"" HEX33 "\",\"created\":7}"),
         CLOISTER_E_DUPLICATE, 2},
        {STORE(KEY ",{\"id\":\"1123abcd\",\"sha256\":\"" HEX32 "\",\"created\":7}"),
         CLOISTER_E_DUPLICATE, 2},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        struct clo_keys keys = {0};
        uint32_t key = 99;

        assert_int_equal(parse(bad[i].text, &keys, &key), bad[i].err);
        assert_int_equal(key, bad[i].key);
        assert_null(keys.at);
    }
}

/* ---- the file ---- */

static void unfit_files_are_one_sentence(void **state)
{
    static const struct {
        const char *text;
        mode_t mode;
        const char *part;
    } bad[] = {
        {STORE(KEY), 0640, "run chmod 600"},
        {STORE(KEY), 0604, "run chmod 600"},
        {"# keys\nsixteen-letters!\n", 0600, "cloisterd key add --from-file"},
        {"", 0600, "is empty: remove it"},
        {" \n", 0600, "is empty: remove it"},
        {"{\"v\":1,\n\"keys\":[}", 0600, "line 2"},
        {STORE(KEY "," KEY), 0600, "key 2 has the id, label or digest of another"},
        {STORE("{}"), 0600, "key 1 lacks a member"},
        {"{\"v\":9,\"keys\":[]}", 0600, "of another version"},
    };
    struct clo_keys keys = {0};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        make_file(bad[i].text, bad[i].mode);
        assert_int_equal(clo_keys_load(file, &keys, &problem), CLOISTER_E_CONFIG);
        assert_non_null(strstr(problem.text, bad[i].part));
        assert_null(strstr(problem.text, "sixteen"));
    }
    assert_int_equal(clo_keys_load(dir, &keys, &problem), CLOISTER_E_CONFIG);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(clo_keys_load(file, &keys, &problem), CLOISTER_E_CONFIG);
    assert_non_null(strstr(problem.text, "make it with `cloisterd key add`"));
    assert_null(keys.at);
}

static void a_store_without_keys_is_a_store(void **state)
{
    struct clo_keys keys = {0};

    (void)state;
    make_file(STORE(""), 0600);
    assert_int_equal(clo_keys_load(file, &keys, &problem), 0);
    assert_int_equal(keys.count, 0);
}

static void a_new_store_is_private(void **state)
{
    struct clo_keys_edit e = {.dir = -1};
    const struct clo_key k = some_key(1);
    struct stat st;

    (void)state;
    assert_int_equal(clo_keys_edit_open(file, false, &e, &problem), CLOISTER_E_CONFIG);
    assert_int_equal(clo_keys_edit_open(file, true, &e, &problem), 0);
    assert_int_equal(clo_keys_add(&e.keys, &k), 0);
    assert_int_equal(clo_keys_edit_save(&e, &problem), 0);
    clo_keys_edit_close(&e);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_link_stays_a_link(void **state)
{
    struct clo_keys_edit e = {.dir = -1};
    struct clo_keys keys = {0};
    char link[160];
    struct stat st;

    (void)state;
    make_file(STORE(KEY), 0600);
    snprintf(link, sizeof link, "%s/link", dir);
    assert_int_equal(symlink(file, link), 0);
    assert_int_equal(clo_keys_edit_open(link, false, &e, &problem), 0);
    clo_keys_remove(&e.keys, clo_keys_find(&e.keys, "0123abcd"));
    assert_int_equal(clo_keys_edit_save(&e, &problem), 0);
    clo_keys_edit_close(&e);
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(clo_keys_load(file, &keys, &problem), 0);
    assert_int_equal(keys.count, 0);
}

static void a_link_to_nothing_is_not_replaced(void **state)
{
    struct clo_keys_edit e = {.dir = -1};
    char link[160];

    (void)state;
    snprintf(link, sizeof link, "%s/link", dir);
    assert_int_equal(symlink(file, link), 0);
    assert_int_equal(clo_keys_edit_open(link, true, &e, &problem), CLOISTER_E_CONFIG);
    assert_non_null(strstr(problem.text, "is a link to what isn't there"));
    assert_int_equal(unlink(link), 0);
}

static void a_change_that_fails_leaves_the_store_and_no_draft(void **state)
{
    struct clo_keys_edit e = {.dir = -1};
    struct clo_keys keys = {0};
    char away[160];

    (void)state;
    make_file(STORE(KEY), 0600);
    assert_int_equal(clo_keys_edit_open(file, false, &e, &problem), 0);
    clo_keys_remove(&e.keys, &e.keys.at[0]);
    /* What is to be replaced has become a folder. */
    snprintf(away, sizeof away, "%s/away", dir);
    assert_int_equal(rename(file, away), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    assert_int_equal(clo_keys_edit_save(&e, &problem), CLOISTER_E_CONFIG);
    clo_keys_edit_close(&e);
    assert_int_equal(rmdir(file), 0);
    assert_int_equal(rename(away, file), 0);
    assert_int_equal(clo_keys_load(file, &keys, &problem), 0);
    assert_int_equal(keys.count, 1);
    clo_keys_clear(&keys);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
}

static int add_some(unsigned first, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct clo_keys_edit e = {.dir = -1};
        const struct clo_key k = some_key(first + i);

        if (clo_keys_edit_open(file, true, &e, &problem) != 0 || clo_keys_add(&e.keys, &k) != 0 ||
            clo_keys_edit_save(&e, &problem) != 0)
            return 1;
        clo_keys_edit_close(&e);
    }
    return 0;
}

static void two_that_add_at_once_lose_nothing(void **state)
{
    enum {
        PROCESSES = 4,
        EACH = 10
    };
    struct clo_keys keys = {0};
    int status = 0;

    (void)state;
    for (unsigned i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
            _exit(add_some(1 + i * EACH, EACH));
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(clo_keys_load(file, &keys, &problem), 0);
    assert_int_equal(keys.count, PROCESSES * EACH);
    clo_keys_clear(&keys);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_its_terms),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(the_largest_store_fits_and_one_key_more_is_refused),
        cmocka_unit_test(whatever_is_not_exactly_a_store_is_refused),
        T(unfit_files_are_one_sentence),
        T(a_store_without_keys_is_a_store),
        T(a_new_store_is_private),
        T(a_link_stays_a_link),
        T(a_link_to_nothing_is_not_replaced),
        T(a_change_that_fails_leaves_the_store_and_no_draft),
        T(two_that_add_at_once_lose_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
