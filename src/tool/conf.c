/* conf: see the header. */
#include "tool/conf.h"

#include <string.h>
#include <sysexits.h>

static int effective(const struct tool *t)
{
    struct conf c;
    struct conf_problems problems = {0};
    struct err err;
    int status = EX_OK;
    if (conf_load(&c, t->file, &problems, &err) < 0)
        status = tool_fail(&err);
    else if (problems.fatal) {
        conf_problems_print(&problems, t->file, stderr);
        status = EX_CONFIG;
    } else
        conf_print(&c, stdout);
    conf_problems_free(&problems);
    conf_free(&c);
    return status;
}

int tool_conf(const struct tool *t, int argc, char **argv)
{
    if (argc == 1)
        return effective(t);
    if (argc == 2 && strcmp(argv[1], "--sample") == 0)
        conf_sample(stdout);
    else if (argc == 2 && strcmp(argv[1], "--manual") == 0)
        conf_manual(stdout);
    else
        return tool_usage("conf [--sample|--manual]");
    return EX_OK;
}
