/* stage: what every player of a dialogue (script.h) has: the queues of a machine, the ways of cutting what the client
 * says, and the transcript of what was said and wanted, which must be that of the file. */
#ifndef TESTS_DIALOGUE_STAGE_H
#define TESTS_DIALOGUE_STAGE_H

#include "script.h"

struct stage_way {
    const char *name;
    size_t piece, out_max;
    bool in_step; /* before the client goes on, all answers must be there */
    int owner;    /* what else differs: the player's to say */
};

struct stage {
    const struct stage_way *way;
    const char *path;
    struct buf in, out;
    struct buf got, expected; /* the transcripts: what is, and what the file says up to here */
};

void stage_init(struct stage *s, const struct stage_way *way, const char *path);
void stage_fini(struct stage *s);

void stage_drain(struct stage *s); /* the peer reads what is in `out` */
/* Events stand in the transcript between the lines, marked by a byte that no reply begins with. */
void stage_event(struct stage *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A line of the server, a message or an event of the file. */
void stage_expect(struct stage *s, const struct script_item *item);
/* What was said up to here must be what the file says up to here. */
bool stage_check(const struct stage *s, unsigned line);

/* Plays each file in each way. Returns the program's exit status. */
typedef bool stage_play(const struct script *s, const char *path, const struct stage_way *way);
int stage_main(int argc, char **argv, const struct stage_way *ways, size_t count, stage_play *play);

#endif
