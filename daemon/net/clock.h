/* The system's clock. It is asked by the reactor, for all that run on it, and by upper rooms that run on none: main's thread, the log,
 * the threads of `dev`. Everybody else is passed the time. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>
#include <time.h>

/* Microseconds of CLOCK_MONOTONIC: since a moment in the past, and nobody sets it. */
static inline uint64_t clock_now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Milliseconds of CLOCK_MONOTONIC. */
static inline uint64_t clock_now_ms(void) {
    return clock_now_us() / 1000;
}

/* When `clock` will have gone on by `ms`: for what waits until a time. */
static inline struct timespec clock_in_ms(clockid_t clock, unsigned ms) {
    struct timespec then;
    clock_gettime(clock, &then);
    then.tv_sec += ms / 1000;
    then.tv_nsec += (long)(ms % 1000) * 1000000;
    then.tv_sec += then.tv_nsec / 1000000000;
    then.tv_nsec %= 1000000000;
    return then;
}

#endif
