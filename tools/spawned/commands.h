/* The commands, one file each. */
#ifndef SPAWNED_TOOL_COMMANDS_H
#define SPAWNED_TOOL_COMMANDS_H

#include "client.h"

enum status ps_run(const struct options *options, struct client *client);
enum status top_run(const struct options *options, struct client *client);
enum status tree_run(const struct options *options, struct client *client);
enum status info_run(const struct options *options, struct client *client);
enum status graph_run(const struct options *options, struct client *client);
enum status metrics_run(const struct options *options, struct client *client);
enum status health_run(const struct options *options, struct client *client);
enum status trace_run(const struct options *options, struct client *client);
/** trace --messages. */
enum status messages_run(const struct options *options, struct client *client);
enum status dump_run(const struct options *options, struct client *client);
enum status suspend_run(const struct options *options, struct client *client);
enum status resume_run(const struct options *options, struct client *client);
enum status measure_run(const struct options *options, struct client *client);
enum status state_run(const struct options *options, struct client *client);
enum status stats_run(const struct options *options, struct client *client);
enum status kill_run(const struct options *options, struct client *client);

#endif
