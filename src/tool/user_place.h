/* user_place: the database's place, and where a user's mail lies, under which ids. */
#ifndef TOOL_USER_PLACE_H
#define TOOL_USER_PLACE_H

#include "tool/user_state.h"

/* Fills a job whose fields are zero: the configuration and the paths of its mail roots. */
void user_place_begin(struct user_job *job, const struct conf *conf);

/* Opens job->db. create: makes folder and file where there are none; as root both are given to auth_user, which is the
 * one that works with them. */
int user_place_open(struct user_job *job, bool create, struct err *err);

/* The uid and gid of --uid and --gid, where they are given (names or numbers); else *uid and *gid stay. */
int user_place_ids(const struct user_job *job, uint32_t *uid, uint32_t *gid, struct err *err);
/* The ids for who has no others: mail_user's. */
int user_place_default_ids(const struct user_job *job, uint32_t *uid, uint32_t *gid, struct err *err);

/* A template with every "{user}" replaced. Free with mem_free. */
char *user_place_fill(const char *template, const char *name);

/* What the server would refuse at log-in is refused here: a uid below first_uid, a store outside the roots. */
int user_place_check(const struct user_job *job, const struct user *u, struct err *err);

/* Makes the user's Maildir (mode 0700, his) unless it is there, and says on `say` (may be NULL) what was done, or why
 * it was not. -1 only for what must not be passed over: something else is in its place. */
int user_place_maildir(const struct user_job *job, const struct user *u, FILE *say, struct err *err);

#endif
