/* out_mailbox: see the header. */
#include "post/out_mailbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "post/mailbox_open.h"
#include "post/out_smtp.h"
#include "store/open.h"
#include "user/users.h"

/* ---- opened by its owner: root's way, and that of who keeps a server of his own */

static int find(const struct conf *c, const char *name, struct user *u, struct err *err)
{
    struct users *db = NULL;
    if (users_open(&db, c->users_db, false, err) < 0) {
        if (err->kind == ERR_TEMP && access(c->users_db, R_OK | W_OK) && errno == EACCES)
            err_set(err, ERR_AUTH, "only root and the owner of the users' database %s may open it", c->users_db);
        return -1;
    }
    int result = users_find(db, span_of(name), u, err);
    users_close(db); /* the child has nothing of it */
    if (result < 0 && err->kind == ERR_GONE)
        return err_set(err, ERR_GONE, "%s: no such user", log_escape(span_of(name)));
    return result;
}

/* What the server would refuse at log-in is refused here. */
static int check(const struct conf *c, const struct user *u, struct err *err)
{
    struct store_root roots[CONF_ROOTS];
    struct err why;
    if (u->disabled)
        return err_set(err, ERR_PERM, "%s is disabled", u->name);
    if (u->uid < c->first_uid)
        return err_set(err, ERR_INPUT, "uid %u is below first_uid (%llu): no mailbox is opened for it", u->uid,
                       (unsigned long long)c->first_uid);
    for (unsigned i = 0; i < c->mail_roots; i++)
        roots[i] = (struct store_root){.path = c->mail_root[i], .fd = -1, .memory = c->allow_memory_store};
    if (store_where_check(roots, c->mail_roots, u->where, NULL, &why) < 0)
        return err_set(err, ERR_INPUT, "\"%.100s\": %s", log_escape(span_of(u->where)), why.text);
    return 0;
}

static int directly(struct out **o, const struct conf *c, const struct user *u, struct err *err)
{
    return check(c, u, err) < 0 ? -1 : mailbox_open(o, c, u, err);
}

static int as_root(struct out **o, const struct conf *c, const char *name, struct err *err)
{
    struct user u = {0};
    if (find(c, name, &u, err) < 0)
        return -1;
    int result = directly(o, c, &u, err);
    user_free(&u);
    return result;
}

/* ---- everybody else's */

static const struct conf_listener *listener_of(const struct conf *c)
{
    const struct conf_listener *found = NULL;
    for (unsigned i = 0; i < c->listeners; i++)
        if (c->listen[i].service == CONF_LMTP &&
            (!found || (!conf_listener_unix(found) && conf_listener_unix(&c->listen[i]))))
            found = &c->listen[i];
    return found;
}

/* What listens on every address is reached by loopback. */
static const char *reached(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 ? "127.0.0.1" : strcmp(host, "::") == 0 ? "::1" : host;
}

static int by_lmtp(struct out **o, const struct conf *c, const char *user, const char *sender, struct err *err)
{
    const struct conf_listener *l = listener_of(c);
    struct out_smtp_to to = {.lmtp = true, .tls = ACCOUNT_CLEAR, .from = sender, .to = user};
    if (!l)
        return err_set(err, ERR_CONFIG,
                       "only root opens mailboxes, and the server has no lmtp listener to ask; add \"listen = "
                       "/run/bustia/lmtp lmtp\" to its configuration");
    if (conf_listener_unix(l)) {
        to.host = l->address;
        return out_smtp(o, &to, err);
    }
    char *host = NULL;
    if (!account_address(l->address, 24, &host, &to.port))
        return err_set(err, ERR_CONFIG, "listen = %s: not ADDRESS:PORT", l->address);
    to.host = reached(host);
    int result = out_smtp(o, &to, err);
    mem_free(host);
    return result;
}

/* Whose the users' database and the mailbox are needs nobody else. */
static int as_anyone(struct out **o, const struct conf *c, const char *name, const char *sender, struct err *err)
{
    struct user u = {0};
    if (access(c->users_db, R_OK | W_OK) < 0)
        return by_lmtp(o, c, name, sender, err);
    if (find(c, name, &u, err) < 0)
        return err->kind == ERR_GONE ? by_lmtp(o, c, name, sender, err) : -1; /* it may be an alias */
    int result = u.uid == geteuid() ? directly(o, c, &u, err) : by_lmtp(o, c, name, sender, err);
    user_free(&u);
    return result;
}

int out_mailbox(struct out **o, const struct conf *c, const char *user, const char *sender, struct err *err)
{
    return geteuid() == 0 ? as_root(o, c, user, err) : as_anyone(o, c, user, sender, err);
}
