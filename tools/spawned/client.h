/* Questions to a node, over HTTP (libcurl), and its answers as JSON (jansson).
 *
 * A node may be anything that listens there: an answer is bounded in size and time, is looked at before it is
 * believed, and no redirection or proxy is followed with the token.
 *
 * Nothing here prints: what went wrong is in client_error(), fit for a terminal.
 *
 * Threads: the only one.
 */
#ifndef SPAWNED_TOOL_CLIENT_H
#define SPAWNED_TOOL_CLIENT_H

#include "options.h"

#include <jansson.h>

struct client;

/** Takes bytes of an answer. False: no more. */
typedef bool (*client_write_fn)(void *arg, const char *bytes, size_t size);
/** Asked at least once a second while an answer is awaited. True: give up. */
typedef bool (*client_stop_fn)(void *arg);

/** Errors: USAGE (not an address), LOCAL. Ownership: client_close(), also on failure, where there is one. */
enum status client_open(const struct options *options, struct client **out_client);
void client_close(struct client *moved_client);

/** Why the last question failed; one line, or empty. Borrowed until the next question. */
const char *client_error(const struct client *client);

/** Say why; one line, made fit for a terminal. Returns `status`. */
enum status client_fail(struct client *client, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Whether the last question failed because the node does not know such ones. */
bool client_is_unknown(const struct client *client);

/** Have questions given up early. */
void client_stop_with(struct client *client, client_stop_fn stop, void *arg);

/** Ask `path`, and get its JSON object. Ownership: the caller's, json_decref(). */
enum status client_get(struct client *client, const char *path, json_t **out_answer);
/** The same for what changes something. */
enum status client_post(struct client *client, const char *path, json_t **out_answer);

/** Ask `path` for its HTTP status alone. */
enum status client_probe(struct client *client, const char *path, long *out_http);

/** Ask for what is not JSON; it goes to `write` as it comes, without a bound on its size. `endless`: nor on
 *  the time that it takes. An error the node tells as JSON is not written. */
enum status client_stream(struct client *client, const char *path, bool endless,
                          client_write_fn write, void *arg);

/** `text` as a part of a path. Ownership: the caller's, client_free(); NULL: no memory. */
char *client_escape(struct client *client, const char *text);
void client_free(char *moved_escaped);

#endif
