/* replay: gives every file of a corpus to a fuzz target, so that what a fuzzer once found stays a test in every build.
 *
 *     replay_NAME FILE-OR-DIRECTORY...
 *
 * Each input is also given with its last byte and its first half missing: a corpus is whole messages, and readers break at
 * the edges. An input is a heap block of exactly its length, so that the sanitizers see a read beyond it. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned replayed;

static void give(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        abort();
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return -1;
    }
    struct stat st;
    if (fstat(fileno(f), &st) < 0)
        abort();
    uint8_t *data = malloc((size_t)st.st_size + 1);
    if (data == NULL)
        abort();
    size_t size = fread(data, 1, (size_t)st.st_size, f);
    fclose(f);
    give(data, size);
    if (size > 0) {
        give(data, size - 1);
        give(data + size / 2, size - size / 2);
    }
    free(data);
    replayed++;
    return 0;
}

static int replay_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        perror(path);
        return -1;
    }
    if (!S_ISDIR(st.st_mode))
        return replay_file(path);
    struct dirent **names;
    int n = scandir(path, &names, NULL, alphasort), bad = 0;
    if (n < 0) {
        perror(path);
        return -1;
    }
    for (int i = 0; i < n; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.')
            bad |= replay_file(file);
        free(names[i]);
    }
    free(names);
    return bad;
}

int main(int argc, char **argv)
{
    int bad = 0;
    for (int i = 1; i < argc; i++)
        bad |= replay_path(argv[i]);
    if (replayed == 0) {
        fprintf(stderr, "no input was replayed\n");
        return 1;
    }
    printf("%u inputs replayed\n", replayed);
    return bad != 0;
}
