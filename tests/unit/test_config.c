/* SPDX-License-Identifier: Apache-2.0 */
/* cloisterd's configuration: what is understood, and that everything else is one sentence. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "daemon/parent/files.h"

static struct clo_config config;
static struct clo_problem problem;
static char dir[64];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/clo-config-XXXXXX");
    return mkdtemp(dir) != NULL ? 0 : -1;
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

static const char *in_dir(const char *name)
{
    static char path[2][256];
    static int turn;

    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

static const char *make_file(const char *name, const char *text, mode_t mode)
{
    const char *path = in_dir(name);
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

/* The words after a working beginning. */
static int read_words(const char *const *word, size_t n)
{
    static const char *const first[] = {"cloisterd", "--config=/dev/null"};
    char *argv[32];
    enum clo_config_want want = CLO_WANT_RUN;
    int err;

    memset(&config, 0, sizeof config);
    memset(&problem, 0, sizeof problem);
    for (size_t i = 0; i < 2; i++)
        argv[i] = strdup(first[i]);
    for (size_t i = 0; i < n; i++)
        argv[2 + i] = strdup(word[i]);
    err = clo_config_read((int)n + 2, argv, &config, &want, &problem);
    for (size_t i = 0; i < n + 2; i++)
        free(argv[i]);
    return err;
}
#define READ(...)                                  \
    read_words((const char *const[]){__VA_ARGS__}, \
               CLO_ARRAY_LEN(((const char *const[]){__VA_ARGS__})))
#define GOOD "--tee", "simulated", "--model", "/m/My Model.gguf"

#define REFUSED(part, ...)                                      \
    do {                                                        \
        assert_int_equal(READ(__VA_ARGS__), CLOISTER_E_CONFIG); \
        assert_non_null(strstr(problem.text, part));            \
    } while (0)

static void the_least_is_enough_and_the_rest_is_as_documented(void **state)
{
    (void)state;
    assert_int_equal(READ(GOOD), 0);
    assert_int_equal(config.tee, CLO_TEE_SIMULATED);
    assert_true(config.managed && config.loopback && !config.x25519);
    assert_string_equal(config.listen_text, "127.0.0.1:8080");
    assert_string_equal(config.model_name, "My-Model");
    assert_int_equal(config.key_lifetime, 1800);
    assert_int_equal(config.shape, CLO_SHAPING_FULL);
    assert_int_equal(config.drain_timeout, 30);
    assert_true(config.cell_uid == 65520 && !config.incomplete_cells);
    assert_int_equal(config.ready_fd, -1);
    assert_int_equal(config.log_level, CLO_INFO);
}

static void the_tee_is_what_there_is_unless_it_is_chosen(void **state)
{
    (void)state;
    assert_int_equal(READ("--model=/m"), 0);
    assert_int_equal(config.tee, CLO_TEE_AUTO);
    assert_true(config.gpus);
    assert_int_equal(config.tpm_pcrs, 0xffffff);
    REFUSED("or simulated, which protects nothing, not 'none'", "--tee", "none", "--model", "/m");
    assert_int_equal(READ("--tee=sev-snp", "--model=/m", "--gpus", "none"), 0);
    assert_int_equal(config.tee, CLO_TEE_SEV_SNP);
    assert_false(config.gpus);
    assert_int_equal(READ("--tee=tdx-azure", "--model=/m"), 0);
    assert_int_equal(config.tee, CLO_TEE_TDX_AZURE);
    REFUSED("--gpus wants auto or none", "--gpus", "2", "--model", "/m");
}

static void the_shape_is_full_unless_less_is_chosen(void **state)
{
    static const char *const bad[] = {"Full", "none", "sizes", "2", "full,size"};

    (void)state;
    assert_int_equal(READ(GOOD, "--shape=size"), 0);
    assert_int_equal(config.shape, CLO_SHAPING_SIZE);
    assert_int_equal(READ(GOOD, "--shape", "off"), 0);
    assert_int_equal(config.shape, CLO_SHAPING_OFF);
    assert_int_equal(READ(GOOD, "--shape", "full"), 0);
    assert_int_equal(config.shape, CLO_SHAPING_FULL);
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        REFUSED("--shape wants full, size or off, not '", GOOD, "--shape", bad[i]);
    REFUSED("empty", GOOD, "--shape=");
}

static void pcrs_are_numbers_and_ranges_of_them(void **state)
{
    static const char *const bad[] = {"24", "-1", "0-24", "5-4", "0,",
                                      ",0", "0-", "0,,1", "a",   "0 1"};

    (void)state;
    assert_int_equal(READ("--model=/m", "--tpm-pcrs", "0-7,11,23"), 0);
    assert_int_equal(config.tpm_pcrs, 0x8008ff);
    assert_int_equal(READ("--model=/m", "--tpm-pcrs=11"), 0);
    assert_int_equal(config.tpm_pcrs, 0x800);
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        REFUSED("wants numbers from 0 to 23", "--model", "/m", "--tpm-pcrs", bad[i]);
}

static void what_is_fetched_from_where_is_told(void **state)
{
    (void)state;
    assert_int_equal(READ("--model=/m"), 0);
    assert_int_equal(config.fetch.online, 1);
    assert_string_equal(config.fetch.amd, "");
    assert_int_equal(READ("--model=/m", "--fetch", "no", "--cache-dir", "/c", "--amd-service",
                          "https://kds.example", "--fetch-proxy", "http://proxy.example:3128"),
                     0);
    assert_int_equal(config.fetch.online, 0);
    assert_string_equal(config.fetch.cache, "/c");
    assert_string_equal(config.fetch.amd, "https://kds.example");
    assert_string_equal(config.fetch.proxy, "http://proxy.example:3128");
    REFUSED("--fetch wants yes or no", "--model", "/m", "--fetch", "maybe");
    REFUSED("--cache-dir wants a folder's whole path", "--model", "/m", "--cache-dir", "c");
    REFUSED("--amd-service wants https://", "--model", "/m", "--amd-service", "http://kds.example");
    REFUSED("--nvidia-service wants https://", "--model", "/m", "--nvidia-service", "ftp://x");
    REFUSED("--azure-service wants https://", "--model", "/m", "--azure-service", "http://x");
    REFUSED("--fetch-proxy wants http://HOST:PORT", "--model", "/m", "--fetch-proxy", "socks5://x");
}

static void one_engine_is_chosen(void **state)
{
    (void)state;
    REFUSED("either --model", "--tee", "simulated");
    REFUSED("either --model", GOOD, "--upstream", "unix:/x");
    REFUSED("--model-name", GOOD, "--model-name", "a,b");
}

static void embeddings_are_for_an_engine_of_ours(void **state)
{
    (void)state;
    assert_int_equal(READ(GOOD), 0);
    assert_int_equal(config.embeddings, CLO_POOLING_NONE);
    assert_int_equal(READ(GOOD, "--embeddings", "yes"), 0);
    assert_int_equal(config.embeddings, CLO_POOLING_MODEL);
    assert_int_equal(READ(GOOD, "--embeddings", "cls"), 0);
    assert_int_equal(config.embeddings, CLO_POOLING_CLS);
    REFUSED("--embeddings wants", GOOD, "--embeddings", "rank");
    REFUSED("--embeddings is for --model", "--tee", "simulated", "--upstream", "unix:/x",
            "--embeddings", "mean");
    assert_int_equal(READ("--tee", "simulated", "--upstream", "unix:/x", "--embeddings", "no"), 0);
}

static void what_an_upstream_is_is_said_of_an_upstream_alone(void **state)
{
    (void)state;
    assert_int_equal(READ("--tee", "simulated", "--upstream", "unix:/x"), 0);
    assert_false(config.vllm);
    assert_int_equal(
        READ("--tee", "simulated", "--upstream", "unix:/x", "--upstream-engine", "other"), 0);
    assert_false(config.vllm);
    assert_int_equal(
        READ("--tee", "simulated", "--upstream", "unix:/x", "--upstream-engine", "vllm"), 0);
    assert_true(config.vllm);
    REFUSED("--upstream-engine wants", "--tee", "simulated", "--upstream", "unix:/x",
            "--upstream-engine", "sglang");
    REFUSED("--upstream-engine goes with --upstream", GOOD, "--upstream-engine", "vllm");
}

static void an_upstream_stays_inside_the_machine(void **state)
{
    static const struct {
        const char *url, *address;
    } good[] = {
        {"unix:/run/x.sock", "unix:/run/x.sock"},     {"http+unix:/run/x.sock", "unix:/run/x.sock"},
        {"http://127.0.0.1:8000", "127.0.0.1:8000"},  {"http://localhost:8000", "127.0.0.1:8000"},
        {"http://127.0.0.1:8000/", "127.0.0.1:8000"}, {"http://[::1]:65535", "[::1]:65535"},
    };
    static const char *const bad[] = {
        "http://example.org:80",
        "http://10.0.0.1:80",
        "http://127.0.0.1.example.org:80",
        "http://127.0.0.1@example.org:80",
        "https://127.0.0.1:443",
        "http://localhost.evil:80",
        "http://127.0.0.1",
        "http://127.0.0.1:0",
        "http://127.0.0.1:65536",
        "http://127.0.0.1:80/v1",
        "http://0.0.0.0:80",
        "http://[::]:80",
        "unix:x.sock",
        "unix:",
        "http://127.0.0.2:80",
        "http://127.1:80",
        "HTTP://127.0.0.1:80",
        "http://127.0.0.1: 80",
        "http://user@127.0.0.1:80",
        "http://127.0.0.1:+80",
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(good); i++) {
        assert_int_equal(READ("--tee", "simulated", "--upstream", good[i].url), 0);
        assert_string_equal(config.upstream, good[i].address);
        assert_false(config.managed);
    }
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        REFUSED("inside this machine", "--tee", "simulated", "--upstream", bad[i]);
}

static void without_keys_only_loopback_is_served(void **state)
{
    (void)state;
    REFUSED("everybody", GOOD, "--listen", "0.0.0.0:80");
    REFUSED("everybody", GOOD, "--listen", "[::]:80");
    REFUSED("everybody", GOOD, "--listen", "192.0.2.1:80");
    assert_int_equal(READ(GOOD, "--listen", "127.9.9.9:0"), 0);
    assert_int_equal(READ(GOOD, "--listen", "[::1]:8443"), 0);
    assert_int_equal(config.listen.ss_family, AF_INET6);
    assert_int_equal(READ(GOOD, "--listen", "0.0.0.0:80", "--api-keys", "/k"), 0);
    assert_false(config.loopback);
}

static void listen_wants_address_and_port(void **state)
{
    static const char *const bad[] = {
        "8080",   "localhost:80", "127.0.0.1", "127.0.0.1:",   "127.0.0.1:65536",
        "::1:80", "[::1]80",      ":80",       "127.0.0.1:8 0"};

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++)
        REFUSED("--listen wants", GOOD, "--listen", bad[i]);
}

static void unknown_repeated_and_incomplete_options_are_refused(void **state)
{
    (void)state;
    REFUSED("no option '--frob'", GOOD, "--frob");
    REFUSED("is no option", GOOD, "frob");
    REFUSED("twice", GOOD, "--slots", "2", "--slots", "2");
    REFUSED("--slots wants", GOOD, "--slots");
    REFUSED("takes no value", GOOD, "--allow-x25519=yes");
    REFUSED("wants a number from 1 to", GOOD, "--cell-uid", "0"); /* root is nobody's cell */
    REFUSED("empty", GOOD, "--state-dir=");
    REFUSED("from 1 to 1024", GOOD, "--slots", "0");
    REFUSED("from 1 to 1024", GOOD, "--slots", "-1");
    REFUSED("from 1 to 1024", GOOD, "--slots", "2x");
    REFUSED("from 10 to", GOOD, "--key-lifetime", "9");
    REFUSED("debug, info", GOOD, "--log-level", "all");
    REFUSED("--max-memory", GOOD, "--max-memory", "1048576", "--max-request", "1048577");
}

static int read_config(const char *text, const char *option, const char *value)
{
    char *argv[] = {
        strdup("cloisterd"), strdup("--config"), strdup(make_file("c.conf", text, 0600)),
        strdup(option != NULL ? option : "--log-level"), strdup(value != NULL ? value : "warn")};
    enum clo_config_want want = CLO_WANT_RUN;
    int err = clo_config_read(5, argv, &config, &want, &problem);

    for (size_t i = 0; i < CLO_ARRAY_LEN(argv); i++)
        free(argv[i]);
    return err;
}

static void a_file_fills_what_the_command_line_left_open(void **state)
{
    (void)state;
    assert_int_equal(
        read_config(
            "# a comment\n\n  Tee simulated  \nModel\t/models/with space.gguf\nSlots 7\nAllowX25519 yes\nIncompleteCells yes\n",
            "--slots", "9"),
        0);
    assert_string_equal(config.model, "/models/with space.gguf");
    assert_int_equal(config.slots, 9);
    assert_true(config.x25519 && config.incomplete_cells);
}

static void faults_in_a_file_are_told_with_their_line(void **state)
{
    static const struct {
        const char *text, *part;
    } bad[] = {
        {"Tee simulated\nFrob 1\n", "line 2: there is no keyword 'Frob'"},
        {"Tee simulated\nModel /m\nSlots 1\nSlots 1\n", "line 4: Slots stands in line 3"},
        {"Tee simulated\nModel\n", "line 2: Model has no value"},
        {"Tee simulated\nModel /m\nShape Full\n",
         "line 3: Shape wants full, size or off, not 'Full'"},
        {"Tee simulated\nModel /m\nSlots many\n", "line 3: Slots wants a number"},
        {"Tee simulated\nModel /m\nAllowX25519 perhaps\n", "line 3: AllowX25519 wants yes or no"},
        {"tee simulated\n", "line 1: there is no keyword 'tee'"},
        {"ReadyFd 3\n", "line 1: there is no keyword"},
        {"Tee simulated\nUpstream http://example.org:80\n", "line 2: Upstream must stay inside"},
        {"Tee simulated\r\n", "which protects nothing, not 'simulated\xef\xbf\xbd'"},
        {"Tee \x1b[2Jsimulated\n", "not '\xef\xbf\xbd[2Jsimulated'"},
    };

    (void)state;
    for (size_t i = 0; i < CLO_ARRAY_LEN(bad); i++) {
        assert_int_equal(read_config(bad[i].text, NULL, NULL), CLOISTER_E_CONFIG);
        assert_non_null(strstr(problem.text, bad[i].part));
    }
    REFUSED("twice", "--config", "/does/not/exist", GOOD);
}

/* ---- peers and relays ---- */

static void one_address_may_not_take_all_connections(void **state)
{
    (void)state;
    assert_int_equal(READ(GOOD), 0);
    assert_int_equal(config.peer_max, 0); /* on loopback a relay speaks for everybody */
    assert_int_equal(READ(GOOD, "--listen", "0.0.0.0:80", "--api-keys", "/k"), 0);
    assert_int_equal(config.peer_max, 256);
    assert_int_equal(
        READ(GOOD, "--listen", "0.0.0.0:80", "--api-keys", "/k", "--max-connections", "3"), 0);
    assert_int_equal(config.peer_max, 1);
    assert_int_equal(READ(GOOD, "--listen", "0.0.0.0:80", "--api-keys", "/k", "--max-peer", "0"),
                     0);
    assert_int_equal(config.peer_max, 0);
}

static void relays_are_addresses_and_networks(void **state)
{
    static const uint8_t v4[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 7};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8};

    (void)state;
    assert_int_equal(
        READ(GOOD, "--relay", "192.0.2.7, 2001:db8::/32", "--relay=10.0.0.0/8,0.0.0.0/0"), 0);
    assert_int_equal(config.relays, 4);
    assert_memory_equal(config.relay[0].address, v4, 16);
    assert_int_equal(config.relay[0].prefix, 128);
    assert_memory_equal(config.relay[1].address, v6, 16);
    assert_int_equal(config.relay[1].prefix, 32);
    assert_int_equal(config.relay[2].prefix, 104);
    assert_int_equal(config.relay[3].prefix, 96);
    REFUSED("--relay wants addresses", GOOD, "--relay", "relay.example");
    REFUSED("--relay wants addresses", GOOD, "--relay", "192.0.2.7/24");
    REFUSED("--relay wants addresses", GOOD, "--relay", "192.0.2.0/33");
    REFUSED("--relay wants addresses", GOOD, "--relay", "192.0.2.0/");
    REFUSED("--relay wants addresses", GOOD, "--relay", "192.0.2.0/+8");
    REFUSED("--relay wants addresses", GOOD, "--relay", "2001:db8::/129");
    REFUSED("--relay wants addresses", GOOD, "--relay", "192.0.2.7,,192.0.2.8");
}

static void relay_lines_add_up_and_the_command_line_outweighs_them(void **state)
{
    const char *file = make_file(
        "c.conf", "Tee simulated\nModel /m\nRelay 192.0.2.7\nRelay 192.0.2.8, 192.0.2.9\n", 0600);
    char *argv[] = {(char[]){"cloisterd"}, (char[]){"--config"}, strdup(file), (char[]){"--relay"},
                    (char[]){"10.0.0.0/8"}};
    enum clo_config_want want = CLO_WANT_RUN;

    (void)state;
    assert_int_equal(clo_config_read(3, argv, &config, &want, &problem), 0);
    assert_int_equal(config.relays, 3);
    assert_int_equal(config.relay[2].address[15], 9);
    assert_int_equal(clo_config_read(5, argv, &config, &want, &problem), 0);
    assert_int_equal(config.relays, 1);
    assert_int_equal(config.relay[0].prefix, 104);
    make_file("c.conf", "Tee simulated\nModel /m\nRelay 192.0.2.7\nRelay here\n", 0600);
    assert_int_equal(clo_config_read(3, argv, &config, &want, &problem), CLOISTER_E_CONFIG);
    assert_non_null(strstr(problem.text, "line 4: Relay wants addresses"));
    free(argv[2]);
}

/* ---- reloading ---- */

static void a_reload_takes_what_can_change_and_names_the_rest(void **state)
{
    struct clo_config now, next, merged;
    char names[256];

    (void)state;
    assert_int_equal(READ(GOOD, "--api-keys", "/k"), 0);
    now = config;
    assert_int_equal(READ(GOOD, "--api-keys", "/other", "--max-parallel", "3", "--max-queue", "4",
                          "--max-memory", "50000000", "--max-peer", "6", "--relay", "192.0.2.7",
                          "--drain-timeout", "7", "--log-level", "debug", "--slots", "8",
                          "--listen", "127.0.0.1:9", "--shape", "off"),
                     0);
    next = config;
    assert_int_equal(clo_config_merge(&now, &next, &merged, names, sizeof names, &problem), 0);
    assert_string_equal(names, "Listen, Slots, Shape");
    assert_int_equal(merged.shape, CLO_SHAPING_FULL); /* the manifest has promised it */
    assert_string_equal(merged.api_keys, "/other");
    assert_true(merged.parallel == 3 && merged.queue_max == 4 && merged.memory_max == 50000000 &&
                merged.peer_max == 6 && merged.relays == 1 && merged.drain_timeout == 7 &&
                merged.log_level == CLO_DEBUG);
    assert_int_equal(merged.slots, now.slots);
    assert_string_equal(merged.listen_text, now.listen_text);
}

static void a_reload_of_the_same_names_nothing(void **state)
{
    struct clo_config now, merged;
    char names[256];

    (void)state;
    assert_int_equal(READ(GOOD), 0);
    now = config;
    assert_int_equal(READ(GOOD), 0);
    assert_int_equal(clo_config_merge(&now, &config, &merged, names, sizeof names, &problem), 0);
    assert_string_equal(names, "");
    assert_memory_equal(&merged, &now, sizeof now);
}

static void a_limit_that_isnt_given_follows_from_what_holds(void **state)
{
    struct clo_config now, merged;
    char names[256];

    (void)state;
    assert_int_equal(READ(GOOD, "--api-keys", "/k", "--max-peer", "9"), 0);
    now = config;
    /* Still on loopback, where a relay speaks for everybody: no limit, though one is usual where it is to listen next. */
    assert_int_equal(READ(GOOD, "--api-keys", "/k", "--listen", "0.0.0.0:80"), 0);
    assert_int_equal(clo_config_merge(&now, &config, &merged, names, sizeof names, &problem), 0);
    assert_string_equal(names, "Listen");
    assert_int_equal(merged.peer_max, 0);
    /* And still on the network with 1024 connections. */
    now = config;
    assert_int_equal(READ(GOOD, "--api-keys", "/k", "--max-connections", "8"), 0);
    assert_int_equal(clo_config_merge(&now, &config, &merged, names, sizeof names, &problem), 0);
    assert_int_equal(merged.peer_max, 256);
}

static void a_reload_doesnt_open_the_service_to_all(void **state)
{
    struct clo_config now, merged;
    char names[256];

    (void)state;
    assert_int_equal(READ(GOOD, "--api-keys", "/k"), 0);
    now = config;
    assert_int_equal(READ(GOOD), 0);
    assert_int_equal(clo_config_merge(&now, &config, &merged, names, sizeof names, &problem), 0);
    assert_string_equal(names, "ApiKeys");
    assert_string_equal(merged.api_keys, "/k");
}

static void a_reload_leaves_room_for_a_request(void **state)
{
    struct clo_config now, merged;
    char names[256];

    (void)state;
    assert_int_equal(READ(GOOD), 0);
    now = config;
    assert_int_equal(READ(GOOD, "--max-request", "1024", "--max-memory", "1048576"), 0);
    assert_int_equal(clo_config_merge(&now, &config, &merged, names, sizeof names, &problem),
                     CLOISTER_E_CONFIG);
    assert_non_null(strstr(problem.text, "MaxMemory (1048576)"));
}

static void the_key_store_is_found_in_a_file_that_isnt_finished(void **state)
{
    char store[CLO_STR_MAX] = "";

    (void)state;
    assert_int_equal(
        clo_config_key_store(make_file("c.conf", "ApiKeys /etc/k.json\n", 0600), store, &problem),
        0);
    assert_string_equal(store, "/etc/k.json");
    assert_int_equal(clo_config_key_store(make_file("c.conf", "Slots 4\n", 0600), store, &problem),
                     CLOISTER_E_CONFIG);
    assert_non_null(strstr(problem.text, "say which key store"));
}

/* ---- files ---- */

static void a_zero_byte_in_a_file_hides_nothing(void **state)
{
    static const char text[] = "Tee simulated\nModel /m\nSlots 4\0 of 5\n";
    char file[256];
    char *argv[] = {(char[]){"cloisterd"}, (char[]){"--config"}, file};
    enum clo_config_want want = CLO_WANT_RUN;
    FILE *f;

    (void)state;
    snprintf(file, sizeof file, "%s", in_dir("c.conf"));
    f = fopen(file, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, sizeof text - 1, f), sizeof text - 1);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(clo_config_read(3, argv, &config, &want, &problem), CLOISTER_E_CONFIG);
    assert_non_null(strstr(problem.text, "line 3 is too long, or holds a zero byte"));
}

static void a_replicas_path_is_made_once_and_stays(void **state)
{
    char first[CLO_GATEWAY_PATH_LEN + 1], second[CLO_GATEWAY_PATH_LEN + 1], deep[256];

    (void)state;
    snprintf(deep, sizeof deep, "%s", in_dir("a/b/state"));
    assert_int_equal(clo_gateway_path_load(deep, clo_rng_system(), first, &problem), 0);
    assert_true(clo_gateway_path_ok(first));
    assert_int_equal(clo_gateway_path_load(deep, clo_rng_system(), second, &problem), 0);
    assert_string_equal(first, second);
    make_file("a/b/state/gateway", "/r/0123456789abcdeX\n", 0600);
    assert_int_equal(clo_gateway_path_load(deep, clo_rng_system(), second, &problem),
                     CLOISTER_E_CONFIG);
    assert_non_null(strstr(problem.text, "remove it"));
    make_file("a/b/state/gateway", "/r/0123456789abcdef\n\n", 0600);
    assert_int_equal(clo_gateway_path_load(deep, clo_rng_system(), second, &problem),
                     CLOISTER_E_CONFIG);
}

static void a_runtime_folder_serves_one_daemon_and_leaves_nothing(void **state)
{
    struct clo_runtime a = {.lock = -1}, b = {.lock = -1};
    char run[256];
    struct stat st;

    (void)state;
    snprintf(run, sizeof run, "%s", in_dir("run"));
    assert_int_equal(clo_runtime_open(run, &a, &problem), 0);
    assert_int_equal(stat(run, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(clo_runtime_open(run, &b, &problem), CLOISTER_E_CONFIG);
    assert_non_null(strstr(problem.text, "another cloisterd"));
    assert_int_equal(mkdir(in_dir("run/engine"), 0700), 0);
    make_file("run/engine/engine-7.sock", "", 0600);
    clo_runtime_close(&a);
    assert_int_equal(stat(run, &st), -1);
    clo_runtime_close(&a);
}

static void a_folder_that_others_can_write_to_is_refused(void **state)
{
    struct clo_runtime r = {.lock = -1};
    char run[256];

    (void)state;
    snprintf(run, sizeof run, "%s", in_dir("open"));
    assert_int_equal(mkdir(run, 0700), 0);
    assert_int_equal(chmod(run, 0777), 0);
    assert_int_equal(clo_runtime_open(run, &r, &problem), CLOISTER_E_CONFIG);
    assert_int_equal(unlink(in_dir("link")), -1);
    assert_int_equal(symlink(run, in_dir("link")), 0);
    snprintf(run, sizeof run, "%s", in_dir("link"));
    assert_int_equal(clo_runtime_open(run, &r, &problem), CLOISTER_E_CONFIG);
}

static void a_folder_that_others_can_replace_is_refused(void **state)
{
    struct clo_runtime r = {.lock = -1};
    char above[256], run[256];

    (void)state;
    snprintf(above, sizeof above, "%s", in_dir("above"));
    snprintf(run, sizeof run, "%s", in_dir("above/run"));
    assert_int_equal(mkdir(above, 0700), 0);
    assert_int_equal(chmod(above, 0777), 0);
    assert_int_equal(clo_runtime_open(run, &r, &problem), CLOISTER_E_CONFIG);
    assert_non_null(strstr(problem.text, "others can replace"));
    assert_int_equal(chmod(above, 01777), 0);
    assert_int_equal(clo_runtime_open(run, &r, &problem), 0);
    clo_runtime_close(&r);
}

static void a_link_to_the_runtime_folder_is_followed_once(void **state)
{
    struct clo_runtime r = {.lock = -1};
    char link[256];

    (void)state;
    assert_int_equal(mkdir(in_dir("real"), 0700), 0);
    assert_int_equal(symlink("real", in_dir("link")), 0);
    snprintf(link, sizeof link, "%s/", in_dir("link"));
    assert_int_equal(clo_runtime_open(link, &r, &problem), 0);
    assert_string_equal(r.dir, in_dir("real"));
    clo_runtime_close(&r);
}

static void a_port_that_is_taken_is_one_sentence(void **state)
{
    struct clo_config c;
    char text[64];
    uint16_t port = 0, other = 0;
    int fd = -1, second = -1;

    (void)state;
    assert_int_equal(READ(GOOD, "--listen", "127.0.0.1:0"), 0);
    assert_int_equal(clo_listen_open(&config, &fd, &port, &problem), 0);
    assert_true(port > 0);
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    assert_int_equal(READ(GOOD, "--listen", text), 0);
    c = config;
    assert_int_equal(clo_listen_open(&c, &second, &other, &problem), CLOISTER_E_CONFIG);
    assert_non_null(strstr(problem.text, "taken by another program"));
    assert_int_equal(second, -1);
    close(fd);
}

static void models_and_programs_are_looked_at_first(void **state)
{
    char real[CLO_STR_MAX];

    (void)state;
    assert_int_equal(clo_model_check(in_dir("absent.gguf"), real, &problem), CLOISTER_E_CONFIG);
    assert_int_equal(clo_model_check(dir, real, &problem), CLOISTER_E_CONFIG);
    assert_int_equal(clo_model_check(make_file("m-00001-of-00002.gguf", "x", 0600), real, &problem),
                     CLOISTER_E_CONFIG);
    assert_non_null(strstr(problem.text, "split"));
    assert_int_equal(clo_model_check(make_file("m.gguf", "x", 0600), real, &problem), 0);
    assert_int_equal(clo_engine_find(make_file("notexec", "x", 0600), real, &problem),
                     CLOISTER_E_CONFIG);
    assert_int_equal(clo_engine_find(make_file("exec", "x", 0700), real, &problem), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_is_enough_and_the_rest_is_as_documented),
        cmocka_unit_test(the_tee_is_what_there_is_unless_it_is_chosen),
        cmocka_unit_test(the_shape_is_full_unless_less_is_chosen),
        cmocka_unit_test(pcrs_are_numbers_and_ranges_of_them),
        cmocka_unit_test(what_is_fetched_from_where_is_told),
        cmocka_unit_test(one_engine_is_chosen),
        cmocka_unit_test(embeddings_are_for_an_engine_of_ours),
        cmocka_unit_test(what_an_upstream_is_is_said_of_an_upstream_alone),
        cmocka_unit_test(an_upstream_stays_inside_the_machine),
        cmocka_unit_test(without_keys_only_loopback_is_served),
        cmocka_unit_test(listen_wants_address_and_port),
        cmocka_unit_test(unknown_repeated_and_incomplete_options_are_refused),
        T(a_file_fills_what_the_command_line_left_open),
        T(faults_in_a_file_are_told_with_their_line),
        T(a_zero_byte_in_a_file_hides_nothing),
        cmocka_unit_test(one_address_may_not_take_all_connections),
        cmocka_unit_test(relays_are_addresses_and_networks),
        T(relay_lines_add_up_and_the_command_line_outweighs_them),
        cmocka_unit_test(a_reload_takes_what_can_change_and_names_the_rest),
        cmocka_unit_test(a_reload_of_the_same_names_nothing),
        cmocka_unit_test(a_limit_that_isnt_given_follows_from_what_holds),
        cmocka_unit_test(a_reload_doesnt_open_the_service_to_all),
        cmocka_unit_test(a_reload_leaves_room_for_a_request),
        T(the_key_store_is_found_in_a_file_that_isnt_finished),
        T(a_replicas_path_is_made_once_and_stays),
        T(a_runtime_folder_serves_one_daemon_and_leaves_nothing),
        T(a_folder_that_others_can_write_to_is_refused),
        T(a_folder_that_others_can_replace_is_refused),
        T(a_link_to_the_runtime_folder_is_followed_once),
        cmocka_unit_test(a_port_that_is_taken_is_one_sentence),
        T(models_and_programs_are_looked_at_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
