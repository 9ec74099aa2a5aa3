/* maildir_index: what was found out about a maildrop, kept beside its messages, so that whoever asks whether something is new
 * costs no look at any of them. It is never the truth: without it, or with one that does not fit, everything is counted.
 *
 * It says what list would say as long as new/ and cur/ are what they were: device, inode, ctime, which no program can set
 * back, and size, since after a power cut a file system may (maildir_box.h). (Not mtime: what restores a backup sets that.) A
 * scan that could not be sure that a later change would show in them says so, and then nothing but the rows is used: what is
 * known of a message by its name and inode. A row itself is as good as the ctime in it, which is looked at when the message is opened.
 *
 * Read with pread, in pieces, never mapped: others may shorten the file. Every octet is summed up before it is used. */
#ifndef STORE_MAILDIR_INDEX_H
#define STORE_MAILDIR_INDEX_H

#include "base/drop.h"
#include "base/err.h"
#include "store/maildir_index_format.h"
#include "store/store.h"

struct maildir_index {
    int fd; /* -1: there is none that could be read */
    struct maildir_index_head head;
    struct maildir_index_part *parts;
    char *rest;    /* a small one's octets behind the head, which summed up when it was opened; NULL: they are read from fd */
    size_t rest_n;
    struct sum *sum; /* of the part that is being sent; NULL: none is */
    uint64_t summed; /* octets of the whole text that were sent */
};

/* ---- maildir_index_read */

void maildir_index_init(struct maildir_index *x);
/* Reads the head of the maildrop's, if it has one. */
void maildir_index_open(struct maildir_index *x, int maildrop);
void maildir_index_close(struct maildir_index *x);

/* Fills the empty table with its rows: in order, marked `counted`. With a drop, fills that too, in their order. false: they
 * are not what was written, and both are as they were. */
bool maildir_index_load(const struct maildir_index *x, struct maildir_table *t, struct drop *drop);

/* The same of the parts from `first` on alone, the drop being empty. */
bool maildir_index_load_from(const struct maildir_index *x, unsigned first, struct maildir_table *t, struct drop *drop);
/* The time in the name of its last message. false: it has none, or does not tell. */
bool maildir_index_last(const struct maildir_index *x, uint64_t *time);

/* It can be loaded, and what that reads is in memory: it waits for no disk. */
bool maildir_index_at_hand(const struct maildir_index *x);

/* As the store's `text`. A listing is read twice: before its first octet is given away all is known to be sound, and the
 * second time once more. */
long maildir_index_text(struct maildir_index *x, enum store_text which, uint64_t at, char *p, size_t n);

/* ---- maildir_index_trust */

/* new/ and cur/ are as they were when it was written, and it knew all that was in them. */
bool maildir_index_trusted(const struct maildir_index *x, int maildrop);
/* The clock has not been set back since. */
bool maildir_index_past(const struct maildir_index *x);
/* They are the directories of which it speaks, whatever is in them. */
bool maildir_index_same_place(const struct maildir_index *x, const struct maildir_state state[MAILDIR_DIRS]);
/* They have not changed meanwhile. */
bool maildir_index_same_state(const struct maildir_index *x, const struct maildir_state state[MAILDIR_DIRS]);

/* ---- maildir_index_write */

/* What is to be kept. */
struct maildir_index_news {
    const struct maildir_table *table; /* those that are gone are left out */
    unsigned first;                    /* those before it are in the index */
    const struct drop *drop;           /* uids: its first message is the table's entry `first` */
    const struct maildir_state *state; /* of both directories, when they were looked at */
    int64_t looked;
    bool complete; /* all that was in them is known, and each later change will show in their state */
    uint64_t *sum; /* becomes that in the head; NULL: nobody asks */
};

/* Replaces what is there. Not synced: it says nothing that a count could not find out, and after a power cut its sums tell. -1:
 * errno says why; nothing is left behind, and what was there stays. */
int maildir_index_write(int maildrop, const struct maildir_index_news *news);
/* Writes what begins at `first` behind the rows that are there, which are those before it. *x has it then. Where there are too many
 * parts, and all but the first are small, these become one with it. -1: it cannot; what was there stays, as far as its head tells. */
int maildir_index_append(struct maildir_index *x, int maildrop, const struct maildir_index_news *news);
/* Removes it: it is not what was written. -1: errno says why it cannot. */
int maildir_index_remove(int maildrop);

#endif
