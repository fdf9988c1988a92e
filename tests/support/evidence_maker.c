/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence for a gateway that isn't cloisterd, so that `cloister` can be tried against implementations that others wrote: the
 * simulator's reports over a list of keys that came from there.
 *
 *     evidence_maker GATEWAY KEYS
 *
 * GATEWAY is the path that requests are posted to ("/r/" and 16 hex digits), KEYS the application/ohttp-keys list in hex. The
 * first line printed is what a policy must pin: {"measurement": HEX, "simulated_root": HEX}. Then each line read is a nonce
 * in base64url, and each line printed the evidence document for it. Its keys end with the process.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cloister/verify.h>

#include "base/enc.h"
#include "codec/ohttp.h"
#include "simulated.h"

enum {
    LIFETIME = 1800,
    KEYCONFS_MAX = 16,
};

struct bound {
    struct clo_buf sec[CLO_SEC_COUNT];
    uint8_t digest[CLO_SEC_COUNT][32];
};

static int digest_of(struct bound *b, enum clo_section s)
{
    return clo_sha256(b->sec[s].p, b->sec[s].len, b->digest[s]);
}

static int make_keys(struct bound *b, const char *gateway, const char *hex, bool *ret_x25519)
{
    static struct clo_ohttp_keyconf conf[KEYCONFS_MAX];
    struct clo_keys_section k = {.created = time(NULL)};
    size_t n = 0;
    int err;

    k.expires = k.created + LIFETIME;
    k.ohttp_keys_n = strlen(hex) / 2;
    if (!clo_gateway_path_ok(gateway) || k.ohttp_keys_n > sizeof k.ohttp_keys)
        return CLOISTER_E_ARGUMENT;
    memcpy(k.gateway, gateway, CLO_GATEWAY_PATH_LEN);
    if ((err = clo_unhex(hex, strlen(hex), k.ohttp_keys, k.ohttp_keys_n)) != 0 ||
        (err = clo_ohttp_keys_parse(k.ohttp_keys, k.ohttp_keys_n, conf, KEYCONFS_MAX, &n)) != 0 ||
        (err = clo_keys_section_write(&k, &b->sec[CLO_SEC_KEYS])) != 0)
        return err;
    for (size_t i = 0; i < n; i++)
        *ret_x25519 = *ret_x25519 || conf[i].kem == CLO_KEM_X25519;
    return 0;
}

static int make_manifest(struct bound *b, bool x25519)
{
    const struct clo_manifest m = {.release = "0.1.0",
                                   .engine_name = "peer",
                                   .engine_version = "unknown",
                                   .upstream = "loopback",
                                   .model = "m",
                                   .x25519 = x25519,
                                   .prefix_cache = "upstream"};

    return clo_manifest_write(&m, &b->sec[CLO_SEC_MANIFEST]);
}

/* What is the same for every nonce. */
static int make_fixed(struct bound *b, const char *gateway, const char *keys)
{
    bool x25519 = false;
    int err;

    if ((err = make_keys(b, gateway, keys, &x25519)) != 0 ||
        (err = make_manifest(b, x25519)) != 0 ||
        (err = clo_devices_section_write_empty(&b->sec[CLO_SEC_DEVICES])) != 0 ||
        (err = digest_of(b, CLO_SEC_KEYS)) != 0 || (err = digest_of(b, CLO_SEC_MANIFEST)) != 0)
        return err;
    return digest_of(b, CLO_SEC_DEVICES);
}

/* One report for one nonce; the document with every section inside is appended to out. */
static int make_document(struct bound *b, struct clo_maker *maker, uint8_t (*nonce)[32],
                         struct clo_buf *out)
{
    struct clo_section_ref ref[CLO_SEC_COUNT] = {0};
    struct clo_batch_section batch = {0};
    struct clo_collateral crls = {0};
    struct clo_cpu_section cpu = {0};
    uint8_t data[64];
    int err;

    clo_buf_clear(&b->sec[CLO_SEC_BATCH]);
    clo_buf_clear(&b->sec[CLO_SEC_CPU]);
    clo_buf_clear(&b->sec[CLO_SEC_COLLATERAL]);
    if ((err = clo_batch_make((const uint8_t(*)[32])nonce, 1, 0, &batch)) != 0 ||
        (err = clo_batch_section_write(&batch, &b->sec[CLO_SEC_BATCH])) != 0 ||
        (err = clo_bind_cpu(batch.root, b->digest[CLO_SEC_KEYS], b->digest[CLO_SEC_MANIFEST],
                            b->digest[CLO_SEC_DEVICES], data)) != 0 ||
        (err = maker->ops->report(maker, data, &cpu)) != 0 ||
        (err = simulated_collateral(maker, &cpu, time(NULL), &crls)) != 0 ||
        (err = clo_collateral_write(&crls, &b->sec[CLO_SEC_COLLATERAL])) != 0 ||
        (err = clo_cpu_section_write(&cpu, &b->sec[CLO_SEC_CPU])) != 0)
        goto out;
    for (unsigned i = 0; i < CLO_SEC_COUNT; i++)
        ref[i] = (struct clo_section_ref){.p = b->sec[i].p, .n = b->sec[i].len};
    err = clo_evidence_write(ref, out);
out:
    clo_cpu_section_clear(&cpu);
    clo_collateral_clear(&crls);
    return err;
}

static int print_pins(const struct clo_maker *maker)
{
    uint8_t root[32], measurement[48];
    char root_hex[65], measurement_hex[97];

    clo_maker_simulated_info(maker, root, measurement);
    clo_hex(root, sizeof root, root_hex);
    clo_hex(measurement, sizeof measurement, measurement_hex);
    return printf("{\"measurement\": \"%s\", \"simulated_root\": \"%s\"}\n", measurement_hex,
                  root_hex) > 0 &&
                   fflush(stdout) == 0
               ? 0
               : CLOISTER_E_IO;
}

static int answer(struct bound *b, struct clo_maker *maker, const char *line)
{
    struct clo_buf doc = clo_buf_init(CLOISTER_EVIDENCE_MAX);
    uint8_t nonce[32];
    size_t n = 0;
    int err;

    if ((err = clo_unb64(line, strcspn(line, "\n"), nonce, sizeof nonce, &n)) != 0)
        return err;
    if (n != sizeof nonce)
        return CLOISTER_E_MALFORMED;
    if ((err = make_document(b, maker, &nonce, &doc)) == 0 &&
        (fwrite(doc.p, 1, doc.len, stdout) != doc.len || putchar('\n') != '\n' ||
         fflush(stdout) != 0))
        err = CLOISTER_E_IO;
    clo_buf_clear(&doc);
    return err;
}

int main(int argc, char **argv)
{
    struct clo_maker *maker = NULL;
    struct bound b = {0};
    char line[64] = "";
    int err;

    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        b.sec[i] = clo_buf_init(CLO_SECTION_MAX);
    if (argc != 3) {
        (void)fputs("usage: evidence_maker GATEWAY KEYS\n", stderr);
        return 1;
    }
    if ((err = clo_crypto_init()) != 0 ||
        (err = clo_maker_simulated_new(clo_rng_system(), time(NULL), &maker)) != 0 ||
        (err = make_fixed(&b, argv[1], argv[2])) != 0)
        goto out;
    err = print_pins(maker);
    while (err == 0 && fgets(line, sizeof line, stdin) != NULL)
        err = answer(&b, maker, line);
out:
    if (err != 0)
        (void)fprintf(stderr, "evidence_maker: %s\n", cloister_strerror(err));
    for (size_t i = 0; i < CLO_SEC_COUNT; i++)
        clo_buf_clear(&b.sec[i]);
    clo_maker_free(maker);
    return err == 0 ? 0 : 1;
}
