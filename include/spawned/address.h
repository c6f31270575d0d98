/* Addresses of stream sockets: IPv4, IPv6, Unix-domain, as a value and as text.
 *
 *     127.0.0.1:7379      [::1]:7379      [fe80::1%2]:7379      unix:/run/kv.sock      unix:@abstract
 *
 * Host names are not addresses: sp_resolve() turns one into some.
 */
#ifndef SPAWNED_ADDRESS_H
#define SPAWNED_ADDRESS_H

#include "spawned/err.h"
#include "spawned/time.h"

SP_EXTERN_C_BEGIN

enum sp_address_family {
    SP_ADDRESS_NONE = 0, /**< no address: an unnamed Unix-domain peer */
    SP_ADDRESS_IPV4,
    SP_ADDRESS_IPV6,
    SP_ADDRESS_UNIX,
};

/** Longest path of a Unix-domain socket, in bytes. */
#define SP_ADDRESS_PATH_MAX 107
/** Longest host name, in bytes. */
#define SP_HOST_MAX 253
/** Bytes that sp_address_format() needs, the final zero included. */
#define SP_ADDRESS_TEXT_MAX 128

/** Where a socket is bound or connected. */
typedef struct sp_address {
    uint8_t family;                     /**< enum sp_address_family */
    uint8_t path_length;                /**< bytes of `path` */
    uint16_t port;                      /**< host byte order */
    uint32_t scope;                     /**< interface of a link-local IPv6 address, or 0 */
    uint8_t ip[16];                     /**< network byte order; IPv4 uses the first four */
    char path[SP_ADDRESS_PATH_MAX + 1]; /**< zero-terminated; '@' first: abstract */
} sp_address;

/** Read an address as above.
 *  Errors: INVALID. Context: any. */
SP_API SP_NODISCARD SP_NONNULL sp_err sp_address_parse(const char *text, sp_address *out_address);

/** Write `address` to `text`, so that sp_address_parse() reads it, and return `text`. Bytes of a
 *  path that are not printable ASCII are shown as '?'. Context: any. */
SP_API SP_NONNULL const char *sp_address_format(const sp_address *address,
                                                char text[SP_ADDRESS_TEXT_MAX]);

/** The same address? Context: any. */
SP_API SP_NONNULL bool sp_address_equal(const sp_address *a, const sp_address *b);

/** Look up the addresses of a host, on a thread for blocking work: fills up to `max`, in the
 *  order in which they should be tried.
 *  Errors: RESOLVE (there is none, or nobody answered), INVALID (`host` empty or over SP_HOST_MAX
 *  bytes, `max` 0), TIMEOUT, NOMEM, LIMIT (no thread and the queue is full), NOTCONTEXT.
 *  Context: process, may suspend. Default deadline: 10 s. */
SP_API SP_NODISCARD SP_NONNULL_ARGS(1, 4, 6) sp_err
    sp_resolve(const char *host, uint16_t port, sp_deadline deadline, sp_address *addresses,
               size_t max, size_t *out_count);

SP_EXTERN_C_END

#endif
