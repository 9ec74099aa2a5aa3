/* master_bounds: what a role that is not itself any more may make the master spend. */
#include "daemon/master.h"

enum {
    SPARE_FILES = 64,   /* for roles that are to be started again, their channels, keys and the log */
    SPARE_PART = 8,     /* where there are few: an eighth */
    LOG_AGAIN_MS = 1000 /* it is opened once in so long, whoever asks, and however often */
};

bool master_few_files(uint64_t files, int fd)
{
    uint64_t part = files / SPARE_PART;
    return (uint64_t)fd + (part < SPARE_FILES ? part : SPARE_FILES) >= files;
}

unsigned master_log_wait(uint64_t now, uint64_t opened)
{
    return opened && now - opened < LOG_AGAIN_MS ? (unsigned)(LOG_AGAIN_MS - (now - opened)) : 0;
}
