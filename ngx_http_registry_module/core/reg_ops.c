#include "reg_ops.h"


void
reg_flow_start(reg_flow_t *f)
{
    if (f->route.moved) {
        f->step = reg_moved;
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
        f->step = (f->method == REG_DELETE) ? reg_delete_steps(f)
                                            : reg_manifest_steps(f);
        break;

    default:
        f->step = reg_list_steps(f);
    }
}
