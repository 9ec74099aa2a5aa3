/* maildir_table: the files seen in new/ and cur/, small enough for 100,000 of them.
 *
 * Directories are read again and again and are mostly as they were: so each entry knows its place in the last reading, and
 * the next one is met in that order, by a comparison and nothing else. Only what is not at its place is looked for.
 *
 * One entry per pair of base name and inode: the same file seen twice (renamed while the directory was
 * read, or linked under two names) is one message; two files with the same base are two. */
#ifndef STORE_MAILDIR_TABLE_H
#define STORE_MAILDIR_TABLE_H

#include "store/maildir_name.h"

enum maildir_dir { MAILDIR_NEW, MAILDIR_CUR, MAILDIR_DIRS };

struct maildir_entry {
    uint64_t inode;
    uint64_t time;   /* in the name */
    uint64_t size;   /* as stored, when it was counted; before that what the scan was told, if it asked */
    uint64_t octets; /* in wire form */
    int64_t mtime;   /* in nanoseconds, when it was counted */
    int64_t ctime;   /* the same; 0: too fresh to tell a later change by */
    uint64_t downgraded; /* octets of its surrogate; 0: not known */
    uint32_t place;  /* how many entries were met before it in the last reading; any number if it is not known */
    uint32_t name;   /* where its name, ended by NUL, begins in the table's names */
    uint16_t met;    /* in which reading it was met last; 0: in none, if the table was filled from elsewhere */
    uint8_t room;    /* bytes kept for the name, the NUL not counted */
    uint8_t base_n;  /* length of the base in it */
    uint8_t dir;     /* enum maildir_dir: where it was last seen */
    bool wire : 1;   /* stored in wire form */
    bool eight_bit : 1; /* its header is not all ASCII */
    bool counted : 1; /* what is said above of its content is known */
    bool believed : 1; /* its inode is what readdir said */
    bool renamed : 1; /* it had another name or directory before */
    bool gone : 1;   /* removed, or found missing */
    bool wanted : 1; /* a search looks for it */
    bool seen : 1;   /* the search has met it */
    bool failed : 1; /* it is there and could not be removed */
    bool unlinked : 1; /* a name of it was removed by us, and others may be there */
    bool told : 1;   /* its removal has been noted in the record */
    bool recalled : 1; /* what is known of its content is what its row in an index says */
    bool recounted : 1; /* after list, as its file was not the one that was told of: what the drop says of it is of before */
    bool refused : 1; /* it has changed since the session began */
    const char *odd; /* why it is no message that can be served; NULL: it is one */
};

struct maildir_table {
    struct maildir_entry *entries;
    unsigned count, room;
    char *names;
    size_t names_n, names_room;
    uint64_t *slots; /* open hash of entries; NULL: not made yet */
    unsigned mask;
    unsigned looked; /* how often somebody was looked for without it */
    unsigned sorted; /* so many at its head are in order */
    uint32_t *order; /* during a reading: entry numbers by their places in the one before */
    unsigned order_n, next; /* whose turn is next */
    unsigned missed; /* whose turn it was when another came */
    uint32_t walked; /* how many have been met */
    uint16_t reading; /* its number, from 1 */
    bool settled;     /* whoever reads: the last one alone has shown all that is there */
};

enum { MAILDIR_NONE = -1 };

void maildir_table_init(struct maildir_table *t);
void maildir_table_fini(struct maildir_table *t);

/* The number of the entry, or MAILDIR_NONE. */
long maildir_table_find(struct maildir_table *t, struct span base, uint64_t inode);
/* Adds one that is not there yet. Returns its number. */
long maildir_table_add(struct maildir_table *t, enum maildir_dir dir, struct span name, const struct maildir_name *n,
                       uint64_t inode);
/* It bears this name now; the base is the same. false: it did before. */
bool maildir_table_rename(struct maildir_table *t, long entry, enum maildir_dir dir, struct span name);

/* A reading begins. */
void maildir_table_walk(struct maildir_table *t);
/* The entry whose turn it is, if this is its name, directory and inode; or MAILDIR_NONE. */
long maildir_table_next(struct maildir_table *t, enum maildir_dir dir, const char *name, uint64_t inode);
/* This one is met, that was looked for: then it goes on behind its place. */
void maildir_table_find_place(struct maildir_table *t, long entry);
/* This one has been met. */
void maildir_table_meet(struct maildir_table *t, long entry);
/* This directory is not read again: all that were in it are met. */
void maildir_table_meet_all(struct maildir_table *t, enum maildir_dir dir);

/* How a table that was filled from elsewhere, its entries marked `counted`, differs from what was read since. */
struct maildir_news {
    unsigned fresh, gone, renamed;
};
/* After the readings: those that were not met are marked gone; in the last one, if that has shown all: who was met only before it
 * has been removed between the two. */
struct maildir_news maildir_table_news(struct maildir_table *t);

const char *maildir_table_name(const struct maildir_table *t, const struct maildir_entry *e);
struct span maildir_table_base(const struct maildir_table *t, const struct maildir_entry *e);

/* Sorts by time, base name, inode: what was added since the last time is sorted in. */
void maildir_table_sort(struct maildir_table *t);
/* Gives back what only finding and reading need: numbers or entries change. */
void maildir_table_forget(struct maildir_table *t);
/* Throws away the entries that are odd or gone. */
void maildir_table_sift(struct maildir_table *t);
/* It is whole: gives back the room for more, and what only finding needs. */
void maildir_table_trim(struct maildir_table *t);

#endif
