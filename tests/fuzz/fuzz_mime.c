/* fuzz_mime: a message on its way to a person.
 * Fuzzes: src/reader/mime_show.c src/reader/mime_walk.c src/reader/mime_text.c src/reader/mime_head.c
 * src/reader/mime_save.c src/reader/mime_reply.c src/reader/mime_readable.c
 *
 * The first octet says what is asked. Whatever a message is made of: each word is one that was agreed on, a file is
 * begun before it has octets, fields stay fields, and all text passes the filter before a terminal. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "reader/mime.h"
#include "reader/terminal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REPLY_FIELDS = 7, ROW_FIELDS = 3, MESSAGE_MAX = 256 * 1024 };

struct head { /* apart.c */
    uint32_t kind, n;
};

struct said {
    FILE *clean; /* what a terminal would get */
    struct terminal terminal;
    unsigned row_fields, rows;
    bool file;
};

static void must(bool so)
{
    if (!so)
        abort();
}

static unsigned fields_in(struct span row)
{
    unsigned count = 0;
    for (size_t i = 0; i < row.n; i++)
        count += row.p[i] == '\0';
    must(row.n == 0 || row.p[row.n - 1] == '\0');
    return count;
}

static void take(struct said *s, uint32_t kind, struct span what)
{
    switch (kind) {
    case APART_TEXT:
        terminal_put(&s->terminal, what, s->clean);
        break;
    case APART_ROW:
        must(fields_in(what) == s->row_fields);
        s->rows++;
        break;
    case APART_PART:
        s->file = true;
        break;
    case APART_DATA:
        must(s->file);
        break;
    default:
        abort();
    }
}

static void take_all(struct said *s, int fd)
{
    char *piece = mem_alloc(APART_PIECE);
    struct head h;
    off_t at = 0;
    while (pread(fd, &h, sizeof h, at) == (ssize_t)sizeof h) {
        at += (off_t)sizeof h;
        must(h.n <= APART_PIECE && pread(fd, piece, h.n, at) == (ssize_t)h.n);
        at += h.n;
        take(s, h.kind, (struct span){piece, h.n});
    }
    mem_free(piece);
}

static void must_be_clean(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        must(c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7F));
        must(!(c == 0xC2 && i + 1 < n && (unsigned char)text[i + 1] < 0xA0));
    }
}

static void ask(int message, apart_work *work, const struct mime_how *how, unsigned row_fields)
{
    struct said s = {.row_fields = row_fields};
    struct err err = {.kind = ERR_NONE};
    char *text = NULL;
    size_t n = 0;
    struct apart_out *o = mem_alloc(sizeof *o);
    o->fd = memfd_create("said", 0);
    s.clean = open_memstream(&text, &n);
    must(o->fd >= 0 && s.clean);
    lseek(message, 0, SEEK_SET);
    int result = work(message, o, how, &err);
    must(!o->broken && (result == 0 || *err.text));
    if (o->n)
        terminal_put(&s.terminal, (struct span){o->text, o->n}, s.clean);
    take_all(&s, o->fd);
    terminal_end(&s.terminal, s.clean);
    fclose(s.clean);
    must_be_clean(text, n);
    must(work != mime_reply || s.rows == (result == 0));
    free(text);
    close(o->fd);
    mem_free(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > MESSAGE_MAX)
        return 0;
    const struct mime_how how = {
        .html = data[0] & 1, .all = data[0] & 2, .part = data[0] >> 4, .own = "me@example.test"};
    uint32_t n = (uint32_t)(size - 1);
    int message = memfd_create("message", 0), heads = memfd_create("heads", 0);
    must(message >= 0 && heads >= 0);
    must(write(message, data + 1, size - 1) == (ssize_t)(size - 1));
    for (int i = 0; i < 2; i++)
        must(write(heads, &n, sizeof n) == (ssize_t)sizeof n && write(heads, data + 1, n) == (ssize_t)n);
    ask(message, mime_show, &how, 0);
    ask(message, mime_save, &how, 0);
    ask(message, mime_reply, &how, REPLY_FIELDS);
    ask(heads, mime_rows, NULL, ROW_FIELDS);
    close(message);
    close(heads);
    return 0;
}
