/* Addresses as the system has them, and the names of hosts; see net.h. */
#include "runtime/real/net.h"

#include "base/alloc.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static socklen_t net_unix_to_system(const sp_address *address, struct sockaddr_un *out)
{
    size_t length = address->path_length;
    out->sun_family = AF_UNIX;
    memcpy(out->sun_path, address->path, length);
    if (address->path[0] == '@') {
        out->sun_path[0] = '\0';
        return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    }
    out->sun_path[length] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
}

bool sp__net_to_system(const sp_address *address, struct sockaddr_storage *out, socklen_t *out_size)
{
    memset(out, 0, sizeof(*out));
    if (address->family == SP_ADDRESS_IPV4) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_family = AF_INET;
        in->sin_port = htons(address->port);
        memcpy(&in->sin_addr, address->ip, sizeof(in->sin_addr));
        *out_size = sizeof(*in);
        return true;
    }
    if (address->family == SP_ADDRESS_IPV6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(address->port);
        in6->sin6_scope_id = address->scope;
        memcpy(&in6->sin6_addr, address->ip, sizeof(in6->sin6_addr));
        *out_size = sizeof(*in6);
        return true;
    }
    if (address->family != SP_ADDRESS_UNIX || address->path_length == 0 ||
        address->path_length > SP_ADDRESS_PATH_MAX)
        return false;
    *out_size = net_unix_to_system(address, (struct sockaddr_un *)out);
    return true;
}

static void net_unix_from_system(const struct sockaddr_un *from, socklen_t size, sp_address *out)
{
    size_t length = size - offsetof(struct sockaddr_un, sun_path);
    bool abstract = from->sun_path[0] == '\0';
    if (!abstract)
        length = strnlen(from->sun_path, length);
    if (length > SP_ADDRESS_PATH_MAX)
        length = SP_ADDRESS_PATH_MAX;
    out->family = SP_ADDRESS_UNIX;
    out->path_length = (uint8_t)length;
    memcpy(out->path, from->sun_path, length);
    if (abstract)
        out->path[0] = '@';
}

void sp__net_from_system(const struct sockaddr_storage *from, socklen_t size, sp_address *out)
{
    *out = (sp_address){ .family = SP_ADDRESS_NONE };
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        out->family = SP_ADDRESS_IPV4;
        out->port = ntohs(in->sin_port);
        memcpy(out->ip, &in->sin_addr, sizeof(in->sin_addr));
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
        out->family = SP_ADDRESS_IPV6;
        out->port = ntohs(in6->sin6_port);
        out->scope = in6->sin6_scope_id;
        memcpy(out->ip, &in6->sin6_addr, sizeof(in6->sin6_addr));
    } else if (from->ss_family == AF_UNIX && size > offsetof(struct sockaddr_un, sun_path)) {
        net_unix_from_system((const struct sockaddr_un *)from, size, out);
    }
}

sp_err sp__net_resolve(struct sp_runtime *runtime, const char *host, uint16_t port,
                       sp_address *addresses, size_t max, size_t *out_count)
{
    (void)runtime;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", (unsigned)port);
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(host, service, &hints, &found);
    if (failed)
        return failed == EAI_MEMORY ? SP_ERR_NOMEM : SP_ERR_RESOLVE;
    size_t count = 0;
    for (struct addrinfo *at = found; at != NULL && count < max; at = at->ai_next) {
        struct sockaddr_storage system = { 0 };
        memcpy(&system, at->ai_addr, at->ai_addrlen);
        sp__net_from_system(&system, at->ai_addrlen, &addresses[count]);
        if (addresses[count].family != SP_ADDRESS_NONE)
            count++;
    }
    freeaddrinfo(found);
    if (count == 0)
        return SP_ERR_RESOLVE;
    *out_count = count;
    return SP_OK;
}
