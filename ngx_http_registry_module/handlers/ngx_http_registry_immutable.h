#ifndef _NGX_HTTP_REGISTRY_IMMUTABLE_H_INCLUDED_
#define _NGX_HTTP_REGISTRY_IMMUTABLE_H_INCLUDED_


#include "base/ngx_http_registry_ctx.h"


/* reg_flow_t's, data is the main request */
int ngx_http_registry_immutable_tag(void *data, const reg_str_t *tag);


#endif /* _NGX_HTTP_REGISTRY_IMMUTABLE_H_INCLUDED_ */
