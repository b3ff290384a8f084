#ifndef _CHECK_REFS_H_INCLUDED_
#define _CHECK_REFS_H_INCLUDED_


#include "check_links.h"


/* what the manifests of a repository refer to */
void check_refs(check_t *c, check_batch_t *batch, check_repo_t *repo,
    check_manifest_t *m, const reg_str_t *holder);
int check_refs_whole(check_t *c, const check_manifest_t *m);


#endif /* _CHECK_REFS_H_INCLUDED_ */
