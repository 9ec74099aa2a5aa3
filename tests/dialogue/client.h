/* client: plays a dialogue (script.h) against a client's machine: what the server says is fed to it, what the client
 * says and wants must be what the file says. In the order of the file:
 *
 *   S: text    the server's line; lines that follow each other come as one
 *   O: text    what the owner does when it is his turn; lines that follow each other are done one after the other
 *   C: text    what the client has said by now,
 *   M: text    a line of the message it has got, and
 *   E: text    what it wanted or told
 *
 * Each file is played whole, in pieces of seven bytes, and one byte at a time with the smallest room for output. */
#ifndef TESTS_DIALOGUE_CLIENT_H
#define TESTS_DIALOGUE_CLIENT_H

#include "stage.h"

enum { CLIENT_TURNS = 100 };

struct client {
    const struct script *s;
    struct stage stage;
    struct span turns[CLIENT_TURNS]; /* what the owner is to do, and has not done */
    unsigned turn, turn_count;
    bool told; /* that it is the owner's turn has been said, and nothing was done since */
    bool closed;
    void *machine;
};

/* What the machine says until it needs more of the server, or the owner has nothing more to do. */
typedef void client_run(struct client *p);
bool client_play(struct client *p, const struct script *s, const char *path, const struct stage_way *way,
                 client_run *run);

/* It is the owner's turn: the next thing he does; empty (p = NULL): nothing. `event` is told once. */
struct span client_turn(struct client *p, const char *event);
/* For owners: the next word of what is to be done. */
struct span client_word(struct span *rest);
unsigned client_number(struct span *rest);

extern const struct stage_way client_ways[3];

#endif
