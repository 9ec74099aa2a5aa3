/* user_edit: `bustia user add|passwd|set|del`. */
#ifndef TOOL_USER_EDIT_H
#define TOOL_USER_EDIT_H

#include "tool/user_state.h"

int user_edit_add(struct user_job *job, struct err *err);
int user_edit_passwd(struct user_job *job, struct err *err);
int user_edit_set(struct user_job *job, struct err *err);
int user_edit_del(struct user_job *job, struct err *err);

#endif
