#include "ops/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static int fail(const char *what, char *ret_error) {
    int error = errno;
    snprintf(ret_error, PRIVILEGES_ERROR_MAX, "root's privileges can't be given up: %s: %s", what,
             strerror(error));
    return -error;
}

int privileges_drop(const char *user, char ret_error[PRIVILEGES_ERROR_MAX]) {
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return fail("prctl", ret_error);
    }
    if (geteuid() != 0) {
        return 0;
    }
    errno = 0;
    const struct passwd *entry = getpwnam(user); /* before threads that might ask, too */
    if (entry == NULL) {
        return errno == 0 || errno == ENOENT ? -ENOENT : fail("getpwnam", ret_error);
    }
    uid_t uid = entry->pw_uid;
    gid_t gid = entry->pw_gid;
    if (initgroups(user, gid) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) {
        return fail(user, ret_error);
    }
    if (setresuid(0, 0, 0) == 0) { /* the kernel takes the capabilities with the user */
        errno = EPERM;
        return fail("root could be had again", ret_error);
    }
    return 1;
}
