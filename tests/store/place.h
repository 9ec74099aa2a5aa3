/* place: a root with one maildrop in it, thrown away afterwards. For store tests. */
#ifndef PLACE_H
#define PLACE_H

#include <sys/types.h>

#include "store/store.h"

enum { PLACE_PATH = 1024 };

struct place {
    char top[PLACE_PATH];
    struct store_root root; /* top, held as O_PATH: as the mail processes hold it */
    const char *drop;       /* the maildrop below it: "anna" */
};

void place_make(struct place *p);    /* an empty root below $TMPDIR */
void place_maildir(struct place *p); /* the same, with the maildrop and new/, cur/, tmp/ in it */
void place_free(struct place *p);    /* with all that is in it */

/* For cmocka: a Maildir as the state of a test; after it no call fails any more. */
int place_set_up(void **state);
int place_tear_down(void **state);

/* All names are relative to the maildrop: "cur/1.a:2,S". */
void place_path(const struct place *p, const char *name, char out[PLACE_PATH]);
void place_write(const struct place *p, const char *name, struct span text);
void place_text(const struct place *p, const char *name, const char *text);
void place_rename(const struct place *p, const char *from, const char *to);
void place_remove(const struct place *p, const char *name);
bool place_has(const struct place *p, const char *name);
uint64_t place_inode(const struct place *p, const char *name);
unsigned place_count(const struct place *p, const char *directory); /* files in it, "." and ".." apart */

/* Opens and lists; fails the test if either fails. */
struct store *place_open(const struct place *p, const struct store_ops *ops);
void place_list(struct store *s, struct drop *drop);
struct store *place_open_list(const struct place *p, const struct store_ops *ops, struct drop *drop);

/* For deliveries; fails the test if it fails. */
struct store *place_open_to_deliver(const struct place *p, const struct store_ops *ops);
/* A draft that is ready. */
struct store_draft *place_draft(struct store *s, const struct store_about *about, struct span text);
/* Committed. */
void place_deliver(struct store *s, const struct store_about *about, struct span text);

/* Runs it in a process of its own. */
pid_t place_beside(const struct place *p, void (*fn)(const struct place *p));
/* Waits for them; each must have ended well. */
void place_wait(unsigned n, const pid_t pids[]);

/* The whole body as stored, by descriptor or reader; the caller frees it. NULL: err says why. */
char *place_body(struct store *s, unsigned msg, size_t *n, struct store_body *b, struct err *err);
/* Asserts that it is this text. */
void place_expect(struct store *s, unsigned msg, const char *text);

#endif
