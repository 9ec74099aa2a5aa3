/* check: see the header.
 *
 * Without options and without a file both are checked that are there: the server's configuration and the accounts of
 * who asks. A file that is named is checked as what it is: whatever names an account is a person's. */
#include "tool/check.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/mem.h"
#include "check/check.h"
#include "check/check_accounts.h"

static const char usage[] = "check [--server|--accounts] [FILE] | -a FILE";

static const char *plural(unsigned n)
{
    return n == 1 ? "" : "s";
}

static int told(struct conf_problems *problems, const char *file, const char *means)
{
    unsigned warnings = problems->count - problems->fatal;
    int status = problems->fatal ? EX_CONFIG : EX_OK;
    conf_problems_print(problems, file, stdout);
    printf("%s: %u error%s, %u warning%s%s\n", file, problems->fatal, plural(problems->fatal), warnings,
           plural(warnings), problems->fatal ? means : "");
    conf_problems_free(problems);
    return status;
}

static int check_the_server(const char *file)
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
    conf_free(&c);
    return told(&problems, file, ": the server would not start");
}

static int check_the_accounts(const char *file, const char *conf_file)
{
    struct accounts *a = mem_alloc(sizeof *a);
    struct conf_problems problems = {0};
    struct err err;
    if (accounts_load(a, file, &problems, &err) < 0)
        conf_problem_add(&problems, 0, true, "%s; `bustia conf --accounts --sample` prints one to begin with",
                         err.text);
    else
        check_accounts(a, conf_file, &problems);
    accounts_free(a);
    mem_free(a);
    return told(&problems, file, ": what has errors is not fetched");
}

static bool names_an_account(const char *file)
{
    struct accounts *a = mem_alloc(sizeof *a);
    struct conf_problems problems = {0};
    struct err err;
    bool does = accounts_load(a, file, &problems, &err) == 0 && a->count > 0;
    conf_problems_free(&problems);
    accounts_free(a);
    mem_free(a);
    return does;
}

static int no_accounts_file(void)
{
    fputs("bustia check: neither HOME nor BUSTIA_ACCOUNTS says where the accounts are; name the file\n", stderr);
    return EX_CONFIG;
}

/* Root is asked for the server's file also where there is none, and so is whoever has named one; but not a person who
 * has accounts. */
static bool server_is_meant(const struct tool *t, bool accounts_there)
{
    bool named = strcmp(t->file, BUSTIA_CONF) != 0;
    return named || access(t->file, R_OK) == 0 || !accounts_there;
}

static int check_what_is_there(const struct tool *t, const char *accounts)
{
    bool accounts_there = accounts && access(accounts, F_OK) == 0;
    int status = EX_OK;
    if (server_is_meant(t, accounts_there))
        status = check_the_server(t->file);
    if (accounts_there) {
        int other = check_the_accounts(accounts, t->file);
        status = status ? status : other;
    } else if (geteuid() != 0 && access(t->file, R_OK) < 0 && accounts)
        printf("%s: there are no accounts either; `bustia conf --accounts --sample` prints a file to begin with\n",
               accounts);
    return status;
}

enum which { WHAT_IS_THERE, THE_SERVER, THE_ACCOUNTS };

static int check(const struct tool *t, enum which which, const char *file)
{
    char *accounts = accounts_file();
    int status;
    if (file && which == WHAT_IS_THERE)
        which = names_an_account(file) ? THE_ACCOUNTS : THE_SERVER;
    if (which == THE_SERVER)
        status = check_the_server(file ? file : t->file);
    else if (which == WHAT_IS_THERE)
        status = check_what_is_there(t, accounts);
    else if (file || accounts)
        status = check_the_accounts(file ? file : accounts, t->file);
    else
        status = no_accounts_file();
    mem_free(accounts);
    return status;
}

int tool_check(const struct tool *t, int argc, char **argv)
{
    static const char *const options[] = {"--server", "--accounts", NULL};
    const char *file = NULL;
    bool server = false, accounts = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--server") == 0)
            server = true;
        else if (strcmp(argv[i], "--accounts") == 0 || (strcmp(argv[i], "-a") == 0 && i + 1 < argc))
            accounts = true; /* -a FILE, as with whatever else reads accounts */
        else if (strcmp(argv[i], "-a") == 0)
            return tool_wrong(usage, "-a wants a word: the file of accounts");
        else if (argv[i][0] == '-')
            return tool_no_option(usage, argv[i], options);
        else if (file)
            return tool_wrong(usage, "one file is checked at a time, and %s is another one", argv[i]);
        else
            file = argv[i];
    }
    if (server && accounts)
        return tool_wrong(usage, "--server and --accounts exclude each other; without them both are checked");
    return check(t, server ? THE_SERVER : accounts ? THE_ACCOUNTS : WHAT_IS_THERE, file);
}
