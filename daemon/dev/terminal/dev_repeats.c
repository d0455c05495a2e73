#include "dev/terminal/dev_repeats.h"

#include <stdio.h>
#include <string.h>

void dev_repeats_init(struct dev_repeats *repeats, struct dev_terminal *terminal) {
    *repeats = (struct dev_repeats){.terminal = terminal};
}

static void tell(struct dev_repeats *repeats) {
    char line[DEV_REPEATS_MAX + 64];
    if (repeats->left_out > 0) {
        snprintf(line, sizeof line, "%s  … ×%zu\n", repeats->last, repeats->left_out);
        dev_terminal_write(repeats->terminal, line);
        repeats->left_out = 0;
    }
}

void dev_repeats_write(struct dev_repeats *repeats, const char *what, const char *rest) {
    char line[DEV_REPEATS_MAX + 128];
    if (strcmp(repeats->last, what) != 0) {
        tell(repeats);
        snprintf(repeats->last, sizeof repeats->last, "%s", what);
        repeats->count = 0;
    }
    if (++repeats->count > DEV_REPEATS_SHOWN) {
        repeats->left_out++;
        return;
    }
    snprintf(line, sizeof line, "%s%s%s\n", what, rest[0] != '\0' ? "  " : "", rest);
    dev_terminal_write(repeats->terminal, line);
}

void dev_repeats_tick(struct dev_repeats *repeats) {
    if (repeats->left_out > 0) {
        tell(repeats);
    } else {
        repeats->count = 0;
    }
}
