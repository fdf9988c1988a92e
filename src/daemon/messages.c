/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers and readers of the payloads between cloisterd's processes. A payload is read completely or not at all: flags are 0 or
 * 1, enumerations have known values, strings fit with their zero and hold none, nothing follows the last field.
 * Fuzzed by fuzz/fuzz_ipc.c.
 */
#include "daemon/messages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *clo_role_name(enum clo_role r)
{
    static const char *const name[CLO_ROLE_COUNT] = {"parent", "gateway", "keeper", "attester",
                                                     "engine", "fetcher", "worker"};

    return r < CLO_ROLE_COUNT ? name[r] : "unknown";
}

static int write_str(struct clo_wr *wr, const char *s, size_t cap)
{
    size_t n = strnlen(s, cap);
    int err;

    if (n == cap)
        return CLOISTER_E_ARGUMENT;
    if ((err = clo_wr_u16le(wr, (uint16_t)n)) != 0)
        return err;
    return clo_wr_bytes(wr, s, n);
}

static int read_str(struct clo_rd *rd, char *ret, size_t cap)
{
    uint16_t n = 0;
    const uint8_t *p = NULL;
    int err;

    if ((err = clo_rd_u16le(rd, &n)) != 0 || (err = clo_rd_view(rd, n, &p)) != 0)
        return err;
    if (n >= cap)
        return CLOISTER_E_LIMIT;
    if (n > 0 && memchr(p, 0, n) != NULL)
        return CLOISTER_E_MALFORMED;
    memset(ret, 0, cap);
    if (n > 0)
        memcpy(ret, p, n);
    return 0;
}

static int read_flag(struct clo_rd *rd, uint8_t *ret)
{
    uint8_t v = 0;
    int err;

    if ((err = clo_rd_u8(rd, &v)) != 0)
        return err;
    if (v > 1)
        return CLOISTER_E_MALFORMED;
    *ret = v;
    return 0;
}

static int read_gateway(struct clo_rd *rd, char ret[CLO_GATEWAY_PATH_LEN + 1])
{
    int err = read_str(rd, ret, CLO_GATEWAY_PATH_LEN + 1);

    return err != 0 ? err : clo_gateway_path_ok(ret) ? 0 : CLOISTER_E_MALFORMED;
}

int clo_keeper_start_write(const struct clo_keeper_start *v, struct clo_wr *wr)
{
    int err;

    if ((err = clo_wr_u32le(wr, v->lifetime_s)) != 0 || (err = clo_wr_u8(wr, v->x25519)) != 0 ||
        (err = clo_wr_u32le(wr, v->quota)) != 0 || (err = clo_wr_u32le(wr, v->set_max)) != 0 ||
        (err = clo_wr_u32le(wr, v->contexts_max)) != 0)
        return err;
    return write_str(wr, v->gateway, sizeof v->gateway);
}

int clo_keeper_start_read(const void *p, size_t n, struct clo_keeper_start *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_keeper_start v = {0};
    int err;

    if ((err = clo_rd_u32le(&rd, &v.lifetime_s)) != 0 || (err = read_flag(&rd, &v.x25519)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.quota)) != 0 || (err = clo_rd_u32le(&rd, &v.set_max)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.contexts_max)) != 0 ||
        (err = read_gateway(&rd, v.gateway)) != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    *ret = v;
    return 0;
}

const char *clo_tee_name(uint8_t tee)
{
    static const char *const name[] = {
        [CLO_TEE_SIMULATED] = "simulated",
        [CLO_TEE_SEV_SNP] = "sev-snp",
        [CLO_TEE_TDX] = "tdx",
        [CLO_TEE_SEV_SNP_AZURE] = "sev-snp-azure",
        [CLO_TEE_TDX_AZURE] = "tdx-azure",
        [CLO_TEE_AUTO] = "auto",
    };

    return tee < CLO_ARRAY_LEN(name) ? name[tee] : NULL;
}

const char *clo_source_name(enum clo_source s)
{
    static const char *const name[CLO_SOURCES] = {
        [CLO_SOURCE_TSM] = "/sys/kernel/config/tsm/report",
        [CLO_SOURCE_SEV_GUEST] = "/dev/sev-guest",
        [CLO_SOURCE_VTPM] = "Azure's vTPM (/dev/tpmrm0)",
        [CLO_SOURCE_SIMULATOR] = "the simulator",
    };

    return s < CLO_SOURCES ? name[s] : "unknown";
}

void clo_sources_list(const struct clo_found *f, int error, char *ret, size_t cap)
{
    size_t len = 0;

    ret[0] = 0;
    for (enum clo_source i = 0; i < CLO_SOURCES; i++) {
        int n;

        if (f->tried[i] == 1 || (error != 0 && f->tried[i] != error))
            continue;
        n = snprintf(ret + len, cap - len, "%s%s", len > 0 ? ", " : "", clo_source_name(i));
        len = n > 0 && (size_t)n < cap - len ? len + (size_t)n : cap - 1;
    }
}

int clo_attester_start_write(const struct clo_attester_start *v, struct clo_wr *wr)
{
    int err;

    if ((err = clo_wr_u8(wr, v->tee)) != 0 || (err = clo_wr_u8(wr, v->gpus)) != 0)
        return err;
    return clo_wr_u32le(wr, v->pcrs);
}

int clo_attester_start_read(const void *p, size_t n, struct clo_attester_start *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_attester_start v = {0};
    int err;

    if ((err = clo_rd_u8(&rd, &v.tee)) != 0 || (err = read_flag(&rd, &v.gpus)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.pcrs)) != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    if (clo_tee_name(v.tee) == NULL)
        return CLOISTER_E_UNKNOWN;
    if ((v.pcrs & ~CLO_TPM_PCRS_ALL) != 0)
        return CLOISTER_E_MALFORMED;
    *ret = v;
    return 0;
}

/* An error, or 1 for "not tried". */
static int read_error(struct clo_rd *rd, int32_t max, int32_t *ret)
{
    uint32_t v = 0;
    int err;

    if ((err = clo_rd_u32le(rd, &v)) != 0)
        return err;
    *ret = (int32_t)v;
    return *ret > max ? CLOISTER_E_MALFORMED : 0;
}

int clo_found_write(const struct clo_found *v, struct clo_wr *wr)
{
    int err;

    if ((err = clo_wr_u32le(wr, (uint32_t)v->error)) != 0 || (err = clo_wr_u8(wr, v->tee)) != 0 ||
        (err = clo_wr_u8(wr, v->source)) != 0)
        return err;
    for (size_t i = 0; i < CLO_SOURCES; i++)
        if ((err = clo_wr_u32le(wr, (uint32_t)v->tried[i])) != 0)
            return err;
    if ((err = clo_wr_u32le(wr, (uint32_t)v->gpus_error)) != 0)
        return err;
    return clo_wr_u32le(wr, v->gpus);
}

int clo_found_read(const void *p, size_t n, struct clo_found *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_found v = {0};
    int err;

    if ((err = read_error(&rd, 0, &v.error)) != 0 || (err = clo_rd_u8(&rd, &v.tee)) != 0 ||
        (err = clo_rd_u8(&rd, &v.source)) != 0)
        return err;
    for (size_t i = 0; i < CLO_SOURCES; i++)
        if ((err = read_error(&rd, 1, &v.tried[i])) != 0)
            return err;
    if ((err = read_error(&rd, 1, &v.gpus_error)) != 0 || (err = clo_rd_u32le(&rd, &v.gpus)) != 0 ||
        (err = clo_rd_end(&rd)) != 0)
        return err;
    if (v.source >= CLO_SOURCES || v.gpus > CLO_DEVICES_MAX ||
        (v.error == 0 && (clo_tee_name(v.tee) == NULL || v.tee == CLO_TEE_AUTO)))
        return CLOISTER_E_MALFORMED;
    *ret = v;
    return 0;
}

int clo_waiting_write(const struct clo_waiting *v, struct clo_wr *wr)
{
    int err;

    if ((err = clo_wr_u8(wr, v->what)) != 0 || (err = clo_wr_u32le(wr, (uint32_t)v->error)) != 0 ||
        (err = clo_wr_u32le(wr, v->detail)) != 0 || (err = clo_wr_u32le(wr, v->again_s)) != 0)
        return err;
    return write_str(wr, v->name, sizeof v->name);
}

int clo_waiting_read(const void *p, size_t n, struct clo_waiting *ret)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_waiting v = {0};
    int err;

    if ((err = clo_rd_u8(&rd, &v.what)) != 0 || (err = read_error(&rd, 0, &v.error)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.detail)) != 0 || (err = clo_rd_u32le(&rd, &v.again_s)) != 0 ||
        (err = read_str(&rd, v.name, sizeof v.name)) != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    /* It is said to people. */
    if (v.what == 0 || v.what >= CLO_WAITS || v.name[strspn(v.name, letters)] != 0)
        return CLOISTER_E_MALFORMED;
    *ret = v;
    return 0;
}

int clo_engine_start_write(const struct clo_engine_start *v, struct clo_wr *wr)
{
    int err;

    if ((err = clo_wr_u8(wr, v->managed)) != 0 ||
        (err = write_str(wr, v->server, sizeof v->server)) != 0 ||
        (err = write_str(wr, v->model, sizeof v->model)) != 0 ||
        (err = write_str(wr, v->model_name, sizeof v->model_name)) != 0 ||
        (err = write_str(wr, v->socket, sizeof v->socket)) != 0 ||
        (err = write_str(wr, v->upstream, sizeof v->upstream)) != 0 ||
        (err = clo_wr_u32le(wr, v->slots)) != 0 || (err = clo_wr_u32le(wr, v->context)) != 0)
        return err;
    if ((err = clo_wr_u32le(wr, v->threads)) != 0)
        return err;
    if ((err = clo_wr_u8(wr, v->embeddings)) != 0)
        return err;
    return clo_wr_u8(wr, v->vllm);
}

int clo_engine_start_read(const void *p, size_t n, struct clo_engine_start *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_engine_start v = {0};
    int err;

    if ((err = read_flag(&rd, &v.managed)) != 0 ||
        (err = read_str(&rd, v.server, sizeof v.server)) != 0 ||
        (err = read_str(&rd, v.model, sizeof v.model)) != 0 ||
        (err = read_str(&rd, v.model_name, sizeof v.model_name)) != 0 ||
        (err = read_str(&rd, v.socket, sizeof v.socket)) != 0 ||
        (err = read_str(&rd, v.upstream, sizeof v.upstream)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.slots)) != 0 || (err = clo_rd_u32le(&rd, &v.context)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.threads)) != 0 || (err = clo_rd_u8(&rd, &v.embeddings)) != 0 ||
        (err = read_flag(&rd, &v.vllm)) != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    if (v.embeddings > CLO_POOLING_LAST)
        return CLOISTER_E_MALFORMED;
    *ret = v;
    return 0;
}

int clo_engine_up_write(const struct clo_engine_up *v, struct clo_wr *wr)
{
    int err;

    if ((err = write_str(wr, v->name, sizeof v->name)) != 0 ||
        (err = write_str(wr, v->version, sizeof v->version)) != 0 ||
        (err = write_str(wr, v->model_name, sizeof v->model_name)) != 0 ||
        (err = clo_wr_bytes(wr, v->model_sha256, sizeof v->model_sha256)) != 0 ||
        (err = clo_wr_bytes(wr, v->args_sha256, sizeof v->args_sha256)) != 0 ||
        (err = clo_wr_u32le(wr, v->slots)) != 0)
        return err;
    return clo_wr_u32le(wr, v->context);
}

int clo_engine_up_read(const void *p, size_t n, struct clo_engine_up *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_engine_up v = {0};
    int err;

    if ((err = read_str(&rd, v.name, sizeof v.name)) != 0 ||
        (err = read_str(&rd, v.version, sizeof v.version)) != 0 ||
        (err = read_str(&rd, v.model_name, sizeof v.model_name)) != 0 ||
        (err = clo_rd_bytes(&rd, v.model_sha256, sizeof v.model_sha256)) != 0 ||
        (err = clo_rd_bytes(&rd, v.args_sha256, sizeof v.args_sha256)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.slots)) != 0 || (err = clo_rd_u32le(&rd, &v.context)) != 0 ||
        (err = clo_rd_end(&rd)) != 0)
        return err;
    *ret = v;
    return 0;
}

int clo_engine_state_write(const struct clo_engine_state *v, struct clo_wr *wr)
{
    int err;

    if ((err = clo_wr_u8(wr, v->up)) != 0 || (err = clo_wr_u8(wr, v->managed)) != 0 ||
        (err = write_str(wr, v->address, sizeof v->address)) != 0 ||
        (err = write_str(wr, v->model_name, sizeof v->model_name)) != 0 ||
        (err = clo_wr_u32le(wr, v->slots)) != 0 || (err = clo_wr_u32le(wr, v->context)) != 0)
        return err;
    if ((err = clo_wr_u8(wr, v->embeddings)) != 0)
        return err;
    return clo_wr_u8(wr, v->salted);
}

int clo_engine_state_read(const void *p, size_t n, struct clo_engine_state *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_engine_state v = {0};
    int err;

    if ((err = read_flag(&rd, &v.up)) != 0 || (err = read_flag(&rd, &v.managed)) != 0 ||
        (err = read_str(&rd, v.address, sizeof v.address)) != 0 ||
        (err = read_str(&rd, v.model_name, sizeof v.model_name)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.slots)) != 0 || (err = clo_rd_u32le(&rd, &v.context)) != 0 ||
        (err = read_flag(&rd, &v.embeddings)) != 0 || (err = read_flag(&rd, &v.salted)) != 0 ||
        (err = clo_rd_end(&rd)) != 0)
        return err;
    *ret = v;
    return 0;
}

int clo_gateway_start_write(const struct clo_gateway_start *v, struct clo_wr *wr)
{
    int err;

    if ((err = write_str(wr, v->gateway, sizeof v->gateway)) != 0 ||
        (err = clo_wr_u8(wr, v->open_to_all)) != 0 || (err = clo_wr_u8(wr, v->shape)) != 0 ||
        (err = clo_wr_u32le(wr, v->request_max)) != 0)
        return err;
    return clo_wr_u32le(wr, v->connections_max);
}

int clo_gateway_start_read(const void *p, size_t n, struct clo_gateway_start *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_gateway_start v = {0};
    int err;

    if ((err = read_gateway(&rd, v.gateway)) != 0 || (err = read_flag(&rd, &v.open_to_all)) != 0 ||
        (err = clo_rd_u8(&rd, &v.shape)) != 0 || (err = clo_rd_u32le(&rd, &v.request_max)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.connections_max)) != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    if (v.shape > CLO_SHAPING_FULL)
        return CLOISTER_E_MALFORMED;
    *ret = v;
    return 0;
}

int clo_gateway_limits_write(const struct clo_gateway_limits *v, struct clo_wr *wr)
{
    int err;

    if (v->relays > CLO_RELAYS_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_wr_u32le(wr, v->memory_max)) != 0 ||
        (err = clo_wr_u32le(wr, v->parallel)) != 0 || (err = clo_wr_u32le(wr, v->queue_max)) != 0 ||
        (err = clo_wr_u32le(wr, v->peer_max)) != 0 || (err = clo_wr_u32le(wr, v->relays)) != 0)
        return err;
    for (uint32_t i = 0; i < v->relays; i++) {
        if ((err = clo_wr_bytes(wr, v->relay[i].address, sizeof v->relay[i].address)) != 0 ||
            (err = clo_wr_u8(wr, v->relay[i].prefix)) != 0)
            return err;
    }
    return 0;
}

int clo_gateway_limits_read(const void *p, size_t n, struct clo_gateway_limits *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_gateway_limits v = {0};
    int err;

    if ((err = clo_rd_u32le(&rd, &v.memory_max)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.parallel)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.queue_max)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.peer_max)) != 0 || (err = clo_rd_u32le(&rd, &v.relays)) != 0)
        return err;
    if (v.relays > CLO_RELAYS_MAX)
        return CLOISTER_E_LIMIT;
    for (uint32_t i = 0; i < v.relays; i++) {
        struct clo_network *net = &v.relay[i];

        if ((err = clo_rd_bytes(&rd, net->address, sizeof net->address)) != 0 ||
            (err = clo_rd_u8(&rd, &net->prefix)) != 0)
            return err;
        if (net->prefix > 128)
            return CLOISTER_E_MALFORMED;
    }
    if ((err = clo_rd_end(&rd)) != 0)
        return err;
    *ret = v;
    return 0;
}

int clo_credentials_write(const struct clo_credential_terms *v, uint32_t count, struct clo_buf *out)
{
    uint8_t one[CLO_CREDENTIAL_BYTES];
    struct clo_wr wr = clo_wr_init(one, sizeof one);
    int err;

    if (count > CLO_CREDENTIALS_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_wr_u32le(&wr, count)) != 0 || (err = clo_buf_append(out, one, wr.len)) != 0)
        return err;
    for (uint32_t i = 0; i < count; i++) {
        wr = clo_wr_init(one, sizeof one);
        if ((err = clo_wr_bytes(&wr, v[i].digest, sizeof v[i].digest)) != 0 ||
            (err = clo_wr_u64le(&wr, (uint64_t)v[i].expires)) != 0 ||
            (err = clo_wr_u32le(&wr, v[i].requests_minute)) != 0 ||
            (err = clo_wr_u32le(&wr, v[i].parallel)) != 0 ||
            (err = clo_wr_u64le(&wr, v[i].tokens_day)) != 0 ||
            (err = clo_buf_append(out, one, wr.len)) != 0)
            return err;
    }
    return 0;
}

static int read_terms(struct clo_rd *rd, struct clo_credential_terms *v)
{
    uint64_t expires = 0;
    int err;

    if ((err = clo_rd_bytes(rd, v->digest, sizeof v->digest)) != 0 ||
        (err = clo_rd_u64le(rd, &expires)) != 0 ||
        (err = clo_rd_u32le(rd, &v->requests_minute)) != 0 ||
        (err = clo_rd_u32le(rd, &v->parallel)) != 0 ||
        (err = clo_rd_u64le(rd, &v->tokens_day)) != 0)
        return err;
    if (expires > INT64_MAX)
        return CLOISTER_E_MALFORMED;
    v->expires = (int64_t)expires;
    return 0;
}

static int compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

/* Sorted copies of the digests stand beside each other if they are the same. */
static int check_unique(const struct clo_credential_terms *v, uint32_t count)
{
    uint8_t(*sorted)[32] = calloc(count, sizeof *sorted);
    int err = 0;

    if (sorted == NULL)
        return CLOISTER_E_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        memcpy(sorted[i], v[i].digest, sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_digests);
    for (uint32_t i = 1; i < count && err == 0; i++)
        err = memcmp(sorted[i - 1], sorted[i], sizeof *sorted) == 0 ? CLOISTER_E_DUPLICATE : 0;
    free(sorted);
    return err;
}

int clo_credentials_read(const void *p, size_t n, struct clo_credential_terms **ret,
                         uint32_t *ret_count)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_credential_terms *v = NULL;
    uint32_t count = 0;
    int err;

    if ((err = clo_rd_u32le(&rd, &count)) != 0)
        return err;
    if (count > CLO_CREDENTIALS_MAX)
        return CLOISTER_E_LIMIT;
    if (rd.left != (size_t)count * CLO_CREDENTIAL_BYTES)
        return CLOISTER_E_MALFORMED;
    if (count > 0 && (v = calloc(count, sizeof *v)) == NULL)
        return CLOISTER_E_MEMORY;
    for (uint32_t i = 0; i < count && err == 0; i++)
        err = read_terms(&rd, &v[i]);
    if (err == 0 && count > 0)
        err = check_unique(v, count);
    if (err != 0) {
        free(v);
        return err;
    }
    *ret = v;
    *ret_count = count;
    return 0;
}

static int write_part(struct clo_wr *wr, const uint8_t *p, size_t n)
{
    int err;

    if (n > CLO_IPC_PAYLOAD_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_wr_u16le(wr, (uint16_t)n)) != 0)
        return err;
    return clo_wr_bytes(wr, p, n);
}

static int read_part(struct clo_rd *rd, const uint8_t **ret, size_t *ret_n)
{
    uint16_t n = 0;
    int err;

    if ((err = clo_rd_u16le(rd, &n)) != 0 || (err = clo_rd_view(rd, n, ret)) != 0)
        return err;
    *ret_n = n;
    return 0;
}

int clo_fetcher_start_write(const struct clo_fetcher_start *v, struct clo_wr *wr)
{
    int err;

    if ((err = clo_wr_u8(wr, v->online)) != 0 ||
        (err = write_str(wr, v->cache, sizeof v->cache)) != 0 ||
        (err = write_str(wr, v->amd, sizeof v->amd)) != 0 ||
        (err = write_str(wr, v->intel, sizeof v->intel)) != 0 ||
        (err = write_str(wr, v->intel_certificates, sizeof v->intel_certificates)) != 0 ||
        (err = write_str(wr, v->nvidia, sizeof v->nvidia)) != 0 ||
        (err = write_str(wr, v->azure, sizeof v->azure)) != 0)
        return err;
    return write_str(wr, v->proxy, sizeof v->proxy);
}

static int read_url(struct clo_rd *rd, enum clo_url_use use, char ret[CLO_STR_MAX])
{
    int err = read_str(rd, ret, CLO_STR_MAX);

    return err != 0 ? err : clo_service_url_ok(ret, use) ? 0 : CLOISTER_E_MALFORMED;
}

int clo_fetcher_start_read(const void *p, size_t n, struct clo_fetcher_start *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_fetcher_start v = {0};
    int err;

    if ((err = read_flag(&rd, &v.online)) != 0 ||
        (err = read_str(&rd, v.cache, sizeof v.cache)) != 0 ||
        (err = read_url(&rd, CLO_URL_SERVICE, v.amd)) != 0 ||
        (err = read_url(&rd, CLO_URL_SERVICE, v.intel)) != 0 ||
        (err = read_url(&rd, CLO_URL_SERVICE, v.intel_certificates)) != 0 ||
        (err = read_url(&rd, CLO_URL_SERVICE, v.nvidia)) != 0 ||
        (err = read_url(&rd, CLO_URL_INSTANCE, v.azure)) != 0 ||
        (err = read_url(&rd, CLO_URL_PROXY, v.proxy)) != 0 || (err = clo_rd_end(&rd)) != 0)
        return err;
    if (v.cache[0] != '\0' && v.cache[0] != '/' && strcmp(v.cache, ".") != 0)
        return CLOISTER_E_MALFORMED;
    *ret = v;
    return 0;
}

int clo_fetch_write(const struct clo_fetch *v, struct clo_wr *wr)
{
    int err = clo_wr_u8(wr, v->renew);

    return err != 0 ? err : clo_want_write(&v->want, wr);
}

int clo_fetch_read(const void *p, size_t n, struct clo_fetch *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_fetch v = {0};
    int err;

    if ((err = read_flag(&rd, &v.renew)) != 0 || (err = clo_want_read(rd.p, rd.left, &v.want)) != 0)
        return err;
    *ret = v;
    return 0;
}

int clo_fetched_write(const struct clo_fetched *v, struct clo_wr *wr)
{
    int err;

    if ((err = clo_wr_u32le(wr, (uint32_t)v->error)) != 0 ||
        (err = clo_wr_u32le(wr, v->status)) != 0 || (err = clo_wr_u32le(wr, v->again_s)) != 0 ||
        (err = clo_wr_u8(wr, v->from_file)) != 0 || (err = clo_wr_u32le(wr, v->body_n)) != 0)
        return err;
    return clo_wr_u32le(wr, v->chain_n);
}

static bool is_fetch_error(int32_t error)
{
    return error == CLOISTER_E_NOT_FOUND || error == CLOISTER_E_BUSY ||
           error == CLOISTER_E_NETWORK || error == CLOISTER_E_IO;
}

int clo_fetched_read(const void *p, size_t n, struct clo_fetched *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_fetched v = {0};
    uint32_t error = 0;
    int err;

    if ((err = clo_rd_u32le(&rd, &error)) != 0 || (err = clo_rd_u32le(&rd, &v.status)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.again_s)) != 0 || (err = read_flag(&rd, &v.from_file)) != 0 ||
        (err = clo_rd_u32le(&rd, &v.body_n)) != 0 || (err = clo_rd_u32le(&rd, &v.chain_n)) != 0 ||
        (err = clo_rd_end(&rd)) != 0)
        return err;
    v.error = (int32_t)error;
    /* Either an answer, or a reason for none. */
    if (v.error == 0 ? v.body_n == 0 : !is_fetch_error(v.error) || v.body_n != 0 || v.chain_n != 0)
        return CLOISTER_E_MALFORMED;
    if (v.body_n > CLO_ANSWER_MAX || v.chain_n > CLO_ANSWER_CHAIN_MAX)
        return CLOISTER_E_LIMIT;
    *ret = v;
    return 0;
}

int clo_quoted_write(const struct clo_quoted *v, struct clo_wr *wr)
{
    int err;

    if ((err = clo_wr_u32le(wr, (uint32_t)v->error)) != 0 || v->error != 0)
        return err;
    if ((err = clo_wr_bytes(wr, v->cpu, sizeof v->cpu)) != 0 ||
        (err = clo_wr_bytes(wr, v->manifest, sizeof v->manifest)) != 0 ||
        (err = clo_wr_bytes(wr, v->devices, sizeof v->devices)) != 0 ||
        (err = clo_wr_bytes(wr, v->collateral, sizeof v->collateral)) != 0 ||
        (err = write_part(wr, v->keys, v->keys_n)) != 0)
        return err;
    return write_part(wr, v->batch, v->batch_n);
}

int clo_quoted_read(const void *p, size_t n, struct clo_quoted *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_quoted v = {0};
    uint32_t error = 0;
    int err;

    if ((err = clo_rd_u32le(&rd, &error)) != 0)
        return err;
    v.error = (int32_t)error;
    if (v.error > 0)
        return CLOISTER_E_MALFORMED;
    if (v.error == 0 && ((err = clo_rd_bytes(&rd, v.cpu, sizeof v.cpu)) != 0 ||
                         (err = clo_rd_bytes(&rd, v.manifest, sizeof v.manifest)) != 0 ||
                         (err = clo_rd_bytes(&rd, v.devices, sizeof v.devices)) != 0 ||
                         (err = clo_rd_bytes(&rd, v.collateral, sizeof v.collateral)) != 0 ||
                         (err = read_part(&rd, &v.keys, &v.keys_n)) != 0 ||
                         (err = read_part(&rd, &v.batch, &v.batch_n)) != 0))
        return err;
    if ((err = clo_rd_end(&rd)) != 0)
        return err;
    *ret = v;
    return 0;
}
