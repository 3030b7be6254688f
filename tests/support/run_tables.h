/* What the two runners share: tables become CUnit suites, and CUnit's results become text. */
#ifndef PITPROP_TESTS_RUN_TABLES_H
#define PITPROP_TESTS_RUN_TABLES_H

#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

#include "support/test.h"

typedef struct test_table {
    const char *name;
    const pp_test *tests; /* ended by {NULL, NULL} */
} test_table;

static inline int add_table(const test_table *table)
{
    CU_pSuite suite = CU_add_suite(table->name, NULL, NULL);
    if (suite == NULL) return 0;
    for (const pp_test *t = table->tests; t->name != NULL; t++)
        if (CU_add_test(suite, t->name, t->run) == NULL) return 0;
    return 1;
}

/* Adds the tables that are named, all where none is; 0 and a message where that fails. */
static inline int add_named(const test_table *tables, size_t n_tables, int n_names, char **names)
{
    for (size_t i = 0; n_names == 0 && i < n_tables; i++)
        if (!add_table(&tables[i])) return 0;
    for (int k = 0; k < n_names; k++) {
        size_t i = 0;
        while (i < n_tables && strcmp(tables[i].name, names[k]) != 0)
            i++;
        if (i == n_tables) {
            fprintf(stderr, "no tests are named '%s'\n", names[k]);
            return 0;
        }
        if (!add_table(&tables[i])) return 0;
    }
    return 1;
}

#if defined(__SANITIZE_ADDRESS__)
/* MPI's plug-ins stay loaded, so that the leak sanitizer knows by name what they keep (lsan.supp).
 */
int dlclose(void *library);

int dlclose(void *library)
{
    (void)library;
    return 0;
}
#endif

#endif
