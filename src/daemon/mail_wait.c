/* mail_wait: a maildrop that another session has, or that somebody waits for. Mail process.
 *
 * Auth lets nobody come while a session it knows of has the maildrop; so who finds the lock taken here has met another program, or
 * another server. He waits as long as auth has said: the lock is tried again and again, and no thread is kept meanwhile. */
#include "daemon/mail_session.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"

enum { AGAIN_MS = 100 };

static const struct mail_order takeover = {ERR_BUSY, SAY_TAKEN_OVER, "another session has taken the maildrop", "takeover"};

/* ---- waiting for the lock */

/* Nobody is there any more: who has said all he had to say, and closed. Who said more before awaits his answers. */
static bool has_left(const struct mail_early *early)
{
    char byte;
    struct pollfd p = {.fd = early->fd, .events = POLLIN};
    if (poll(&p, 1, 0) <= 0)
        return false;
    return p.revents & (POLLERR | POLLHUP) ||
           (!early->n_unread && recv(early->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0);
}

static void again(void *arg)
{
    struct mail_session *s = arg;
    if (has_left(s->early))
        mail_refuse(s);
    else
        mail_open(s);
}

bool mail_wait(struct mail_session *s)
{
    if (mail_err(s)->kind != ERR_BUSY || s->order || clock_ms() >= s->expected->wait_until || s->mail->stopping)
        return false;
    if (!s->again)
        s->again = loop_timer_new(s->mail->loop, again, s);
    s->step = STEP_WAIT;
    loop_timer_set(s->again, AGAIN_MS);
    return true;
}

/* ---- somebody waits for this session's */

void mail_unlocked(struct mail_session *s)
{
    if (s->asked)
        mail_tell_auth(s->mail, &(struct talk){.type = TALK_FREED, .id = s->id, .fd = -1});
    s->asked = false;
}

void mail_pop3_yield(struct mail_session *s, bool takes_over)
{
    if (s->gone) /* ENDED follows */
        return;
    s->asked = true;
    if (s->step == STEP_END && !s->busy)
        mail_unlocked(s);
    else if (takes_over)
        mail_obey(s, &takeover);
    else if (s->conn && !(s->flags & TALK_TLS)) /* one over TLS is the door's to ask */
        conn_probe(s->conn);
}
