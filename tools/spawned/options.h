/* The command line and the environment.
 *
 * Threads: the only one.
 */
#ifndef SPAWNED_TOOL_OPTIONS_H
#define SPAWNED_TOOL_OPTIONS_H

#include "print.h"

#include <stdbool.h>
#include <stdint.h>

enum { OPTIONS_TOKEN_MAX = 255 };

/** What is asked for. Text is of the command line or the environment and lives as long as these, the token apart. */
struct options {
    const char *address;
    char token[OPTIONS_TOKEN_MAX + 1]; /* empty: none */
    enum print_colors colors;
    uint64_t timeout_s;
    bool json;
    bool help;
    /* Of single commands. */
    const char *sort;
    const char *order;
    const char *search;
    const char *state;
    const char *kind;
    const char *type;
    const char *output;
    const char *target; /* the argument */
    uint64_t limit;     /* 0: the command's own */
    uint64_t delay_ms;  /* 0: the command's own */
    bool reverse;
    bool dot;
    bool links;
    bool force;
    bool off;
    bool messages;
    bool failed;
    bool once;
};

struct client;

/** A command. `run` tells what went wrong by its status and client_fail(), or prints it. */
struct command {
    const char *name;
    const char *options; /* letters of those that it has besides the common ones */
    const char
        *argument; /* how it is called in the usage; NULL: there is none; "[X]": may be missing */
    const char *summary;
    enum status (*run)(const struct options *options, struct client *client);
};

/** How many of the arguments are options, with their values, before the first that is none. */
int options_before(int count, char **arguments);

/** Reads what stands behind the command's name. What is wrong is told on standard error; a token on the command
 *  line is overwritten there at once. */
enum status options_read(const struct command *command, int count, char **arguments,
                         struct options *out);

/** The usage of one command, on standard output. */
void options_help(const struct command *command);

#endif
