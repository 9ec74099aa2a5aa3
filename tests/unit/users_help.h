/* users_help: a database of users in a folder of the test's own. */
#ifndef USERS_HELP_H
#define USERS_HELP_H

#include "user/users.h"

extern char users_path[240];
extern struct err users_err; /* of the call before */

int users_setup(void **state); /* an empty folder */
int users_teardown(void **state);

struct users *users_opened(bool create);    /* must succeed */
struct user users_person(const char *name); /* every field is filled; not to be freed */
void users_sql(const char *text);           /* runs SQL on the file as another program would */

/* Holds the file against every other program from users_hold until users_let_go. The database must not be in WAL mode.
 */
struct users_hold {
    int pid, end;
};
void users_hold(struct users_hold *h);
void users_let_go(struct users_hold *h);

/* Overwrites all pages but the first. */
void users_break(void);
/* Overwrites the first page of one table. */
void users_break_table(const char *table);

#endif
