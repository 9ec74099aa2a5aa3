/* notify: a word to the service manager that started this process (sd_notify(3)'s protocol: a datagram to
 * NOTIFY_SOCKET). */
#ifndef NET_NOTIFY_H
#define NET_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1" … one a line. Nobody listens, or the socket is gone: nothing happens. */
void notify_manager(const char *text);
/* How often "WATCHDOG=1" must be said, twice as often as the manager asks for (sd_watchdog_enabled(3)); 0: it does not.
 */
uint64_t notify_watchdog_ms(void);

#endif
