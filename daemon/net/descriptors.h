/* How many descriptors the process may open. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <stddef.h>

/* Raises the soft limit to the hard one, and returns what holds then; SIZE_MAX where there is no limit. */
size_t descriptors_allow_all(void);

#endif
