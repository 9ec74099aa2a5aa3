/* conf: see the header. */
#include "tool/conf.h"

#include <string.h>
#include <sysexits.h>

#include "base/accounts.h"
#include "base/mem.h"

static const char usage[] = "conf [--accounts] [--sample|--manual]";

static int ended(int status, struct conf_problems *problems, const char *file)
{
    if (status == EX_OK && problems->fatal) {
        conf_problems_print(problems, file, stderr);
        status = EX_CONFIG;
    }
    conf_problems_free(problems);
    return status;
}

static int effective(const struct tool *t)
{
    struct conf c;
    struct conf_problems problems = {0};
    struct err err;
    int status = conf_load(&c, t->file, &problems, &err) < 0 ? tool_fail(&err) : EX_OK;
    if (status == EX_OK && !problems.fatal)
        conf_print(&c, stdout);
    conf_free(&c);
    return ended(status, &problems, t->file);
}

static int effective_accounts(void)
{
    struct conf_problems problems = {0};
    struct err err;
    char *file = accounts_file();
    if (!file) {
        err_set(&err, ERR_CONFIG, "neither HOME nor BUSTIA_ACCOUNTS says where the accounts are");
        return tool_fail(&err);
    }
    struct accounts *a = mem_alloc(sizeof *a);
    int status = accounts_load(a, file, &problems, &err) < 0 ? tool_fail(&err) : EX_OK;
    if (status == EX_OK && !problems.fatal)
        accounts_print(a, stdout);
    accounts_free(a);
    mem_free(a);
    status = ended(status, &problems, file);
    mem_free(file);
    return status;
}

int tool_conf(const struct tool *t, int argc, char **argv)
{
    bool accounts = false, sample = false, manual = false;
    for (int i = 1; i < argc; i++) {
        bool *flag = strcmp(argv[i], "--accounts") == 0 ? &accounts
                     : strcmp(argv[i], "--sample") == 0 ? &sample
                     : strcmp(argv[i], "--manual") == 0 ? &manual
                                                        : NULL;
        if (!flag)
            return tool_usage(usage);
        *flag = true;
    }
    if (sample && manual)
        return tool_usage(usage);
    if (sample)
        (accounts ? accounts_sample : conf_sample)(stdout);
    else if (manual)
        (accounts ? accounts_manual : conf_manual)(stdout);
    else
        return accounts ? effective_accounts() : effective(t);
    return EX_OK;
}
