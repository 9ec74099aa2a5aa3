/* bustiad: the server. `main` finds the row of its role; without --role it is the master. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "daemon/auth.h"
#include "daemon/control.h"
#include "daemon/door.h"
#include "daemon/master.h"
#include "daemon/metrics.h"
#include "daemon/probe.h"
#include "daemon/role.h"

#ifndef BUSTIA_CONF
#define BUSTIA_CONF "/etc/bustia/bustia.conf"
#endif

static const char usage[] =
    "usage: bustiad [-c FILE]            run the server in the foreground\n"
    "       bustiad --version\n"
    "       bustiad [-c FILE] --probe master|door|auth|mail|deliver|control|metrics [OTHERS-FILE]\n"
    "                                    seal this process as that role and try what it must not be able to do\n";

struct start_row {
    const char *role;
    int (*run)(void);
};

/* Each role is a fresh exec of this program; mail is a program of its own, without TLS and SQL (bustia-mail). */
static const struct start_row start_rows[] = {
    {"door", door_run},
    {"auth", auth_run},
    {"control", control_run},
    {"metrics", metrics_run},
};

static int run_role(const char *name)
{
    for (size_t i = 0; i < sizeof start_rows / sizeof *start_rows; i++)
        if (strcmp(name, start_rows[i].role) == 0)
            return start_rows[i].run();
    fprintf(stderr, "bustiad: no role %s\n", name);
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    const char *file = getenv("BUSTIA_CONF");
    if (!file)
        file = BUSTIA_CONF;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--role") == 0 && i + 1 < argc)
            return run_role(argv[i + 1]);
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            file = argv[++i];
        else if (strcmp(argv[i], "--probe") == 0 && i + 1 < argc)
            return probe_run(file, argv[i + 1], argv[i + 2]);
        else if (strcmp(argv[i], "--version") == 0)
            return puts("bustiad " BUSTIA_VERSION) < 0 ? EX_IOERR : EX_OK;
        else {
            fputs(usage, stderr);
            return EX_USAGE;
        }
    }
    return master_run(file);
}
