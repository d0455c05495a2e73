/* What the service manager is told (sd_notify(3)). Without libsystemd at build time, or without a manager that asked to
 * be told, each call does nothing. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

/* All listeners are ready; `status` is a sentence for `systemctl status`. Also ends a reload. */
void notify_ready(const char *status);
void notify_reloading(void); /* until the next notify_ready */
void notify_stopping(void);
void notify_main_process(int pid); /* from now on it is that one */

/* How often notify_alive is wanted, in ms: half the manager's patience. 0: not at all. */
uint64_t notify_watchdog_ms(void);
void notify_alive(void);

#endif
