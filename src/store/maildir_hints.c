/* maildir_hints: see the header. Calls nothing of the system. */
#include "store/maildir_hints.h"

#include <string.h>

#include "base/mem.h"

enum { HINTS_MOST = 4096 }; /* octets of one maildrop's: some 60 names */

void maildir_hints_free(struct maildir_hints *h)
{
    mem_free(h->text);
    *h = (struct maildir_hints){0};
}

bool maildir_hints_next(const struct maildir_hints *h, size_t *at, enum maildir_dir *dir, const char **name)
{
    if (*at >= h->n)
        return false;
    *dir = h->text[*at] ? MAILDIR_CUR : MAILDIR_NEW;
    *name = h->text + *at + 1;
    *at += 1 + strlen(*name) + 1;
    return true;
}

void maildir_hints_lose(struct maildir_hints *h)
{
    maildir_hints_free(h);
    h->lost = true;
}

void maildir_hints_add(struct maildir_hints *h, enum maildir_dir dir, const struct maildir_event *e)
{
    bool hidden = e->name.p[0] == '.' && !(e->mask & FAN_ONDIR);
    h->of[dir] = true;
    if (h->lost || hidden)
        return;
    if (e->mask & ~(uint64_t)MAILDIR_HINTS_COMES || h->n + 1 + e->name.n + 1 > HINTS_MOST) {
        maildir_hints_lose(h);
        return;
    }
    h->text = mem_resize(h->text, h->n + 1 + e->name.n + 1);
    h->text[h->n] = (char)dir;
    memcpy(h->text + h->n + 1, e->name.p, e->name.n);
    h->n += 1 + e->name.n + 1;
    h->text[h->n - 1] = '\0';
}
