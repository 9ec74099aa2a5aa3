/* role: the names of the processes. */
#include "daemon/role.h"

#include <stddef.h>
#include <string.h>

static const char *const names[ROLES] = {
    [ROLE_MASTER] = "master", [ROLE_DOOR] = "door",       [ROLE_AUTH] = "auth",
    [ROLE_MAIL] = "mail",     [ROLE_DELIVER] = "deliver", [ROLE_CONTROL] = "control",
    [ROLE_METRICS] = "metrics",
};

const char *role_name(enum role r)
{
    return (unsigned)r < ROLES ? names[r] : "?";
}

int role_of(const char *name)
{
    for (int i = 0; name && i < ROLES; i++)
        if (!strcmp(names[i], name))
            return i;
    return -1;
}
