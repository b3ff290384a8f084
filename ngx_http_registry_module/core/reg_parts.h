/*
 * The parts of an upload as a listing shows them.
 *
 * Each part's name holds its offset, the id of the part before it, and an id
 * of its own.  No two requests write to one name, so nothing that was
 * acknowledged is ever overwritten; requests that begin at one place make
 * branches.  A merged part stands for several that lay behind each other: it
 * has the id of the last one.
 */

#ifndef _REG_PARTS_H_INCLUDED_
#define _REG_PARTS_H_INCLUDED_


#include "reg_listing.h"


typedef struct reg_part_s  reg_part_t;

struct reg_part_s {
    int64_t         offset;
    int64_t         size;
    uint64_t        prev;               /* 0: none, it is the first */
    uint64_t        id;
    reg_str_t       etag;
    reg_str_t       modified;
    reg_part_t     *before;             /* of a "whole" one */
    unsigned        merged:1;
    unsigned        whole:1;            /* all before it is there */
};


typedef struct {
    reg_part_t     *part;               /* in the order of their names */
    uint32_t        n;
    uint32_t        room;
    unsigned        cancelled:1;        /* the mark was there */
    unsigned        closed:1;           /* with a digest */
} reg_parts_t;


/* the last component of a part's name */

#define REG_PART_NAME_MAX  (16 + 1 + 16 + 1 + 16 + 1)

size_t reg_part_name(unsigned char *dst, const reg_part_t *part);
reg_rc_t reg_part_name_parse(const reg_str_t *name, reg_part_t *part);

/* an upload that has ended may have this beside its parts; it sorts last */
#define REG_PARTS_CANCELLED  "cancelled"

/* what is no part, an empty one too, is left out; nothing of it is kept */
reg_rc_t reg_parts_add(reg_arena_t *arena, reg_parts_t *parts,
    const reg_entry_t *entry);

/* finds what is whole; before the functions below */
reg_rc_t reg_parts_join(reg_arena_t *arena, reg_parts_t *parts);

/*
 * The whole part with this id that ends at this offset, behind "last" in the
 * array; NULL: no more.
 */
reg_part_t *reg_parts_find(const reg_parts_t *parts, uint64_t id,
    int64_t end, const reg_part_t *last);

/*
 * How far the upload goes on behind "from" (NULL: from its beginning): at a
 * branch, the part that was there first.  Returns "from" when it does not.
 */
reg_part_t *reg_parts_grown(const reg_parts_t *parts, reg_part_t *from);

/* 1 when a was there before b */
int reg_part_older(const reg_part_t *a, const reg_part_t *b);


#endif /* _REG_PARTS_H_INCLUDED_ */
