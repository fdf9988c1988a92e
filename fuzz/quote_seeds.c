/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the seeds of the quote, TCB info and QE identity harnesses under the folder given (fuzz/corpus), from the tests' laboratory.
 * Keys are new each time: run it again when a format changes, not otherwise.
 */
#include "fuzz.h"
#include "lab/quote.h"

static const char *folder;

static void save(const char *harness, const char *name, const void *p, size_t n)
{
    char path[4096];
    FILE *f;

    (void)snprintf(path, sizeof path, "%s/%s/%s", folder, harness, name);
    f = fopen(path, "wb");
    FUZZ_CHECK(f != NULL);
    FUZZ_CHECK(fwrite(p, 1, n, f) == n && fclose(f) == 0);
}

static void save_quote(struct quote_recipe r, const char *name)
{
    struct quote_evidence e;

    quote_lab_make(&r, &e);
    save("quote", name, e.quote.p, e.quote.len);
    if (r.version == 3 || r.version == 5) {
        save("tcb_info", r.sgx ? "sgx" : "tdx", e.collateral.tcb_info.p, e.collateral.tcb_info.len);
        save("qe_identity", r.sgx ? "sgx" : "tdx", e.collateral.qe_identity.p,
             e.collateral.qe_identity.len);
    }
    quote_lab_clear(&e);
}

static void save_texts(void)
{
    struct quote_recipe r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    struct quote_evidence e;

    quote_edit(r.info, "'tcbType':0",
               "'tcbType':0,'new':{'a':[1,-2.5e+3,true,false,null,'\\u00e9']}");
    quote_edit(r.identity, "'isvprodid':2", "\t'new' : [ [ ] , { } ] ,\n'isvprodid':2");
    quote_lab_make(&r, &e);
    save("tcb_info", "members", e.collateral.tcb_info.p, e.collateral.tcb_info.len);
    save("qe_identity", "members", e.collateral.qe_identity.p, e.collateral.qe_identity.len);
    save("tcb_info", "cut", e.collateral.tcb_info.p, e.collateral.tcb_info.len / 2);
    save("qe_identity", "cut", e.collateral.qe_identity.p, e.collateral.qe_identity.len / 2);
    quote_lab_clear(&e);
}

int main(int argc, char **argv)
{
    struct quote_recipe r;
    struct clo_buf ext;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: quote_seeds FOLDER\n");
        return 1;
    }
    folder = argv[1];
    FUZZ_CHECK(quote_lab_open(NULL) == 0);
    save_quote(quote_lab_enclave(3), "sgx-3");
    save_quote(quote_lab_td(4, CLO_QUOTE_BODY_TD10), "tdx-4");
    save_quote(quote_lab_td(5, CLO_QUOTE_BODY_TD15), "tdx-5");
    r = quote_lab_enclave(4);
    r.chain = QUOTE_CHAIN_BESIDE;
    save_quote(r, "sgx-4-id");
    r = quote_lab_td(4, CLO_QUOTE_BODY_TD10);
    r.chain = QUOTE_CHAIN_DER;
    r.trailing_n = 70;
    save_quote(r, "tdx-4-der");
    r.chain = QUOTE_CHAIN_NONE;
    save_quote(r, "tdx-4-none");
    quote_lab_pck_extension(&r, &ext);
    save("quote", "extension", ext.p, ext.len);
    clo_buf_clear(&ext);
    save_texts();
    FUZZ_CHECK(quote_lab_close(NULL) == 0);
    return 0;
}
