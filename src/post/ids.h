/* ids: a process becomes the owner of a mailbox before it opens anything below a mail root. */
#ifndef POST_IDS_H
#define POST_IDS_H

#include <stdbool.h>
#include <stdint.h>

/* May this process become uid? Root may, and who is it already. */
bool ids_may(uint32_t uid);

/* In a child, for good: uid and gid, no other groups, no way to more rights, "/" as its folder, umask 077. Ends the
 * process if it cannot. Without root's rights only the last three. */
void ids_take(uint32_t uid, uint32_t gid);

#endif
