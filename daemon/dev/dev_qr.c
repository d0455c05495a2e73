#include "dev/dev_qr.h"

#include <qrencode.h>

enum { QUIET = 2 }; /* modules around it: the standard asks for 4, readers do with 2 */

static bool is_dark(const QRcode *code, int x, int y) {
    return x >= 0 && y >= 0 && x < code->width && y < code->width &&
           (code->data[y * code->width + x] & 1) != 0;
}

void dev_qr_write(FILE *out, const char *text, bool has_colours) {
    static const char *const halves[] = {" ", "▄", "▀", "█"}; /* lower and upper half */
    QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
    if (code == NULL) {
        return;
    }
    for (int y = -QUIET; y < code->width + QUIET; y += 2) {
        fputs(has_colours ? "    \x1b[30;107m" : "    ", out);
        for (int x = -QUIET; x < code->width + QUIET; x++) {
            const bool upper = is_dark(code, x, y) == has_colours;
            const bool lower = is_dark(code, x, y + 1) == has_colours;
            fputs(halves[(upper ? 2 : 0) + (lower ? 1 : 0)], out);
        }
        fputs(has_colours ? "\x1b[0m\n" : "\n", out);
    }
    QRcode_free(code);
}
