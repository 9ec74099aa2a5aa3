/* probe: `bustiad --probe ROLE`: this process becomes that role, sealed as by the configuration, and tries the table. */
#ifndef DAEMON_PROBE_H
#define DAEMON_PROBE_H

/* `others`: a file the role must not be able to read, or NULL. 0: all as expected. */
int probe_run(const char *file, const char *role, const char *others);

#endif
