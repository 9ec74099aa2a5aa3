/* fuzz_names: what a terminal and a folder are given of what strangers wrote.
 * Fuzzes: src/reader/terminal.c src/reader/names.c
 *
 * In whatever pieces it comes, the text is the same, and commands no terminal; a name is one, and stays in its folder.
 * The first octet says how large the pieces are, and whether the terminal knows UTF-8. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "reader/names.h"
#include "reader/terminal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool so)
{
    if (!so)
        abort();
}

static char *cleaned(struct span in, size_t piece, bool ascii, size_t *n)
{
    struct terminal t = {.ascii = ascii};
    char *out = NULL;
    FILE *to = open_memstream(&out, n);
    must(to != NULL);
    while (in.n) {
        size_t now = in.n < piece ? in.n : piece;
        terminal_put(&t, (struct span){in.p, now}, to);
        in = span_from(in, now);
    }
    terminal_end(&t, to);
    fclose(to);
    return out;
}

/* Well-formed UTF-8 (or ASCII) without a control character but `allowed`. */
static void must_be_harmless(const char *text, size_t n, bool ascii, const char *allowed)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i], next = i + 1 < n ? (unsigned char)text[i + 1] : 0;
        must(c != 0x7F && (c >= 0x20 || (c && strchr(allowed, c))));
        must(c < 0x80 || !ascii);
        must(c != 0xC2 || next >= 0xA0);
    }
}

static void check_text(struct span in, size_t piece, bool ascii)
{
    size_t n, whole_n;
    char *out = cleaned(in, piece, ascii, &n), *whole = cleaned(in, in.n + 1, ascii, &whole_n);
    must(n == whole_n && memcmp(out, whole, n) == 0);
    must_be_harmless(out, n, ascii, "\n\t");
    char *line = terminal_line(in, ascii);
    must_be_harmless(line, strlen(line), ascii, "");
    FILE *null = fopen("/dev/null", "w");
    must(null != NULL);
    terminal_cell(line, (int)piece, true, ascii, null);
    terminal_cell(line, (int)piece + 20, false, ascii, null);
    fclose(null);
    free(out);
    free(whole);
    mem_free(line);
}

static void check_name(struct span in)
{
    static char folder[] = "/tmp/fuzz-names-XXXXXX";
    char name[NAME_ROOM], made[2][NAME_ROOM];
    struct err err;
    name_safe(in, "otherwise", name);
    must(*name && *name != '.' && *name != '-' && strlen(name) <= NAME_SAFE && !strchr(name, '/') &&
         !strchr(name, '\\'));
    must_be_harmless(name, strlen(name), false, "");
    char *where = strdup(folder);
    must(where && mkdtemp(where) != NULL);
    int dir = open(where, O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 2; i++) {
        int fd = name_create(dir, name, made[i], &err);
        must(fd >= 0);
        close(fd);
    }
    must(strcmp(made[0], name) == 0 && strcmp(made[1], name) != 0);
    must(name_create(-1, name, made[0], &err) < 0 && *err.text);
    must(unlinkat(dir, name, 0) == 0 && unlinkat(dir, made[1], 0) == 0 && rmdir(where) == 0);
    close(dir);
    free(where);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct span in = {(const char *)data + 1, size - 1};
    check_text(in, 1 + data[0] % 13, data[0] & 0x80);
    check_name(in);
    return 0;
}
