/* The HTTP endpoint: what the program is doing, for browsers, Prometheus and scripts.
 *
 *     sp_http_ref http;
 *     err = sp_http_start(&(struct sp_http_options){ .address = "127.0.0.1:8080" }, NULL, &http);
 *
 * `/` is the dashboard, `/metrics` for Prometheus, `/healthz` and `/readyz` for orchestrators,
 * `/api/` what the dashboard asks; docs/http-api.md has all of it. The endpoint is a server, fit
 * for a supervisor (a child spec names &sp_http_class), and a thread that ends with it. The thread
 * answers while every worker is stuck.
 *
 * In the library libspawned-http, which needs libmicrohttpd; not in simulation.
 */
#ifndef SPAWNED_HTTP_H
#define SPAWNED_HTTP_H

#include "spawned/address.h"
#include "spawned/listener.h"
#include "spawned/server.h"

SP_EXTERN_C_BEGIN

/** Bytes that a token has at least and at most. */
#define SP_HTTP_TOKEN_MIN 16
#define SP_HTTP_TOKEN_MAX 255
/** Names in sp_http_options.hosts, at most. */
#define SP_HTTP_HOSTS_MAX 16

/** Who may ask, and for what. Zero is the default everywhere. All of it is copied. */
struct sp_http_options {
    const char *address;   /**< IP address and port, "127.0.0.1:8080"; port 0: a free one; default
                              "127.0.0.1:0", or none where there is a unix_path. Anything but
                              loopback needs a token. */
    const char *unix_path; /**< a Unix-domain socket to listen on, too: a file that only the
                                program's user may open (0600). What a crash left there is
                                replaced; it is removed at the end. Default: none */
    const char *token;     /**< who asks must show it, as `Authorization: Bearer TOKEN`; default:
                              none */
    const char *const *hosts; /**< names by which it may be addressed, besides IP addresses and
                                   localhost */
    size_t host_count;
    bool control;             /**< who may ask may kill processes, too */
    const char *program;      /**< for the title; cut at 63 bytes; default: none */
    bool (*ready)(void *arg); /**< what /readyz says; runs on the endpoint's thread, must be quick
                                   and may not wait; default: ready until the runtime stops */
    void *ready_arg;
    uint32_t connections_max; /**< open at once, 1 to 1024; default 64 */
    struct sp_io_error
        *out_error;           /**< why there is no endpoint, with its address, for people; written
                                        only on failure, so it must outlive what starts it */
    sp_duration request_time; /**< for a request and its answer, 10 ms to 1 hour; default 10 s */
};

/** What an endpoint has done. */
struct sp_http_info {
    sp_address address; /**< of the unix_path where that is the only one */
    uint64_t requests;  /**< answered, whatever the answer */
    uint64_t refused;   /**< of these, with a status of 400 or more */
    uint64_t cut;       /**< connections closed because a request took too long */
};

SP_API extern const struct sp_server_class sp_http_class;
SP_API extern const struct sp_op sp_http_info_op;

/** sp_http_start(): errors INVALID (an option; an address that is not loopback without a token),
 *  ADDRINUSE, NOTFOUND (no such address here, no such folder), PERMISSION, LIMIT (descriptors, threads), IO (of the socket), NOTSUP (in
 *  simulation), and as of sp_server_start(). */
SP_SERVER(sp_http, struct sp_http_options);
/** sp_http_info(). */
SP_CALL(sp_http, info, sp_empty, struct sp_http_info);

SP_EXTERN_C_END

#endif
