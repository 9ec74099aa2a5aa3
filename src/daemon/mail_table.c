/* mail_table: what a mail process keeps of doors, grants and sessions. */
#include "daemon/mail_state.h"

#include <unistd.h>

#include "base/mem.h"

struct mail_door *mail_door_of(const struct mail *m, uint64_t generation)
{
    for (struct mail_door *d = m->doors; d; d = d->next)
        if (d->generation == generation)
            return d;
    return NULL;
}

void mail_tell_auth(struct mail *m, const struct talk *t)
{
    if (m->auth)
        talk_send(m->auth, t);
}

bool mail_tell_door(struct mail *m, const struct talk *t)
{
    struct mail_door *d = mail_door_of(m, t->id.door);
    return d && talk_send(d->chan, t) == 0;
}

void mail_expected_free(struct mail_expected *e)
{
    mem_free(e);
}

void mail_early_free(struct mail_early *e)
{
    if (e->fd >= 0)
        close(e->fd);
    if (e->unread)
        mem_wipe(e->unread, e->n_unread);
    mem_free(e->unread);
    mem_free(e);
}

void mail_end_if_done(struct mail *m)
{
    if (m->stopping && m->sessions.count == 0)
        loop_stop(m->loop);
}

void mail_session_over(struct mail *m, struct talk_id id, bool began)
{
    map_take(&m->sessions, talk_key(id));
    mail_tell_auth(m, &(struct talk){.type = TALK_ENDED, .id = id, .num = {began ? 0 : TALK_NEVER_BEGAN}, .fd = -1});
    mail_end_if_done(m);
}
