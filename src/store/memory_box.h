/* memory_box: what the files of the memory store share. */
#ifndef STORE_MEMORY_BOX_H
#define STORE_MEMORY_BOX_H

#include "base/buf.h"
#include "store/store.h"

enum memory_call {
    MEMORY_OPEN,
    MEMORY_LIST,
    MEMORY_LOAD,
    MEMORY_TEXT,
    MEMORY_KEEP,
    MEMORY_BODY,
    MEMORY_READ,
    MEMORY_REMOVE,
    MEMORY_BEGIN,
    MEMORY_WRITE,
    MEMORY_READY,
    MEMORY_COMMIT,
    MEMORY_USED,
    MEMORY_SWEEP,
    MEMORY_CALLS
};

struct memory_message {
    char *text; /* NULL: made up from its number */
    size_t size;
    uint64_t number; /* of all that were ever in the box */
    char *key;       /* NULL: none */
    bool gone;
    uint64_t downgraded; /* as keep was told */
};

struct memory_box {
    struct memory_box *next;
    char *path;
    struct memory_message *messages;
    unsigned count, room;
    uint64_t numbers;
    int64_t counted;
    bool open;
};

/* What the path asks for behind its question mark. */
struct memory_words {
    uint64_t messages, sleep_ms, text_ends;
    bool fail[MEMORY_CALLS];
    bool unknown, wire, fd, lazy, text;
};

struct memory {
    struct store store;
    struct memory_box *box;
    struct memory_words words;
    bool exclusive, wire_ends;
    unsigned *listed; /* message of the box for each of the drop */
    unsigned count;
    struct buf texts[2]; /* listings, when they were asked for */
};

int memory_words_read(struct memory_words *w, struct span text, struct err *err);
/* Sleeps and fails as the words ask for. */
int memory_act(const struct memory_words *w, enum memory_call call, struct err *err);

/* Around everything that looks at a box. */
void memory_lock(void);
void memory_unlock(void);
/* The box of this path, made with so many made-up messages if there is none. Under the lock. */
struct memory_box *memory_box_of(struct span path, uint64_t messages);
/* Adds a message; the text becomes the box's, the key is copied. Under the lock. */
void memory_box_add(struct memory_box *b, char *text, size_t size, const char *key);

/* What a message is called. */
void memory_uid(const struct memory_message *m, char out[STORE_UID]);

/* Forgets all; none may be open. */
void memory_boxes_forget(void);

/* The octets of a message; the caller frees them. */
char *memory_text(const struct memory *m, const struct memory_message *msg, size_t *size);

/* memory_list.c: the maildrop of a session */
int memory_list(struct store *s, struct drop *drop, struct err *err);
int memory_load(struct store *s, struct drop *drop, struct err *err);
long memory_listing(struct store *s, enum store_text which, uint64_t at, char *p, size_t n, struct err *err);
int memory_keep(struct store *s, const struct drop *drop, struct err *err);

/* memory_draft.c: the deliveries */
int memory_begin(struct store *s, const struct store_about *about, struct store_draft **d, struct err *err);
int memory_write(struct store_draft *d, struct span in, struct err *err);
int memory_ready(struct store_draft *d, struct err *err);
unsigned memory_commit(struct store_draft **d, unsigned n, struct err *errs);
void memory_abort(struct store_draft *d);
int memory_used(struct store *s, bool afresh, struct store_used *used, struct err *err);
int memory_sweep(struct store *s, struct err *err);

#endif
