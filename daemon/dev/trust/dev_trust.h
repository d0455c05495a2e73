/* Has this user's browsers, and the system, believe the development authority; and takes that back.
 *                                                                                                 (docs/development.md)
 *
 * Stores: the system's (update-ca-certificates, or p11-kit's `trust`), and NSS databases: of Chromium and Chrome
 * (~/.pki/nssdb, ~/.local/share/pki/nssdb, snap's) and of each profile of Firefox. */
#ifndef DEV_TRUST_H
#define DEV_TRUST_H

#include <stdbool.h>
#include <stdio.h>

#include "dev/trust/dev_authority.h"

/* Puts it into each store there is (`is_wanted`), or takes out what was put there; making the authority where it is
 * wanted and not there. Says a line for each store, and what to do by hand where one can't be written. 0, 1 where
 * something is left to be done by hand, or -errno where there is no authority, or it is not this user who asks
 * (dev_authority_check_user), with a sentence said. */
int dev_trust_apply(bool is_wanted, FILE *out);

/* Whether it was applied to that authority, whatever came of it, and not taken back. */
bool dev_trust_was_run(const struct dev_leaf *leaf);

#endif
