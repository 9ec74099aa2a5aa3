/* door: where strangers come. Accepts, ends TLS, drives the POP3 machine through AUTHORIZATION, hands over. Runs in an empty
 * chroot; reads no file, opens no socket, names no user: see doc/processes.md. */
#ifndef DAEMON_DOOR_H
#define DAEMON_DOOR_H

int door_run(void);

#endif
