/* accounts: the file by its table, and an account by its name. */
#include "base/accounts.h"

#include <string.h>

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
