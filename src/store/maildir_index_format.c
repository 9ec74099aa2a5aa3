/* maildir_index_format: see the header. */
#include "store/maildir_index_format.h"

#include <stddef.h>
#include <string.h>

#include "base/sum.h"
#include "store/store.h"

enum {
    SUMMED = offsetof(struct maildir_index_head, version), /* from here on */
    NAMES_EACH = MAILDIR_NAME_MAX + 1 + STORE_UID           /* a name and a uid, each with its NUL */
};

static size_t head_size(unsigned parts)
{
    return sizeof(struct maildir_index_head) + parts * sizeof(struct maildir_index_part);
}

/* Sections come one behind the other, as they are written, within what an index may be: so there is no more in memory of it than
 * in its file. There is a whole row for each message, and no more of names than so many can have. */
static bool parts_fit(const struct maildir_index_head *head, const struct maildir_index_part *parts)
{
    uint64_t rows = 0, end = MAILDIR_INDEX_HEAD;
    for (unsigned i = 0; i < head->parts; i++) {
        for (unsigned j = 0; j < MAILDIR_INDEX_SECTIONS; j++) {
            uint64_t at = parts[i].section[j].at, n = parts[i].section[j].n;
            if (at < end || at > MAILDIR_INDEX_MOST || n > MAILDIR_INDEX_MOST - at)
                return false;
            end = at + n;
        }
        uint64_t n = parts[i].section[MAILDIR_INDEX_ROWS].n, here = n / sizeof(struct maildir_index_row);
        if (n % sizeof(struct maildir_index_row) || parts[i].section[MAILDIR_INDEX_NAMES].n > here * NAMES_EACH)
            return false;
        rows += here;
    }
    return rows == head->messages && head->eight_bit <= head->messages;
}

bool maildir_index_head_read(const char block[MAILDIR_INDEX_HEAD], struct maildir_index_head *head,
                             struct maildir_index_part parts[MAILDIR_INDEX_PARTS])
{
    memcpy(head, block, sizeof *head);
    if (head->magic != MAILDIR_INDEX_MAGIC || head->version != MAILDIR_INDEX_VERSION ||
        head->parts > MAILDIR_INDEX_PARTS)
        return false;
    if (head->sum != sum_of(block + SUMMED, head_size(head->parts) - SUMMED))
        return false;
    memcpy(parts, block + sizeof *head, head->parts * sizeof *parts);
    return parts_fit(head, parts);
}

void maildir_index_head_write(struct maildir_index_head *head, const struct maildir_index_part *parts,
                              char block[MAILDIR_INDEX_HEAD])
{
    head->magic = MAILDIR_INDEX_MAGIC;
    head->version = MAILDIR_INDEX_VERSION;
    memset(block, 0, MAILDIR_INDEX_HEAD);
    memcpy(block, head, sizeof *head);
    memcpy(block + sizeof *head, parts, head->parts * sizeof *parts);
    head->sum = sum_of(block + SUMMED, head_size(head->parts) - SUMMED);
    memcpy(block + offsetof(struct maildir_index_head, sum), &head->sum, sizeof head->sum);
}

/* ---- rows */

static bool is_uid(struct span uid)
{
    bool plain = uid.n >= 1 && uid.n < STORE_UID;
    for (size_t i = 0; plain && i < uid.n; i++)
        plain = uid.p[i] >= 0x21 && uid.p[i] <= 0x7e;
    return plain;
}

/* A plain name of one file: nothing that leads elsewhere, and cut as maildir_name cuts it. */
static bool is_name(const struct maildir_index_row *row, struct span name, struct maildir_name *parts)
{
    return name.n && !memchr(name.p, '\0', name.n) && !memchr(name.p, '/', name.n) &&
           maildir_name_read(name, parts) == MAILDIR_NAME_MESSAGE && parts->base.n == row->base_n;
}

bool maildir_index_row_check(const struct maildir_index_row *row, struct span names, struct maildir_name *parts,
                             struct span *uid)
{
    if (row->name >= names.n || row->name_n >= names.n - row->name || names.p[row->name + row->name_n] != '\0')
        return false;
    struct span name = {names.p + row->name, row->name_n};
    if (!is_name(row, name, parts))
        return false;
    if (!(row->flags & MAILDIR_INDEX_OWN_UID)) {
        *uid = (struct span){name.p, row->uid_n};
        return row->uid_n <= row->base_n && is_uid(*uid);
    }
    struct span rest = span_from(names, row->name + row->name_n + 1u);
    *uid = (struct span){rest.p, row->uid_n};
    return row->uid_n < rest.n && rest.p[row->uid_n] == '\0' && is_uid(*uid);
}
