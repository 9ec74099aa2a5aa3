/* maildir_watch: what the kernel tells of new/ and cur/ of large maildrops between their sessions, so that one message that has
 * come costs no reading of ten thousand names. By fanotify(7) without privileges: a mark on each of the two directories, and one
 * queue for all of them in this process, which is read when somebody asks and never wakes anybody.
 *
 * What is told are hints: "something has become of this name". They are good for one thing, to bring up to date an index of which is
 * known, by its sum, that it was true when the first of them came:
 *
 *   begin      the marks are there, and what was told before is forgotten. Who reads the directories now, or sees by their
 *              stamps that an index is true of them, sees all that is not told later;
 *   settled    this is that index: from now on the hints say how the directories differ from it;
 *   hints      takes them: all up to now, but for what happens beside us. From here on they are of no index until the next `settled`.
 *
 * That no change is missed: the kernel stamps a directory and queues the event under one lock of that directory (i_rwsem: held by who
 * calls vfs_create, vfs_link, vfs_unlink, vfs_rename and the like, which notify before they return). A stamp may be seen before the event is
 * queued; so `hints` takes that lock once (getdents64 does) before it reads the queue. Whoever sees the same stamps before and after
 * `hints`, and old enough to tell a later change by (maildir_stamp.h), has all events of what they stamp.
 *
 * That nothing else is taken for it: marks are of inodes, and end with them (or when their file system is unmounted, which nothing tells).
 * So `hints` asks whether they are still there; none comes back by itself. All that is not simply a new name (a removal, a rename away, a directory, an
 * event of an unknown kind or place, a full queue, more hints than are kept) makes the hints `lost`: then the directories are read. Only file systems
 * of which every change goes through this kernel are watched: none of the network, of FUSE, or of layers.
 *
 * Bounds: so many maildrops as maildir_watch_most says, for each a few hundred octets here, two marks and their inodes in the kernel, and
 * 4 kB of hints; when all places are taken all are given up, and it begins anew. The queue has fs.fanotify.max_queued_events places: who
 * may write into his maildrop can fill it, and has the directories of those of his own uid read. Marks and groups count against
 * the uid's own limits; where there are none left, or no fanotify, nothing is watched, and all is as without. */
#ifndef STORE_MAILDIR_WATCH_H
#define STORE_MAILDIR_WATCH_H

#include "store/maildir_box.h"
#include "store/maildir_hints.h"

enum { MAILDIR_WATCH_LEAST = 1000 }; /* messages of a maildrop that is worth it: it costs memory of the kernel */

/* How many maildrops at most. None before this is said; what was watched is given up. Any thread may call what follows, of one maildrop
 * only who holds its lock. */
void maildir_watch_most(unsigned most);

/* Of m, whose directories are open. false: it cannot be watched. */
bool maildir_watch_begin(struct maildir_box *m);
/* The index with the sum `to` is true of them, as the one with the sum `from` was; 0: as what was seen after the `begin`
 * or `hints` of m, if nobody else has called one of them since (of another maildrop, to which they were moved, say). */
void maildir_watch_settled(const struct maildir_box *m, const struct maildir_state state[MAILDIR_DIRS], uint64_t from,
                           uint64_t to);
/* They may be watched, as far as is known. */
bool maildir_watch_may(const struct maildir_state state[MAILDIR_DIRS]);
/* Hints are of this index. */
bool maildir_watch_knows(const struct maildir_state state[MAILDIR_DIRS], uint64_t index);
/* Fills *h, to be freed by maildir_hints_free. false: they are not of this index, or lost. m->state says what the directories are. */
bool maildir_watch_hints(struct maildir_box *m, uint64_t index, struct maildir_hints *h);

#endif
