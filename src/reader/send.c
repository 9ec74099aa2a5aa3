/* send: see the header. What is to be sent is in a file before a server is told of it, and stays there until all have
 * it. */
#include "reader/send.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "reader/answer.h"
#include "reader/mime_address.h"
#include "reader/sending.h"
#include "reader/submit.h"

/* ---- what the command line says */

static int take_options(struct sending *s, struct err *err)
{
    const struct reader *r = s->r;
    struct letter *l = &s->letter;
    const struct account *a = s->account;
    const char *from = r->from ? r->from : *a->from ? a->from : strchr(a->user, '@') ? a->user : NULL;
    if (!from)
        return err_set(err, ERR_CONFIG, "account %s does not say from whom (from = NAME <ADDRESS>)", a->name);
    letter_add(&l->from, from);
    for (unsigned i = 0; i < r->to.count; i++)
        letter_add(&l->to, r->to.text[i]);
    for (unsigned i = 0; i < r->cc.count; i++)
        letter_add(&l->cc, r->cc.text[i]);
    for (unsigned i = 0; i < r->bcc.count; i++)
        letter_add(&l->bcc, r->bcc.text[i]);
    if (r->subject)
        l->subject = mem_copy_text(r->subject);
    for (unsigned i = 0; i < r->attach.count; i++)
        if (letter_attach(l, r->attach.text[i], err) < 0)
            return -1;
    return letter_check(l, err);
}

static int take_reply(struct sending *s, struct err *err)
{
    char *own = NULL;
    if (!s->r->reply)
        return 0;
    int result = mime_sender(s->letter.from, &own, err);
    if (result == 0)
        result = answer_begin(&s->letter, s->r, s->account->name, own, err);
    mem_free(own);
    return result;
}

/* ---- the whole of it */

/* As a shell takes it for one word, whatever it is: people copy such lines. */
static void put_word(FILE *to, const char *word)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_-";
    if (*word && strspn(word, safe) == strlen(word)) {
        fprintf(to, " %s", word);
        return;
    }
    fputs(" '", to);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", to);
        else
            putc(*word, to);
    putc('\'', to);
}

/* How to send it another time; where some have it, to the others only. */
static void tell_kept(const struct sending *s)
{
    char *line = NULL;
    size_t n = 0;
    const char *path = s->draft.path ? s->draft.path : s->word;
    if (s->kept == SENDING_TEXT) {
        reader_say("what was read is kept in %s", path);
        return;
    }
    FILE *to = open_memstream(&line, &n);
    if (!to)
        abort();
    if (s->r->file) {
        fputs(" -a", to);
        put_word(to, s->r->file);
    }
    for (unsigned i = 0; s->fewer && i < s->envelope.count; i++) {
        fputs(" --only", to);
        put_word(to, s->envelope.rcpts[i].address);
    }
    put_word(to, s->account->name);
    put_word(to, path);
    fclose(to);
    reader_say("it is kept; to send it: bustia send%s%s", s->kept == SENDING_WHOLE ? "" : " --draft", line);
    free(line);
}

static int send_it(struct sending *s, struct err *err)
{
    if (take_options(s, err) < 0 || take_reply(s, err) < 0 || sending_read(s, err) < 0 || sending_form(s, err) < 0)
        return -1;
    unsigned count = s->envelope.count;
    if (submit(s->account, &s->envelope, &s->message, err) < 0) {
        s->fewer = s->envelope.count < count;
        return -1;
    }
    s->kept = SENDING_NOTHING;
    reader_say("sent to %u %s", count, count == 1 ? "recipient" : "recipients");
    return 0;
}

int reader_send(struct reader *r, int argc, char **argv, struct err *err)
{
    struct sending s = {.r = r, .word = argc == 2 ? argv[1] : NULL, .draft = {.folder = -1}, .message = {.fd = -1}};
    int result = reader_account(r, argv[0], &s.account, err);
    if (result == 0 && !*s.account->smtp_server)
        result = err_set(err, ERR_CONFIG, "account %s names no smtp_server", s.account->name);
    if (result == 0)
        result = send_it(&s, err);
    if (s.kept == SENDING_NOTHING)
        draft_drop(&s.draft);
    else
        tell_kept(&s);
    draft_close(&s.draft);
    letter_free(&s.letter);
    envelope_free(&s.envelope);
    spool_close(&s.message);
    mem_free(s.text);
    return result;
}
