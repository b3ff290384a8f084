#include <stdlib.h>

#include "reg_page.h"
#include "core/reg_name.h"
#include "reg_store.h"


#define LISTING_MAX  1000               /* what RGW gives by default */
#define MARKER_MAX   256                /* of "last": longer than any name */
#define CUTS_MAX     7                  /* of one name: the shortest */


static size_t clean(const reg_str_t *last, unsigned char *dst);
static int has_more(const reg_page_t *page);
static int is_needed(const reg_page_t *page, const reg_page_piece_t *piece);
static void ask_piece(reg_flow_t *f, reg_page_t *page, size_t n);
static void ask_name(reg_flow_t *f, reg_page_t *page, size_t n);
static void judge_name(reg_page_t *page, reg_page_name_t *name,
    const reg_listing_t *listing);
static void judge_piece(reg_flow_t *f, reg_page_t *page, size_t n,
    const reg_listing_t *listing);
static size_t count_cuts(const reg_page_t *page, reg_str_t stem,
    const char *bytes);
static void split_piece(reg_flow_t *f, reg_page_t *page, size_t n,
    const reg_entry_t *entry);
static reg_str_t entry_name(const reg_page_t *page, const reg_entry_t *entry);
static int is_name(const reg_page_t *page, const reg_str_t *name);
static int compare(const reg_page_t *page, const reg_str_t *a,
    const reg_str_t *b);
static int compare_tags(const void *one, const void *two);
static int compare_repositories(const void *one, const void *two);
static int compare_bytes(const reg_str_t *a, const reg_str_t *b);
static void sort_names(reg_page_t *page);
static void add_name(reg_flow_t *f, reg_page_t *page, const reg_str_t *name,
    unsigned known);
static void add_piece(reg_flow_t *f, reg_page_t *page, reg_str_t from,
    reg_str_t to, size_t least);
static reg_str_t join(reg_flow_t *f, reg_page_t *page, const reg_str_t *a,
    const reg_str_t *b, const char *c);


/*
 * What the API has behind "last" is behind it in the store, too, but for what
 * begins with a parent of "last" and goes on by '-' or '.'.  What is below a
 * name that was cut before a '-' or '.' is behind "last" in the store only,
 * and may be much: it is left out.
 *
 * Each is a piece and costs a call, and the client makes up "last": of the
 * longest parents and names, beyond CUTS_MAX, what is between is listed, too,
 * a thousand at once, and judged by its place.
 */

void
reg_page_begin(reg_flow_t *f, reg_page_t *page)
{
    size_t           least, names, parents, merged;
    reg_str_t        stem, from, to, none = reg_null_string;
    unsigned char    c, buf[MARKER_MAX + 1];
    const reg_str_t  *prefix = &page->prefix;

    stem.data = buf;
    stem.len = clean(&page->last, buf);

    merged = 0;
    least = stem.len;
    from = join(f, page, prefix, &stem, "");
    to = from;

    names = page->repositories ? count_cuts(page, stem, "-.") : 0;
    parents = page->repositories ? count_cuts(page, stem, "/") : 0;

    while (page->repositories && stem.len > 1) {
        c = buf[--stem.len];

        if (c == '/') {

            if (parents-- > CUTS_MAX) {
                merged = stem.len;
                continue;
            }

            add_piece(f, page, join(f, page, prefix, &stem, "-"),
                      join(f, page, prefix, &stem, "/"), stem.len + 1);
            continue;
        }

        if (c > '/' || !is_name(page, &stem)) {
            continue;
        }

        if (names-- > CUTS_MAX) {
            page->mixed = 1;
            continue;
        }

        add_piece(f, page, from, join(f, page, prefix, &stem, "/"), least);

        least = stem.len + 1;
        from = join(f, page, prefix, &stem, "0");
    }

    add_piece(f, page, from, none, least);

    if (merged) {
        page->mixed = 1;
        stem.len = merged;

        add_piece(f, page, join(f, page, prefix, &stem, "-"), to, merged);
    }
}


/* how often a name remains that is cut before one of these bytes */

static size_t
count_cuts(const reg_page_t *page, reg_str_t stem, const char *bytes)
{
    size_t  n;

    n = 0;

    while (stem.len > 1) {
        stem.len--;

        if (strchr(bytes, stem.data[stem.len])) {
            n += (*bytes == '/' || is_name(page, &stem));
        }
    }

    return n;
}


/*
 * A marker that the store takes, and behind which it has no name less than
 * "last": the rest from a byte on that no name has is cut.
 */

static size_t
clean(const reg_str_t *last, unsigned char *dst)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < last->len && i < MARKER_MAX; i++) {
        c = last->data[i];

        if (c >= 0x7f) {
            dst[i++] = '~';
            break;
        }

        if (c <= ' ' || (c == '/' && (i == 0 || dst[i - 1] == '/'))) {
            break;
        }

        dst[i] = c;
    }

    return i;
}


reg_todo_t
reg_page_ask(reg_flow_t *f, reg_page_t *page)
{
    size_t  i;

    if (page->n == 0) {
        return REG_NEXT;
    }

    if (page->n > 0) {
        sort_names(page);
    }

    page->checking = 0;

    for (i = 0; i < page->npieces && f->ncalls < REG_CALLS_MAX; i++) {
        if (is_needed(page, &page->pieces[i])) {
            ask_piece(f, page, i);
        }
    }

    if (page->failed) {
        return reg_nomem(f);
    }

    if (f->ncalls) {
        return REG_CALL;
    }

    if (page->n < 0) {
        sort_names(page);
        return REG_NEXT;
    }

    page->checking = 1;

    for (i = 0; i < page->nnames && f->ncalls < REG_CALLS_MAX; i++) {

        /* one of those behind the page is enough for the Link */

        if (i > (size_t) page->n || (i == (size_t) page->n && has_more(page)))
        {
            break;
        }

        if (!page->names[i].known) {
            ask_name(f, page, i);
        }
    }

    return f->ncalls ? REG_CALL : REG_NEXT;
}


static int
has_more(const reg_page_t *page)
{
    size_t  i;

    for (i = (size_t) page->n; i < page->nnames; i++) {
        if (page->names[i].known) {
            return 1;
        }
    }

    return 0;
}


static int
is_needed(const reg_page_t *page, const reg_page_piece_t *piece)
{
    if (piece->done) {
        return 0;
    }

    if (page->n < 0 || page->nlikely <= (size_t) page->n) {
        return 1;
    }

    return compare(page, &piece->least, &page->names[page->n - 1].name) < 0;
}


static void
ask_piece(reg_flow_t *f, reg_page_t *page, size_t n)
{
    int     limit;
    size_t  i;

    limit = LISTING_MAX;

    if (page->n > 0 && page->n < LISTING_MAX && !page->mixed) {

        /* and "last" itself, and the one more that makes a Link */

        limit = (int) page->n + 2;

        for (i = 0; !page->repositories && i < page->last.len; i++) {
            limit += (page->last.data[i] < '/');
        }
    }

    page->asked[f->ncalls] = n;

    reg_call_list_between(f, &page->prefix, &page->pieces[n].from,
                          &page->pieces[n].to,
                          page->repositories ? "/_" : "/",
                          limit < LISTING_MAX ? limit : LISTING_MAX);
}


/* a tag is what has an object below it, a repository a layer or manifest */

static void
ask_name(reg_flow_t *f, reg_page_t *page, size_t n)
{
    reg_str_t   below, from, none = reg_null_string;
    reg_str_t  *name = &page->names[n].name;

    page->asked[f->ncalls] = n;

    from = none;
    below = join(f, page, &page->prefix, name, "/");

    if (page->repositories) {
        from = join(f, page, &page->prefix, name, "/_layers");
    }

    reg_call_list_between(f, &below, &from, &none, "", 1);
}


reg_todo_t
reg_page_judge(reg_flow_t *f, reg_page_t *page)
{
    size_t         n;
    unsigned       i;
    reg_listing_t  listing;

    for (i = 0; i < f->ncalls; i++) {

        if (reg_judge_list_row(f, &f->calls[i], &listing) == REG_ANSWER) {
            return REG_ANSWER;
        }

        n = page->asked[i];

        if (page->checking) {
            judge_name(page, &page->names[n], &listing);

        } else {
            judge_piece(f, page, n, &listing);
        }
    }

    return page->failed ? reg_nomem(f) : REG_AGAIN;
}


static void
judge_name(reg_page_t *page, reg_page_name_t *name,
    const reg_listing_t *listing)
{
    size_t      skip;
    reg_str_t   rest;
    reg_str_t  *object;

    name->known = (listing->n > 0);

    if (name->known && page->repositories) {
        object = &listing->entries[0].name;
        skip = page->prefix.len + name->name.len + 1;

        rest.data = object->data + skip;
        rest.len = object->len - skip;

        name->known = (reg_str_starts(&rest, "_layers/")
                       || reg_str_starts(&rest, "_manifests/"));
    }

    name->gone = !name->known;
}


static void
judge_piece(reg_flow_t *f, reg_page_t *page, size_t n,
    const reg_listing_t *listing)
{
    size_t        i;
    reg_str_t     name;
    reg_entry_t  *entry;

    /*
     * Tags that were to be checked were found by now, or are not there, or
     * are such of this listing's last entry, too.
     */

    for (i = 0; !page->repositories && i < page->nnames; i++) {
        page->names[i].gone = !page->names[i].known;
    }

    /* less than was asked for is not yet the end */

    if (listing->n == 0) {
        page->pieces[n].done = 1;
        return;
    }

    for (i = 0; i < listing->n; i++) {
        entry = &listing->entries[i];
        name = entry_name(page, entry);

        if (entry->subdir && is_name(page, &name)
            && compare(page, &name, &page->last) > 0)
        {
            add_name(f, page, &name, !page->repositories);
        }
    }

    split_piece(f, page, n, &listing->entries[listing->n - 1]);
}


/*
 * The rest of a piece behind an entry, without that which the API has before
 * the entry: below a name that was cut before a '-' or '.', which becomes a
 * piece of its own; of tags it is that name only, and is just checked.  The
 * same goes for a repository that is the parent of one with a digit.  Of the
 * longest of these names, beyond CUTS_MAX, the rest is listed until they come.
 */

static void
split_piece(reg_flow_t *f, reg_page_t *page, size_t n,
    const reg_entry_t *entry)
{
    size_t      least, cuts;
    reg_str_t   stem, from, to, end, none = reg_null_string;
    reg_str_t  *prefix = &page->prefix;

    stem = entry_name(page, entry);

    least = stem.len;
    cuts = page->n > 0 ? count_cuts(page, stem, "-./") : 0;
    from = join(f, page, &entry->name, &none, entry->subdir ? "~" : "");
    to = page->pieces[n].to;

    page->pieces[n].done = 1;

    while (page->n > 0 && stem.len > 1) {
        stem.len--;

        if (stem.data[stem.len] > '/' || !is_name(page, &stem)) {
            continue;
        }

        if (cuts-- > CUTS_MAX) {
            least = stem.len;
            page->mixed = 1;
            continue;
        }

        if (!page->repositories || stem.data[stem.len] == '/') {
            if (compare(page, &stem, &page->last) > 0) {
                add_name(f, page, &stem, 0);
            }

            continue;
        }

        end = join(f, page, prefix, &stem, "/");

        if (to.len && compare_bytes(&end, &to) >= 0) {
            continue;
        }

        add_piece(f, page, from, end, least);

        if (compare(page, &stem, &page->last) >= 0) {
            add_piece(f, page, join(f, page, prefix, &stem, ".~"),
                      join(f, page, prefix, &stem, "0"), stem.len);
        }

        least = stem.len + 1;
        from = join(f, page, prefix, &stem, "0");
    }

    add_piece(f, page, from, to, least);
}


static reg_str_t
entry_name(const reg_page_t *page, const reg_entry_t *entry)
{
    size_t     len;
    reg_str_t  name;

    len = page->prefix.len;

    if (entry->subdir) {
        len += page->repositories ? 2 : 1;
    }

    name.data = entry->name.data + page->prefix.len;
    name.len = entry->name.len > len ? entry->name.len - len : 0;

    return name;
}


static int
is_name(const reg_page_t *page, const reg_str_t *name)
{
    return page->repositories ? reg_name_valid(name) : reg_tag_valid(name);
}


static int
compare(const reg_page_t *page, const reg_str_t *a, const reg_str_t *b)
{
    return page->repositories ? reg_name_compare(a, b) : compare_bytes(a, b);
}


static int
compare_bytes(const reg_str_t *a, const reg_str_t *b)
{
    int     rc;
    size_t  len;

    len = a->len < b->len ? a->len : b->len;
    rc = len ? memcmp(a->data, b->data, len) : 0;

    return rc ? rc : (a->len > b->len) - (a->len < b->len);
}


static int
compare_tags(const void *one, const void *two)
{
    return compare_bytes(&((const reg_page_name_t *) one)->name,
                         &((const reg_page_name_t *) two)->name);
}


static int
compare_repositories(const void *one, const void *two)
{
    return reg_name_compare(&((const reg_page_name_t *) one)->name,
                            &((const reg_page_name_t *) two)->name);
}


/* in the API's order, each once, without those that are not there */

static void
sort_names(reg_page_t *page)
{
    size_t            i, n;
    reg_page_name_t  *names = page->names;

    if (page->nnames) {
        qsort(names, page->nnames, sizeof(reg_page_name_t),
              page->repositories ? compare_repositories : compare_tags);
    }

    page->nlikely = 0;

    for (i = 0, n = 0; i < page->nnames; i++) {

        if (names[i].gone) {
            continue;
        }

        if (n && compare_bytes(&names[n - 1].name, &names[i].name) == 0) {
            names[n - 1].known |= names[i].known;
            continue;
        }

        page->nlikely += (page->repositories || names[i].known);
        names[n++] = names[i];
    }

    page->nnames = n;
}


static void
add_name(reg_flow_t *f, reg_page_t *page, const reg_str_t *name,
    unsigned known)
{
    size_t            room;
    reg_page_name_t  *names;

    if (page->nnames == page->names_room) {
        room = page->names_room ? 2 * page->names_room : 64;

        names = reg_alloc(f->arena, room * sizeof(reg_page_name_t));
        if (names == NULL) {
            page->failed = 1;
            return;
        }

        if (page->nnames) {
            memcpy(names, page->names,
                   page->nnames * sizeof(reg_page_name_t));
        }

        page->names = names;
        page->names_room = room;
    }

    /* that of a listing is gone with its row */

    if (reg_str_copy(f->arena, &page->names[page->nnames].name, name->data,
                     name->len)
        != REG_OK)
    {
        page->failed = 1;
        return;
    }

    page->names[page->nnames].known = known & 1;
    page->names[page->nnames++].gone = 0;
}


/* "least" is a part of "from": its bytes behind the prefix */

static void
add_piece(reg_flow_t *f, reg_page_t *page, reg_str_t from, reg_str_t to,
    size_t least)
{
    size_t             i, room;
    reg_page_piece_t  *pieces;

    if (page->failed) {
        return;
    }

    for (i = 0; i < page->npieces && !page->pieces[i].done; i++) {
        /* void */
    }

    if (i == page->pieces_room) {
        room = page->pieces_room ? 2 * page->pieces_room : 8;

        pieces = reg_alloc(f->arena, room * sizeof(reg_page_piece_t));
        if (pieces == NULL) {
            page->failed = 1;
            return;
        }

        if (page->npieces) {
            memcpy(pieces, page->pieces,
                   page->npieces * sizeof(reg_page_piece_t));
        }

        page->pieces = pieces;
        page->pieces_room = room;
    }

    page->npieces += (i == page->npieces);

    page->pieces[i].from = from;
    page->pieces[i].to = to;
    page->pieces[i].least.data = from.data + page->prefix.len;
    page->pieces[i].least.len = least;
    page->pieces[i].done = 0;
}


static reg_str_t
join(reg_flow_t *f, reg_page_t *page, const reg_str_t *a, const reg_str_t *b,
    const char *c)
{
    reg_buf_t  buf;
    reg_str_t  s;

    reg_buf_init(&buf, f->arena, a->len + b->len + strlen(c) + 1);
    reg_buf_add_str(&buf, a);
    reg_buf_add_str(&buf, b);
    reg_buf_text(&buf, c);

    s = reg_buf_str(&buf);
    page->failed |= (s.data == NULL);

    return s;
}
