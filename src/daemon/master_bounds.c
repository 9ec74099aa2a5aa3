/* master_bounds: what a role that is not itself any more may make the master spend. */
#include "daemon/master.h"

unsigned master_log_wait(uint64_t now, uint64_t opened)
{
    return opened && now - opened < MASTER_LOG_AGAIN_MS ? (unsigned)(MASTER_LOG_AGAIN_MS - (now - opened)) : 0;
}
