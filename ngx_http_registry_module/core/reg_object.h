/*
 * Names of objects read back: what reg_path.c makes, and what else registry:2
 * leaves in a container.
 */

#ifndef _REG_OBJECT_H_INCLUDED_
#define _REG_OBJECT_H_INCLUDED_


#include "reg_base.h"
#include "reg_digest.h"


typedef enum {
    REG_OBJECT_FOREIGN = 0,     /* nothing that a registry writes */
    REG_OBJECT_BLOB,            /* digest */
    REG_OBJECT_LAYER,           /* name, digest */
    REG_OBJECT_REVISION,        /* name, digest */
    REG_OBJECT_SIGNATURE,       /* name, digest: of registry 2.4 and older */
    REG_OBJECT_TAG_CURRENT,     /* name, tag */
    REG_OBJECT_TAG_INDEX,       /* name, tag, digest */
    REG_OBJECT_UPLOAD,          /* name, id, rest: an upload of registry:2 */
    REG_OBJECT_REFERRER,        /* name, subject, digest */
    REG_OBJECT_PART,            /* name, id, number: an upload of ours */
    REG_OBJECT_SEGMENT          /* id: all up to the last slash, number, own;
                                   of a mark beside them its name */
} reg_object_kind_t;


typedef struct {
    reg_object_kind_t  kind;
    reg_str_t          name;            /* of the repository */
    reg_str_t          tag;
    reg_str_t          id;
    reg_str_t          rest;            /* "data", "startedat", ... */
    reg_digest_t       digest;
    reg_digest_t       subject;

    /* of a part its offset; of a segment its offset when "own", else its
     * place, as registry:2 counts them */

    int64_t            number;
    unsigned           own:1;
} reg_object_t;


/*
 * Strings of *o point into "text".  A name that only looks like one of the
 * kinds (a digest with capitals, no valid repository) is foreign.
 */
void reg_object_parse(const reg_str_t *text, reg_object_t *o);


#endif /* _REG_OBJECT_H_INCLUDED_ */
