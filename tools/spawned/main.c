/* spawned: looks at a running node from the command line. See docs/command-line.md.
 *
 *   main -> options -> a command (ps.c, tree.c, ...) -> client --HTTP--> the node's endpoint
 *                                |
 *                                +--> text, value, print -> standard output
 */
#include "commands.h"
#include "text.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct command main_commands[] = {
    { "ps", "srnqSk", NULL, "Lists the processes.", ps_run },
    { "top", "srnqSkd1", NULL, "Shows the busiest processes, anew each second.", top_run },
    { "tree", "n", "[PID|NAME]", "Draws who started whom, of all or below a process.", tree_run },
    { "info", "", "PID|NAME", "Tells all about a process.", info_run },
    { "trace", "npd1mF", "PID|NAME", "Tells what a process does, as it does it.", trace_run },
    { "graph", "nDl", NULL, "Tells who waits for whom, and which of it is a deadlock.", graph_run },
    { "metrics", "", "[TEXT]", "Prints the metrics, or those with TEXT in their name.",
      metrics_run },
    { "health", "", NULL, "Tells whether the program is well and ready.", health_run },
    { "dump", "of", NULL, "Writes what the flight recorder has into a file.", dump_run },
    { "state", "", "PID|NAME", "Tells a server's state in its own words.", state_run },
    { "measure", "O", "PID|NAME", "Measures a server from now on.", measure_run },
    { "stats", "", "PID|NAME", "Tells what was measured.", stats_run },
    { "suspend", "", "PID|NAME", "Holds a server: its messages wait.", suspend_run },
    { "resume", "", "PID|NAME", "Lets it go on.", resume_run },
    { "kill", "", "PID|NAME", "Ends a process.", kill_run },
};

enum { MAIN_COMMANDS = sizeof(main_commands) / sizeof(main_commands[0]) };

static void main_usage(void)
{
    print("Usage: spawned COMMAND [OPTION]... [ARGUMENT]\n\nLooks at a running program that has an "
          "HTTP endpoint (docs/http-api.md).\n\n");
    for (size_t i = 0; i < MAIN_COMMANDS; i++) {
        const struct command *command = &main_commands[i];
        print("  %-8s%-11s %s\n", command->name, command->argument == NULL ? "" : command->argument,
              command->summary);
    }
    print("\nWhere it is: --address HOST:PORT or unix:PATH, or SPAWNED_ADDRESS (127.0.0.1:8080).\n"
          "What it wants to see: SPAWNED_TOKEN, SPAWNED_TOKEN_FILE or --token-file.\n"
          "Options of a command: spawned COMMAND --help\n\n"
          "Exit status: 0; 1 no such process, nothing there, not well; 2 usage; 3 unreachable;\n"
          "4 refused (token, control); 5 no Spawned node, or a broken answer; 6 trouble here.\n");
}

static const struct command *main_find(const char *name)
{
    for (size_t i = 0; i < MAIN_COMMANDS; i++)
        if (strcmp(main_commands[i].name, name) == 0)
            return &main_commands[i];
    return NULL;
}

static enum status main_ask(const struct command *command, const struct options *options)
{
    struct client *client;
    enum status status = client_open(options, &client);
    if (status == STATUS_OK)
        status = command->run(options, client);
    const char *error = client == NULL ? "out of memory" : client_error(client);
    /* What was printed before it comes first. */
    bool reader = print_ok();
    if (status != STATUS_OK && reader && error[0] != '\0')
        fprintf(stderr, "spawned: %s\n", error);
    client_close(client);
    return status;
}

static enum status main_command(int count, char **arguments)
{
    struct options options;
    int before = options_before(count - 1, arguments + 1);
    if (before > 0 && before + 1 < count) { /* options may come first: then they follow it */
        char *name = arguments[before + 1];
        memmove(&arguments[2], &arguments[1], (size_t)before * sizeof(*arguments));
        arguments[1] = name;
    }
    const struct command *command = main_find(arguments[1]);
    if (command == NULL) {
        fprintf(stderr, "spawned: no such command: %s\nTry: spawned --help\n", arguments[1]);
        return STATUS_USAGE;
    }
    enum status status = options_read(command, count - 2, arguments + 2, &options);
    if (status != STATUS_OK)
        return status;
    print_init(options.colors);
    if (!options.help)
        return main_ask(command, &options);
    options_help(command);
    return STATUS_OK;
}

int main(int count, char **arguments)
{
    enum status status = STATUS_OK;
    text_init();
    /* Seen as a failed write instead: see print.h. */
    signal(SIGPIPE, SIG_IGN);
    if (count < 2 || strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "-h") == 0 ||
        strcmp(arguments[1], "help") == 0)
        main_usage();
    else if (strcmp(arguments[1], "--version") == 0)
        print("spawned " SPAWNED_VERSION "\n");
    else
        status = main_command(count, arguments);
    if (count < 2)
        status = STATUS_USAGE;
    enum status written = print_finish();
    return status != STATUS_OK ? status : written;
}
