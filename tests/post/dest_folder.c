/* What comes to a folder: by a command, or by a server of SMTP or LMTP that a test plays. */
#include "dest_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "post/out_command.h"

void dest_folder_make(struct dest_test *t)
{
    char path[PLACE_PATH];
    place_make(&t->place);
    place_path(&t->place, "", path);
    assert_int_equal(mkdir(path, 0700), 0);
    place_path(&t->place, "spool", path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(setenv("TMPDIR", path, 1), 0);
    place_path(&t->place, "got", path);
    assert_int_equal(mkdir(path, 0700), 0);
}

void dest_folder_clean(struct dest_test *t)
{
    assert_int_equal(place_count(&t->place, "spool"), 0); /* nothing has a name there, ever */
    unsetenv("TMPDIR");
    place_free(&t->place);
}

unsigned dest_folder_count(const struct dest_test *t)
{
    return place_count(&t->place, "got");
}

char *dest_folder_read(const struct dest_test *t, unsigned i, size_t *n)
{
    char name[32], path[PLACE_PATH];
    struct stat st;
    snprintf(name, sizeof name, "got/%06u", i);
    place_path(&t->place, name, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    char *text = mem_alloc((size_t)st.st_size + 1);
    assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
    close(fd);
    *n = (size_t)st.st_size;
    return text;
}

/* ---- a command */

static int command_open(struct dest_test *t, struct out **o, struct err *err)
{
    char got[PLACE_PATH], words[2 * PLACE_PATH + 200];
    (void)err;
    place_path(&t->place, "", got);
    snprintf(words, sizeof words, "cd %s && cat > part && mv part got/$(printf %%06d $(ls got | wc -l))", got);
    *o = out_command("work", words, OUT_COMMAND_MS);
    return 0;
}

const struct dest dest_command = {.name = "command",
                                  .own_end = true,
                                  .make = dest_folder_make,
                                  .open = command_open,
                                  .count = dest_folder_count,
                                  .read = dest_folder_read,
                                  .disk_full = "write:ENOSPC:/spool:1",
                                  .clean = dest_folder_clean};
