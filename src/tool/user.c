/* user: see the header. One table of subcommands, one of options. */
#include "tool/user.h"

#include <stddef.h>
#include <string.h>

#include "tool/user_app.h"
#include "tool/user_edit.h"
#include "tool/user_import.h"
#include "tool/user_place.h"
#include "tool/user_show.h"
#include "tool/user_state.h"

enum { ADD = 1, PASSWD = 2, SET = 4, DEL = 8, LIST = 16, SHOW = 32, IMPORT = 64, CHANGES = ADD | PASSWD | SET | DEL | IMPORT };

struct command {
    const char *word, *arguments;
    unsigned bit;
    bool argument; /* a user's name or a file */
    int (*run)(struct user_job *job, struct err *err);
    const char *about;
};

#define TERMS    "[--pop3 on|off] [--login-delay TIME] [--expire DAYS]"
#define PASSWORD "[--password-stdin | --generate]"

/* clang-format off */
static const struct command commands[] = {
    {"add",    "NAME [--store STORE] [--uid UID] [--gid GID] [--quota QUOTA] " TERMS " [--apop] [--external] [--disable] [--no-maildir] " PASSWORD,
                                                         ADD,    true,  user_edit_add,    "a new user, with an empty Maildir"},
    {"passwd", "NAME [--apop | --no-apop] " PASSWORD,    PASSWD, true,  user_edit_passwd, "another password"},
    {"set",    "NAME [--store STORE] [--uid UID] [--gid GID] [--quota QUOTA] " TERMS " [--disable | --enable] [--apop | --no-apop] "
               "[--external | --no-external] [--password-stdin]",
                                                         SET,    true,  user_edit_set,    "whatever else can be changed"},
    {"del",    "NAME",                                   DEL,    true,  user_edit_del,    "deletes the user, not the mail"},
    {"list",   "[--unused TIME]",                        LIST,   false, user_show_list,   "all users"},
    {"show",   "NAME",                                   SHOW,   true,  user_show_one,    "one user"},
    {"import", "FILE [--store STORE] [--uid UID] [--gid GID] [--maildir] [--replace] [--keep-going]",
                                                         IMPORT, true,  user_import,      "the users of a Dovecot passwd-file (\"-\": stdin)"},
};
#define APP_PASSWORD "app-password" /* has commands of its own */
enum { COMMANDS = sizeof commands / sizeof *commands };

#define FLAG(member) offsetof(struct user_options, member), false
#define TEXT(member) offsetof(struct user_options, member), true

static const struct option {
    const char *word;
    size_t at;
    bool text;
    unsigned of;
} options[] = {
    {"--store",          TEXT(store),          ADD | SET | IMPORT},
    {"--uid",            TEXT(uid),            ADD | SET | IMPORT},
    {"--gid",            TEXT(gid),            ADD | SET | IMPORT},
    {"--quota",          TEXT(quota),          ADD | SET},
    {"--unused",         TEXT(unused),         LIST},
    {"--pop3",           TEXT(pop3),           ADD | SET},
    {"--login-delay",    TEXT(login_delay),    ADD | SET},
    {"--expire",         TEXT(expire),         ADD | SET},
    {"--password-stdin", FLAG(stdin_password), ADD | PASSWD | SET},
    {"--generate",       FLAG(generate),       ADD | PASSWD},
    {"--apop",           FLAG(apop),           ADD | PASSWD | SET},
    {"--no-apop",        FLAG(no_apop),        PASSWD | SET},
    {"--external",       FLAG(external),       ADD | SET},
    {"--no-external",    FLAG(no_external),    SET},
    {"--disable",        FLAG(disable),        ADD | SET},
    {"--enable",         FLAG(enable),         SET},
    {"--no-maildir",     FLAG(no_maildir),     ADD},
    {"--maildir",        FLAG(maildir),        IMPORT},
    {"--replace",        FLAG(replace),        IMPORT},
    {"--keep-going",     FLAG(keep_going),     IMPORT},
};
enum { OPTIONS = sizeof options / sizeof *options };
/* clang-format on */

static const struct command *command_of(const char *word)
{
    for (unsigned i = 0; i < COMMANDS; i++)
        if (strcmp(word, commands[i].word) == 0)
            return &commands[i];
    return NULL;
}

static void usage(FILE *to)
{
    fprintf(to, "usage: bustia user COMMAND …\n\n");
    for (unsigned i = 0; i < COMMANDS; i++)
        fprintf(to, "  %s%s%s\n        %s\n", commands[i].word, *commands[i].arguments ? " " : "",
                commands[i].arguments, commands[i].about);
    fprintf(to, "  " APP_PASSWORD " add NAME LABEL | list NAME | revoke NAME LABEL\n        passwords for single programs\n");
    fprintf(to, "\nPasswords are asked for on the terminal, or read from stdin, or generated and shown once.\n"
                "\"{user}\" in STORE stands for the user's name, UID and GID may be names.\n"
                "QUOTA is OCTETS or OCTETS:MESSAGES: 500k, 2G:10000, none.\n"
                "TIME is 5m, none, or default (login_delay's); DAYS is 30d, never, or default (expire's).\n");
}

static const struct option *option_of(const struct command *c, struct span word)
{
    for (unsigned i = 0; i < OPTIONS; i++)
        if ((options[i].of & c->bit) && span_is(word, options[i].word))
            return &options[i];
    return NULL;
}

/* "--store X" or "--store=X"; *i moves on to what was used. */
static int take_option(struct user_job *job, const struct command *c, int argc, char **argv, int *i, struct err *err)
{
    struct span value = span_of(argv[*i]), word = span_cut(&value, '=');
    const struct option *o = option_of(c, word);
    char *at = (char *)&job->option;
    if (!o)
        return err_set(err, ERR_USAGE, "user %s has no option %.*s", c->word, (int)word.n, word.p);
    if (!o->text) {
        if (value.p)
            return err_set(err, ERR_USAGE, "%s takes no value", o->word);
        *(bool *)(at + o->at) = true;
        return 0;
    }
    if (!value.p && *i + 1 == argc)
        return err_set(err, ERR_USAGE, "%s needs a value", o->word);
    *(const char **)(at + o->at) = value.p ? value.p : argv[++*i];
    return 0;
}

static int take_arguments(struct user_job *job, const struct command *c, int argc, char **argv, struct err *err)
{
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0) {
            only_words = true;
        } else if (!only_words && argv[i][0] == '-' && argv[i][1]) {
            if (take_option(job, c, argc, argv, &i, err))
                return -1;
        } else if (!c->argument || *job->word) {
            return err_set(err, ERR_USAGE, "what is \"%s\"? usage: bustia user %s %s", argv[i], c->word, c->arguments);
        } else {
            job->word = argv[i];
        }
    }
    if (c->argument && !*job->word)
        return err_set(err, ERR_USAGE, "usage: bustia user %s %s", c->word, c->arguments);
    const struct user_options *o = &job->option;
    if ((o->apop && o->no_apop) || (o->disable && o->enable) || (o->external && o->no_external) ||
        (o->stdin_password && o->generate))
        return err_set(err, ERR_USAGE, "two options contradict each other; usage: bustia user %s %s", c->word,
                       c->arguments);
    return 0;
}

int tool_user(struct conf *conf, int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], APP_PASSWORD) == 0)
        return tool_user_app(conf, argc - 1, argv + 1);
    const struct command *c = argc > 1 ? command_of(argv[1]) : NULL;
    struct user_job job = {.word = ""};
    struct err err = {.kind = ERR_NONE};
    if (!c) {
        bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0);
        usage(help ? stdout : stderr);
        return err_row(help ? ERR_NONE : ERR_USAGE)->exit_status;
    }
    user_place_begin(&job, conf);
    int ret = take_arguments(&job, c, argc - 2, argv + 2, &err);
    if (ret == 0)
        ret = c->run(&job, &err);
    if (job.db && (c->bit & CHANGES)) /* an old secret in clear is not to lie beside the database until the server ends */
        users_sweep(job.db);
    users_close(job.db);
    if (ret == 0)
        return 0;
    fprintf(stderr, "bustia: %s\n", err.text);
    return err_row(err.kind)->exit_status;
}
