/* bustia: what a person starts: one table of subcommands. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tool/alias.h"
#include "tool/auth.h"
#include "tool/check.h"
#include "tool/conf.h"
#include "tool/control.h"
#include "tool/deliver.h"
#include "tool/domain.h"
#include "tool/expire.h"
#include "tool/fetch.h"
#include "tool/import.h"
#include "tool/quota.h"
#include "tool/reader.h"
#include "tool/status.h"
#include "tool/tool.h"
#include "tool/user.h"

static int run_user(const struct tool *t, int argc, char **argv)
{
    return tool_user(t->conf, argc, argv);
}

static int run_help(const struct tool *t, int argc, char **argv);
static int run_version(const struct tool *t, int argc, char **argv);

struct command {
    const char *word;
    const char *arguments;
    const char *about;
    bool conf; /* needs the server's configuration without errors */
    tool_fn *run;
};

/* clang-format off */
static const struct command commands[] = {
    {"user",    "add|passwd|set|del|list|show|import|app-password …", "who may log in",             true,  run_user},
    {"alias",   "add|del|list …",                        "addresses that lead to users",            true,  tool_alias},
    {"domain",  "add|set|del|list …",                    "for which domains mail is taken",         true,  tool_domain},
    {"quota",   "set|show|recount …",                    "how much mailboxes hold, and may hold",   true,  tool_quota},
    {"expire",  "[--plan] [--json] [USER…] | --confirm-clock", "removes mail that is over its age",   true,  tool_expire},
    {"deliver", "USER [-f SENDER] < MESSAGE",            "one message into one mailbox",            true,  tool_deliver},
    {"import",  "USER MAILDIR|MBOX|FOLDER",              "the messages of another mailbox, nothing twice", true, tool_import},
    {"who",     "",                                      "the sessions of the running server",      true,  tool_who},
    {"kick",    "USER",                                  "ends a user's sessions",                  true,  tool_kick},
    {"auth",    "test NAME [--method METHOD] [--address ADDRESS] [--password-stdin]",
                                                         "would the running server let a user in, and why not", true, tool_auth},
    {"log",     "errors",                                "the last errors and warnings of the running server", true, tool_log},
    {"fetch",   "[--test|--plan|--mark-seen|--watch] [--json] [--quiet] [--exit-new] [--moved] [--whole UID] [-a FILE] [ACCOUNT…]",
                                                         "collects the mail of a person's POP3 accounts", false, tool_fetch},
    {"mark-seen", "[--json] [--quiet] [-a FILE] ACCOUNT…", "what is on the server now is never fetched",  false, tool_mark_seen},
    {"status",  "[--json] [-a FILE] [ACCOUNT…]",         "what became of the last checks of a person's accounts", false, tool_status},
    {"list",    "ACCOUNT …",                             "the messages of an account",              false, tool_reader},
    {"show",    "ACCOUNT MESSAGE …",                     "a message as readable text",              false, tool_reader},
    {"headers", "ACCOUNT MESSAGE …",                     "a message's header",                      false, tool_reader},
    {"save",    "ACCOUNT MESSAGE …",                     "a message, or what is attached to it, as files", false, tool_reader},
    {"delete",  "ACCOUNT MESSAGE …",                     "takes messages off the server",           false, tool_reader},
    {"send",    "ACCOUNT …",                             "hands a message to the account's SMTP server", false, tool_reader},
    {"check",   "[--server|--accounts] [FILE]",          "all that is wrong with a configuration",  false, tool_check},
    {"conf",    "[--accounts [FILE]|-a FILE] [--sample|--manual]", "a configuration as it is read, a sample, the manual's list",
                                                                                                    false, tool_conf},
    {"help",    "",                                      "this list",                               false, run_help},
    {"version", "",                                      "the version of this program",             false, run_version},
};
/* clang-format on */
enum { COMMANDS = sizeof commands / sizeof *commands };

static void print_help(FILE *to)
{
    fputs("usage: bustia [-c FILE] COMMAND …\n\n", to);
    for (size_t i = 0; i < COMMANDS; i++)
        fprintf(to, "  %s%s%s\n        %s\n", commands[i].word, *commands[i].arguments ? " " : "",
                commands[i].arguments, commands[i].about);
    fprintf(to, "\n-c FILE: the server's configuration; else that of $BUSTIA_CONF; else %s\n", BUSTIA_CONF);
}

static int run_help(const struct tool *t, int argc, char **argv)
{
    (void)t;
    (void)argv;
    if (argc != 1)
        return tool_usage("help");
    print_help(stdout);
    return EX_OK;
}

static int run_version(const struct tool *t, int argc, char **argv)
{
    (void)t;
    (void)argv;
    if (argc != 1)
        return tool_usage("version");
    puts("bustia " BUSTIA_VERSION);
    return EX_OK;
}

/* Errors of the configuration end the command; its warnings are `bustia check`'s to tell. */
static int with_conf(const struct command *command, struct tool *t, int argc, char **argv)
{
    struct conf c;
    struct conf_problems problems = {0};
    struct err err;
    int status;
    if (conf_load(&c, t->file, &problems, &err) < 0)
        status = tool_fail(&err);
    else if (problems.fatal) {
        conf_problems_print(&problems, t->file, stderr);
        status = EX_CONFIG;
    } else {
        t->conf = &c;
        status = command->run(t, argc, argv);
    }
    conf_problems_free(&problems);
    conf_free(&c);
    return status;
}

static const char *const *command_words(const char *words[COMMANDS + 1])
{
    for (size_t i = 0; i < COMMANDS; i++)
        words[i] = commands[i].word;
    words[COMMANDS] = NULL;
    return words;
}

/* Needs no configuration. The reader knows its own commands better. */
static int help_of(const struct command *c)
{
    printf("usage: bustia %s%s%s\n%s\n", c->word, *c->arguments ? " " : "", c->arguments, c->about);
    return EX_OK;
}

/* The reader and what has commands of its own tell more. */
static bool helps_itself(const struct command *c)
{
    return c->run == tool_reader || c->run == tool_alias || c->run == tool_domain || c->run == tool_quota ||
           c->run == run_user;
}

static int run_command(const struct command *c, struct tool *t, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) /* needs no configuration */
        return helps_itself(c) ? c->run(t, argc, argv) : help_of(c);
    return c->conf ? with_conf(c, t, argc, argv) : c->run(t, argc, argv);
}

static int run(struct tool *t, int argc, char **argv)
{
    const char *words[COMMANDS + 1];
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(argv[0], commands[i].word) == 0)
            return run_command(&commands[i], t, argc, argv);
    const char *near = conf_nearest(span_of(argv[0]), command_words(words));
    fprintf(stderr, "bustia: there is no command \"%s\"%s%s%s\n", argv[0], near ? "; did you mean \"" : "",
            near ? near : "", near ? "\"?" : "; `bustia help` lists them");
    return EX_USAGE;
}

/* Whoever read has seen enough, as head(1) does: nothing is lost of what was asked for. */
static bool nobody_reads(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

/* What was printed must have arrived: a full disk is no success. */
static int flushed(int status)
{
    if ((fflush(stdout) == 0 && !ferror(stdout)) || nobody_reads())
        return status;
    perror("bustia: output");
    return status == EX_OK ? EX_IOERR : status;
}

/* Whoever starts us with one of them closed would have what is printed go into a socket or a database. */
static bool open_standard(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
    return fd >= 0;
}

static int wrong_option(const char *word)
{
    static const char usage[] = "[-c FILE] COMMAND …; `bustia help` lists the commands";
    static const char *const options[] = {"-c", "--help", "--version", NULL};
    if (strcmp(word, "-c") == 0)
        return tool_wrong(usage, "-c wants a word: the server's configuration");
    return tool_no_option(usage, word, options);
}

int main(int argc, char **argv)
{
    if (!open_standard())
        return EX_OSERR;
    const char *environment = getenv("BUSTIA_CONF");
    bool named = environment && *environment;
    struct tool t = {.file = named ? environment : BUSTIA_CONF};
    int i = 1;
    if (i + 1 < argc && strcmp(argv[i], "-c") == 0) {
        t.file = argv[i + 1];
        i += 2;
    }
    if (i < argc && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0))
        return flushed(run_help(&t, 1, argv));
    if (i < argc && strcmp(argv[i], "--version") == 0)
        return flushed(run_version(&t, 1, argv));
    if (i == argc) {
        print_help(stderr);
        return EX_USAGE;
    }
    if (argv[i][0] == '-')
        return wrong_option(argv[i]);
    return flushed(run(&t, argc - i, argv + i));
}
