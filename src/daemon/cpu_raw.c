/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's payloads. Lengths are 32 bits, little-endian; what a kind doesn't have is empty. */
#include <string.h>

#include "crypto/x509.h"
#include "daemon/worker.h"

static int write_number(size_t n, struct clo_buf *out)
{
    uint8_t raw[4];
    struct clo_wr wr = clo_wr_init(raw, sizeof raw);
    int err;

    if (n > UINT32_MAX)
        return CLOISTER_E_LIMIT;
    if ((err = clo_wr_u32le(&wr, (uint32_t)n)) != 0)
        return err;
    return clo_buf_append(out, raw, sizeof raw);
}

static int write_bytes(const void *p, size_t n, struct clo_buf *out)
{
    int err;

    if ((err = write_number(n, out)) != 0)
        return err;
    return n > 0 ? clo_buf_append(out, p, n) : 0;
}

static int read_view(struct clo_rd *rd, size_t max, const uint8_t **ret, size_t *ret_n)
{
    uint32_t n = 0;
    int err;

    if ((err = clo_rd_u32le(rd, &n)) != 0)
        return err;
    if (n > max)
        return CLOISTER_E_LIMIT;
    *ret_n = n;
    return clo_rd_view(rd, n, ret);
}

static int read_buf(struct clo_rd *rd, size_t max, struct clo_buf *ret)
{
    const uint8_t *p = NULL;
    size_t n = 0;
    int err;

    if ((err = read_view(rd, max, &p, &n)) != 0)
        return err;
    *ret = clo_buf_init(max);
    return n > 0 ? clo_buf_append(ret, p, n) : 0; /* ret holds nothing after an error */
}

int clo_cpu_raw_write(const struct clo_cpu_section *c, struct clo_buf *out)
{
    const struct clo_buf *const blob[] = {&c->quote,         &c->hcl,  &c->tpm_quote,
                                          &c->tpm_signature, &c->pcrs, &c->event_log};
    int err;

    if (c->report_n > sizeof c->report || c->chain_n > CLO_CHAIN_MAX)
        return CLOISTER_E_ARGUMENT;
    if ((err = write_bytes(c->type, strnlen(c->type, sizeof c->type), out)) != 0 ||
        (err = write_bytes(c->report, c->report_n, out)) != 0)
        return err;
    for (size_t i = 0; i < CLO_ARRAY_LEN(blob); i++)
        if ((err = write_bytes(blob[i]->p, blob[i]->len, out)) != 0)
            return err;
    if ((err = write_number(c->chain_n, out)) != 0)
        return err;
    for (size_t i = 0; i < c->chain_n; i++)
        if ((err = write_bytes(c->chain[i].p, c->chain[i].len, out)) != 0)
            return err;
    return 0;
}

static int read_head(struct clo_rd *rd, struct clo_cpu_section *c)
{
    const uint8_t *type = NULL, *report = NULL;
    size_t type_n = 0;
    int err;

    if ((err = read_view(rd, sizeof c->type - 1, &type, &type_n)) != 0 ||
        (err = read_view(rd, sizeof c->report, &report, &c->report_n)) != 0)
        return err;
    if (type_n > 0)
        memcpy(c->type, type, type_n);
    if (c->report_n > 0)
        memcpy(c->report, report, c->report_n);
    c->kind = clo_cpu_kind(c->type);
    return c->kind == CLO_CPU_UNKNOWN || strlen(c->type) != type_n ? CLOISTER_E_UNKNOWN : 0;
}

static int read_chain(struct clo_rd *rd, struct clo_cpu_section *c)
{
    uint32_t count = 0;
    int err;

    if ((err = clo_rd_u32le(rd, &count)) != 0)
        return err;
    if (count > CLO_CHAIN_MAX)
        return CLOISTER_E_LIMIT;
    for (c->chain_n = 0; c->chain_n < count; c->chain_n++)
        if ((err = read_buf(rd, CLO_CERT_MAX, &c->chain[c->chain_n])) != 0)
            return err;
    return 0;
}

int clo_cpu_raw_read(const void *p, size_t n, struct clo_cpu_section *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_cpu_section c = {0};
    const struct {
        struct clo_buf *buf;
        size_t max;
    } blob[] = {{&c.quote, CLO_QUOTE_MAX},         {&c.hcl, CLO_HCL_MAX},
                {&c.tpm_quote, CLO_TPM_QUOTE_MAX}, {&c.tpm_signature, CLO_TPM_SIG_MAX},
                {&c.pcrs, CLO_PCRS_MAX},           {&c.event_log, CLO_EVENT_LOG_MAX}};
    int err;

    err = read_head(&rd, &c);
    for (size_t i = 0; err == 0 && i < CLO_ARRAY_LEN(blob); i++)
        err = read_buf(&rd, blob[i].max, blob[i].buf);
    if (err == 0)
        err = read_chain(&rd, &c);
    if (err == 0)
        err = clo_rd_end(&rd);
    if (err == 0) {
        *ret = c;
        c = (struct clo_cpu_section){0};
    }
    clo_cpu_section_clear(&c);
    return err;
}

int clo_gpus_state_write(const struct clo_gpus_state *v, struct clo_wr *wr)
{
    const bool flag[] = {v->cc, v->multi, v->devtools, v->simulated, v->accepting};
    int err;

    if ((err = clo_wr_u32le(wr, v->count)) != 0)
        return err;
    for (size_t i = 0; i < CLO_ARRAY_LEN(flag); i++)
        if ((err = clo_wr_u8(wr, flag[i])) != 0)
            return err;
    return clo_wr_bytes(wr, v->identity, sizeof v->identity);
}

int clo_gpus_state_read(const void *p, size_t n, struct clo_gpus_state *ret)
{
    struct clo_rd rd = clo_rd_init(p, n);
    struct clo_gpus_state v = {0};
    bool *const flag[] = {&v.cc, &v.multi, &v.devtools, &v.simulated, &v.accepting};
    int err;

    if ((err = clo_rd_u32le(&rd, &v.count)) != 0)
        return err;
    for (size_t i = 0; i < CLO_ARRAY_LEN(flag); i++) {
        uint8_t byte = 0;

        if ((err = clo_rd_u8(&rd, &byte)) != 0)
            return err;
        if (byte > 1)
            return CLOISTER_E_MALFORMED;
        *flag[i] = byte == 1;
    }
    if ((err = clo_rd_bytes(&rd, v.identity, sizeof v.identity)) != 0 ||
        (err = clo_rd_end(&rd)) != 0)
        return err;
    *ret = v;
    return 0;
}
