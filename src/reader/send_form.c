/* send_form: from what was written to what goes (sending.h). */
#include <string.h>

#include "base/mem.h"
#include "reader/mime_address.h"
#include "reader/mime_compose.h"
#include "reader/sending.h"
#include "reader/whole.h"

enum { SEND_MAX = 256 << 20 };

/* ---- a message that somebody else has put together */

/* Those that a message says it is sent to once more are the ones (RFC 5322 §3.6.6). */
static int whole_recipients(struct span text, struct envelope *e, struct err *err)
{
    static const char *const fields[2][3] = {{"To", "Cc", "Bcc"}, {"Resent-To", "Resent-Cc", "Resent-Bcc"}};
    char *again = whole_field(text, "Resent-To");
    int result = 0;
    for (int i = 0; i < 3 && result == 0; i++) {
        char *list = whole_field(text, fields[again != NULL][i]);
        result = mime_recipients(list, e, err);
        mem_free(list);
    }
    mem_free(again);
    return result;
}

/* Whose it is: as the command line says, or its From, or the account's. */
static int whole_sender(const struct sending *s, struct span text, char **sender, struct err *err)
{
    struct err ignored;
    char *from = s->r->from ? NULL : whole_field(text, "From");
    int result = from && mime_sender(from, sender, &ignored) == 0 ? 0 : mime_sender(s->letter.from, sender, err);
    mem_free(from);
    return result;
}

/* Fields that must be there and are not (RFC 5322 §3.6). */
static char *missing(const struct sending *s, const struct whole_facts *f, const char *sender)
{
    char date[MIME_DATE], id[MIME_ID], *from = f->from ? NULL : mime_from_field(s->letter.from);
    mime_fresh_fields(sender, date, id);
    const char *type =
        f->mime || !f->eight_bit
            ? ""
            : "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n";
    size_t n = strlen(date) + strlen(id) + (from ? strlen(from) : 0) + strlen(type) + 1;
    char *more = mem_alloc(n);
    snprintf(more, n, "%s%s%s%s", from ? from : "", f->date ? "" : date, f->id ? "" : id, type);
    mem_free(from);
    return more;
}

static int form_whole(struct sending *s, struct err *err)
{
    struct span text = {s->text, s->text_n};
    struct envelope *e = &s->envelope;
    struct whole_facts facts;
    if (whole_look(text, &facts, err) < 0 || whole_sender(s, text, &e->from, err) < 0 ||
        whole_recipients(text, e, err) < 0)
        return -1;
    char *more = missing(s, &facts, e->from);
    e->utf8 = e->utf8 || facts.utf8;
    int result = whole_put(text, span_of(more), &s->message, err);
    mem_free(more);
    return result;
}

/* ---- a letter */

static int form_letter(struct sending *s, struct err *err)
{
    const struct letter *l = &s->letter;
    struct envelope *e = &s->envelope;
    if (letter_check(l, err) < 0 || mime_sender(l->from, &e->from, err) < 0 || mime_recipients(l->to, e, err) < 0 ||
        mime_recipients(l->cc, e, err) < 0 || mime_recipients(l->bcc, e, err) < 0)
        return -1;
    return mime_compose(l, e->from, &s->message, err);
}

static int keep_only(struct sending *s, struct err *err)
{
    const struct option_texts *only = &s->r->only;
    struct envelope few = {.from = NULL};
    int result = 0;
    for (unsigned i = 0; i < only->count && result == 0; i++)
        result = mime_recipients(only->text[i], &few, err);
    if (result == 0 && only->count)
        result = envelope_keep(&s->envelope, &few, err);
    envelope_free(&few);
    return result;
}

int sending_form(struct sending *s, struct err *err)
{
    if (spool_open(&s->message, SEND_MAX, err) < 0 || (s->whole ? form_whole(s, err) : form_letter(s, err)) < 0)
        return -1;
    if (s->envelope.count == 0)
        return err_set(err, ERR_INPUT, "it has no recipient");
    return keep_only(s, err);
}
