/* What a file holds, by the ending of its name.                                   (RFC 9110, 8.3; RFC 9239) */
#ifndef MEDIA_TYPE_H
#define MEDIA_TYPE_H

/* The value of Content-Type for a file of that name (a path, too), its charset included where it is text; any case. Never NULL:
 * "application/octet-stream" for an ending that is not known, or none. Static. */
const char *media_type_of(const char *name);

#endif
