/* check_accounts_mailbox: a mailbox of the server on this machine, as it will be reached: root opens it, and who owns
 * it and the database; anyone else hands over by LMTP. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "check/check_accounts_impl.h"
#include "store/open.h"
#include "user/users.h"

void check_socket(const struct check_person *k, const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        check_tell(k, "deliver", false, "deliver = %s: %s cannot be looked at: %s; does its server run?", k->a->deliver,
                   path, strerror(errno));
    else if (!S_ISSOCK(st.st_mode))
        check_tell(k, "deliver", true, "deliver = %s: %s is no socket", k->a->deliver, path);
    else if (access(path, W_OK) < 0)
        check_tell(k, "deliver", true, "deliver = %s: uid %u may not write to %s; its owner or group says who may",
                   k->a->deliver, geteuid(), path);
}

/* ---- the server's configuration, read once */

static const struct conf *conf_of(struct check_person *k)
{
    if (!k->conf) {
        k->conf = mem_alloc(sizeof *k->conf);
        k->conf_err = (struct err){.kind = ERR_NONE};
        (void)conf_load(k->conf, k->conf_file, &k->conf_problems, &k->conf_err);
    }
    if (k->conf_err.kind != ERR_NONE)
        check_tell(k, "deliver", true, "deliver = %s needs the server's configuration (-c FILE names another): %s",
                   k->a->deliver, k->conf_err.text);
    else if (k->conf_problems.fatal)
        check_tell(k, "deliver", true,
                   "deliver = %s: the server's configuration %s has errors; `bustia check --server` "
                   "names them",
                   k->a->deliver, k->conf_file);
    else
        return k->conf;
    return NULL;
}

/* ---- opened as a store */

static void check_user(const struct check_person *k, const struct conf *c, const struct user *u)
{
    struct store_root roots[CONF_ROOTS];
    struct err why;
    for (unsigned i = 0; i < c->mail_roots; i++)
        roots[i] = (struct store_root){.path = c->mail_root[i], .fd = -1, .memory = c->allow_memory_store};
    if (u->disabled)
        check_tell(k, "deliver", true, "deliver = %s: %s is disabled; `bustia user set` enables", k->a->deliver,
                   log_quote_text(u->name));
    else if (u->uid < c->first_uid)
        check_tell(k, "deliver", true, "deliver = %s: uid %u is below first_uid (%llu): no mailbox is opened for it",
                   k->a->deliver, u->uid, (unsigned long long)c->first_uid);
    else if (store_where_check(roots, c->mail_roots, u->where, NULL, &why) < 0)
        check_tell(k, "deliver", true, "deliver = %s: %s", k->a->deliver, why.text);
}

/* ---- handed over by LMTP */

static const struct conf_listener *listener_of(const struct conf *c)
{
    const struct conf_listener *found = NULL;
    for (unsigned i = 0; i < c->listeners; i++)
        if (c->listen[i].service == CONF_LMTP &&
            (!found || (!conf_listener_unix(found) && conf_listener_unix(&c->listen[i]))))
            found = &c->listen[i];
    return found;
}

static void by_lmtp(const struct check_person *k, const struct conf *c)
{
    const struct conf_listener *found = listener_of(c);
    if (!found)
        check_tell(k, "deliver", true,
                   "deliver = %s: only root opens mailboxes, and the server has no lmtp listener to hand mail to; add "
                   "\"listen = /run/bustia/lmtp lmtp\" to its configuration",
                   k->a->deliver);
    else if (conf_listener_unix(found))
        check_socket(k, found->address);
    if (found && k->a->remove && !k->a->remove_after)
        check_tell(k, "delete", false,
                   "account %s deletes at once, and hands its mail to %s by LMTP, which cannot be asked whether a "
                   "message arrived: after a crash one may come twice; none is lost",
                   k->a->name, k->a->deliver);
}

/* ---- which of the two */

/* Who owns database and mailbox opens them himself, as root does; a name that is no user may be an alias for LMTP. */
static void ask_database(const struct check_person *k, const struct conf *c, const char *name)
{
    struct users *db = NULL;
    struct user u = {0};
    struct err err = {.kind = ERR_NONE};
    bool root = geteuid() == 0;
    int result = users_open(&db, c->users_db, false, &err);
    bool opened = result == 0;
    if (opened)
        result = users_find(db, span_of(name), &u, &err);
    if (result == 0 && (root || u.uid == geteuid()))
        check_user(k, c, &u);
    else if (result == 0 || (opened && err.kind == ERR_GONE && !root))
        by_lmtp(k, c);
    else if (opened && err.kind == ERR_GONE)
        check_tell(k, "deliver", true,
                   "deliver = %s: the server has no user of this name; `bustia user list` names all", k->a->deliver);
    else
        check_tell(k, "deliver", true, "deliver = %s: the server's users cannot be asked: %s", k->a->deliver, err.text);
    user_free(&u);
    users_close(db);
}

void check_mailbox(struct check_person *k, const char *user)
{
    const struct conf *c = conf_of(k);
    struct err err;
    if (!c)
        return;
    if (geteuid() != 0 && access(c->users_db, R_OK | W_OK) < 0)
        by_lmtp(k, c);
    else if (access(c->users_db, F_OK) < 0 ||
             users_old(c->users_db, &err) <= 0) /* opening an old one would change it */
        ask_database(k, c, user);
}
