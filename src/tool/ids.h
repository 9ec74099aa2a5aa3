/* ids: a process of the tool becomes the owner of a mailbox before it opens anything below a mail root. */
#ifndef TOOL_IDS_H
#define TOOL_IDS_H

#include <stdbool.h>
#include <stdint.h>

/* May this process become uid? Root may, and who is it already. */
bool ids_may(uint32_t uid);

/* In a child of the tool's own, for good: uid and gid, no other groups, no way to more rights, "/" as its folder, umask
 * 077. Ends the process if it cannot. Without root's rights only the last three. */
void ids_take(uint32_t uid, uint32_t gid);

#endif
