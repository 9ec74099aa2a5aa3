/* auth: says who somebody is: joins users, secret and sasl; tells a mail process whom to expect, then the door; keeps the table of
 * sessions. Sees the users' database and nothing else; talks to no stranger. */
#ifndef DAEMON_AUTH_H
#define DAEMON_AUTH_H

int auth_run(void);

#endif
