/* A QR code on a terminal, for phones.                                          (ISO/IEC 18004, by libqrencode) */
#ifndef DEV_QR_H
#define DEV_QR_H

#include <stdbool.h>
#include <stdio.h>

/* Two modules to a character, dark on light whatever the terminal's colours; without colours the light ones are what
 * is written, as most terminals are dark. Nothing where it can't be made. */
void dev_qr_write(FILE *out, const char *text, bool has_colours);

#endif
