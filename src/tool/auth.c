/* auth: `bustia auth test`: asks the running server whether a password would let somebody in. */
#include "tool/auth.h"

#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/control.h"
#include "base/log.h"
#include "base/mem.h"
#include "tool/control_ask.h"
#include "tool/user_password.h"
#include "tool/user_place.h"
#include "user/secret.h"

static const char usage[] = "auth test NAME [--method pass|plain|login|apop|cram-md5|scram-sha-256|…|external] [--address ADDRESS] "
                            "[--password-stdin]";

struct words {
    const char *name, *method, *address;
    bool from_stdin;
};

/* 0, or the exit status. */
static int take_words(struct words *w, int argc, char **argv)
{
    static const char *const options[] = {"--method", "--address", "--password-stdin", NULL};
    *w = (struct words){.method = "plain", .address = ""};
    for (int i = 2; i < argc; i++) {
        const char **value = strcmp(argv[i], "--method") == 0 ? &w->method : strcmp(argv[i], "--address") == 0 ? &w->address : NULL;
        if (value && i + 1 == argc)
            return tool_wrong(usage, "%s needs a value", argv[i]);
        if (value)
            *value = argv[++i];
        else if (strcmp(argv[i], "--password-stdin") == 0)
            w->from_stdin = true;
        else if (argv[i][0] == '-')
            return tool_no_option(usage, argv[i], options);
        else if (w->name)
            return tool_usage(usage);
        else
            w->name = argv[i];
    }
    return w->name ? 0 : tool_usage(usage);
}

static void print(void *arg, const struct control_row *r)
{
    (void)arg;
    printf("%s\n", log_escape(span_of(r->text)));
}

static int put(char *room, size_t size, const char *text, const char *what, struct err *err)
{
    size_t n = strlen(text);
    if (n >= size)
        return err_set(err, ERR_INPUT, "%s is longer than %zu bytes", what, size - 1);
    memcpy(room, text, n + 1);
    return 0;
}

static int fill(struct control_request *q, const struct words *w, const char *password, struct err *err)
{
    if (!control_request_make(q, CONTROL_TEST, w->name))
        return err_set(err, ERR_INPUT, "a user's name is never longer than %d bytes", CONTROL_USER - 1);
    if (put(q->secret, sizeof q->secret, password, "the password", err) || put(q->address, sizeof q->address, w->address, "an address", err))
        return -1;
    return put(q->method, sizeof q->method, w->method, "a method", err);
}

static int ask(const struct conf *c, const struct words *w, const char *password, uint32_t *against, struct err *err)
{
    struct control_request q;
    int ret = fill(&q, w, password, err), fd = ret ? -1 : control_ask(c, &q, err);
    mem_wipe(&q, sizeof q);
    if (fd < 0)
        return -1;
    ret = control_rows(fd, print, NULL, against, err);
    close(fd);
    return ret;
}

int tool_auth(const struct tool *t, int argc, char **argv)
{
    struct words w;
    struct err err;
    uint32_t against = 0;
    if (argc < 2 || strcmp(argv[1], "test") != 0)
        return tool_usage(usage);
    int status = take_words(&w, argc, argv);
    if (status)
        return status;
    struct user_job job = {.word = w.name, .option = {.stdin_password = w.from_stdin}};
    char *password = strcmp(w.method, "external") == 0 ? mem_copy_text("") : user_password_raw(&job, false, &err);
    if (!password)
        return tool_fail(&err);
    int ret = ask(t->conf, &w, password, &against, &err);
    secret_free(password);
    if (ret < 0)
        return tool_fail(&err);
    printf("%s would %sbe let in by %s\n", log_escape(span_of(w.name)), against ? "not " : "", w.method);
    return against ? EX_NOPERM : EX_OK;
}
