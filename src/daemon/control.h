/* control: answers `bustia who` and `bustia kick` on a unix socket that only root (or the user who runs the server) may use, by asking
 * auth. Fixed-size requests (base/control.h); sealed in an empty chroot. */
#ifndef DAEMON_CONTROL_H
#define DAEMON_CONTROL_H

int control_run(void);

#endif
