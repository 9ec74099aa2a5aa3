/* accounts_load: the accounts from their file. */
#include <sys/stat.h>
#include <unistd.h>

#include "base/accounts_impl.h"
#include "base/mem.h"

/* The commands in it are run: who may change the file may do what its reader may. */
static void check_file(const struct stat *st, const char *file, struct conf_problems *p)
{
    unsigned mode = st->st_mode & 07777;
    if (mode & S_IWOTH)
        conf_problem_add(p, 0, true,
                         "everybody may change this file (mode %04o), and so have commands run; chmod go-w %s", mode,
                         file);
    else if (mode & S_IWGRP)
        conf_problem_add(p, 0, false,
                         "group %u may change this file (mode %04o), and so have commands run; chmod g-w %s",
                         st->st_gid, mode, file);
    if (st->st_uid != 0 && st->st_uid != geteuid())
        conf_problem_add(p, 0, false, "this file belongs to uid %u, who may so decide what is run as uid %u",
                         st->st_uid, geteuid());
}

int accounts_load(struct accounts *a, const char *file, struct conf_problems *p, struct err *err)
{
    char *text;
    size_t n;
    struct stat st;
    struct conf_problems nobodys = {0}; /* a file that was not read has no problems of its own */
    int result = conf_file_read(file, &text, &n, &st, err);
    if (result == 0)
        check_file(&st, file, p);
    accounts_read(a, (struct span){text, result == 0 ? n : 0}, result == 0 ? p : &nobodys);
    conf_problems_free(&nobodys);
    mem_free(text);
    mem_free(a->file);
    a->file = mem_copy_text(file);
    return result;
}
