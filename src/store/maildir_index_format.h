/* maildir_index_format: the octets of an index.
 *
 * A head, and behind it up to MAILDIR_INDEX_PARTS parts, each with four sections: rows, names, and the listings as LIST and
 * UIDL send them. What comes to the end of a maildrop is written as a further part behind the others, and then the head
 * anew; when there are too many, or when anything else has changed, all is written afresh as one part.
 *
 * Numbers are this machine's own: one of the other order of bytes finds no index here, and makes its own. Whatever does not
 * fit to the last octet is no index: it costs a count, and no message. */
#ifndef STORE_MAILDIR_INDEX_FORMAT_H
#define STORE_MAILDIR_INDEX_FORMAT_H

#include "base/drop.h"
#include "store/maildir_scan.h"

#define MAILDIR_INDEX "bustia-index"
#define MAILDIR_INDEX_FRESH "bustia-index.new" /* while it is being written */

enum { MAILDIR_INDEX_VERSION = 2, MAILDIR_INDEX_PARTS = 9, MAILDIR_INDEX_HEAD = 1024 };
#define MAILDIR_INDEX_MAGIC UINT64_C(0x0a1d71a974737562) /* "bust", and octets that no text has */
#define MAILDIR_INDEX_MOST (UINT64_C(512) << 20)         /* octets: over a million messages; beyond it there is none */

enum maildir_index_section { MAILDIR_INDEX_LIST, MAILDIR_INDEX_UIDL, MAILDIR_INDEX_ROWS, MAILDIR_INDEX_NAMES,
                             MAILDIR_INDEX_SECTIONS };

struct maildir_index_part {
    struct {
        uint64_t at, n, sum;
    } section[MAILDIR_INDEX_SECTIONS];
};

struct maildir_index_head {
    uint64_t magic;
    uint64_t sum; /* of all of the head behind it, with its parts */
    uint32_t version, parts;
    uint64_t messages, octets, eight_bit; /* totals; the last: how many have it */
    struct maildir_state state[MAILDIR_DIRS]; /* of new/ and cur/ when it was true; a `changed` of 0: it may not be */
    int64_t looked;                           /* the clock of then */
    uint64_t downgraded, unmeasured; /* octets with surrogates in their places; how many of these are not in it, as nobody has measured them */
};
_Static_assert(sizeof(struct maildir_index_head) == 136, "the head is read as it stands");
_Static_assert(sizeof(struct maildir_index_head) + MAILDIR_INDEX_PARTS * sizeof(struct maildir_index_part) <=
                   MAILDIR_INDEX_HEAD, "and ends before the first section");

enum { MAILDIR_INDEX_CUR = 1, MAILDIR_INDEX_WIRE = 2, MAILDIR_INDEX_EIGHT_BIT = 4, MAILDIR_INDEX_OWN_UID = 8 };

struct maildir_index_row {
    uint64_t inode, size, octets;
    int64_t changed;      /* 0: to be counted anew before it is sent */
    uint64_t downgraded;
    uint32_t name;        /* where it begins in the part's names; a NUL ends it */
    uint8_t name_n, base_n;
    uint8_t uid_n;        /* the uid is so much of the base, or stands behind the name (OWN_UID), with a NUL */
    uint8_t flags;
    uint32_t place;       /* in the order of the directories, as they were read */
    uint32_t spare[3];
};
_Static_assert(sizeof(struct maildir_index_row) == 64, "rows are read as they stand");

/* Checks the octets of a head, and copies out what is there; parts has room for all. false: it is none. */
bool maildir_index_head_read(const char block[MAILDIR_INDEX_HEAD], struct maildir_index_head *head,
                             struct maildir_index_part parts[MAILDIR_INDEX_PARTS]);
/* Fills in its sum and writes it. */
void maildir_index_head_write(struct maildir_index_head *head, const struct maildir_index_part *parts,
                              char block[MAILDIR_INDEX_HEAD]);

/* Checks a row against its part's names, of which `name` and `uid` become spans. */
bool maildir_index_row_check(const struct maildir_index_row *row, struct span names, struct maildir_name *name,
                             struct span *uid);

#endif
