/* maildir_index_out: octets on their way into an index, gathered and summed up by sections. What is small leaves in one write;
 * of what grows beyond what an index may be nothing more is written. */
#ifndef STORE_MAILDIR_INDEX_OUT_H
#define STORE_MAILDIR_INDEX_OUT_H

#include <stddef.h>
#include <stdint.h>

struct maildir_index_out {
    int fd;
    int failed;      /* errno of the first trouble; after it nothing is written */
    char *piece;
    size_t n;        /* octets in it, */
    size_t summed;   /* of which so many are in the sum, or before the section */
    uint64_t at;     /* where the next one goes */
    struct sum *sum; /* of the section */
};

void maildir_index_out_init(struct maildir_index_out *o, int fd, uint64_t at);
void maildir_index_put(struct maildir_index_out *o, const void *p, size_t n);
void maildir_index_put_number(struct maildir_index_out *o, uint64_t number);

void maildir_index_section_begin(struct maildir_index_out *o);
uint64_t maildir_index_section_end(struct maildir_index_out *o); /* its sum */

/* Writes what is left, and then the head, at its place; frees. -1: errno says why. */
int maildir_index_out_end(struct maildir_index_out *o, const char *head);

#endif
