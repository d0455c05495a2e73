#include "ops/notify.h"

#ifdef DAFFI_SYSTEMD

#include <systemd/sd-daemon.h>

#include "net/clock.h"

void notify_ready(const char *status) {
    (void)sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_reloading(void) {
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)clock_now_us());
}

void notify_stopping(uint64_t within_ms) {
    (void)sd_notifyf(0, "STOPPING=1\nSTATUS=shutting down\nEXTEND_TIMEOUT_USEC=%llu",
                     (unsigned long long)within_ms * 1000);
}

void notify_main_process(int pid) {
    (void)sd_notifyf(0, "MAINPID=%d\nSTATUS=" NOTIFY_LISTENING, pid);
}

uint64_t notify_watchdog_ms(void) {
    uint64_t patience_us = 0;
    return sd_watchdog_enabled(0, &patience_us) > 0 ? patience_us / 2000 : 0;
}

void notify_alive(void) {
    (void)sd_notify(0, "WATCHDOG=1");
}

#else

void notify_ready(const char *status) {
    (void)status;
}
void notify_reloading(void) {}
void notify_stopping(uint64_t within_ms) {
    (void)within_ms;
}
void notify_main_process(int pid) {
    (void)pid;
}
uint64_t notify_watchdog_ms(void) {
    return 0;
}
void notify_alive(void) {}

#endif
