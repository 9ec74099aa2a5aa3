/* metric: what the server counts, for its operator: a row for each family (metric.c), and the text of OpenMetrics.
 *
 * A page of counters belongs to a role: all its processes map it, one after the other and side by side, and so it outlives them. Who has no
 * page counts for nobody. Counting is one relaxed addition, from any thread. */
#ifndef BASE_METRIC_H
#define BASE_METRIC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"

enum metric_page_of { METRIC_MASTER, METRIC_DOOR, METRIC_AUTH, METRIC_MAIL, METRIC_DELIVER, METRIC_PAGES };

enum { METRIC_SERVICES = 4, METRIC_MECHANISMS = 11, METRIC_RESULTS = 5, METRIC_VERDICTS = 10, METRIC_ROLES = 8,
       METRIC_STEPS = 11 /* of a histogram, with the last, which has no end */, METRIC_CELLS = 512 };

/* The first cell of each family; those behind it are its labels' values, in their order. */
enum metric {
    METRIC_CONNECTIONS,
    METRIC_HELD = METRIC_CONNECTIONS + METRIC_SERVICES,
    METRIC_TURNED_AWAY = METRIC_HELD + METRIC_SERVICES,
    METRIC_LOGINS,
    METRIC_LOGIN_TIME = METRIC_LOGINS + METRIC_MECHANISMS * METRIC_RESULTS,
    METRIC_CERTIFICATE = METRIC_LOGIN_TIME + METRIC_STEPS + 1,
    METRIC_SESSIONS,
    METRIC_CHECKS,
    METRIC_OPENED = METRIC_CHECKS + 2,
    METRIC_RETRIEVED,
    METRIC_DELETED,
    METRIC_SENT,
    METRIC_RETRIEVE_TIME,
    METRIC_DELIVERIES = METRIC_RETRIEVE_TIME + METRIC_STEPS + 1,
    METRIC_RESTARTS = METRIC_DELIVERIES + METRIC_VERDICTS,
    METRIC_FAILURES = METRIC_RESTARTS + METRIC_ROLES,
    METRIC_PROCESSES = METRIC_FAILURES + METRIC_ROLES,
    METRIC_MEMORY = METRIC_PROCESSES + METRIC_ROLES,
    METRIC_STARTED = METRIC_MEMORY + METRIC_ROLES,
    METRIC_ALL
};

/* A log-in, as METRIC_LOGINS has it. */
enum metric_result { METRIC_OK, METRIC_WRONG, METRIC_IN_USE, METRIC_TROUBLE, METRIC_LIMITED };
unsigned metric_mechanism(const char *name, size_t n); /* "PASS", "APOP", a SASL mechanism's */
enum metric_result metric_result_of(enum err_kind kind);

/* A page that this process counts in from now on. The descriptor stays the caller's. */
int metric_use(int fd, struct err *err);

void metric_add(unsigned cell, uint64_t n);
void metric_take(unsigned cell); /* one less */
void metric_set(unsigned cell, uint64_t n);
void metric_took(enum metric histogram, uint64_t us);

/* ---- whoever makes and reads them */
int metric_page_new(struct err *err); /* a memory file that nobody can resize, or -1 */

/* Maps a page for reading alone. NULL: it cannot be. */
typedef _Atomic uint64_t metric_cell;
const metric_cell *metric_map(int fd);

/* All there is, in OpenMetrics' text (version 1.0.0). A page that is NULL has zeroes. */
void metric_print(const metric_cell *const pages[METRIC_PAGES], FILE *to);

#endif
