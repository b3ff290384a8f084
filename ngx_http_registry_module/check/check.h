/*
 * registry-check: reads a registry's container and reports what is damaged,
 * dangling or left over in it; repairs what it is told to.
 *
 * A run is: blobs, then repositories (and the referrers beside them) in
 * batches, then segments, then what lies outside.  Whatever is missing is
 * asked for once more before it is reported, so that running pushes and
 * deletes are no findings.  A storage that fails ends the run by exit().
 */

#ifndef _CHECK_H_INCLUDED_
#define _CHECK_H_INCLUDED_


#include <stdint.h>
#include <stdio.h>


#include "check_index.h"
#include "check_options.h"


typedef struct check_store_s   check_store_t;
typedef struct check_report_s  check_report_t;
typedef struct check_action_s  check_action_t;


struct check_s {
    check_options_t    options;
    check_store_t     *store;
    check_report_t    *report;
    int64_t            now;             /* when the run began */
    check_pool_t       pool;            /* lives as long as the run */

    check_blob_t      *blobs;
    size_t             nblobs;
    size_t             blobs_room;

    reg_digest_t      *others;          /* referred to, not among the blobs */
    size_t             nothers;
    size_t             others_room;

    check_manifest_t  *manifests;
    size_t             nmanifests;
    size_t             manifests_room;
    uint32_t          *hashed_manifests;        /* numbers, or CHECK_NONE */
    size_t             manifests_mask;

    check_ref_t       *refs;
    size_t             nrefs;
    size_t             refs_room;

    check_head_t      *heads;
    size_t             nheads;
    size_t             heads_room;

    check_upload_t    *uploads;
    size_t             nuploads;
    size_t             uploads_room;

    check_size_t      *sizes;
    size_t             nsizes;
    size_t             sizes_room;

    check_action_t   **actions;
    size_t             nactions;
    size_t             actions_room;

    /* figures */

    uint64_t           requests;        /* sent to the storage */
    int64_t            objects;         /* seen in listings */
    int64_t            objects_total;   /* as the container says */
    int64_t            bytes;
    int64_t            hashed;
    int64_t            repositories;
    int64_t            tags;
    unsigned           unread:1;        /* some manifest was not understood */
};


#endif /* _CHECK_H_INCLUDED_ */
