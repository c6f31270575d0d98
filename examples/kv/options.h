/* The command line of spawned-kv. */
#ifndef KV_OPTIONS_H
#define KV_OPTIONS_H

#include "world.h"

enum { KV_OPTIONS_ERROR_MAX = 160 };

/** What the command line asks for. */
enum kv_asked {
    KV_ASKED_RUN,
    KV_ASKED_HELP,
    KV_ASKED_VERSION,
    KV_ASKED_WRONG, /**< `out_error` says what is wrong */
};

/** Reads the command line over the defaults. Ownership: the settings point into `argv`.
 *  Context: any. */
enum kv_asked kv_options_read(int argc, char **argv, struct kv_settings *out_settings,
                              char out_error[KV_OPTIONS_ERROR_MAX]) SP_NONNULL SP_NODISCARD;

/** The text of --help. */
extern const char kv_options_help[];

#endif
