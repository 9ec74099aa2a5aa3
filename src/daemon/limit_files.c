/* limit_files: see the header. */
#include "daemon/limit_files.h"

enum {
    SPARE_FILES = 64, /* so many, */
    SPARE_PART = 8    /* and where there are few: an eighth */
};

bool limit_few_files(uint64_t files, int fd)
{
    uint64_t part = files / SPARE_PART;
    return files && (uint64_t)fd + (part < SPARE_FILES ? part : SPARE_FILES) >= files;
}
