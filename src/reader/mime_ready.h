/* mime_ready: all that is read from files when messages are read, had beforehand: converters of charsets, the zone of
 * time. Then the process apart needs no file, and may open none. */
#ifndef READER_MIME_READY_H
#define READER_MIME_READY_H

void mime_ready(void);

#endif
