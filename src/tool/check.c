/* check: see the header. */
#include "tool/check.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "check/check.h"

static const char usage[] = "check [--server|--accounts] [FILE]";

static const char *plural(unsigned n)
{
    return n == 1 ? "" : "s";
}

static int check_file(const char *file)
{
    struct conf c;
    struct conf_problems problems = {0};
    struct err err;
    if (conf_load(&c, file, &problems, &err) < 0)
        conf_problem_add(&problems, 0, true, "%s; `bustia conf --sample` prints one to begin with", err.text);
    else {
        check_server(&c, file, &problems);
        check_people(&c, &problems);
    }
    unsigned warnings = problems.count - problems.fatal;
    int status = problems.fatal ? EX_CONFIG : EX_OK;
    conf_problems_print(&problems, file, stdout);
    printf("%s: %u error%s, %u warning%s%s\n", file, problems.fatal, plural(problems.fatal), warnings, plural(warnings),
           problems.fatal ? ": the server would not start" : "");
    conf_problems_free(&problems);
    conf_free(&c);
    return status;
}

/* A person's accounts are not collected by this version: to say that nothing is wrong with a file nobody reads would be
 * untrue. */
static int no_accounts(const char *why)
{
    fprintf(stderr,
            "bustia check: %sthis version collects no mail, so there is no accounts file to check; "
            "bustia check --server [FILE] checks the server's\n",
            why);
    return EX_USAGE;
}

int tool_check(const struct tool *t, int argc, char **argv)
{
    const char *file = NULL;
    bool server = false, accounts = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--server") == 0)
            server = true;
        else if (strcmp(argv[i], "--accounts") == 0)
            accounts = true;
        else if (argv[i][0] == '-' || file)
            return tool_usage(usage);
        else
            file = argv[i];
    }
    if (server && accounts)
        return tool_usage(usage);
    if (accounts)
        return no_accounts("--accounts: ");
    if (!file)
        file = t->file;
    if (!server && geteuid() != 0 && access(file, R_OK) < 0)
        return no_accounts("you are not root and cannot read the server's file; ");
    return check_file(file);
}
