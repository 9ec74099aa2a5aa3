/* bustia-reader: what `bustia list`, `show`, `headers`, `save`, `delete` and `send` start: one table of them.
 *
 * Exit statuses are sysexits.h's, by the kind of what went wrong: 64 the command line, 65 the message (also: the
 * server takes it never), 66 there is no such message or file, 75 try again, 77 refused, 78 the accounts. */
#include <locale.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sysexits.h>

#include "daemon/jail_build.h"
#include "reader/list.h"
#include "reader/reader.h"
#include "reader/remove.h"
#include "reader/save.h"
#include "reader/send.h"
#include "reader/show.h"

/* Who may have which option: a bit for each command. */
enum {
    LIST = 1,
    SHOW = 2,
    HEADERS = 4,
    SAVE = 8,
    DELETE = 16,
    SEND = 32,
    EVERY = 63,
    READING = LIST | SHOW | HEADERS | SAVE | SEND
};

static const struct named_option {
    const char *name;
    enum option_kind kind;
    unsigned of;
    size_t at;
} options[] = {
    {"-a", OPTION_TEXT, EVERY, offsetof(struct reader, file)},
    {"--collected", OPTION_FLAG, READING, offsetof(struct reader, collected)},
    {"--all", OPTION_FLAG, LIST | SAVE | SEND, offsetof(struct reader, all)},
    {"--uids", OPTION_FLAG, LIST, offsetof(struct reader, uids)},
    {"--raw", OPTION_FLAG, SHOW | SAVE, offsetof(struct reader, raw)},
    {"--html", OPTION_FLAG, SHOW, offsetof(struct reader, html)},
    {"--folder", OPTION_TEXT, SAVE, offsetof(struct reader, folder)},
    {"--yes", OPTION_FLAG, DELETE, offsetof(struct reader, yes)},
    {"--to", OPTION_TEXTS, SEND, offsetof(struct reader, to)},
    {"--cc", OPTION_TEXTS, SEND, offsetof(struct reader, cc)},
    {"--bcc", OPTION_TEXTS, SEND, offsetof(struct reader, bcc)},
    {"--only", OPTION_TEXTS, SEND, offsetof(struct reader, only)},
    {"--attach", OPTION_TEXTS, SEND, offsetof(struct reader, attach)},
    {"--from", OPTION_TEXT, SEND, offsetof(struct reader, from)},
    {"--subject", OPTION_TEXT, SEND, offsetof(struct reader, subject)},
    {"--reply", OPTION_TEXT, SEND, offsetof(struct reader, reply)},
    {"--draft", OPTION_FLAG, SEND, offsetof(struct reader, draft)},
};
enum { OPTIONS = sizeof options / sizeof *options, MANY = 1 << 20 };

struct command {
    const char *word, *usage;
    unsigned bit;
    int least, most; /* words */
    reader_fn *run;
};

/* clang-format off */
static const struct command commands[] = {
    {"list",    "[--collected] [--all] [--uids] [-a FILE] ACCOUNT [MESSAGE…]",            LIST,    1, MANY, reader_list},
    {"show",    "[--collected] [--html|--raw] [-a FILE] ACCOUNT MESSAGE",                 SHOW,    2, 2,    reader_show},
    {"headers", "[--collected] [-a FILE] ACCOUNT MESSAGE",                                HEADERS, 2, 2,    reader_headers},
    {"save",    "[--collected] [--all|--raw] [--folder FOLDER] [-a FILE] ACCOUNT MESSAGE [PART]", SAVE, 2, 3, reader_save},
    {"delete",  "[--yes] [-a FILE] ACCOUNT MESSAGE…",                                     DELETE,  2, MANY, reader_delete},
    {"send",    "[--to|--cc|--bcc ADDRESS]… [--subject TEXT] [--from ADDRESS] [--attach FILE]… [--reply MESSAGE [--all] [--collected]] "
                "[--draft] [--only ADDRESS]… [-a FILE] ACCOUNT [TEXT|-]",                 SEND,    1, 2,    reader_send},
};
/* clang-format on */
enum { COMMANDS = sizeof commands / sizeof *commands };

static const char notes[] =
    "ACCOUNT: of the accounts file, or maildir:PATH for a folder. MESSAGE: a number of `bustia list`, or a uid, which "
    "stays the same when messages come and go (uid:TEXT where it could be taken for a number).";

static int count_words(const struct command *c, int argc, char **argv, struct err *err)
{
    if (argc == 0)
        return err_set(err, ERR_USAGE, "%s wants an account: one of the accounts file, or maildir:PATH", c->word);
    if (argc < c->least)
        return err_set(err, ERR_USAGE, "%s wants a message behind \"%.64s\": a number of `bustia list`, or a uid",
                       c->word, argv[0]);
    if (argc > c->most)
        return err_set(err, ERR_USAGE, "%s does not want so many words; \"%.100s\" is one too many", c->word,
                       argv[c->most]);
    return 0;
}

static int run(const struct command *c, int argc, char **argv, struct err *err)
{
    struct reader r = {.accounts = NULL};
    struct option_row rows[OPTIONS];
    unsigned count = 0;
    for (unsigned i = 0; i < OPTIONS; i++)
        if (options[i].of & c->bit)
            rows[count++] = (struct option_row){options[i].name, options[i].kind, (char *)&r + options[i].at};
    int result = options_take(rows, count, &argc, argv, err);
    if (result == 0)
        result = count_words(c, argc, argv, err);
    if (result == 0)
        result = c->run(&r, argc, argv, err);
    reader_end(&r);
    return result;
}

static void say_usage(FILE *to, const struct command *one)
{
    for (unsigned i = 0; i < COMMANDS; i++)
        if (!one || one == &commands[i])
            fprintf(to, "usage: bustia %s %s\n", commands[i].word, commands[i].usage);
    fprintf(to, "\n%s\n", notes);
}

static bool asks_help(int argc, char **argv)
{
    return argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0);
}

/* It will know a password: other processes of this user do not see into it, and it leaves no image of itself. (A leak
 * sanitizer wants to see into it.) Only the soft limit, for an editor or a pager may set its own. */
static void keep_to_oneself(void)
{
    struct rlimit core;
    prctl(PR_SET_DUMPABLE, jail_build.walls ? 0 : 1, 0, 0, 0);
    if (getrlimit(RLIMIT_CORE, &core) == 0) {
        core.rlim_cur = 0;
        setrlimit(RLIMIT_CORE, &core);
    }
}

int main(int argc, char **argv)
{
    const struct command *c = NULL;
    struct err err = {.kind = ERR_NONE};
    keep_to_oneself();
    setlocale(LC_ALL, "");
    signal(SIGPIPE, SIG_IGN);
    for (unsigned i = 0; argc > 1 && i < COMMANDS; i++)
        if (strcmp(argv[1], commands[i].word) == 0)
            c = &commands[i];
    if (asks_help(argc, argv) || (c && asks_help(argc - 1, argv + 1))) {
        say_usage(stdout, c);
        return EX_OK;
    }
    if (!c) {
        say_usage(stderr, NULL);
        return EX_USAGE;
    }
    if (run(c, argc - 2, argv + 2, &err) == 0)
        return EX_OK;
    int status = reader_fail(&err);
    if (err.kind == ERR_USAGE)
        say_usage(stderr, c);
    return status;
}
