/* options: see the header. */
#include "reader/options.h"

#include <string.h>

#include "base/conf.h"
#include "base/mem.h"

static const struct option_row *row_of(const struct option_row *rows, unsigned count, const char *word,
                                       const char **text)
{
    for (unsigned i = 0; i < count; i++) {
        size_t n = strlen(rows[i].name);
        if (strncmp(word, rows[i].name, n) != 0)
            continue;
        *text = word[n] == '=' ? word + n + 1 : NULL;
        if (!word[n] || (*text && rows[i].kind != OPTION_FLAG && n > 2))
            return &rows[i];
    }
    return NULL;
}

static void give(const struct option_row *row, const char *text)
{
    if (row->kind == OPTION_FLAG) {
        *(bool *)row->to = true;
    } else if (row->kind == OPTION_TEXT) {
        *(const char **)row->to = text;
    } else {
        struct option_texts *t = row->to;
        t->text = mem_resize(t->text, (t->count + 1) * sizeof(char *));
        t->text[t->count++] = text;
    }
}

static int no_option(const struct option_row *rows, unsigned count, const char *word, struct err *err)
{
    const char **names = mem_alloc((count + 1) * sizeof(char *));
    for (unsigned i = 0; i < count; i++)
        names[i] = rows[i].name;
    names[count] = NULL;
    const char *near = conf_nearest_option(word, names);
    mem_free(names);
    return err_set(err, ERR_USAGE, "there is no option \"%.100s\"%s%s%s", word, near ? "; did you mean " : "",
                   near ? near : "", near ? "?" : "");
}

int options_take(const struct option_row *rows, unsigned count, int *argc, char **argv, struct err *err)
{
    int kept = 0;
    bool only_words = false;
    for (int i = 0; i < *argc; i++) {
        const char *text = NULL;
        if (only_words || argv[i][0] != '-' || !argv[i][1]) {
            argv[kept++] = argv[i];
            continue;
        }
        only_words = strcmp(argv[i], "--") == 0;
        if (only_words)
            continue;
        const struct option_row *row = row_of(rows, count, argv[i], &text);
        if (!row)
            return no_option(rows, count, argv[i], err);
        if (row->kind != OPTION_FLAG && !text) {
            if (i + 1 == *argc)
                return err_set(err, ERR_USAGE, "%s needs a word behind it", row->name);
            text = argv[++i];
        }
        give(row, text);
    }
    *argc = kept;
    return 0;
}
