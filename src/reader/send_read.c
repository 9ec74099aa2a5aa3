/* send_read: what a person wrote, from a file, a pipe or an editor (sending.h). It is in a file from then on. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "reader/ask.h"
#include "reader/edit.h"
#include "reader/sending.h"
#include "reader/whole.h"

enum { TEXT_MAX = 64 << 20, PIECE = 64 * 1024 };

/* ---- what is read */

static int read_all(struct sending *s, int fd, const char *name, struct err *err)
{
    size_t room = 0;
    for (;;) {
        if (s->text_n == room)
            s->text = mem_resize(s->text, (room = 2 * room + PIECE) + 1);
        ssize_t got = read(fd, s->text + s->text_n, room - s->text_n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(err, ERR_GONE, "%.180s cannot be read: %s", name, strerror(errno));
        if (got == 0)
            return 0;
        s->text_n += (size_t)got;
        if (s->text_n > TEXT_MAX)
            return err_set(err, ERR_LIMIT, "%.180s is longer than the %d MB that are sent as a text", name,
                           TEXT_MAX >> 20);
    }
}

static int read_file(struct sending *s, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_set(err, ERR_GONE, "%.180s cannot be opened: %s", path, strerror(errno));
    mem_free(s->text);
    s->text = NULL;
    s->text_n = 0;
    int result = read_all(s, fd, path, err);
    close(fd);
    return result;
}

static struct span text_of(const struct sending *s)
{
    return (struct span){s->text ? s->text : "", s->text_n};
}

/* ---- what is written */

bool sending_said(const struct reader *r)
{
    return r->to.count || r->cc.count || r->bcc.count || r->subject || r->reply;
}

static int fill_draft(struct sending *s, struct err *err)
{
    char *text = NULL;
    size_t n = 0;
    FILE *to = open_memstream(&text, &n);
    if (!to)
        abort();
    letter_put(&s->letter, to);
    fclose(to);
    int result = draft_fill(&s->draft, (struct span){text, n}, err);
    free(text);
    return result;
}

static int begin_draft(struct sending *s, struct err *err)
{
    return draft_begin(&s->draft, s->r->accounts->state_folder, s->account->name, err);
}

/* ERR_NONE: whoever sits there does not want to send it. */
static int write_in_editor(struct sending *s, struct err *err)
{
    if (begin_draft(s, err) < 0 || fill_draft(s, err) < 0 || read_file(s, s->draft.path, err) < 0)
        return -1;
    char *before = s->text;
    size_t before_n = s->text_n;
    s->text = NULL;
    s->kept = SENDING_DRAFT;
    int result = edit_file(s->draft.path, err);
    if (result == 0)
        result = read_file(s, s->draft.path, err);
    if (result == 0 && span_equal(text_of(s), (struct span){before, before_n})) {
        s->kept = SENDING_NOTHING;
        result = err_set(err, ERR_NONE, "nothing was written, and nothing is sent");
    }
    mem_free(before);
    if (result == 0)
        result = letter_take(&s->letter, text_of(s), true, err);
    if (result == 0 && !ask_yes("Send it?"))
        result = err_set(err, ERR_NONE, "it is not sent");
    return result;
}

/* Where the head is said, what was read is the text; else it has one of its own. */
static int take_text(struct sending *s, struct err *err)
{
    struct letter *l = &s->letter;
    if (!sending_said(s->r) && letter_is(text_of(s)))
        return letter_take(l, text_of(s), false, err);
    if (!sending_said(s->r))
        return err_set(err, ERR_USAGE,
                       "to whom? --to says it, or a text that begins with To: and Subject: and an empty line");
    mem_free(l->text);
    l->text = s->text;
    l->text_n = s->text_n;
    s->text = NULL;
    s->text_n = 0;
    return 0;
}

static int take_words(struct sending *s, struct err *err)
{
    bool input = !s->word || strcmp(s->word, "-") == 0;
    if (begin_draft(s, err) < 0 ||
        (input ? read_all(s, STDIN_FILENO, "the standard input", err) : read_file(s, s->word, err)) < 0 ||
        draft_fill(&s->draft, text_of(s), err) < 0)
        return -1;
    if (!s->text_n && !s->letter.attached)
        return err_set(err, ERR_INPUT, "%.180s is empty; nothing is sent", input ? "the standard input" : s->word);
    s->whole = !sending_said(s->r) && !letter_is(text_of(s)) && whole_is(text_of(s));
    s->kept = s->whole ? SENDING_WHOLE : input ? SENDING_TEXT : SENDING_NOTHING;
    if (s->whole && s->letter.attached)
        return err_set(err, ERR_USAGE, "nothing can be attached to a message that is whole");
    if (s->whole)
        return 0;
    if (take_text(s, err) < 0 || fill_draft(s, err) < 0)
        return -1;
    s->kept = SENDING_DRAFT;
    return 0;
}

/* What was kept is sent again; it goes once it is sent. */
static int take_draft(struct sending *s, struct err *err)
{
    if (!s->word || sending_said(s->r) || s->letter.attached)
        return err_set(err, ERR_USAGE, "--draft FILE says all that is to be said of a message");
    if (read_file(s, s->word, err) < 0)
        return -1;
    s->kept = SENDING_DRAFT;
    (void)draft_adopt(&s->draft, s->r->accounts->state_folder, s->word);
    return letter_take(&s->letter, text_of(s), true, err);
}

int sending_read(struct sending *s, struct err *err)
{
    if (s->r->draft)
        return take_draft(s, err);
    return s->word || !ask_possible() ? take_words(s, err) : write_in_editor(s, err);
}
