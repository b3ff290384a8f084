/*
 * Whether the bytes of a digest are all there.  RGW sums up the size of a
 * large object from the segments that it finds: when one is missing, the
 * rest still reads as 200 with a right-looking length.
 *
 * Two steps: the HEAD of the data, and for a large object that does not tell
 * its size itself, the listing of its segments, page by page.
 */

#ifndef _REG_DATA_H_INCLUDED_
#define _REG_DATA_H_INCLUDED_


#include "reg_ops.h"


typedef enum {
    REG_DATA_WHOLE,
    REG_DATA_LIST,          /* reg_data_list() is to be asked, and judged */
    REG_DATA_ABSENT,
    REG_DATA_DAMAGED,       /* f->damage says how */
    REG_DATA_FAILED         /* the store; f->answer is filled in */
} reg_data_state_t;


typedef struct {
    reg_digest_t    digest;
    int64_t         least;              /* bytes it has, as a manifest says */
    int64_t         size;

    reg_str_t       segments;           /* their prefix */
    reg_str_t       marker;
    int64_t         next;               /* the number expected */
    int64_t         sum;                /* bytes of those listed */
    unsigned        by_offset:1;        /* numbers are offsets: ours */
    unsigned        named:1;            /* none has a foreign name */
} reg_data_t;


/* data->digest is to be set; both add one call */
reg_call_t *reg_data_head(reg_flow_t *f, const reg_data_t *data);
void reg_data_list(reg_flow_t *f, const reg_data_t *data);

reg_data_state_t reg_data_judge_head(reg_flow_t *f, reg_data_t *data,
    const reg_call_t *call);
reg_data_state_t reg_data_judge_list(reg_flow_t *f, reg_data_t *data,
    const reg_call_t *call);

/*
 * The prefix of a large object's segments out of its X-Object-Manifest;
 * 0: they are not below what is ours.  Null data: out of memory.
 */
int reg_data_segments(reg_flow_t *f, const reg_str_t *manifest,
    reg_str_t *prefix);

/*
 * The link of a layer or of a manifest: REG_BAD for one that does not name
 * the digest, or for another algorithm a sha256 that has the bytes; f->damage
 * says how.
 */
reg_rc_t reg_data_link(reg_flow_t *f, const reg_call_t *call,
    const reg_digest_t *d, reg_digest_t *data);


#endif /* _REG_DATA_H_INCLUDED_ */
