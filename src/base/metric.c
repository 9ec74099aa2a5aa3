/* metric: see the header. */
#include "base/metric.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/span.h"

_Static_assert((int)METRIC_ALL <= (int)METRIC_CELLS, "a page has a cell for each");
_Static_assert(sizeof(metric_cell) * METRIC_CELLS == 4096, "a page is a page");

/* ---- the table */

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct label {
    const char *name;
    const char *const *values; /* up to one that is NULL */
};

struct family {
    const char *name; /* without _total */
    const char *unit; /* its end, or "" (OpenMetrics 1.0.0, "MetricFamily": the name ends with it) */
    const char *help;
    struct label labels[2];
    enum kind kind;
    enum metric first;
    enum metric_page_of page;
};

static const char *const services[METRIC_SERVICES + 1] = {"pop3", "pop3s", "lmtp", "smtp"}; /* enum conf_service */
static const char *const mechanisms[METRIC_MECHANISMS + 1] = {
    "other",         "PASS",       "APOP",          "PLAIN",             "LOGIN",   "CRAM-MD5",
    "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "EXTERNAL"};
static const char *const results[METRIC_RESULTS + 1] = {"ok", "wrong", "in_use", "trouble", "limited"}; /* enum metric_result */
static const char *const ways[] = {"hashed", "remembered", NULL};
static const char *const verdicts[METRIC_VERDICTS + 1] = {/* enum smtp_verdict */
                                                          "delivered", "nobody",    "not_ours", "disabled",         "over_quota",
                                                          "too_large", "loop",      "bare_lf",  "header_too_large", "put_off"};
static const char *const roles[METRIC_ROLES + 1] = {"master", "door", "auth", "mail", "deliver", "control", "metrics", "other"}; /* enum role */

/* Where a histogram's steps end, in microseconds and as OpenMetrics writes them. */
static const uint64_t steps[METRIC_STEPS - 1] = {1000, 5000, 25000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000};
static const char *const step_names[METRIC_STEPS + 1] = {"0.001", "0.005", "0.025", "0.1", "0.25", "0.5",
                                                         "1.0",   "2.5",   "5.0",   "10.0", "+Inf"};

/* clang-format off */
static const struct family families[] = {
    {"bustia_connections", "", "Connections that were let in.", {{"service", services}}, COUNTER, METRIC_CONNECTIONS, METRIC_DOOR},
    {"bustia_connections_held", "", "Connections that the door has now: before the log-in, over TLS also after it, and those over which mail comes in.",
     {{"service", services}}, GAUGE, METRIC_HELD, METRIC_DOOR},
    {"bustia_connections_refused", "", "Connections that were turned away because a limit was reached.", {{0}}, COUNTER, METRIC_TURNED_AWAY, METRIC_DOOR},
    {"bustia_logins", "", "Log-ins that were tried to their end.", {{"mechanism", mechanisms}, {"result", results}}, COUNTER, METRIC_LOGINS, METRIC_DOOR},
    {"bustia_login_seconds", "seconds", "From the client's last word to the open maildrop, of log-ins that succeeded.", {{0}}, HISTOGRAM,
     METRIC_LOGIN_TIME, METRIC_DOOR},
    {"bustia_certificate_expiry_timestamp_seconds", "seconds", "When the first of the certificates expires, in seconds since 1970; 0 without one.", {{0}}, GAUGE,
     METRIC_CERTIFICATE, METRIC_DOOR},
    {"bustia_sessions", "", "Sessions of logged-in users now.", {{0}}, GAUGE, METRIC_SESSIONS, METRIC_AUTH},
    {"bustia_password_checks", "", "Passwords that were looked at: hashed, or remembered from a check a moment before.", {{"way", ways}}, COUNTER,
     METRIC_CHECKS, METRIC_AUTH},
    {"bustia_sessions_opened", "", "Sessions that had their maildrop opened.", {{0}}, COUNTER, METRIC_OPENED, METRIC_MAIL},
    {"bustia_messages_retrieved", "", "Messages that RETR has sent whole.", {{0}}, COUNTER, METRIC_RETRIEVED, METRIC_MAIL},
    {"bustia_messages_deleted", "", "Messages that QUIT has removed.", {{0}}, COUNTER, METRIC_DELETED, METRIC_MAIL},
    {"bustia_messages_sent_bytes", "bytes", "Octets of messages that RETR and TOP have sent.", {{0}}, COUNTER, METRIC_SENT, METRIC_MAIL},
    {"bustia_retrieve_seconds", "seconds", "From RETR or TOP to the first octets of the message.", {{0}}, HISTOGRAM, METRIC_RETRIEVE_TIME, METRIC_MAIL},
    {"bustia_deliveries", "", "Messages that came in for a mailbox, by what became of them.", {{"verdict", verdicts}}, COUNTER, METRIC_DELIVERIES, METRIC_DELIVER},
    {"bustia_role_restarts", "", "Times that a process which always runs had to be started again.", {{"role", roles}}, COUNTER, METRIC_RESTARTS, METRIC_MASTER},
    {"bustia_role_failures", "", "Processes that ended by a signal or with an error.", {{"role", roles}}, COUNTER, METRIC_FAILURES, METRIC_MASTER},
    {"bustia_processes", "", "Processes now.", {{"role", roles}}, GAUGE, METRIC_PROCESSES, METRIC_MASTER},
    {"bustia_memory_bytes", "bytes", "Resident memory of the processes, what they share counted for each.", {{"role", roles}}, GAUGE, METRIC_MEMORY, METRIC_MASTER},
    {"bustia_start_timestamp_seconds", "seconds", "When the server was started, in seconds since 1970.", {{0}}, GAUGE, METRIC_STARTED, METRIC_MASTER},
};
/* clang-format on */

unsigned metric_mechanism(const char *name, size_t n)
{
    for (unsigned i = 1; i < METRIC_MECHANISMS; i++)
        if (span_is((struct span){name, n}, mechanisms[i]))
            return i;
    return 0;
}

enum metric_result metric_result_of(enum err_kind kind)
{
    switch (kind) {
    case ERR_NONE:
        return METRIC_OK;
    case ERR_AUTH:
        return METRIC_WRONG;
    case ERR_BUSY:
        return METRIC_IN_USE;
    case ERR_LIMIT:
    case ERR_DELAY:
        return METRIC_LIMITED;
    case ERR_TEMP:
    case ERR_PERM:
    case ERR_GONE:
    case ERR_UNKNOWN:
    case ERR_INPUT:
    case ERR_CONFIG:
    case ERR_USAGE:
    case ERR_KINDS:
        break;
    }
    return METRIC_TROUBLE;
}

/* ---- counting */

static metric_cell for_nobody[METRIC_CELLS];
static metric_cell *page = for_nobody;

int metric_use(int fd, struct err *err)
{
    void *p = mmap(NULL, sizeof for_nobody, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        return err_set(err, ERR_TEMP, "page of counters: %s", strerror(errno));
    page = p;
    return 0;
}

void metric_add(unsigned cell, uint64_t n)
{
    atomic_fetch_add_explicit(&page[cell], n, memory_order_relaxed);
}

void metric_take(unsigned cell)
{
    atomic_fetch_sub_explicit(&page[cell], 1, memory_order_relaxed);
}

void metric_set(unsigned cell, uint64_t n)
{
    atomic_store_explicit(&page[cell], n, memory_order_relaxed);
}

void metric_took(enum metric histogram, uint64_t us)
{
    unsigned i = 0;
    while (i < METRIC_STEPS - 1 && us > steps[i])
        i++;
    metric_add(histogram + i, 1);
    metric_add(histogram + METRIC_STEPS, us);
}

/* ---- making and reading */

int metric_page_new(struct err *err)
{
    int fd = memfd_create("bustia.metrics", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, sizeof for_nobody) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) == 0)
        return fd;
    err_set(err, ERR_TEMP, "page of counters: %s", strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

const metric_cell *metric_map(int fd)
{
    void *p = mmap(NULL, sizeof for_nobody, PROT_READ, MAP_SHARED, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* A role that was taken over may have written anything: a gauge below zero, as one has that was counted down once too often, is none. */
static uint64_t value_of(const metric_cell *p, unsigned cell, enum kind kind)
{
    uint64_t n = p ? atomic_load_explicit(&p[cell], memory_order_relaxed) : 0;
    return kind == GAUGE && n > INT64_MAX ? 0 : n;
}

static void print_cells(const struct family *f, const metric_cell *p, FILE *to)
{
    const char *suffix = f->kind == COUNTER ? "_total" : "";
    const char *const *a = f->labels[0].values, *const *b = f->labels[1].values;
    unsigned cell = f->first;
    for (unsigned i = 0; a && a[i]; i++)
        for (unsigned k = 0; b ? b[k] != NULL : k == 0; k++) {
            fprintf(to, "%s%s{%s=\"%s\"", f->name, suffix, f->labels[0].name, a[i]);
            if (b)
                fprintf(to, ",%s=\"%s\"", f->labels[1].name, b[k]);
            fprintf(to, "} %" PRIu64 "\n", value_of(p, cell++, f->kind));
        }
    if (!a)
        fprintf(to, "%s%s %" PRIu64 "\n", f->name, suffix, value_of(p, cell, f->kind));
}

static void print_histogram(const struct family *f, const metric_cell *p, FILE *to)
{
    uint64_t n = 0, sum = value_of(p, f->first + METRIC_STEPS, COUNTER);
    for (unsigned i = 0; i < METRIC_STEPS; i++) {
        n += value_of(p, f->first + i, COUNTER);
        fprintf(to, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", f->name, step_names[i], n);
    }
    fprintf(to, "%s_count %" PRIu64 "\n%s_sum %" PRIu64 ".%06" PRIu64 "\n", f->name, n, f->name, sum / 1000000, sum % 1000000);
}

void metric_print(const metric_cell *const pages[METRIC_PAGES], FILE *to)
{
    static const char *const types[] = {[COUNTER] = "counter", [GAUGE] = "gauge", [HISTOGRAM] = "histogram"};
    fprintf(to, "# TYPE bustia_build info\n# HELP bustia_build The server's version.\nbustia_build_info{version=\"%s\"} 1\n",
            BUSTIA_VERSION);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const struct family *f = &families[i];
        const metric_cell *p = pages[f->page];
        fprintf(to, "# TYPE %s %s\n", f->name, types[f->kind]);
        if (*f->unit)
            fprintf(to, "# UNIT %s %s\n", f->name, f->unit);
        fprintf(to, "# HELP %s %s\n", f->name, f->help);
        if (f->kind == HISTOGRAM)
            print_histogram(f, p, to);
        else
            print_cells(f, p, to);
    }
    fputs("# EOF\n", to);
}
