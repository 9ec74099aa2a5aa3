/* user_show: `bustia user list|show`. Never a secret, nor a part of one. */
#ifndef TOOL_USER_SHOW_H
#define TOOL_USER_SHOW_H

#include "tool/user_state.h"

int user_show_list(struct user_job *job, struct err *err);
int user_show_one(struct user_job *job, struct err *err);

#endif
