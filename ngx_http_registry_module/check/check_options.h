/* What a run was asked for. */

#ifndef _CHECK_OPTIONS_H_INCLUDED_
#define _CHECK_OPTIONS_H_INCLUDED_


#include "check_memory.h"


#define CHECK_CLEAN     0
#define CHECK_PROBLEMS  1
#define CHECK_FAILED    2

/* repairs */
#define CHECK_LINKS           0x01
#define CHECK_LAYERS          0x02
#define CHECK_REVISIONS       0x04
#define CHECK_REFERRERS       0x08
#define CHECK_DANGLING_TAGS   0x10
#define CHECK_DANGLING_LINKS  0x20
#define CHECK_MARKERS         0x40


typedef struct {
    char           *auth_url;
    char           *user;
    char           *key;
    char           *container;
    reg_str_t       prefix;             /* of all names, with its slash */
    char           *storage_url;        /* NULL: what the auth server says */
    char           *ca_file;
    long            parallel;
    long            timeout;            /* seconds */
    int64_t         grace;              /* seconds */
    unsigned        repair;
    unsigned        deep:1;
    unsigned        dry_run:1;
    unsigned        json:1;
    unsigned        quiet:1;
    unsigned        all:1;
} check_options_t;


void check_options_read(check_options_t *o, int argc, char **argv);
const char *check_repair_name(unsigned kind);


#endif /* _CHECK_OPTIONS_H_INCLUDED_ */
