#include "reg_ops.h"
#include "core/reg_params.h"
#include "reg_blob.h"
#include "reg_common.h"
#include "reg_list.h"
#include "reg_manifest_get.h"
#include "reg_referrers.h"
#include "reg_upload_begin.h"


void
reg_flow_start(reg_flow_t *f)
{
    reg_str_t    detail;
    reg_error_t  e;

    if (f->row == NULL) {
        f->row = f->arena;
    }

    if (f->route.moved) {
        f->step = reg_moved;
        return;
    }

    if (f->read_only && f->method != REG_GET && f->method != REG_HEAD) {
        reg_refuse(f, REG_E_UNSUPPORTED,
                   "the registry is read-only (registry_read_only)");
        f->step = reg_refused;
        return;
    }

    switch (reg_params_check(f->arena, &f->route, f->method, &f->args, &e,
                             &detail))
    {
    case REG_OK:
        break;

    case REG_NOMEM:
        reg_nomem(f);
        f->step = reg_refused;
        return;

    default:
        reg_refuse_str(f, e, detail);
        f->step = reg_refused;
        return;
    }

    switch (f->route.kind) {

    case REG_ROUTE_BLOB:
        f->step = reg_blob_steps(f);
        break;

    case REG_ROUTE_UPLOADS:
    case REG_ROUTE_UPLOAD:
        f->step = reg_upload_steps(f);
        break;

    case REG_ROUTE_MANIFEST:
        f->step = reg_manifest_steps(f);
        break;

    case REG_ROUTE_REFERRERS:
        f->step = reg_referrers_steps(f);
        break;

    default:
        f->step = reg_list_steps(f);
    }
}
