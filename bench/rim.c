/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long it takes to verify and read a reference manifest, as `cloister-rim import` does with each file: measure.h says what is
 * measured. The signatures are those of the chain, and XMLDSig's. Recorded manifests come from $CLOISTER_VECTORS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "evidence_rows.h"
#include "measure.h"
#include "rim/rim.h"

struct subject {
    struct clo_buf xml;
    struct clo_cert *root;
    int64_t now;
};

static int import(void *arg)
{
    static struct clo_rim rim;
    const struct subject *s = arg;
    char why[CLO_RIM_WHY];

    return clo_rim_read(s->xml.p, s->xml.len, s->root, s->now, &rim, why);
}

static void recorded(const char *name, const char *row_name)
{
    struct subject s = {0};
    const json_t *row;
    const char *path;

    shelf_load();
    row = row_named(row_name);
    path = shelf_find(vec_str(row, "file"));
    assert_non_null(path);
    file_whole(path, &s.xml);
    assert_int_equal(clo_rim_root(&s.root), 0);
    s.now = json_integer_value(json_object_get(row, "time"));
    measure(name, import, &s);
    clo_cert_free(s.root);
    clo_buf_clear(&s.xml);
}

static void driver(void **state)
{
    (void)state;
    recorded("RIM, driver", "rim-nv_gpu_driver_gh100_550.144.03");
}

static void vbios(void **state)
{
    (void)state;
    recorded("RIM, VBIOS", "rim-1010_0200_882_960074001a_prod");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest cases[] = {cmocka_unit_test(driver), cmocka_unit_test(vbios)};
    json_error_t fault;
    int failed;

    if (!measure_init(argc, argv))
        return 1;
    if ((table = json_load_file(CLO_EVIDENCE_TABLE, 0, &fault)) == NULL) {
        (void)fprintf(stderr, "%s: %s\n", CLO_EVIDENCE_TABLE, fault.text);
        return 1;
    }
    if (clo_rim_init() != 0)
        return 1;
    failed = cmocka_run_group_tests(cases, NULL, NULL);
    clo_rim_end();
    json_decref(table);
    return failed == 0 ? 0 : 1;
}
