/* maildir_hear: brings an index up to date by what the kernel tells (maildir_watch.h): one message has come to ten
 * thousand, and neither are the directories read nor the rows of the others, but for those of the index's last part, for
 * the last message's sake: few of them, once something was appended. Only what comes behind all the rest is taken so, as
 * most of what is delivered does: it is opened, counted and written behind the index, as a scan would have it written.
 * Everything else is left to a scan. */
#ifndef STORE_MAILDIR_HEAR_H
#define STORE_MAILDIR_HEAR_H

#include "store/maildir_index.h"

/* The index was found to be true of the directories: from now on it can be told what changes, if it is not already. */
void maildir_hear_begin(struct maildir_box *m, const struct maildir_index *x);
/* The index, which is not true of them any more, is brought up to date: m->state says of when. false: nothing is, and the directories
 * must be read; what they are found to be can be told of from here on. */
bool maildir_hear(struct maildir_box *m, struct maildir_index *x);

#endif
