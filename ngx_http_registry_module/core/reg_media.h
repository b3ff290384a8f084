/*
 * Media types of manifests, in Content-Type, Accept and mediaType.
 */

#ifndef _REG_MEDIA_H_INCLUDED_
#define _REG_MEDIA_H_INCLUDED_


#include "reg_base.h"


typedef enum {
    REG_MEDIA_UNKNOWN = 0,
    REG_MEDIA_DOCKER_MANIFEST,
    REG_MEDIA_DOCKER_LIST,
    REG_MEDIA_OCI_MANIFEST,
    REG_MEDIA_OCI_INDEX,
    REG_MEDIA_DOCKER_SCHEMA1            /* known, and refused */
} reg_media_t;


/* parameters after ';' and blanks are ignored; case-insensitive */
reg_media_t reg_media_parse(const reg_str_t *content_type);
reg_str_t reg_media_text(reg_media_t media);

/*
 * 1 when an Accept header names the type, or all types, or any JSON, or is
 * not there; parameters are ignored, as by registry:2.
 */
int reg_media_accepted(const reg_str_t *accept, reg_media_t media);


/* 1: layers of this type may be elsewhere, at the "urls" of a descriptor */
int reg_media_foreign(const reg_str_t *type);

/* 1: http or https, with a host, without a fragment, visible ASCII only */
int reg_media_url(const reg_str_t *url);


#endif /* _REG_MEDIA_H_INCLUDED_ */
