/* What the service manager is told (sd_notify(3)). Without libsystemd at build time, or without a manager that asked to
 * be told, each call does nothing. */
#ifndef NOTIFY_H
#define NOTIFY_H

#include <stdint.h>

/* What `systemctl status` shows while all is as it should be. */
#define NOTIFY_LISTENING "listening"

/* All listeners are ready; `status` is a line for `systemctl status`. Also ends a reload. */
void notify_ready(const char *status);
void notify_reloading(void);              /* until the next notify_ready */
void notify_stopping(uint64_t within_ms); /* however soon the manager would lose its patience otherwise */
/* From now on it is that one, which listens. It should be no child of this one any more: where the main process is not the
 * manager's own child, the manager waits for no end of it when it is to stop, but kills it at once. */
void notify_main_process(int pid);

/* How often notify_alive is wanted, in ms: half the manager's patience. 0: not at all. */
uint64_t notify_watchdog_ms(void);
void notify_alive(void);

#endif
