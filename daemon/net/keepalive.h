/* A peer that went to sleep for good, or out of reach, says nothing of it, and would hold its place for ever: the kernel
 * asks it whether it is still there. */
#ifndef KEEPALIVE_H
#define KEEPALIVE_H

/* Of a TCP socket, or of one that listens: accepted ones inherit it. Who does not answer for two minutes is gone
 * (-ETIMEDOUT). 0 or -errno. */
int keepalive_enable(int fd);

#endif
