/* check: see the header. */
#include "check/check.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "check/check_parts.h"

/* Whoever can change the file can have any program's file opened as root. */
void check_file(const struct check *k)
{
    struct stat st;
    if (!k->root || stat(k->file, &st) < 0 || !S_ISREG(st.st_mode))
        return;
    if (st.st_mode & S_IWOTH)
        conf_problem_add(k->p, 0, true, "everybody may change this file (mode %04o); chmod o-w %s", st.st_mode & 07777,
                         k->file);
    else if (st.st_uid != 0)
        conf_problem_add(k->p, 0, false,
                         "this file belongs to uid %u, who may so decide what runs as root; chown root %s", st.st_uid,
                         k->file);
}

void check_server(const struct conf *c, const char *file, struct conf_problems *p)
{
    struct check k;
    check_begin(&k, c, file, p);
    if (!k.root)
        conf_problem_add(p, 0, false,
                         "not root: all roles would run as uid %u and serve only this user's mail, and the accounts of "
                         "the roles are "
                         "not checked",
                         geteuid());
    check_roles(&k);
    check_file(&k);
    check_tls(&k);
    check_ports(&k);
    check_folders(&k);
    check_database(&k);
    check_kernel(&k);
}
