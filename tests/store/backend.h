/* backend: what the promises of the store contract are tried on. A new back-end is a row in backend.c. */
#ifndef BACKEND_H
#define BACKEND_H

#include "place.h"

enum trouble {
    NO_TROUBLE,
    LIST_FAILS,
    BODY_FAILS,
    REMOVE_FAILS,
    REMOVE_UNKNOWN,
    BEGIN_FAILS,
    WRITE_FAILS,
    READY_FAILS,
    COMMIT_FAILS,
    COMMIT_UNKNOWN
};

struct backend {
    const char *name;
    const struct store_ops *ops;
    void (*make)(struct place *p);
    void (*put)(const struct place *p, unsigned n, struct span text); /* n: its place in the order */
    void (*trouble)(struct place *p, enum trouble t);                 /* before opening */
    void (*clean)(struct place *p);
};

/* A test's *state. */
struct test {
    const struct backend *backend;
    struct place place;
};

extern const struct backend backends[];
extern const unsigned n_backends;
extern const struct backend *backend_current;

int backend_set_up(void **state);
int backend_tear_down(void **state);
#define PROMISE(name) cmocka_unit_test_setup_teardown(test_##name, backend_set_up, backend_tear_down)
/* Runs all promises on each back-end. */
#define BACKEND_RUN_ALL(promises)                                                                                      \
    int failed = 0;                                                                                                    \
    for (unsigned i = 0; i < n_backends; i++) {                                                                        \
        backend_current = &backends[i];                                                                                \
        failed += cmocka_run_group_tests_name(backend_current->name, promises, NULL, NULL);                            \
    }                                                                                                                  \
    return failed;

#endif
