#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_options.h"


#define KEY_MAX  4096


enum {
    OPT_AUTH_URL = 256,
    OPT_USER,
    OPT_KEY_FILE,
    OPT_CONTAINER,
    OPT_PREFIX,
    OPT_STORAGE_URL,
    OPT_CA_FILE,
    OPT_PARALLEL,
    OPT_TIMEOUT,
    OPT_GRACE,
    OPT_DEEP,
    OPT_REPAIR,
    OPT_DRY_RUN,
    OPT_JSON,
    OPT_QUIET,
    OPT_ALL,
    OPT_HELP
};


static void from_environment(check_options_t *o);
static char *read_key(const char *name);
static unsigned read_repairs(const char *text);
static reg_str_t read_prefix(const char *text);
static int64_t read_number(const char *option, const char *text, int64_t min,
    int64_t max, int units);
static void complete(check_options_t *o);
static void usage(void);
static void refuse(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));


static const struct option  options[] = {
    { "auth-url", required_argument, NULL, OPT_AUTH_URL },
    { "user", required_argument, NULL, OPT_USER },
    { "key-file", required_argument, NULL, OPT_KEY_FILE },
    { "container", required_argument, NULL, OPT_CONTAINER },
    { "prefix", required_argument, NULL, OPT_PREFIX },
    { "storage-url", required_argument, NULL, OPT_STORAGE_URL },
    { "ca-file", required_argument, NULL, OPT_CA_FILE },
    { "parallel", required_argument, NULL, OPT_PARALLEL },
    { "timeout", required_argument, NULL, OPT_TIMEOUT },
    { "grace", required_argument, NULL, OPT_GRACE },
    { "deep", no_argument, NULL, OPT_DEEP },
    { "repair", required_argument, NULL, OPT_REPAIR },
    { "dry-run", no_argument, NULL, OPT_DRY_RUN },
    { "json", no_argument, NULL, OPT_JSON },
    { "quiet", no_argument, NULL, OPT_QUIET },
    { "all", no_argument, NULL, OPT_ALL },
    { "help", no_argument, NULL, OPT_HELP },
    { NULL, 0, NULL, 0 }
};


static const char  help[] =
"usage: registry-check [OPTION]...\n"
"Reads the container of a registry and reports what is damaged, dangling or\n"
"left over in it.  Nothing is changed without --repair.\n"
"\n"
"Where (environment):\n"
"  --auth-url URL      of the storage, TempAuth v1 (RGW_AUTH_URL)\n"
"  --user USER         its user (RGW_USER)\n"
"  --key-file FILE     holds the user's key (RGW_KEY_FILE; the key itself:\n"
"                      RGW_SECRET_KEY)\n"
"  --container NAME    the registry's (RGW_CONTAINER)\n"
"  --prefix NAME       of all its objects, as registry_prefix has it\n"
"  --storage-url URL   other than what the auth server answers\n"
"  --ca-file FILE      certificates that are trusted, of https URLs\n"
"\n"
"How:\n"
"  --deep              reads every blob and compares its digest\n"
"  --grace TIME        what is younger is in work, not wrong (1h)\n"
"  --parallel N        requests at the same time (16)\n"
"  --timeout SECONDS   without a byte, until a request is given up (60)\n"
"\n"
"Repair:\n"
"  --repair KIND,...   links          rewrites links with a wrong text\n"
"                      revisions      links that a tag's manifest lacks\n"
"                      referrers      entries of manifests with a subject\n"
"                      safe           all of the above\n"
"                      layers         links that a manifest's blobs lack: whoever\n"
"                                     pushed it may read them then\n"
"                      dangling-tags  removes tags without a manifest\n"
"                      dangling-links removes links to data that is not there\n"
"                      markers        removes directory markers\n"
"  --dry-run           tells what --repair would do\n"
"\n"
"Output:\n"
"  --json              one JSON object per line, the last is the summary\n"
"  --all               every note, not the first 20 of each kind\n"
"  --quiet             problems only, no progress\n"
"  --help\n"
"\n"
"Exit status: 0 no problem, 1 problems found, 2 the check did not take place\n"
"or not to its end.\n";


static const struct {
    const char     *name;
    unsigned        kinds;
} repairs[] = {
    { "links", CHECK_LINKS },
    { "layers", CHECK_LAYERS },
    { "revisions", CHECK_REVISIONS },
    { "referrers", CHECK_REFERRERS },
    { "dangling-tags", CHECK_DANGLING_TAGS },
    { "dangling-links", CHECK_DANGLING_LINKS },
    { "markers", CHECK_MARKERS },
    { "safe", CHECK_LINKS|CHECK_REVISIONS|CHECK_REFERRERS }
};

#define NREPAIRS  (sizeof(repairs) / sizeof(repairs[0]))


void
check_options_read(check_options_t *o, int argc, char **argv)
{
    int  option;

    memset(o, 0, sizeof(check_options_t));

    o->parallel = 16;
    o->timeout = 60;
    o->grace = 3600;

    from_environment(o);

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {

        switch (option) {

        case OPT_AUTH_URL:
            o->auth_url = optarg;
            break;

        case OPT_USER:
            o->user = optarg;
            break;

        case OPT_KEY_FILE:
            free(o->key);
            o->key = read_key(optarg);
            break;

        case OPT_CONTAINER:
            o->container = optarg;
            break;

        case OPT_PREFIX:
            o->prefix = read_prefix(optarg);
            break;

        case OPT_STORAGE_URL:
            o->storage_url = optarg;
            break;

        case OPT_CA_FILE:
            o->ca_file = optarg;
            break;

        case OPT_PARALLEL:
            o->parallel = (long) read_number("--parallel", optarg, 1, 512, 0);
            break;

        case OPT_TIMEOUT:
            o->timeout = (long) read_number("--timeout", optarg, 1, 86400, 0);
            break;

        case OPT_GRACE:
            o->grace = read_number("--grace", optarg, 0, 31536000, 1);
            break;

        case OPT_DEEP:
            o->deep = 1;
            break;

        case OPT_REPAIR:
            o->repair |= read_repairs(optarg) & 0xff;
            break;

        case OPT_DRY_RUN:
            o->dry_run = 1;
            break;

        case OPT_JSON:
            o->json = 1;
            break;

        case OPT_QUIET:
            o->quiet = 1;
            break;

        case OPT_ALL:
            o->all = 1;
            break;

        case OPT_HELP:
        case 'h':
            usage();
            break;

        default:
            refuse("--help lists the options");
        }
    }

    if (optind < argc) {
        refuse("\"%s\" is not an option; --help lists them", argv[optind]);
    }

    complete(o);
}


static void
from_environment(check_options_t *o)
{
    char  *name, *key;

    o->auth_url = getenv("RGW_AUTH_URL");
    o->user = getenv("RGW_USER");
    o->container = getenv("RGW_CONTAINER");

    name = getenv("RGW_KEY_FILE");
    key = getenv("RGW_SECRET_KEY");

    if (name && *name) {
        o->key = read_key(name);

    } else if (key) {
        o->key = strdup(key);
    }
}


static char *
read_key(const char *name)
{
    int          fd;
    char         key[KEY_MAX + 1];
    ssize_t      n;
    struct stat  st;

    /* a pipe without a writer would hang */

    fd = open(name, O_RDONLY|O_NONBLOCK|O_CLOEXEC);

    if (fd == -1 || fstat(fd, &st) == -1) {
        refuse("the key file \"%s\" cannot be read: %s", name,
               strerror(errno));
    }

    if (S_ISREG(st.st_mode) && st.st_mode & (S_IRWXG|S_IRWXO)) {
        refuse("the key file \"%s\" is open to others than its owner: chmod"
               " 600 mends it", name);
    }

    n = S_ISREG(st.st_mode) ? read(fd, key, sizeof(key)) : -1;

    (void) close(fd);

    if (n < 0 || n > KEY_MAX) {
        refuse("the key file \"%s\" is not a file of at most %d bytes", name,
               KEY_MAX);
    }

    while (n && (key[n - 1] == '\n' || key[n - 1] == '\r')) {
        n--;
    }

    return strndup(key, (size_t) n);
}


static unsigned
read_repairs(const char *text)
{
    size_t    i, len;
    unsigned  kinds;

    for (kinds = 0; ; text += len + 1) {

        len = strcspn(text, ",");

        for (i = 0; i < NREPAIRS; i++) {
            if (strlen(repairs[i].name) == len
                && strncmp(repairs[i].name, text, len) == 0)
            {
                kinds |= repairs[i].kinds;
                break;
            }
        }

        if (i == NREPAIRS) {
            refuse("--repair has no kind \"%.*s\"; --help lists them",
                   (int) len, text);
        }

        if (text[len] == '\0') {
            return kinds;
        }
    }
}


const char *
check_repair_name(unsigned kind)
{
    size_t  i;

    for (i = 0; i < NREPAIRS && repairs[i].kinds != kind; i++) {
        /* void */
    }

    return i < NREPAIRS ? repairs[i].name : "";
}


/* as registry_prefix: slashes at its beginning are left out */

static reg_str_t
read_prefix(const char *text)
{
    char       *p;
    reg_str_t   prefix;

    text += strspn(text, "/");

    /* what X-Object-Manifest has escaped would not be found in it */

    if (text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                          "0123456789._~-/")])
    {
        refuse("the prefix \"%s\" has more than letters, digits and \"._~-/\"",
               text);
    }

    memset(&prefix, 0, sizeof(reg_str_t));

    if (*text) {
        p = malloc(strlen(text) + 2);
        if (p == NULL) {
            refuse("out of memory");
        }

        prefix.len = (size_t) sprintf(p, "%s/", text);
        prefix.data = (unsigned char *) p;
    }

    return prefix;
}


static int64_t
read_number(const char *option, const char *text, int64_t min, int64_t max,
    int units)
{
    size_t       len;
    int64_t      n, unit;
    const char  *p;

    static const char     letters[] = "smhd";
    static const int64_t  seconds[] = { 1, 60, 3600, 86400 };

    len = strlen(text);
    unit = 1;

    if (units && len) {
        p = strchr(letters, text[len - 1]);

        if (p) {
            unit = seconds[p - letters];
            len--;
        }
    }

    n = reg_atoi64((const unsigned char *) text, len);

    if (n < 0 || n > max / unit || n * unit < min) {
        refuse("%s \"%s\" is not a number of %lld to %lld%s", option, text,
               (long long) min, (long long) max,
               units ? " seconds; 10m, 1h and 2d are possible, too" : "");
    }

    return n * unit;
}


static void
complete(check_options_t *o)
{
    size_t  i;

    const struct {
        const char  *value;
        const char  *how;
    } needed[] = {
        { o->auth_url, "--auth-url or RGW_AUTH_URL" },
        { o->user, "--user or RGW_USER" },
        { o->key, "--key-file, RGW_KEY_FILE or RGW_SECRET_KEY" },
        { o->container, "--container or RGW_CONTAINER" }
    };

    for (i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {

        if (needed[i].value == NULL || *needed[i].value == '\0') {
            refuse("%s is missing or empty", needed[i].how);
        }

        if (strpbrk(needed[i].value, "\r\n")) {
            refuse("%s has more than one line", needed[i].how);
        }
    }

    if (strchr(o->container, '/')) {
        refuse("the container \"%s\" has a slash", o->container);
    }

    if (o->dry_run && o->repair == 0) {
        refuse("--dry-run without --repair: nothing would be changed");
    }
}


static void
usage(void)
{
    fputs(help, stdout);
    exit(CHECK_CLEAN);
}


static void
refuse(const char *format, ...)
{
    va_list  args;

    fprintf(stderr, "registry-check: error: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);

    exit(CHECK_FAILED);
}
