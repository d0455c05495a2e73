/* Certificates for development: a certificate authority of this user's own, made once, and certificates by it for
 * the names of this machine.                                                         (docs/development.md; RFC 5280)
 *
 * They lie in a folder of the user's data, 0700; keys are 0600, and refused where others may read them. The
 * authority may speak for this machine's name, localhost and private addresses alone (name constraints), so that a
 * stolen key is of little use. */
#ifndef DEV_AUTHORITY_H
#define DEV_AUTHORITY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "dev/trust/dev_certificate.h"

enum {
    DEV_AUTHORITY_DAYS = 3650,
    DEV_LEAF_DAYS = 90,      /* browsers take at most 397 of them */
    DEV_LEAF_REST_DAYS = 20, /* a certificate that holds for less is made anew */
    DEV_AUTHORITY_ERROR_MAX = 512,
    DEV_AUTHORITY_TITLE_MAX = 64,
};

/* The files, PEM. */
struct dev_leaf {
    char folder[PATH_MAX];
    char authority[PATH_MAX]; /* the CA's certificate: what is to be trusted */
    char cert[PATH_MAX], key[PATH_MAX];
    bool is_new_authority; /* it has been made now: nobody trusts it yet */
};

/* -EPERM and a sentence where root acts for somebody else: by sudo, or with a `home` that is not root's own. */
int dev_authority_check_user(const char *home, char ret_error[DEV_AUTHORITY_ERROR_MAX]);

/* $XDG_DATA_HOME/daffi-bridge, or ~/.local/share/daffi-bridge; it need not be there. 0; -ENOENT, or -EPERM where root
 * would make it in somebody else's home, and a sentence. */
int dev_authority_folder(char out[PATH_MAX], char ret_error[DEV_AUTHORITY_ERROR_MAX]);

/* What the authority in `file` is called in stores: "daffi-bridge dev CA USER@HOST", HOST being what the machine was
 * called when it was made; where there is none, what it would be called now. */
void dev_authority_title(const char *file, char out[DEV_AUTHORITY_TITLE_MAX]);

/* The authority alone, made where it is not there (for `names`, besides what is private): `authority`, `folder` and
 * `is_new_authority` of *ret_leaf. `now` in s since 1970. 0, or -errno and a sentence: also where there is one that
 * can't be read, as browsers may trust it. Any number of processes may do so at once. */
int dev_authority_ensure(struct dev_certificate_names names, time_t now, struct dev_leaf *ret_leaf,
                         char ret_error[DEV_AUTHORITY_ERROR_MAX]);

/* A certificate for `names` (what the authority may not speak for is left out), besides localhost, 127.0.0.1 and
 * ::1: the one from before where it is as good. As dev_authority_ensure. */
int dev_authority_leaf(struct dev_certificate_names names, time_t now, struct dev_leaf *ret_leaf,
                       char ret_error[DEV_AUTHORITY_ERROR_MAX]);

#endif
