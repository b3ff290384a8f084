/* What the files that use libcurl share. */

#ifndef _CHECK_AUTH_H_INCLUDED_
#define _CHECK_AUTH_H_INCLUDED_


#include <curl/curl.h>

#include "check.h"


#define CHECK_TRIES    4
#define CHECK_BACKOFF  250              /* milliseconds, doubled each time */


/* both to be freed; the URL is that of the container */
void check_auth(check_t *c, char **token, char **url);

/* of all requests: the token goes to no other host than is named */
void check_curl_options(check_t *c, CURL *easy);

/* the value of a header line, to be freed; NULL: it is another header */
char *check_curl_field(const char *p, size_t len, const char *name);


#endif /* _CHECK_AUTH_H_INCLUDED_ */
