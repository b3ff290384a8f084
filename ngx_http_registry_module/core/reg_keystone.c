#include "reg_keystone.h"
#include "reg_json.h"


/* { token: { catalog: [ { endpoints: [ { url } ] } ] } } */
#define LEVELS  6


typedef enum {
    KEY_OTHER = 0,
    KEY_TOKEN,
    KEY_ISSUED,
    KEY_EXPIRES,
    KEY_CATALOG,
    KEY_TYPE,
    KEY_ENDPOINTS,
    KEY_INTERFACE,
    KEY_REGION,
    KEY_REGION_ID,
    KEY_URL
} field_t;


typedef struct {
    const reg_keystone_t  *k;
    reg_arena_t           *arena;
    reg_keystone_token_t  *token;
    const char           **why;
    field_t                key[LEVELS + 1];

    /* of the service that is being read */

    reg_str_t              found;
    unsigned               storage:1;
    unsigned               interface:1;

    /* of its endpoint */

    reg_str_t              url;
    unsigned               right_interface:1;
    unsigned               right_region:1;

    /* of the whole */

    unsigned               has_token:1;
    unsigned               has_catalog:1;
    unsigned               has_storage:1;
    unsigned               has_interface:1;
} parser_t;


static reg_rc_t on_event(void *data, reg_json_event_t event,
    const reg_str_t *text, unsigned depth, size_t offset);
static reg_rc_t on_token(parser_t *p, reg_json_event_t event,
    const reg_str_t *text);
static reg_rc_t on_service(parser_t *p, reg_json_event_t event,
    const reg_str_t *text, unsigned depth);
static reg_rc_t on_endpoint(parser_t *p, reg_json_event_t event,
    const reg_str_t *text, unsigned depth);
static const char *judge(const parser_t *p);
static void add_named(reg_buf_t *b, const reg_str_t *value);
static void add_identity(reg_buf_t *b, const reg_keystone_t *k,
    const reg_str_t *secret);
static void add_scope(reg_buf_t *b, const reg_keystone_t *k);
static void add_user(reg_buf_t *b, const reg_keystone_t *k);


static const struct {
    const char  *text;
    field_t      key;
} keys[] = {
    { "token", KEY_TOKEN },
    { "issued_at", KEY_ISSUED },
    { "expires_at", KEY_EXPIRES },
    { "catalog", KEY_CATALOG },
    { "type", KEY_TYPE },
    { "endpoints", KEY_ENDPOINTS },
    { "interface", KEY_INTERFACE },
    { "region", KEY_REGION },
    { "region_id", KEY_REGION_ID },
    { "url", KEY_URL }
};


static int
by_id(const reg_str_t *value)
{
    return reg_str_starts(value, "id=");
}


const char *
reg_keystone_check(const reg_keystone_t *k)
{
    if (!reg_str_is(&k->interface, "public")
        && !reg_str_is(&k->interface, "internal")
        && !reg_str_is(&k->interface, "admin"))
    {
        return "\"registry_auth_interface\" is none of \"public\","
               " \"internal\" and \"admin\"";
    }

    if (k->credential.len) {

        if (k->project.len || k->project_domain.len || k->trust.len) {
            return "an application credential has its project by itself:"
                   " remove \"registry_auth_project\","
                   " \"registry_auth_project_domain\" and"
                   " \"registry_auth_trust\"";
        }

        if (!by_id(&k->credential) && k->user.len == 0) {
            return "an application credential by its name needs"
                   " \"registry_auth_user\"; by \"id=...\" it does not";
        }
    }

    if (k->user.len == 0 && k->credential.len == 0) {
        return "Keystone needs \"registry_auth_user\" or"
               " \"registry_auth_application_credential\"";
    }

    if (k->user.len && !by_id(&k->user) && k->domain.len == 0
        && !by_id(&k->credential))
    {
        return "a user by its name needs \"registry_auth_domain\", for"
               " example \"registry_auth_domain id=default\"";
    }

    if (k->trust.len && k->project.len) {
        return "a trust has its project by itself: remove"
               " \"registry_auth_project\"";
    }

    if (k->credential.len == 0 && k->trust.len == 0 && k->project.len == 0) {
        return "Keystone needs \"registry_auth_project\": a token of no"
               " project opens no storage";
    }

    if (k->project.len && !by_id(&k->project) && k->project_domain.len == 0
        && k->domain.len == 0)
    {
        return "a project by its name needs \"registry_auth_project_domain\""
               " or \"registry_auth_domain\"";
    }

    return NULL;
}


reg_str_t
reg_keystone_request(reg_arena_t *arena, const reg_keystone_t *k,
    const reg_str_t *secret)
{
    reg_buf_t  b;

    /* an escaped byte is six at most: the buffer never grows */

    reg_buf_init(&b, arena, 1024
                 + 6 * (k->user.len + 2 * k->domain.len + k->project.len
                        + k->project_domain.len + k->credential.len
                        + k->trust.len + secret->len));

    reg_buf_text(&b, "{\"auth\":{\"identity\":{\"methods\":[\"");
    add_identity(&b, k, secret);
    reg_buf_char(&b, '}');
    add_scope(&b, k);
    reg_buf_text(&b, "}}");

    return reg_buf_str(&b);
}


static void
add_identity(reg_buf_t *b, const reg_keystone_t *k, const reg_str_t *secret)
{
    if (k->credential.len) {
        reg_buf_text(b, "application_credential\"],"
                        "\"application_credential\":{");
        add_named(b, &k->credential);

        /* an id is unique, a name only among a user's */

        if (!by_id(&k->credential)) {
            reg_buf_char(b, ',');
            add_user(b, k);
            reg_buf_char(b, '}');
        }

        reg_buf_text(b, ",\"secret\":");
        reg_json_write_string(b, secret);
        reg_buf_char(b, '}');

        return;
    }

    reg_buf_text(b, "password\"],\"password\":{");
    add_user(b, k);
    reg_buf_text(b, ",\"password\":");
    reg_json_write_string(b, secret);
    reg_buf_text(b, "}}");
}


/* without its closing brace */

static void
add_user(reg_buf_t *b, const reg_keystone_t *k)
{
    reg_buf_text(b, "\"user\":{");
    add_named(b, &k->user);

    if (!by_id(&k->user)) {
        reg_buf_text(b, ",\"domain\":{");
        add_named(b, &k->domain);
        reg_buf_char(b, '}');
    }
}


static void
add_scope(reg_buf_t *b, const reg_keystone_t *k)
{
    if (k->trust.len) {
        reg_buf_text(b, ",\"scope\":{\"OS-TRUST:trust\":{\"id\":");
        reg_json_write_string(b, &k->trust);
        reg_buf_text(b, "}}");
        return;
    }

    if (k->project.len == 0) {
        return;
    }

    reg_buf_text(b, ",\"scope\":{\"project\":{");
    add_named(b, &k->project);

    if (!by_id(&k->project)) {
        reg_buf_text(b, ",\"domain\":{");
        add_named(b, k->project_domain.len ? &k->project_domain : &k->domain);
        reg_buf_char(b, '}');
    }

    reg_buf_text(b, "}}");
}


static void
add_named(reg_buf_t *b, const reg_str_t *value)
{
    reg_str_t  text;

    text = *value;

    if (by_id(value)) {
        text.data += 3;
        text.len -= 3;
        reg_buf_text(b, "\"id\":");

    } else {
        reg_buf_text(b, "\"name\":");
    }

    reg_json_write_string(b, &text);
}


reg_rc_t
reg_keystone_read(reg_arena_t *arena, const reg_str_t *json,
    const reg_keystone_t *k, reg_keystone_token_t *token, const char **why)
{
    parser_t    p;
    reg_rc_t    rc;

    memset(&p, 0, sizeof(parser_t));
    memset(token, 0, sizeof(reg_keystone_token_t));

    p.k = k;
    p.arena = arena;
    p.token = token;
    p.why = why;

    token->issued = -1;
    token->expires = -1;

    rc = reg_json_read(arena, json, on_event, &p, why);

    if (rc != REG_OK) {
        return rc;
    }

    *why = judge(&p);

    return *why ? REG_BAD : REG_OK;
}


static const char *
judge(const parser_t *p)
{
    if (!p->has_token) {
        return "an answer without \"token\"";
    }

    if (p->token->expires < 0) {
        return "a token that does not tell when it expires";
    }

    if (p->token->issued >= p->token->expires) {
        return "a token that is expired already";
    }

    if (!p->has_catalog) {
        return "no catalog, as of a token without a project";
    }

    if (!p->has_storage) {
        return "a catalog without a service of type \"object-store\"";
    }

    if (!p->has_interface) {
        return "no endpoint of \"object-store\" with the interface of"
               " registry_auth_interface";
    }

    if (p->token->url.len == 0) {
        return "no endpoint of \"object-store\" in the region of"
               " registry_auth_region";
    }

    return NULL;
}


static field_t
key_of(const reg_str_t *text)
{
    size_t  i;

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (text->len == strlen(keys[i].text)
            && memcmp(text->data, keys[i].text, text->len) == 0)
        {
            return keys[i].key;
        }
    }

    return KEY_OTHER;
}


/* of the levels 1, 2, 4 and 6 are names; 3 and 5 are in arrays */

static reg_rc_t
on_event(void *data, reg_json_event_t event, const reg_str_t *text,
    unsigned depth, size_t offset)
{
    parser_t  *p = data;

    (void) offset;

    if (event == REG_JSON_KEY) {

        if (depth <= LEVELS) {
            p->key[depth] = key_of(text);
        }

        return REG_OK;
    }

    if (depth == 0) {
        if (event == REG_JSON_MAP || event == REG_JSON_MAP_END) {
            return REG_OK;
        }

        *p->why = "an answer that is no JSON object";
        return REG_BAD;
    }

    if (p->key[1] != KEY_TOKEN) {
        return REG_OK;
    }

    if (depth == 1) {
        p->has_token = (event == REG_JSON_MAP || event == REG_JSON_MAP_END);
        return REG_OK;
    }

    if (depth == 2) {
        return on_token(p, event, text);
    }

    if (p->key[2] != KEY_CATALOG) {
        return REG_OK;
    }

    if (depth == 3 || depth == 4) {
        return on_service(p, event, text, depth);
    }

    if (p->key[4] != KEY_ENDPOINTS) {
        return REG_OK;
    }

    return depth <= LEVELS ? on_endpoint(p, event, text, depth) : REG_OK;
}


static reg_rc_t
on_token(parser_t *p, reg_json_event_t event, const reg_str_t *text)
{
    switch (p->key[2]) {

    case KEY_ISSUED:
        p->token->issued = event == REG_JSON_STRING ? reg_keystone_time(text)
                                                    : -1;
        return REG_OK;

    case KEY_EXPIRES:
        p->token->expires = event == REG_JSON_STRING ? reg_keystone_time(text)
                                                     : -1;
        return REG_OK;

    case KEY_CATALOG:
        p->has_catalog |= (event == REG_JSON_ARRAY);
        return REG_OK;

    default:
        return REG_OK;
    }
}


static reg_rc_t
on_service(parser_t *p, reg_json_event_t event, const reg_str_t *text,
    unsigned depth)
{
    if (depth == 4) {
        if (p->key[4] == KEY_TYPE && event == REG_JSON_STRING) {
            p->storage = reg_str_is(text, "object-store");
        }

        return REG_OK;
    }

    if (event == REG_JSON_MAP) {
        memset(&p->found, 0, sizeof(reg_str_t));
        p->storage = 0;
        p->interface = 0;

    } else if (event == REG_JSON_MAP_END && p->storage) {
        p->has_storage = 1;
        p->has_interface |= p->interface;

        if (p->token->url.len == 0) {
            p->token->url = p->found;
        }
    }

    return REG_OK;
}


/* "type" may come behind "endpoints": the service decides at its end */

static reg_rc_t
on_endpoint(parser_t *p, reg_json_event_t event, const reg_str_t *text,
    unsigned depth)
{
    if (depth == 5) {

        if (event == REG_JSON_MAP) {
            memset(&p->url, 0, sizeof(reg_str_t));
            p->right_interface = 0;
            p->right_region = (p->k->region.len == 0);

        } else if (event == REG_JSON_MAP_END && p->right_interface) {
            p->interface = 1;

            if (p->right_region && p->found.len == 0) {
                p->found = p->url;
            }
        }

        return REG_OK;
    }

    if (event != REG_JSON_STRING) {
        return REG_OK;
    }

    switch (p->key[6]) {

    case KEY_INTERFACE:
        p->right_interface = (reg_str_equal(text, &p->k->interface) != 0);
        return REG_OK;

    case KEY_REGION:
    case KEY_REGION_ID:
        p->right_region |= (reg_str_equal(text, &p->k->region) != 0);
        return REG_OK;

    case KEY_URL:
        return reg_str_copy(p->arena, &p->url, text->data, text->len);

    default:
        return REG_OK;
    }
}


/* days since 1970 of a day of the Gregorian calendar */

static int64_t
days(int64_t year, int64_t month, int64_t day)
{
    int64_t  era;

    /* years begin in March, so that a leap day is their last one */

    if (month <= 2) {
        year--;
        month += 12;
    }

    era = year / 400;
    year -= era * 400;

    return era * 146097 + year * 365 + year / 4 - year / 100
           + (153 * (month - 3) + 2) / 5 + day - 1 - 719468;
}


int64_t
reg_keystone_time(const reg_str_t *text)
{
    int      i;
    int64_t  n[6];
    size_t   from;

    static const struct {
        size_t   from;
        size_t   len;
        int64_t  min;
        int64_t  max;
    } part[6] = {
        { 0, 4, 1970, 9999 }, { 5, 2, 1, 12 }, { 8, 2, 1, 31 },
        { 11, 2, 0, 23 }, { 14, 2, 0, 59 }, { 17, 2, 0, 60 }
    };

    static const char  form[] = "0000-00-00T00:00:00";

    if (text->len < sizeof(form)) {
        return -1;
    }

    for (from = 0; from < sizeof(form) - 1; from++) {
        if (form[from] != '0'
            && text->data[from] != (unsigned char) form[from])
        {
            return -1;
        }
    }

    for (i = 0; i < 6; i++) {
        n[i] = reg_atoi64(text->data + part[i].from, part[i].len);

        if (n[i] < part[i].min || n[i] > part[i].max) {
            return -1;
        }
    }

    /* fractions are cut; nothing but UTC is ever sent */

    if (text->data[from] == '.') {
        for (from++; from < text->len && text->data[from] >= '0'
                     && text->data[from] <= '9'; from++) { /* void */ }
    }

    if (from + 1 != text->len || text->data[from] != 'Z') {
        return -1;
    }

    return ((days(n[0], n[1], n[2]) * 24 + n[3]) * 60 + n[4]) * 60 + n[5];
}
