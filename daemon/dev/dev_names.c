#include "dev/dev_names.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void add(struct dev_names *names, const char *name, const char *ending) {
    char made[DEV_NAME_MAX];
    int length = snprintf(made, sizeof made, "%s%s", name, ending);
    if (length <= 0 || (size_t)length >= sizeof made || names->count == DEV_NAMES_MAX) {
        return;
    }
    for (char *c = made; *c != '\0'; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i], made) == 0) {
            return;
        }
    }
    memcpy(names->list[names->count++], made, sizeof made);
}

static void add_addresses(struct dev_names *names, const struct ifaddrs *all, int family) {
    for (const struct ifaddrs *one = all; one != NULL; one = one->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != family || (one->ifa_flags & IFF_UP) == 0 ||
            (one->ifa_flags & IFF_LOOPBACK) != 0) {
            continue;
        }
        const struct in6_addr *wide = &((const struct sockaddr_in6 *)(const void *)one->ifa_addr)->sin6_addr;
        const struct in_addr *narrow = &((const struct sockaddr_in *)(const void *)one->ifa_addr)->sin_addr;
        if (family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(wide)) {
            continue; /* a URL can't name its interface */
        }
        if (inet_ntop(family, family == AF_INET6 ? (const void *)wide : narrow, text, sizeof text) != NULL) {
            add(names, text, "");
        }
    }
}

void dev_names_find(struct dev_names *ret_names) {
    char host[DEV_NAME_MAX] = "";
    struct ifaddrs *all = NULL;
    *ret_names = (struct dev_names){0};
    if (gethostname(host, sizeof host - 1) == 0 && host[0] != '\0') {
        add(ret_names, host, "");
        if (strchr(host, '.') == NULL) {
            add(ret_names, host, ".local"); /* as multicast DNS has it */
        }
    }
    ret_names->lan = ret_names->count;
    if (getifaddrs(&all) == 0) {
        add_addresses(ret_names, all, AF_INET);
        add_addresses(ret_names, all, AF_INET6);
        freeifaddrs(all);
    }
}

void dev_names_add_host(struct dev_names *names, const struct dev_host *host) {
    const size_t before = names->count;
    if (host->reach == DEV_HOST_ALL) {
        return;
    }
    add(names, host->address, "");
    if (names->count > before) { /* in front of those of the LAN */
        char added[DEV_NAME_MAX];
        memcpy(added, names->list[before], sizeof added);
        memmove(names->list[1], names->list[0], before * sizeof added);
        memcpy(names->list[0], added, sizeof added);
        names->lan++;
    }
}

void dev_names_certify(struct dev_names *names, const char *file) {
    FILE *in = fopen(file, "re");
    X509 *certificate = in != NULL ? PEM_read_X509(in, NULL, NULL, NULL) : NULL;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->list[i];
        names->is_certified[i] = certificate != NULL && (X509_check_ip_asc(certificate, name, 0) == 1 ||
                                                         X509_check_host(certificate, name, 0, 0, NULL) == 1);
    }
    X509_free(certificate);
    if (in != NULL) {
        fclose(in);
    }
    ERR_clear_error();
}
