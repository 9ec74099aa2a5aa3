/* crowd: who waits, by groups. Which group has the most, who of a group came first, and whose turn it is when groups take turns.
 * A group is a number: an address, for the connections that have not logged in and for the passwords that wait for their check.
 *
 * Everything is done in constant time. Knows no clock, and owns no member. */
#ifndef DAEMON_CROWD_H
#define DAEMON_CROWD_H

#include <stdbool.h>

#include "base/map.h"

struct crowd_group;

struct crowd_member {
    struct crowd_group *group; /* NULL: in none */
    struct crowd_member *before, *after;
    void *owner;
    bool busy; /* counts in its group, and stands in no line */
};

struct crowd {
    struct map groups;            /* key → struct crowd_group */
    struct crowd_group **by_size; /* of each length of a line one group, the others follow it */
    size_t sizes, longest;
    struct crowd_group *turn; /* of the ring of groups that have a line */
    size_t count;             /* who stands in a line */
};

void crowd_fini(struct crowd *c); /* all members have left */
void crowd_join(struct crowd *c, uint64_t key, struct crowd_member *m);
void crowd_leave(struct crowd *c, struct crowd_member *m); /* who is in no group may leave too */
void crowd_busy(struct crowd *c, struct crowd_member *m, bool busy); /* who is not any more goes to the end of the line */

size_t crowd_size(const struct crowd *c, uint64_t key); /* the busy too */
size_t crowd_line(const struct crowd *c, uint64_t key); /* without them */
struct crowd_member *crowd_first(const struct crowd *c, uint64_t key); /* of the line; NULL: there is none */

/* The first of the next group's line; he stays in it. NULL: nobody waits. */
struct crowd_member *crowd_turn(struct crowd *c);
/* The last of the longest line: who yields where there is no room for all. NULL: nobody waits. */
struct crowd_member *crowd_last(const struct crowd *c);
/* The first of a line who fits; the longest lines first, of those of one length the one that grew to it last. Some dozen lines are asked
 * at most. `line`: its length. */
typedef bool (*crowd_fits)(const struct crowd_member *m, uint64_t key, size_t line, void *arg);
struct crowd_member *crowd_pick(const struct crowd *c, crowd_fits fits, void *arg);

#endif
