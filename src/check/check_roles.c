/* check_roles: the accounts that the roles run as. Each of its own: what separates the roles is their uid. */
#include <unistd.h>

#include "base/account.h"
#include "check/check_parts.h"

void check_begin(struct check *k, const struct conf *c, const char *file, struct conf_problems *p)
{
    *k = (struct check){.c = c, .file = file, .p = p, .root = geteuid() == 0};
    k->roles[CHECK_DOOR] = (struct check_role){.option = "door_user", .name = c->door_user};
    k->roles[CHECK_AUTH] = (struct check_role){.option = "auth_user", .name = c->auth_user};
    k->roles[CHECK_CONTROL] = (struct check_role){.option = "control_user", .name = c->control_user};
    if (*c->metrics_listen)
        k->roles[CHECK_METRICS] = (struct check_role){.option = "metrics_user", .name = c->metrics_user};
    for (unsigned i = 0; k->root && i < CHECK_ROLES; i++) {
        struct check_role *r = &k->roles[i];
        r->found = r->name && account_find(r->name, &r->uid, &r->gid, &r->err) == 0;
    }
}

static void check_role(const struct check *k, const struct check_role *r)
{
    if (!r->name)
        return;
    unsigned line = conf_line(k->c, r->option);
    if (!r->found)
        conf_problem_add(k->p, line, true,
                         "%s = %s: %s; useradd --system --user-group --no-create-home --home-dir /nonexistent --shell "
                         "/usr/sbin/nologin %s",
                         r->option, r->name, r->err.text, r->name);
    else if (r->uid == 0 || r->gid == 0)
        conf_problem_add(k->p, line, true, "%s = %s has root's %s; give the role an account of its own", r->option,
                         r->name, r->uid == 0 ? "uid" : "group");
    else if (r->uid >= k->c->first_uid)
        conf_problem_add(k->p, line, false,
                         "%s = %s has uid %u, which is not below first_uid: users with this uid get no mailbox; use a "
                         "system account",
                         r->option, r->name, r->uid);
}

static void compare(const struct check *k, const struct check_role *r, const struct check_role *before)
{
    if (r->found && before->found && (r->uid == before->uid || r->gid == before->gid))
        conf_problem_add(k->p, conf_line(k->c, r->option), true,
                         "%s = %s has the same %s as %s = %s; give each role an account of its own", r->option, r->name,
                         r->uid == before->uid ? "uid" : "group", before->option, before->name);
}

/* Only `bustia user add` needs it. */
static void check_mail_user(const struct check *k)
{
    const struct conf *c = k->c;
    unsigned line = conf_line(c, "mail_user");
    uint32_t uid, gid;
    struct err err = {.kind = ERR_NONE};
    if (account_find(c->mail_user, &uid, &gid, &err) < 0)
        conf_problem_add(
            k->p, line, false,
            "mail_user = %s: %s, so `bustia user add` needs --uid; useradd --user-group --no-create-home --home-dir "
            "/nonexistent --shell /usr/sbin/nologin %s",
            c->mail_user, err.text, c->mail_user);
    else if (uid < c->first_uid)
        conf_problem_add(k->p, line, false,
                         "mail_user = %s has uid %u, which is below first_uid: no mailbox is opened as this user",
                         c->mail_user, uid);
    for (unsigned i = 0; err.kind == ERR_NONE && i < CHECK_ROLES; i++)
        if (k->roles[i].found && k->roles[i].uid == uid)
            conf_problem_add(k->p, line, true, "mail_user = %s is also %s; give mail an account of its own",
                             c->mail_user, k->roles[i].option);
}

void check_roles(const struct check *k)
{
    if (!k->root)
        return;
    for (unsigned i = 0; i < CHECK_ROLES; i++) {
        check_role(k, &k->roles[i]);
        for (unsigned before = 0; before < i; before++)
            compare(k, &k->roles[i], &k->roles[before]);
    }
    check_mail_user(k);
}
