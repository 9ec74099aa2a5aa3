/* conf: see the header. */
#include "tool/conf.h"

#include <string.h>
#include <sysexits.h>

#include "base/accounts.h"
#include "base/mem.h"

static const char usage[] = "conf [--accounts [FILE]|-a FILE] [--sample|--manual]";

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

/* `named`: the file, or NULL for the usual one. */
static int effective_accounts(const char *named)
{
    struct conf_problems problems = {0};
    struct err err;
    char *file = named ? mem_copy_text(named) : accounts_file();
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

struct words {
    const char *file; /* of accounts */
    bool accounts, sample, manual;
};

static bool *flag_of(struct words *w, const char *word)
{
    return strcmp(word, "--accounts") == 0 ? &w->accounts
           : strcmp(word, "--sample") == 0 ? &w->sample
           : strcmp(word, "--manual") == 0 ? &w->manual
                                           : NULL;
}

static int take(struct words *w, int argc, char **argv)
{
    static const char *const options[] = {"--accounts", "--sample", "--manual", "-a", NULL};
    for (int i = 1; i < argc; i++) {
        bool *flag = flag_of(w, argv[i]), a = strcmp(argv[i], "-a") == 0;
        if (a && i + 1 == argc)
            return tool_wrong(usage, "-a wants a word: the file of accounts");
        w->accounts |= a;
        i += a;
        if (flag)
            *flag = true;
        else if (!a && argv[i][0] == '-')
            return tool_no_option(usage, argv[i], options);
        else if (w->file)
            return tool_wrong(usage, "one file is printed at a time, and %s is another one", argv[i]);
        else
            w->file = argv[i];
    }
    return EX_OK;
}

static int fit(const struct words *w)
{
    if (w->sample && w->manual)
        return tool_wrong(usage, "--sample and --manual exclude each other");
    if (w->file && !w->accounts)
        return tool_wrong(usage, "a file stands behind --accounts; bustia -c FILE conf prints one of the server");
    if (w->file && (w->sample || w->manual))
        return tool_wrong(usage, "--sample and --manual are the same for every file; name none");
    return EX_OK;
}

int tool_conf(const struct tool *t, int argc, char **argv)
{
    struct words w = {NULL};
    int status = take(&w, argc, argv);
    if (status == EX_OK)
        status = fit(&w);
    if (status != EX_OK)
        return status;
    if (w.sample)
        (w.accounts ? accounts_sample : conf_sample)(stdout);
    else if (w.manual)
        (w.accounts ? accounts_manual : conf_manual)(stdout);
    else
        return w.accounts ? effective_accounts(w.file) : effective(t);
    return EX_OK;
}
