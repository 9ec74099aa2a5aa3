/* fuzz_accounts: the reader of a person's accounts.
 * Fuzzes: src/base/accounts_read.c src/base/accounts_fit.c src/base/accounts_fit_server.c src/base/accounts_kind.c src/base/accounts_place.c
 *
 * Whatever was read must print as something that reads as the same; what is wrong must be told in order of lines;
 * accounts with which nothing is wrong have all that a collector asks them for. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/accounts.h"
#include "base/conf_table.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *printed(const struct accounts *a, size_t *n)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, n);
    if (!to)
        abort();
    for (unsigned i = 0; i < a->count; i++)
        for (unsigned k = 0; k < conf_schema_accounts.count; k++)
            conf_print_option(&conf_schema_accounts.table[k], &a->account[i], to);
    fclose(to);
    return text;
}

static void must(bool so)
{
    if (!so)
        abort();
}

static void must_be_in_order(const struct conf_problems *p)
{
    unsigned fatal = 0;
    for (unsigned i = 0; i < p->count; i++) {
        fatal += p->list[i].fatal;
        must((i == 0 || p->list[i - 1].line <= p->list[i].line) && !strpbrk(p->list[i].text, "\n\x1b"));
    }
    must(fatal == p->fatal);
}

static void must_be_whole(const struct accounts *a, const struct account *account)
{
    enum account_way way;
    const char *rest;
    char *host, *smtp;
    unsigned port, smtp_port;
    account_server(account, &host, &port);
    account_smtp_server(account, &smtp, &smtp_port);
    must(*account->name && *account->name != '.' && !strchr(account->name, '/') &&
         accounts_find(a, account->name) == account);
    must(*host && port > 0 && port < 65536 && (!*account->smtp_server || (*smtp && smtp_port > 0)));
    must(!account_deliver(account->deliver, &way, &rest) && *rest);
    must(way != ACCOUNT_MAILDIR || *rest == '/');
    must(account_line(account, "account") == account->line && account->attempts > 0);
    mem_free(host);
    mem_free(smtp);
}

/* A "#" begins a text only where no blank is before it. */
static void must_read_the_same(const struct accounts *a, unsigned fatal)
{
    struct accounts again;
    struct conf_problems after = {0};
    size_t n, n_again;
    char *text = printed(a, &n);
    if (!strstr(text, "= #")) {
        accounts_read(&again, (struct span){text, n}, &after);
        char *text_again = printed(&again, &n_again);
        must(n == n_again && memcmp(text, text_again, n) == 0 && (fatal || !after.fatal));
        free(text_again);
        accounts_free(&again);
        conf_problems_free(&after);
    }
    free(text);
}

/* The places of the files, when the first byte asks for them: with and without the folders' variables. */
static void places(unsigned which)
{
    static const char *const names[] = {"HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "BUSTIA_ACCOUNTS"};
    for (unsigned i = 0; i < 4; i++)
        if (which & 1u << i)
            setenv(names[i], "/home/anna", 1);
        else
            unsetenv(names[i]);
    char *file = accounts_file(), *folder = accounts_state_folder();
    must((file != NULL) == ((which & 0xd) != 0) && (folder != NULL) == ((which & 3) != 0));
    mem_free(file);
    mem_free(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct accounts a;
    struct conf_problems problems = {0};
    if (size > 1 << 13)
        return 0;
    places(size ? data[0] & 0xf : 0xf);
    places(0xf);
    accounts_read(&a, (struct span){(const char *)data, size}, &problems);
    must_be_in_order(&problems);
    must(problems.fatal || a.count > 0);
    for (unsigned i = 0; !problems.fatal && i < a.count; i++)
        must_be_whole(&a, &a.account[i]);
    must(a.count < 2 || !*a.account[1].name || accounts_near(&a, a.account[1].name));
    must_read_the_same(&a, problems.fatal);
    accounts_free(&a);
    conf_problems_free(&problems);
    return 0;
}
