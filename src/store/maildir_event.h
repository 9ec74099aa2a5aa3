/* maildir_event: what fanotify(7) writes, in its way FAN_REPORT_DFID_NAME: which name in which directory. The kernel's octets, read
 * as a stranger's all the same. */
#ifndef STORE_MAILDIR_EVENT_H
#define STORE_MAILDIR_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/span.h"

struct maildir_event {
    uint64_t mask;
    struct span where; /* the directory: file system and handle, as maildir_watch puts them together; empty: none is named */
    struct span name;
};

/* Takes the first of them off; its spans are within. false: these are no events. */
bool maildir_event_take(struct span *events, struct maildir_event *e);

#endif
