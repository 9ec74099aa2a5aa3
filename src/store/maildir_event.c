/* maildir_event: see the header. Mail processes. */
#include "store/maildir_event.h"

#include <stddef.h>
#include <string.h>
#include <sys/fanotify.h>

/* A record of a directory: what it is, file system, handle (its length, its kind, its octets), and the name with a NUL. */
enum {
    FSID = offsetof(struct fanotify_event_info_fid, fsid),
    HANDLE = offsetof(struct fanotify_event_info_fid, handle),
    HANDLE_HEAD = 8
};

static bool read_name(struct span record, struct maildir_event *e)
{
    uint32_t handle_n;
    if (record.n < HANDLE + HANDLE_HEAD)
        return false;
    memcpy(&handle_n, record.p + HANDLE, sizeof handle_n);
    if (handle_n > record.n - HANDLE - HANDLE_HEAD)
        return false;
    e->where = (struct span){record.p + FSID, HANDLE - FSID + HANDLE_HEAD + handle_n};
    struct span rest = span_from(record, HANDLE + HANDLE_HEAD + handle_n);
    const char *end = rest.n ? memchr(rest.p, '\0', rest.n) : NULL;
    e->name = (struct span){rest.p, end ? (size_t)(end - rest.p) : 0};
    return e->name.n > 0;
}

static bool read_records(struct span records, struct maildir_event *e)
{
    while (records.n) {
        struct fanotify_event_info_header head;
        if (records.n < sizeof head)
            return false;
        memcpy(&head, records.p, sizeof head);
        if (head.len < sizeof head || head.len > records.n)
            return false;
        if (head.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME && !read_name((struct span){records.p, head.len}, e))
            return false;
        records = span_from(records, head.len);
    }
    return true;
}

bool maildir_event_take(struct span *events, struct maildir_event *e)
{
    struct fanotify_event_metadata head;
    struct span all = *events;
    *e = (struct maildir_event){0};
    if (all.n < sizeof head)
        return false;
    memcpy(&head, all.p, sizeof head);
    if (head.vers != FANOTIFY_METADATA_VERSION || head.metadata_len < sizeof head || head.event_len < head.metadata_len ||
        head.event_len > all.n)
        return false;
    *events = span_from(all, head.event_len);
    e->mask = head.mask;
    return read_records((struct span){all.p + head.metadata_len, head.event_len - head.metadata_len}, e);
}
