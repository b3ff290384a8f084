/*
 * The grammar of names: OCI Distribution spec, "Pulling manifests", and
 * registry:2's limits.  Nothing but ASCII ever passes.
 */

#ifndef _REG_NAME_H_INCLUDED_
#define _REG_NAME_H_INCLUDED_


#include "reg_base.h"


#define REG_NAME_MAX  255       /* bytes of a repository's name */
#define REG_TAG_MAX   128


/*
 * component ("/" component)*, component = [a-z0-9]+ joined by one of
 * "." "_" "__" "-"+; at most REG_NAME_MAX bytes.
 */
int reg_name_valid(const reg_str_t *name);

/* [A-Za-z0-9_][A-Za-z0-9._-]{0,127} */
int reg_tag_valid(const reg_str_t *tag);

/*
 * http or https, a host, a port perhaps and a path perhaps, which does not
 * end with a slash and which a client does not change (no "." or "..", no
 * escapes): what "/v2/" can be put behind.
 */
int reg_url_valid(const reg_str_t *url);

/*
 * Order of _catalog: bytewise, but '/' sorts before every other byte.
 * Returns <0, 0, >0.
 */
int reg_name_compare(const reg_str_t *a, const reg_str_t *b);


#endif /* _REG_NAME_H_INCLUDED_ */
