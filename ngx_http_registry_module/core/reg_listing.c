#include "reg_listing.h"
#include "reg_json.h"


#define ROOM_MIN  64


typedef enum {
    FIELD_NAME = 0,
    FIELD_SUBDIR,
    FIELD_HASH,
    FIELD_BYTES,
    FIELD_TYPE,
    FIELD_MODIFIED,
    FIELD_OTHER
} field_t;


typedef struct {
    reg_arena_t    *arena;
    reg_listing_t  *listing;
    size_t          room;
    reg_entry_t     entry;              /* the one that is being read */
    field_t         field;
    unsigned        seen;               /* bits of field_t */
    const char    **why;
} parser_t;


static reg_rc_t on_event(void *data, reg_json_event_t event,
    const reg_str_t *text, unsigned depth, size_t offset);
static reg_rc_t on_key(parser_t *p, const reg_str_t *text);
static reg_rc_t on_value(parser_t *p, reg_json_event_t event,
    const reg_str_t *text);
static reg_rc_t add_entry(parser_t *p);
static reg_rc_t refuse(parser_t *p, const char *why);
static int64_t read_time(const reg_str_t *text);
static int grows(const reg_str_t *a, const reg_str_t *b);


/* in the order of field_t */

static const char *const  fields[] = {
    "name", "subdir", "hash", "bytes", "content_type", "last_modified"
};


reg_rc_t
reg_listing_parse(reg_arena_t *arena, const reg_str_t *json,
    reg_listing_t *listing, const char **why)
{
    parser_t  p;

    memset(&p, 0, sizeof(parser_t));
    memset(listing, 0, sizeof(reg_listing_t));

    p.arena = arena;
    p.listing = listing;
    p.why = why;

    return reg_json_read(arena, json, on_event, &p, why);
}


static reg_rc_t
on_event(void *data, reg_json_event_t event, const reg_str_t *text,
    unsigned depth, size_t offset)
{
    parser_t  *p = data;

    (void) offset;

    switch (depth) {

    case 0:
        if (event != REG_JSON_ARRAY && event != REG_JSON_ARRAY_END) {
            return refuse(p, "the listing is not an array");
        }

        return REG_OK;

    case 1:
        if (event == REG_JSON_MAP) {
            memset(&p->entry, 0, sizeof(reg_entry_t));
            p->entry.bytes = -1;
            p->seen = 0;
            return REG_OK;
        }

        if (event == REG_JSON_MAP_END) {
            return add_entry(p);
        }

        return refuse(p, "an entry of the listing is not an object");

    case 2:
        if (event == REG_JSON_KEY) {
            return on_key(p, text);
        }

        return on_value(p, event, text);

    default:
        return REG_OK;
    }
}


static reg_rc_t
on_key(parser_t *p, const reg_str_t *text)
{
    unsigned  i;

    for (i = 0; i < FIELD_OTHER; i++) {
        if (text->len == strlen(fields[i])
            && reg_str_starts(text, fields[i]))
        {
            break;
        }
    }

    p->field = (field_t) i;

    if (i < FIELD_OTHER) {
        if (p->seen & 1u << i) {
            return refuse(p, "an entry of the listing has a member twice");
        }

        p->seen |= 1u << i;
    }

    return REG_OK;
}


static reg_rc_t
on_value(parser_t *p, reg_json_event_t event, const reg_str_t *text)
{
    reg_str_t  *dst;

    switch (p->field) {

    case FIELD_OTHER:
        return REG_OK;

    case FIELD_BYTES:
        if (event == REG_JSON_NUMBER) {
            p->entry.bytes = reg_atoi64(text->data, text->len);
        }

        if (p->entry.bytes < 0) {
            return refuse(p, "\"bytes\" of the listing is not a size");
        }

        return REG_OK;

    case FIELD_MODIFIED:
        if (event != REG_JSON_STRING) {
            return REG_OK;
        }

        p->entry.modified = read_time(text);
        dst = &p->entry.time;
        break;

    case FIELD_HASH:
        dst = &p->entry.hash;
        break;

    case FIELD_TYPE:
        dst = &p->entry.type;
        break;

    default:
        dst = &p->entry.name;
    }

    if (event != REG_JSON_STRING) {
        return refuse(p, "a member of the listing is not a string");
    }

    return reg_str_copy(p->arena, dst, text->data, text->len);
}


static reg_rc_t
add_entry(parser_t *p)
{
    size_t          room;
    unsigned        name, subdir;
    reg_entry_t    *entries;
    reg_listing_t  *listing;

    listing = p->listing;

    name = p->seen & 1u << FIELD_NAME;
    subdir = p->seen & 1u << FIELD_SUBDIR;

    if (!name == !subdir || p->entry.name.len == 0) {
        return refuse(p, "an entry of the listing has no name");
    }

    if (name && p->entry.bytes < 0) {
        return refuse(p, "an object of the listing has no size");
    }

    if (subdir) {
        p->entry.subdir = 1;
        p->entry.bytes = -1;
        p->entry.hash.len = 0;
        p->entry.time.len = 0;
    }

    if (listing->n
        && !grows(&listing->entries[listing->n - 1].name, &p->entry.name))
    {
        return refuse(p, "the listing is not in order");
    }

    if (listing->n == p->room) {
        room = p->room ? 2 * p->room : ROOM_MIN;

        entries = reg_alloc(p->arena, room * sizeof(reg_entry_t));
        if (entries == NULL) {
            return REG_NOMEM;
        }

        if (listing->n) {
            memcpy(entries, listing->entries,
                   listing->n * sizeof(reg_entry_t));
        }

        listing->entries = entries;
        p->room = room;
    }

    listing->entries[listing->n++] = p->entry;

    return REG_OK;
}


static reg_rc_t
refuse(parser_t *p, const char *why)
{
    *p->why = why;

    return REG_BAD;
}


/* "2024-02-29T12:34:56.789Z", or without the fraction and the "Z" */

static int64_t
read_time(const reg_str_t *text)
{
    int      i;
    int64_t  n[6], year, days;

    static const struct {
        unsigned  at;
        unsigned  len;
        int64_t   min;
        int64_t   max;
        char      after;
    } parts[] = {
        { 0, 4, 1970, 9999, '-' }, { 5, 2, 1, 12, '-' }, { 8, 2, 1, 31, 'T' },
        { 11, 2, 0, 23, ':' }, { 14, 2, 0, 59, ':' }, { 17, 2, 0, 60, '.' }
    };

    if (text->len < 19) {
        return 0;
    }

    for (i = 0; i < 6; i++) {
        n[i] = reg_atoi64(text->data + parts[i].at, parts[i].len);

        if (n[i] < parts[i].min || n[i] > parts[i].max
            || (i < 5 && text->data[parts[i].at + parts[i].len]
                         != (unsigned char) parts[i].after))
        {
            return 0;
        }
    }

    /* years begin in March, so that the leap day is the last of its year */

    year = n[1] > 2 ? n[0] : n[0] - 1;
    days = 365 * year + year / 4 - year / 100 + year / 400
           + (153 * (n[1] > 2 ? n[1] - 3 : n[1] + 9) + 2) / 5 + n[2] - 1
           - 719468;

    return ((days * 24 + n[3]) * 60 + n[4]) * 60 + n[5];
}


static int
grows(const reg_str_t *a, const reg_str_t *b)
{
    int  rc;

    rc = memcmp(a->data, b->data, a->len < b->len ? a->len : b->len);

    return rc < 0 || (rc == 0 && a->len < b->len);
}
