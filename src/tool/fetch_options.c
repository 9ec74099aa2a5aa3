/* fetch_options: see the header. */
#include "tool/fetch_options.h"

#include <stddef.h>
#include <string.h>

#include "base/conf.h"
#include "base/log.h"

const char fetch_usage[] =
    "fetch [--test|--plan|--mark-seen|--watch] [--json] [--quiet] [--exit-new] [--moved] [--whole UID] "
    "[-a FILE] [ACCOUNT…]";
const char mark_seen_usage[] = "mark-seen [--json] [--quiet] [-a FILE] ACCOUNT…";

enum { FLAG, WORD, WHAT };

/* clang-format off */
static const struct option {
    const char *name;
    size_t offset;
    int kind;
    enum collect_what what;
} options[] = {
    {"--test",      0,                                        WHAT, COLLECT_TEST},
    {"--plan",      0,                                        WHAT, COLLECT_PLAN},
    {"--mark-seen", 0,                                        WHAT, COLLECT_MARK_SEEN},
    {"--watch",     offsetof(struct fetch_options, watch),    FLAG, COLLECT_FETCH},
    {"--json",      offsetof(struct fetch_options, json),     FLAG, COLLECT_FETCH},
    {"--quiet",     offsetof(struct fetch_options, quiet),    FLAG, COLLECT_FETCH},
    {"-q",          offsetof(struct fetch_options, quiet),    FLAG, COLLECT_FETCH},
    {"--exit-new",  offsetof(struct fetch_options, exit_new), FLAG, COLLECT_FETCH},
    {"--moved",     offsetof(struct fetch_options, moved),    FLAG, COLLECT_FETCH},
    {"--whole",     offsetof(struct fetch_options, whole),    WORD, COLLECT_FETCH},
    {"-a",          offsetof(struct fetch_options, file),     WORD, COLLECT_FETCH},
};
/* clang-format on */
enum { OPTIONS = sizeof options / sizeof *options };

static const struct option *option_of(const char *word)
{
    for (unsigned i = 0; i < OPTIONS; i++)
        if (strcmp(word, options[i].name) == 0)
            return &options[i];
    return NULL;
}

static int no_option(const char *word, struct err *err)
{
    const char *names[OPTIONS + 1] = {NULL};
    for (unsigned i = 0; i < OPTIONS; i++)
        names[i] = options[i].name;
    const char *near = conf_nearest_option(word, names);
    return err_set(err, ERR_USAGE, "there is no option %.100s%s%s%s", log_quote(span_of(word)),
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* Takes `word`, an option, and if it has one its argument: returns how many words that were, -1: wrong. */
static int take(struct fetch_options *o, int argc, char **argv, int i, struct err *err)
{
    const struct option *option = option_of(argv[i]);
    if (!option)
        return no_option(argv[i], err);
    char *at = (char *)o + option->offset;
    if (option->kind == FLAG)
        *(bool *)at = true;
    else if (option->kind == WORD && i + 1 < argc)
        *(const char **)at = argv[i + 1];
    else if (option->kind == WORD)
        return err_set(err, ERR_USAGE, "%s wants a word", option->name);
    else if (o->what != COLLECT_FETCH && o->what != option->what)
        return err_set(err, ERR_USAGE, "--test, --plan and --mark-seen exclude each other");
    else
        o->what = option->what;
    return option->kind == WORD ? 2 : 1;
}

static int fit(const struct fetch_options *o, struct err *err)
{
    if (o->watch && (o->what != COLLECT_FETCH || o->whole || o->exit_new || o->moved))
        return err_set(err, ERR_USAGE, "--watch is about fetching alone: it goes with --json, --quiet and names");
    if (o->whole && (o->count != 1 || (o->what != COLLECT_FETCH && o->what != COLLECT_PLAN)))
        return err_set(err, ERR_USAGE, "--whole UID is about a message of one account, which is named");
    if (o->moved && !o->count)
        return err_set(err, ERR_USAGE, "--moved is about accounts that are named");
    return 0;
}

int fetch_options_read(struct fetch_options *o, int argc, char **argv, struct err *err)
{
    bool only_names = false;
    *o = (struct fetch_options){.names = argv + 1};
    for (int i = 1; i < argc;) {
        if (only_names || argv[i][0] != '-' || !argv[i][1]) {
            o->names[o->count++] = argv[i++];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            only_names = true;
            i++;
            continue;
        }
        int taken = take(o, argc, argv, i, err);
        if (taken < 0)
            return -1;
        i += taken;
    }
    return fit(o, err);
}
