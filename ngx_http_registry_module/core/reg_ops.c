#include "reg_ops.h"


void
reg_flow_start(reg_flow_t *f)
{
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
