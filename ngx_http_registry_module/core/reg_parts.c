#include "reg_parts.h"


#define DIGITS  16
#define PLAIN   (DIGITS + 1 + 16 + 1 + 16)


static unsigned char *write_id(unsigned char *dst, uint64_t id);
static int read_id(const unsigned char *src, uint64_t *id);
static uint32_t children(const reg_parts_t *parts, int64_t offset,
    uint64_t prev, uint32_t *end);


size_t
reg_part_name(unsigned char *dst, const reg_part_t *part)
{
    int             i;
    int64_t         offset;
    unsigned char  *p;

    /* fixed width: the bytewise order of a listing is the order of parts */

    offset = part->offset;

    for (i = DIGITS - 1; i >= 0; i--) {
        dst[i] = (unsigned char) ('0' + offset % 10);
        offset /= 10;
    }

    p = dst + DIGITS;
    *p++ = '-';
    p = write_id(p, part->prev);
    *p++ = '-';
    p = write_id(p, part->id);

    if (part->merged) {
        *p++ = 'm';
    }

    return (size_t) (p - dst);
}


reg_rc_t
reg_part_name_parse(const reg_str_t *name, reg_part_t *part)
{
    const unsigned char  *p;

    p = name->data;

    if (name->len != PLAIN && !(name->len == PLAIN + 1 && p[PLAIN] == 'm')) {
        return REG_BAD;
    }

    memset(part, 0, sizeof(reg_part_t));

    part->merged = (name->len != PLAIN);
    part->offset = reg_atoi64(p, DIGITS);

    if (part->offset < 0
        || p[DIGITS] != '-' || p[DIGITS + 17] != '-'
        || !read_id(p + DIGITS + 1, &part->prev)
        || !read_id(p + DIGITS + 18, &part->id)
        || part->id == 0)
    {
        return REG_BAD;
    }

    return REG_OK;
}


static unsigned char *
write_id(unsigned char *dst, uint64_t id)
{
    int            i;
    unsigned char  raw[8];

    for (i = 7; i >= 0; i--) {
        raw[i] = (unsigned char) id;
        id >>= 8;
    }

    return reg_hex(dst, raw, sizeof(raw));
}


static int
read_id(const unsigned char *src, uint64_t *id)
{
    int            i;
    unsigned char  c;

    for (*id = 0, i = 0; i < 16; i++) {
        c = src[i];

        if (c >= '0' && c <= '9') {
            *id = *id << 4 | (uint64_t) (c - '0');

        } else if (c >= 'a' && c <= 'f') {
            *id = *id << 4 | (uint64_t) (c - 'a' + 10);

        } else {
            return 0;
        }
    }

    return 1;
}


reg_rc_t
reg_parts_add(reg_arena_t *arena, reg_parts_t *parts,
    const reg_entry_t *entry)
{
    size_t       i;
    uint32_t     room;
    reg_str_t    name;
    reg_part_t   part, *all;

    name = entry->name;

    for (i = name.len; i > 0 && name.data[i - 1] != '/'; i--) { /* void */ }

    name.data += i;
    name.len -= i;

    if (reg_str_is(&name, REG_PARTS_CANCELLED)) {
        parts->cancelled = 1;
        parts->closed = (entry->bytes > 0);
        return REG_OK;
    }

    if (entry->subdir || entry->bytes <= 0
        || reg_part_name_parse(&name, &part) != REG_OK
        || entry->bytes > INT64_MAX - part.offset)
    {
        return REG_OK;
    }

    part.size = entry->bytes;

    if (reg_str_copy(arena, &part.etag, entry->hash.data, entry->hash.len)
        != REG_OK
        || reg_str_copy(arena, &part.modified, entry->time.data,
                        entry->time.len)
           != REG_OK)
    {
        return REG_NOMEM;
    }

    if (parts->n == parts->room) {
        room = parts->room ? 2 * parts->room : 16;

        all = reg_alloc(arena, room * sizeof(reg_part_t));
        if (all == NULL) {
            return REG_NOMEM;
        }

        if (parts->n) {
            memcpy(all, parts->part, parts->n * sizeof(reg_part_t));
        }

        parts->part = all;
        parts->room = room;
    }

    parts->part[parts->n++] = part;

    return REG_OK;
}


/*
 * From the beginning on, and merged ones first: what is behind several ways
 * is reached by the shortest.
 */

reg_rc_t
reg_parts_join(reg_arena_t *arena, reg_parts_t *parts)
{
    int           merged;
    int64_t       offset;
    uint32_t      head, tail, i, end;
    uint64_t      prev;
    reg_part_t  **queue, *from, *part;

    if (parts->n == 0) {
        return REG_OK;
    }

    queue = reg_alloc(arena, parts->n * sizeof(reg_part_t *));
    if (queue == NULL) {
        return REG_NOMEM;
    }

    from = NULL;
    offset = 0;
    prev = 0;
    head = 0;
    tail = 0;

    for ( ;; ) {

        for (merged = 1; merged >= 0; merged--) {

            for (i = children(parts, offset, prev, &end); i < end; i++) {
                part = &parts->part[i];

                if (part->merged == (unsigned) merged && !part->whole) {
                    part->whole = 1;
                    part->before = from;
                    queue[tail++] = part;
                }
            }
        }

        if (head == tail) {
            return REG_OK;
        }

        from = queue[head++];
        offset = from->offset + from->size;
        prev = from->id;
    }
}


/* in a listing they are neighbours: the first one, and the end of them */

static uint32_t
children(const reg_parts_t *parts, int64_t offset, uint64_t prev,
    uint32_t *end)
{
    uint32_t           low, high, middle;
    const reg_part_t  *part;

    low = 0;
    high = parts->n;

    while (low < high) {
        middle = low + (high - low) / 2;
        part = &parts->part[middle];

        if (part->offset < offset
            || (part->offset == offset && part->prev < prev))
        {
            low = middle + 1;

        } else {
            high = middle;
        }
    }

    for (high = low; high < parts->n; high++) {
        part = &parts->part[high];

        if (part->offset != offset || part->prev != prev) {
            break;
        }
    }

    *end = high;

    return low;
}


reg_part_t *
reg_parts_find(const reg_parts_t *parts, uint64_t id, int64_t end,
    const reg_part_t *last)
{
    uint32_t     i;
    reg_part_t  *part;

    i = last ? (uint32_t) (last - parts->part) + 1 : 0;

    for ( /* void */ ; i < parts->n; i++) {
        part = &parts->part[i];

        if (part->whole && part->id == id && part->offset + part->size == end)
        {
            return part;
        }
    }

    return NULL;
}


reg_part_t *
reg_parts_grown(const reg_parts_t *parts, reg_part_t *from)
{
    uint32_t     i, end;
    reg_part_t  *part, *best;

    for ( ;; ) {
        best = NULL;

        i = from ? children(parts, from->offset + from->size, from->id, &end)
                 : children(parts, 0, 0, &end);

        for ( /* void */ ; i < end; i++) {
            part = &parts->part[i];

            if (best == NULL || part->merged > best->merged
                || (part->merged && best->merged && part->size > best->size)
                || (!part->merged && !best->merged
                    && reg_part_older(part, best)))
            {
                best = part;
            }
        }

        if (best == NULL) {
            return from;
        }

        from = best;
    }
}


int
reg_part_older(const reg_part_t *a, const reg_part_t *b)
{
    int     rc;
    size_t  len;

    /* RFC 3339 in UTC: its order as text is its order in time */

    len = a->modified.len < b->modified.len ? a->modified.len
                                            : b->modified.len;
    rc = len ? memcmp(a->modified.data, b->modified.data, len) : 0;

    return rc ? rc < 0 : a->id < b->id;
}
