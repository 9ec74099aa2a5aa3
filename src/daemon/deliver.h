/* deliver: a deliver process (bustia-mail --role deliver): puts messages into the mailboxes of one uid. Never one that
 * holds sessions: it meets what strangers wrote, as a memory file that a door has sealed, and reads no message that
 * lies in a mailbox. */
#ifndef DAEMON_DELIVER_H
#define DAEMON_DELIVER_H

int deliver_run(void);

#endif
