/* apart_walls: what the process apart may not ask the kernel for any more. */
#ifndef READER_APART_WALLS_H
#define READER_APART_WALLS_H

#include <stdbool.h>

/* For good: no network, no other program or process, no file made, changed or removed. Reading stays, for libraries
 * that load their tables late. false: this kernel, or this machine, knows no such filter. */
bool apart_walls(void);

#endif
