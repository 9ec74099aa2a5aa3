/* limit_files: the last descriptors are kept: for log-ins at the door, for roles that are to be started again at the master. */
#ifndef DAEMON_LIMIT_FILES_H
#define DAEMON_LIMIT_FILES_H

#include <stdbool.h>
#include <stdint.h>

/* Of `files` descriptors that it may have (0: not known) a process has only those left, where `fd` is one that it has just been given:
 * the lowest number that was free. */
bool limit_few_files(uint64_t files, int fd);

#endif
