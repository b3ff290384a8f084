/*
 * What the rows of one delete share: reg_manifest_delete.c finds and
 * deletes, reg_keep.c has what must stay.
 */

#ifndef _REG_DELETE_H_INCLUDED_
#define _REG_DELETE_H_INCLUDED_


#include "reg_ops.h"


#define REG_REMOVAL_ALGS  3


typedef struct {
    reg_str_t       tag;                /* of "name" */
    reg_str_t       name;               /* of the object */
    size_t          name_room;          /* of one that was dropped before */
    size_t          at;                 /* where the current link is */
    unsigned        current:1;
    unsigned        unsure:1;           /* has to be read */
    unsigned        doomed:1;
} reg_doomed_t;


typedef struct {
    reg_digest_t    data;               /* what the link says */
    reg_str_t       etag;               /* of the link */
    reg_digest_t    digests[REG_REMOVAL_ALGS];  /* of the same bytes */
    size_t          ndigests;
    reg_digest_t    subject;
    unsigned        has_subject:1;
    unsigned        there:1;            /* pushed again meanwhile */
    unsigned        back:1;             /* the same, and seen last of all */

    reg_str_t       index;              /* end of its index links' names */

    reg_str_t       prefix;             /* of all tags, or of the one */
    reg_str_t       marker;
    reg_doomed_t   *objects;
    size_t          n;
    size_t          room;
    size_t          next;
    size_t          begin;              /* the last tag's current link */
    size_t          asked[REG_CALLS_MAX];   /* the objects that are read */
    unsigned        pass;               /* of deleting: 0 index, 1 current */
    unsigned        again:1;            /* it is looked for the second time */

    /* what was deleted for each of "digests", should it have to be again */

    reg_str_t       entries[REG_REMOVAL_ALGS];  /* among the referrers */
    unsigned char   listed[REG_REMOVAL_ALGS];   /* the last time */
    unsigned char   linked[REG_REMOVAL_ALGS];
    size_t          others[REG_CALLS_MAX];      /* digests, of each call */
    const reg_str_t *kept;              /* the tag that is to stay */
} reg_removal_t;


#endif /* _REG_DELETE_H_INCLUDED_ */
