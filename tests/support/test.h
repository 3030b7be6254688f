/* A test file holds static functions and one table of them; tests/support/test_main.c runs all
 * tables. */
#ifndef PITPROP_TESTS_TEST_H
#define PITPROP_TESTS_TEST_H

#include <CUnit/CUnit.h>

typedef struct pp_test {
    const char *name; /* what the test shows */
    void (*run)(void);
} pp_test;

#endif
