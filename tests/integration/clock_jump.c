/* For the tests, put before a daemon by LD_PRELOAD: while the file that CLOCK_JUMP names exists, the calendar's time is CLOCK_JUMP_SECONDS
 * away from the true one, as where somebody sets the clock. The monotonic clock is as it is. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static long jump(void) {
    const char *file = getenv("CLOCK_JUMP"), *seconds = getenv("CLOCK_JUMP_SECONDS");
    return file != NULL && seconds != NULL && access(file, F_OK) == 0 ? strtol(seconds, NULL, 10) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *out) {
    int result = (int)syscall(SYS_clock_gettime, clock, out);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        out->tv_sec += jump();
    }
    return result;
}

time_t time(time_t *out) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}
