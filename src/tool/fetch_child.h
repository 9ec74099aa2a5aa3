/* fetch_child: the process that checks one account: it holds the secrets, reads what the server says, and tells its
 * parent fixed structs. */
#ifndef TOOL_FETCH_CHILD_H
#define TOOL_FETCH_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "fetch/collect.h"

/* Its pid, and in *fd where its events come from; -1: ERR_TEMP. `apart`: a process group of its own. It ends with its
 * parent. */
pid_t fetch_child_start(const struct collect_job *job, bool apart, int *fd, struct err *err);
/* 1: an event. 0: none now. -1: there will be none any more, or what came is none of ours. */
int fetch_child_receive(int fd, struct event *e);

/* A command of the account's owner: sh -c, in a process group of its own, without input, with "NAME=value" in its
 * environment. */
pid_t fetch_child_command(const char *command, char *const environment[], struct err *err);

#endif
