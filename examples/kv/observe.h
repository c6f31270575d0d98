/* The dashboard of spawned-kv: --http ADDRESS:PORT. */
#ifndef KV_OBSERVE_H
#define KV_OBSERVE_H

#include "world.h"

#include "spawned/http.h"
#include "spawned/supervisor.h"

/** Name of the endpoint's process. */
#define KV_HTTP_NAME "http"

/** Is it in this build? Context: any. */
bool kv_observe_built(void);

/** The endpoint as a child of the tree. Ownership: `options` must outlive the tree.
 *  `out_error` is written when it cannot listen, and must outlive it too. Context: any. */
struct sp_child_spec kv_observe_child(const struct kv_settings *settings,
                                      struct sp_http_options *options,
                                      struct sp_io_error *out_error) SP_NONNULL;

/** Write where the dashboard is, if it was asked for, to `text`; false: it is not there.
 *  Context: process, may suspend. */
bool kv_observe_where(char text[SP_ADDRESS_TEXT_MAX]) SP_NONNULL;

#endif
