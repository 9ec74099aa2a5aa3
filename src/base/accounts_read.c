/* accounts: the file by its table, and an account by its name. */
#include "base/accounts.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/accounts_impl.h"
#include "base/mem.h"

/* What is under way while a text is read: the options before the first account go to `all`, which is not one of them;
 * those of accounts beyond the last place go to `spare`. */
struct reading {
    struct accounts *a;
    struct account all, spare;
    bool all_wrong[CONF_OPTIONS], spare_wrong[CONF_OPTIONS];
    accounts_wrong *wrong;
};

static void start_from(struct account *account, const struct account *all)
{
    for (unsigned i = 0; i < conf_schema_accounts.count; i++)
        if (!conf_schema_accounts.table[i].begins)
            conf_copy_option(&conf_schema_accounts.table[i], account, all);
    account->name = mem_copy_text("");
}

static void begin_account(struct conf_reader *r, void *arg)
{
    struct reading *reading = arg;
    struct accounts *a = reading->a;
    bool room = a->count < ACCOUNTS_MAX;
    struct account *account = room ? &a->account[a->count] : &reading->spare;
    if (!room) {
        conf_clear(r->schema, account);
        memset(account, 0, sizeof *account);
        conf_problem_add(r->p, r->line, true, "this account is one too many; there may be %d", ACCOUNTS_MAX);
    }
    start_from(account, &reading->all);
    account->line = r->line;
    r->base = account;
    r->lines = account->lines;
    r->wrong = room ? reading->wrong[a->count] : reading->spare_wrong;
    a->count += room;
}

/* What an account does not say itself was said for all of them. */
static void inherit_lines(struct reading *reading)
{
    for (unsigned k = 0; k < reading->a->count; k++)
        for (unsigned i = 0; i < ACCOUNT_OPTIONS; i++) {
            unsigned *line = &reading->a->account[k].lines[i];
            if (*line)
                continue;
            *line = reading->all.lines[i];
            reading->wrong[k][i] = reading->all_wrong[i];
        }
}

void accounts_read(struct accounts *a, struct span text, struct conf_problems *p)
{
    struct reading reading = {.a = a, .wrong = mem_alloc(ACCOUNTS_MAX * sizeof(accounts_wrong))};
    struct conf_reader r = {.schema = &conf_schema_accounts,
                            .p = p,
                            .base = &reading.all,
                            .lines = reading.all.lines,
                            .wrong = reading.all_wrong,
                            .begin = begin_account,
                            .arg = &reading};
    memset(a, 0, sizeof *a);
    char *folder = accounts_state_folder();
    a->state_folder = folder ? folder : mem_copy_text("");
    a->file = mem_copy_text("");
    conf_defaults(&conf_schema_accounts, &reading.all);
    conf_parse(&r, text);
    inherit_lines(&reading);
    accounts_fit(a, reading.wrong, p);
    conf_clear(&conf_schema_accounts, &reading.all);
    conf_clear(&conf_schema_accounts, &reading.spare);
    mem_free(reading.wrong);
}

/* The commands in it are run: who may change the file may do what its reader may. */
static void check_file(const struct stat *st, const char *file, struct conf_problems *p)
{
    unsigned mode = st->st_mode & 07777;
    if (mode & S_IWOTH)
        conf_problem_add(p, 0, true,
                         "everybody may change this file (mode %04o), and so have commands run; chmod go-w %s", mode,
                         file);
    else if (mode & S_IWGRP)
        conf_problem_add(p, 0, false,
                         "group %u may change this file (mode %04o), and so have commands run; chmod g-w %s",
                         st->st_gid, mode, file);
    if (st->st_uid != 0 && st->st_uid != geteuid())
        conf_problem_add(p, 0, false, "this file belongs to uid %u, who may so decide what is run as uid %u",
                         st->st_uid, geteuid());
}

int accounts_load(struct accounts *a, const char *file, struct conf_problems *p, struct err *err)
{
    char *text;
    size_t n;
    struct stat st;
    struct conf_problems nobodys = {0}; /* a file that was not read has no problems of its own */
    int result = conf_file_read(file, &text, &n, &st, err);
    if (result == 0)
        check_file(&st, file, p);
    accounts_read(a, (struct span){text, result == 0 ? n : 0}, result == 0 ? p : &nobodys);
    conf_problems_free(&nobodys);
    mem_free(text);
    mem_free(a->file);
    a->file = mem_copy_text(file);
    return result;
}

void accounts_free(struct accounts *a)
{
    for (unsigned i = 0; i < a->count; i++)
        conf_clear(&conf_schema_accounts, &a->account[i]);
    mem_free(a->state_folder);
    mem_free(a->file);
    memset(a, 0, sizeof *a);
}

const struct account *accounts_find(const struct accounts *a, const char *name)
{
    for (unsigned i = 0; i < a->count; i++)
        if (strcmp(a->account[i].name, name) == 0)
            return &a->account[i];
    return NULL;
}

const char *accounts_near(const struct accounts *a, const char *name)
{
    const char *names[ACCOUNTS_MAX + 1] = {NULL};
    unsigned n = 0;
    for (unsigned i = 0; i < a->count; i++)
        if (*a->account[i].name) /* one that was refused has none */
            names[n++] = a->account[i].name;
    return conf_nearest(span_of(name), names);
}
