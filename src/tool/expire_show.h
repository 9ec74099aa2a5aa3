/* expire_show: what `bustia expire` tells, as lines or as JSON. */
#ifndef TOOL_EXPIRE_SHOW_H
#define TOOL_EXPIRE_SHOW_H

#include "tool/expire_box.h"

struct expire_show {
    const struct expire_person *people;
    int64_t now; /* what a plan calls due */
    int width;   /* of the longest name */
    bool json, plan;
    unsigned failed;
    struct err first; /* of those that failed; a session that has the mailbox is no failure: the next run comes */
};

void expire_show_row(void *arg, size_t i, const struct expire_row *row); /* arg: struct expire_show */

#endif
