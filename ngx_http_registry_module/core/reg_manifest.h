/*
 * Manifests: what a document is, and what it refers to.  Docker image
 * manifest version 2 schema 2, its list, OCI image manifest and index.
 */

#ifndef _REG_MANIFEST_H_INCLUDED_
#define _REG_MANIFEST_H_INCLUDED_


#include "reg_base.h"
#include "reg_digest.h"
#include "reg_media.h"


/* of all references of one manifest together */
#define REG_MANIFEST_REFS_MAX  10000


typedef struct {
    reg_str_t       media_type;
    reg_str_t       artifact_type;
    reg_digest_t    digest;
    int64_t         size;
    reg_str_t       text;               /* the JSON of it */
    size_t          at;                 /* of who looks through them */

    /* its bytes may be elsewhere: it is of a type of which they may be, and
       "urls" has addresses of http and https and nothing else */

    unsigned        foreign:1;
    unsigned        linux_os:1;         /* "platform": "os" is linux, */
    unsigned        amd64:1;            /* "architecture" is amd64 */
} reg_descriptor_t;


typedef struct {
    reg_media_t        media;
    reg_str_t          artifact_type;   /* "artifactType", null if absent */
    reg_str_t          annotations;     /* the JSON text of the member */

    unsigned           has_config:1;
    unsigned           has_subject:1;

    reg_descriptor_t   config;
    reg_descriptor_t   subject;

    reg_descriptor_t  *layers;          /* "layers" (also "blobs") */
    size_t             nlayers;
    reg_descriptor_t  *manifests;
    size_t             nmanifests;
} reg_manifest_t;


/*
 * "declared" is the Content-Type of the request; REG_MEDIA_UNKNOWN means
 * that of the bytes themselves (what is read back from the store).
 *
 * REG_BAD: not a manifest, ambiguous (CVE-2021-41190: members of an index and
 * of an image together, mediaType against Content-Type, a known key twice or
 * in another case), or malformed; *why is a sentence for the client and
 * holds no byte of the input.
 *
 * All strings of *m are of the arena or point into "body".
 */
reg_rc_t reg_manifest_parse(reg_arena_t *arena, const reg_str_t *body,
    reg_media_t declared, reg_manifest_t *m, const char **why);

/* one descriptor alone, with a media type; the same otherwise */
reg_rc_t reg_descriptor_parse(reg_arena_t *arena, const reg_str_t *text,
    reg_descriptor_t *d, const char **why);


#endif /* _REG_MANIFEST_H_INCLUDED_ */
