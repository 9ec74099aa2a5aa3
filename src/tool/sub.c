/* sub: see the header. */
#include "tool/sub.h"

#include <string.h>

#include "base/mem.h"
#include "tool/user_place.h"

static void usage(const struct sub *s, FILE *to)
{
    fprintf(to, "usage: bustia %s COMMAND …\n\n", s->name);
    for (unsigned i = 0; i < s->count; i++)
        fprintf(to, "  %s%s%s\n        %s\n", s->commands[i].word, *s->commands[i].arguments ? " " : "",
                s->commands[i].arguments, s->commands[i].about);
    fprintf(to, "\n%s\n", s->notes);
}

static const struct sub_command *command_of(const struct sub *s, const char *word)
{
    for (unsigned i = 0; i < s->count; i++)
        if (strcmp(word, s->commands[i].word) == 0)
            return &s->commands[i];
    return NULL;
}

/* Options may stand anywhere before a "--". */
static int take_words(struct sub_call *call, const struct sub *s, const struct sub_command *c, int argc, char **argv,
                      struct err *err)
{
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        if (only_words || argv[i][0] != '-' || !argv[i][1])
            call->argv[call->argc++] = argv[i];
        else if (strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (c->flag && strcmp(argv[i], c->flag) == 0)
            call->flag = true;
        else
            return err_set(err, ERR_USAGE, "%s %s has no option %.100s", s->name, c->word, argv[i]);
    }
    if (call->argc < c->least || call->argc > c->most)
        return err_set(err, ERR_USAGE, "usage: bustia %s %s%s%s", s->name, c->word, *c->arguments ? " " : "",
                       c->arguments);
    return 0;
}

int sub_run(const struct sub *s, const struct tool *t, int argc, char **argv)
{
    const struct sub_command *c = argc > 1 ? command_of(s, argv[1]) : NULL;
    struct err err = {.kind = ERR_NONE};
    if (!c) {
        bool help = argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0);
        usage(s, help ? stdout : stderr);
        return err_row(help ? ERR_NONE : ERR_USAGE)->exit_status;
    }
    struct sub_call call = {.argv = mem_alloc((size_t)argc * sizeof *call.argv)};
    user_place_begin(&call.job, t->conf);
    int ret = take_words(&call, s, c, argc - 2, argv + 2, &err);
    if (ret == 0)
        ret = c->run(&call, &err);
    users_close(call.job.db);
    mem_free(call.argv);
    return ret == 0 ? err_row(ERR_NONE)->exit_status : tool_fail(&err);
}
