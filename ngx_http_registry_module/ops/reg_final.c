/*
 * Rows of a closing request that deal with what stands at the blob's name:
 * all repositories share it, so that it is written only where nothing stands,
 * or something that is not known to be right.
 *
 * Known to be right is what the ETag of the storage vouches for: of a plain
 * object it is that of the part that was hashed here, of a large one that of
 * all its segments, which this module wrote beside it when they had been
 * compared.  What nobody vouches for, as large objects of registry:2, is read
 * and hashed, once for each push over it.
 *
 * Whoever has written the name looks afterwards for the segments that nobody
 * names any more because of that.  Those of a request that is still at work
 * have a mark beside them, which is there before the first of them, and is
 * taken away once the large object was written, or will never be.  So what
 * has no mark, and then is not named either, is never going to be.
 */

#include "reg_final.h"
#include "core/reg_path.h"
#include "core/reg_swift.h"
#include "reg_store.h"


/* for a listing that lags, in ms: 30 s together */

#define WAIT   500
#define WAITS  60


static reg_todo_t lost_page(reg_flow_t *f);


reg_todo_t
reg_final_look(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    reg_flow_call(f, REG_HEAD, reg_path_blob(f->arena, &u->data));

    return REG_CALL;
}


static int
is_vouched_for(const reg_upload_t *u)
{
    reg_session_t       s;
    const reg_reply_t  *standing = &u->standing;

    if (standing->object_manifest.len) {
        return standing->whole == standing->length
               && standing->vouched.len
               && reg_str_equal(&standing->vouched, &standing->etag);
    }

    if (u->session.nparts > 1) {
        return 0;
    }

    reg_session_init(&s);

    if (standing->length) {
        reg_session_add(&s, standing->length, &standing->etag);
    }

    return memcmp(s.chain, u->session.chain, sizeof(s.chain)) == 0;
}


/*
 * A large object that shows less than it was made of: Swift lists its segments
 * whenever it is asked, and a listing may lag, whoever wrote them.
 */

static int
is_late(const reg_upload_t *u)
{
    const reg_reply_t  *standing = &u->standing;

    return standing->status == 200 && standing->object_manifest.len
           && standing->length < standing->whole
           && (u->size < 0 || standing->whole == u->size)
           && u->waited < WAITS;
}


static reg_todo_t
wait_for_it(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    u->waited++;
    f->pause = WAIT;

    return REG_AGAIN;
}


/*
 * u->stored: it is kept.  u->doubt: it may be right.  A plain object that has
 * not the ETag of the only part is not.
 */

void
reg_final_weigh(reg_upload_t *u)
{
    const reg_reply_t  *standing = &u->standing;

    u->stored = 0;
    u->doubt = 0;

    if (standing->status != 200
        || (u->size >= 0 && standing->length != u->size))
    {
        return;
    }

    if (is_vouched_for(u)) {
        u->stored = 1;
        u->size = standing->length;
        return;
    }

    u->doubt = (u->gone || u->session.nparts > 1
                || standing->object_manifest.len);
}


/*
 * A name that has an expiry is of no use, whatever is written there: RGW (18)
 * deletes what stands there at that time.
 */

static reg_todo_t
take_standing(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (reg_store_failed(f, &f->calls[0])) {
        return REG_ANSWER;
    }

    u->standing = f->calls[0].reply;

    return u->standing.expires ? reg_upload_refuse_expiring(f) : REG_NEXT;
}


reg_todo_t
reg_final_judge_look(reg_flow_t *f)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = take_standing(f);

    if (todo != REG_NEXT) {
        return todo;
    }

    reg_final_weigh(u);

    if (u->gone && !u->stored && !u->doubt) {

        /* what the other request made of the parts is all there is */

        if (is_late(u)) {
            return wait_for_it(f);
        }

        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    u->next = 0;

    return REG_NEXT;
}


reg_todo_t
reg_final_judge_standing(reg_flow_t *f)
{
    reg_todo_t     todo;
    reg_upload_t  *u = f->op;

    todo = take_standing(f);

    if (todo != REG_NEXT) {
        return todo;
    }

    if (is_late(u)) {
        return wait_for_it(f);
    }

    if (u->standing.status != 200 || u->standing.length < u->standing.whole) {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    u->size = u->standing.length;

    return REG_NEXT;
}


static void
hash_standing(void *data, const unsigned char *p, size_t len)
{
    reg_upload_t  *u = data;

    reg_hash_update(&u->read, p, len);
}


reg_todo_t
reg_final_read(reg_flow_t *f)
{
    reg_call_t    *call;
    reg_upload_t  *u = f->op;

    if (!u->doubt) {
        return REG_NEXT;
    }

    reg_hash_init(&u->read, REG_SHA256);

    call = reg_flow_call(f, REG_GET, reg_path_blob(f->arena, &u->data));
    call->sink = hash_standing;
    call->sink_data = u;

    return REG_CALL;
}


reg_todo_t
reg_final_judge_read(reg_flow_t *f)
{
    reg_call_t    *call = &f->calls[0];
    reg_upload_t  *u = f->op;
    reg_digest_t   d;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    u->doubt = 0;
    reg_hash_final(&u->read, &d);
    u->stored = (call->reply.status == 200
                 && reg_digest_equal(&d, &u->data));

    if (u->stored) {
        u->size = u->size < 0 ? (int64_t) u->read.bytes : u->size;
        return REG_NEXT;
    }

    if (call->reply.status == 200) {
        reg_damaged(f, &call->object, "has other bytes than its digest's");
    }

    if (u->gone) {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    return u->wrote
           ? reg_refuse(f, REG_E_UNAVAILABLE,
                        "the storage holds other bytes than were written")
           : REG_NEXT;
}


/* X-Newest: of Swift's replicas, one may not know yet */

static void
head_newest(reg_flow_t *f, reg_str_t object)
{
    reg_str_t    yes = reg_string("true");
    reg_call_t  *call;

    call = reg_flow_call(f, REG_HEAD, object);
    reg_call_header(f, call, REG_SWIFT_NEWEST, &yes, 0);
}


reg_todo_t
reg_final_verify(reg_flow_t *f)
{
    reg_upload_t  *u = f->op;

    if (u->stored) {
        return REG_NEXT;
    }

    head_newest(f, reg_path_blob(f->arena, &u->data));

    return REG_CALL;
}


static int
names(reg_flow_t *f, const reg_reply_t *reply, const reg_str_t *id)
{
    reg_str_t  prefix, wanted;

    if (reply->object_manifest.len == 0
        || !reg_data_segments(f, &reply->object_manifest, &prefix))
    {
        return 0;
    }

    wanted = reg_path_segments(f->arena, id);

    /* out of memory: nothing is deleted */

    return wanted.data == NULL || prefix.data == NULL
           || reg_str_equal(&prefix, &wanted);
}


/* what stands there has nothing to do with what this request wrote */

static int
is_as_before(const reg_reply_t *before, const reg_reply_t *now)
{
    return reg_str_equal(&before->object_manifest, &now->object_manifest)
           && (now->object_manifest.len
               || reg_str_equal(&before->etag, &now->etag));
}


static reg_todo_t
refuse_verified(reg_flow_t *f, const char *detail)
{
    reg_upload_t  *u = f->op;

    if (u->gone) {
        return reg_refuse_str(f, REG_E_BLOB_UPLOAD_UNKNOWN, u->id);
    }

    return reg_refuse(f, REG_E_UNAVAILABLE,
                      u->wrote ? detail
                      : "the blob was changed meanwhile; try again");
}


/*
 * Another request may have written the same name meanwhile: then what this
 * one wrote is lost, and what stands there has to be right all the same.
 */

reg_todo_t
reg_final_judge_verified(reg_flow_t *f)
{
    int            large, own;
    reg_call_t    *call = &f->calls[0];
    reg_reply_t    before;
    reg_upload_t  *u = f->op;

    if (reg_store_failed(f, call)) {
        return REG_ANSWER;
    }

    if (call->reply.status == 404) {
        return refuse_verified(f, "the storage does not have what was written");
    }

    if (call->reply.expires) {
        return reg_upload_refuse_expiring(f);
    }

    large = (u->segments.len && u->wrote);
    own = (large && names(f, &call->reply, &u->segments));

    if (large && !own && is_as_before(&u->standing, &call->reply)) {
        return refuse_verified(f, "the storage does not have what was written");
    }

    before = u->standing;
    u->standing = call->reply;
    reg_final_weigh(u);

    if (is_late(u)) {
        u->standing = before;
        return wait_for_it(f);
    }

    if (own) {

        /* each of them was looked at */

        u->stored = (call->reply.length == u->size);
        u->doubt = 0;

    } else if (large) {
        u->unused = 1;
    }

    u->next = 0;

    if (u->stored || u->doubt) {
        return REG_NEXT;
    }

    return refuse_verified(f, call->reply.length == u->size
                           ? "the storage holds other bytes than were written"
                           : "the storage holds another size than was written");
}


void
reg_final_list_lost(reg_flow_t *f)
{
    reg_buf_t      b;
    reg_str_t      digest, prefix, none = reg_null_string;
    reg_upload_t  *u = f->op;

    digest = reg_path_segments_of(f->arena, &u->data, &none);

    reg_buf_init(&b, f->arena, 128);
    reg_buf_text(&b, REG_PATH_SEGMENTS);
    reg_buf_add_str(&b, &digest);
    prefix = reg_buf_str(&b);

    reg_call_list(f, &prefix, &none, '/', REG_LISTING_PAGE);
    f->calls[f->ncalls - 1].failed |= (digest.data == NULL);
}


/* one more, "segments/ngx/<id>/"; more than fit in a row are left to others */

static void
add_lost(reg_upload_t *u, reg_str_t prefix)
{
    size_t     len;
    reg_str_t  id;

    len = sizeof(REG_PATH_SEGMENTS) - 1;

    if (!reg_str_starts(&prefix, REG_PATH_SEGMENTS) || prefix.len < len + 2
        || u->nlost == REG_CALLS_MAX)
    {
        return;
    }

    id.data = prefix.data + len;
    id.len = prefix.len - len - 1;

    if (!reg_str_equal(&id, &u->segments)) {
        u->lost[u->nlost++] = id;
    }
}


/* a listing that fails costs space only */

void
reg_final_take_lost(reg_flow_t *f, const reg_call_t *call)
{
    size_t          i;
    reg_str_t       prefix, digest, none = reg_null_string;
    reg_upload_t   *u = f->op;
    reg_listing_t   listing;

    u->nlost = 0;
    u->losing = REG_LOST_MARKS;

    if (call->reply.status >= 200 && call->reply.status < 300
        && reg_call_listing(f, call, &listing) == REG_OK)
    {
        for (i = 0; i < listing.n; i++) {
            if (listing.entries[i].subdir) {
                add_lost(u, listing.entries[i].name);
            }
        }
    }

    /* what this module wrote formerly is not below the digest */

    digest = reg_path_segments_of(f->arena, &u->data, &none);

    if (u->overwritten.len
        && reg_data_segments(f, &u->overwritten, &prefix)
        && prefix.len && prefix.data[prefix.len - 1] == '/'
        && digest.data
        && !(prefix.len > sizeof(REG_PATH_SEGMENTS) - 1 + digest.len
             && memcmp(prefix.data + sizeof(REG_PATH_SEGMENTS) - 1,
                       digest.data, digest.len) == 0))
    {
        add_lost(u, prefix);
    }
}


/*
 * A request that has written large objects of this digest has its mark, or
 * never writes again: so marks are looked at before the blob.
 */

reg_todo_t
reg_final_drop_lost(reg_flow_t *f)
{
    unsigned       i;
    reg_str_t      prefix;
    reg_upload_t  *u = f->op;

    if (u->nlost == 0) {
        return REG_NEXT;
    }

    switch (u->losing) {

    case REG_LOST_MARKS:
        for (i = 0; i < u->nlost; i++) {
            head_newest(f, reg_path_mark(f->arena, &u->lost[i]));
        }

        break;

    case REG_LOST_BLOB:
        head_newest(f, reg_path_blob(f->arena, &u->data));
        break;

    case REG_LOST_LIST:
        prefix = reg_path_segments(f->arena, &u->lost[u->nlost - 1]);
        reg_call_list(f, &prefix, &u->marker, 0, REG_LISTING_PAGE);
        break;

    default: /* REG_LOST_DELETE */
        while (u->next < u->lost_page.n && f->ncalls < REG_CALLS_MAX) {
            reg_flow_call(f, REG_DELETE,
                          u->lost_page.entries[u->next++].name);
        }
    }

    return REG_CALL;
}


reg_todo_t
reg_final_judge_lost(reg_flow_t *f)
{
    unsigned       i, n;
    reg_upload_t  *u = f->op;

    switch (u->losing) {

    case REG_LOST_MARKS:
        for (i = 0, n = 0; i < u->nlost; i++) {
            if (f->calls[i].reply.status == 404) {
                u->lost[n++] = u->lost[i];
            }
        }

        u->nlost = n;
        u->losing = REG_LOST_BLOB;
        return REG_AGAIN;

    case REG_LOST_BLOB:
        if (f->calls[0].reply.status != 200) {
            u->nlost = 0;
        }

        for (i = 0, n = 0; i < u->nlost; i++) {
            if (!names(f, &f->calls[0].reply, &u->lost[i])) {
                u->lost[n++] = u->lost[i];
            }
        }

        u->nlost = n;
        u->marker.len = 0;
        u->losing = REG_LOST_LIST;
        return REG_AGAIN;

    case REG_LOST_LIST:
        return lost_page(f);

    default: /* REG_LOST_DELETE */
        if (u->next == u->lost_page.n) {
            u->losing = REG_LOST_LIST;
        }

        return REG_AGAIN;
    }
}


static reg_todo_t
lost_page(reg_flow_t *f)
{
    reg_call_t    *call = &f->calls[0];
    reg_upload_t  *u = f->op;

    u->next = 0;

    if (call->reply.status < 200 || call->reply.status >= 300
        || reg_call_listing(f, call, &u->lost_page) != REG_OK
        || u->lost_page.n == 0)
    {
        u->nlost--;
        u->marker.len = 0;
        return REG_AGAIN;
    }

    u->marker = u->lost_page.entries[u->lost_page.n - 1].name;
    u->losing = REG_LOST_DELETE;

    return REG_AGAIN;
}
