/* check_parts: the parts of the check. Each adds what it finds. For check/ alone. */
#ifndef CHECK_CHECK_PARTS_H
#define CHECK_CHECK_PARTS_H

#include <sys/stat.h>

#include "base/conf.h"
#include "user/users.h"

enum { CHECK_ROLES = 4 };

struct check_role {
    const char *option; /* "door_user" */
    const char *name;   /* its value; NULL: the role is not there */
    bool found;
    uint32_t uid, gid;
    struct err err; /* why not */
};

struct check {
    const struct conf *c;
    const char *file;
    struct conf_problems *p;
    bool root;                            /* the server would be started as root */
    struct check_role roles[CHECK_ROLES]; /* not found: as root only */
};

enum { CHECK_DOOR, CHECK_AUTH, CHECK_CONTROL, CHECK_METRICS };

void check_begin(struct check *k, const struct conf *c, const char *file, struct conf_problems *p); /* finds the roles' accounts */
void check_roles(const struct check *k);
void check_file(const struct check *k);    /* the configuration file's own rights */
void check_tls(const struct check *k);
void check_ports(const struct check *k);
void check_folders(const struct check *k); /* mail roots, run_dir, the log's and pid file's folders */
void check_database(const struct check *k);
void check_kernel(const struct check *k);
void check_ages(const struct check *k, struct users *db);      /* of check_people: who promises it must also do it */
void check_addresses(const struct check *k, struct users *db); /* of check_people; only if it takes mail */

/* stat of `path`; -1 and a problem ("WHAT PATH does not exist; REMEDY") if there is none. */
int check_stat(const struct check *k, unsigned line, const char *what, const char *path, const char *remedy, struct stat *st);
/* The folder that holds `path`; free with mem_free. */
char *check_folder_of(const char *path);

#endif
