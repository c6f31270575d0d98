/* The command line and the environment; see options.h. */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTIONS_COMMON "atTcwJh"
#define OPTIONS_ADDRESS "127.0.0.1:8080"

enum { OPTIONS_TIMEOUT_S = 10, OPTIONS_TIMEOUT_MAX_S = 3600 };

/* An option. `value` NULL: it has none. */
struct options_known {
    char letter;
    const char *name;
    const char *value;
    const char *help;
};

static const struct options_known options_known[] = {
    { 'a', "address", "ADDRESS", "HOST:PORT, http://HOST:PORT or unix:PATH; SPAWNED_ADDRESS" },
    { 'T', "token-file", "FILE", "a file with the token, - for standard input" },
    { 't', "token", "TOKEN", "the token; better SPAWNED_TOKEN, or SPAWNED_TOKEN_FILE" },
    { 'w', "timeout", "SECONDS", "how long an answer may take (10)" },
    { 'J', "json", NULL, "one JSON object instead of text for people" },
    { 'c', "color", "WHEN", "auto, always or never" },
    { 'h', "help", NULL, "this text" },
    { 's', "sort", "ORDER",
      "pid, name, mailbox, memory, handled, busy, uptime, handling or links" },
    { 'r', "reverse", NULL, "the other way round" },
    { 'n', "limit", "N", "at most so many" },
    { 'q', "search", "TEXT", "only those with this in the name, the label or the pid" },
    { 'S', "status", "STATUS", "only running, runnable, idle, waiting, exiting or suspended ones" },
    { 'k', "kind", "KIND", "only plain, server, statem, supervisor, task or thread" },
    { 'd', "delay", "SECONDS", "between two looks, 0.1 or more (top: 1, trace: 0.25)" },
    { '1', "once", NULL, "one look, and no more" },
    { 'o', "output", "FILE", "where to; - for standard output" },
    { 'f', "force", NULL, "overwrite the file" },
    { 'O', "off", NULL, "no longer" },
    { 'D', "dot", NULL, "for graphviz" },
    { 'l', "links", NULL, "links and monitors, too" },
    { 'p', "type", "TYPE", "only what begins with this type" },
    { 'm', "messages", NULL, "the messages that a server takes, as they come" },
    { 'F', "failed", NULL, "with --messages: only those whose handler fails" },
};

static enum status options_wrong(const struct command *command, const char *what, const char *which)
{
    fprintf(stderr, "spawned %s: %s%s%s%s\nTry: spawned %s --help\n", command->name, what,
            which == NULL ? "" : " \"", which == NULL ? "" : which, which == NULL ? "" : "\"",
            command->name);
    return STATUS_USAGE;
}

static bool options_has(const struct command *command, char letter)
{
    return strchr(OPTIONS_COMMON, letter) != NULL || strchr(command->options, letter) != NULL;
}

/* ---- values ---- */

static bool options_number(const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *out >= min &&
           *out <= max;
}

static bool options_delay(const char *text, uint64_t *out_ms)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end != '\0' || !(seconds >= 0.1 && seconds <= 3600))
        return false;
    *out_ms = (uint64_t)(seconds * 1000);
    return true;
}

static bool options_colors(const char *text, enum print_colors *out)
{
    static const char *const words[] = { "auto", "always", "never" };
    for (int i = 0; i < 3; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = (enum print_colors)i;
            return true;
        }
    return false;
}

/* What an HTTP header can carry. */
static bool options_token(const char *text, size_t size, struct options *out)
{
    if (size == 0 || size > OPTIONS_TOKEN_MAX)
        return false;
    for (size_t i = 0; i < size; i++)
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    memcpy(out->token, text, size);
    out->token[size] = '\0';
    return true;
}

/* The first line of a file. */
static bool options_token_file(const char *path, struct options *out)
{
    char text[OPTIONS_TOKEN_MAX + 2];
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t size = 0;
    ssize_t more;
    while (size < sizeof(text) && (more = read(fd, text + size, sizeof(text) - size)) > 0)
        size += (size_t)more;
    if (!standard)
        close(fd);
    size_t line = 0;
    while (line < size && text[line] != '\n' && text[line] != '\r')
        line++;
    return options_token(text, line, out);
}

/* ---- one option ---- */

static bool options_common(char letter, char *value, struct options *out)
{
    bool ok;
    switch (letter) {
    case 'a':
        out->address = value;
        return value[0] != '\0';
    case 't':
        ok = options_token(value, strlen(value), out);
        /* Whoever lists the processes of this machine sees our arguments. */
        memset(value, 'x', strlen(value));
        return ok;
    case 'T':
        return options_token_file(value, out);
    case 'c':
        return options_colors(value, &out->colors);
    case 'w':
        return options_number(value, 1, OPTIONS_TIMEOUT_MAX_S, &out->timeout_s);
    case 'J':
        out->json = true;
        return true;
    default:
        out->help = true;
        return true;
    }
}

static bool options_flag(char letter, struct options *out)
{
    bool *flag = letter == 'r'   ? &out->reverse
                 : letter == 'D' ? &out->dot
                 : letter == 'l' ? &out->links
                 : letter == 'f' ? &out->force
                 : letter == 'O' ? &out->off
                 : letter == 'm' ? &out->messages
                 : letter == 'F' ? &out->failed
                                 : &out->once;
    *flag = true;
    return true;
}

static bool options_own(char letter, const char *value, struct options *out)
{
    const char **text = letter == 's'   ? &out->sort
                        : letter == 'q' ? &out->search
                        : letter == 'S' ? &out->state
                        : letter == 'k' ? &out->kind
                        : letter == 'p' ? &out->type
                                        : &out->output;
    if (letter == 'n')
        return options_number(value, 1, UINT32_MAX, &out->limit);
    if (letter == 'd')
        return options_delay(value, &out->delay_ms);
    *text = value;
    return value[0] != '\0';
}

/* `value` is "" of one that has none. */
static bool options_set(const struct options_known *known, char *value, struct options *out)
{
    if (strchr(OPTIONS_COMMON, known->letter) != NULL)
        return options_common(known->letter, value, out);
    return known->value == NULL ? options_flag(known->letter, out)
                                : options_own(known->letter, value, out);
}

/* ---- the command line ---- */

/* "--name", "--name=value", "-x" or "-xvalue"; `*out_value` is what is attached, or NULL. */
static const struct options_known *options_find(const struct command *command, char *argument,
                                                char **out_value)
{
    bool is_long = argument[1] == '-';
    char *name = argument + (is_long ? 2 : 1);
    size_t size = is_long ? strcspn(name, "=") : 1;
    for (size_t i = 0; i < sizeof(options_known) / sizeof(options_known[0]); i++) {
        const struct options_known *known = &options_known[i];
        bool same = is_long ? strlen(known->name) == size && strncmp(known->name, name, size) == 0
                            : known->letter == name[0] && known->letter != 'J';
        if (!same || !options_has(command, known->letter))
            continue;
        *out_value = name[size] == '\0' ? NULL : name + size + (is_long ? 1 : 0);
        return known;
    }
    return NULL;
}

/* An option at `*at`, and its value, which may be the next argument. */
static enum status options_one(const struct command *command, int count, char **arguments, int *at,
                               struct options *out)
{
    char none[] = "";
    char *value = NULL;
    char *argument = arguments[(*at)++];
    const struct options_known *known = options_find(command, argument, &value);
    if (known == NULL)
        return options_wrong(command, "no such option:", argument);
    if (known->value == NULL && value != NULL)
        return options_wrong(command, "an option without a value has one:", known->name);
    if (known->value != NULL && value == NULL) {
        if (*at == count)
            return options_wrong(command, "a value is missing for", known->name);
        value = arguments[(*at)++];
    }
    if (!options_set(known, value == NULL ? none : value, out))
        return options_wrong(command, "not a good value for", known->name);
    return STATUS_OK;
}

static enum status options_environment(const struct command *command, struct options *out)
{
    const char *address = getenv("SPAWNED_ADDRESS");
    const char *token = getenv("SPAWNED_TOKEN");
    const char *file = getenv("SPAWNED_TOKEN_FILE");
    out->address = address == NULL || address[0] == '\0' ? OPTIONS_ADDRESS : address;
    if (token != NULL && token[0] != '\0' && !options_token(token, strlen(token), out))
        return options_wrong(command, "no token can look like that of SPAWNED_TOKEN", NULL);
    if (out->token[0] == '\0' && file != NULL && file[0] != '\0' && !options_token_file(file, out))
        return options_wrong(command, "no token in the file of SPAWNED_TOKEN_FILE:", file);
    return STATUS_OK;
}

static enum status options_target(const struct command *command, char *argument,
                                  struct options *out)
{
    if (command->argument == NULL || out->target != NULL)
        return options_wrong(command, "one argument too many:", argument);
    out->target = argument;
    return STATUS_OK;
}

/* Is it an option, and is its value the next argument? */
static bool options_is_one(const char *argument, bool *out_value_follows)
{
    bool longer = argument[0] == '-' && argument[1] == '-';
    *out_value_follows = false;
    for (size_t i = 0; i < sizeof(options_known) / sizeof(options_known[0]); i++) {
        const struct options_known *known = &options_known[i];
        size_t length = strlen(known->name);
        if (longer && strncmp(argument + 2, known->name, length) == 0 &&
            (argument[2 + length] == '\0' || argument[2 + length] == '=')) {
            *out_value_follows = known->value != NULL && argument[2 + length] == '\0';
            return true;
        }
        if (argument[0] == '-' && !longer && argument[1] == known->letter) {
            *out_value_follows = known->value != NULL && argument[2] == '\0';
            return true;
        }
    }
    return false;
}

int options_before(int count, char **arguments)
{
    int at = 0;
    bool value_follows;
    while (at < count && options_is_one(arguments[at], &value_follows))
        at += value_follows ? 2 : 1;
    return at;
}

enum status options_read(const struct command *command, int count, char **arguments,
                         struct options *out)
{
    bool ended = false;
    *out = (struct options){ .timeout_s = OPTIONS_TIMEOUT_S };
    enum status status = options_environment(command, out);
    for (int at = 0; at < count && status == STATUS_OK;) {
        char *argument = arguments[at];
        if (!ended && strcmp(argument, "--") == 0) {
            ended = true;
            at++;
        } else if (!ended && argument[0] == '-' && argument[1] != '\0') {
            status = options_one(command, count, arguments, &at, out);
        } else {
            status = options_target(command, argument, out);
            at++;
        }
    }
    bool wanted = command->argument != NULL && command->argument[0] != '[';
    if (status == STATUS_OK && wanted && out->target == NULL && !out->help)
        return options_wrong(command, "missing:", command->argument);
    return status;
}

/* ---- help ---- */

static void options_show(const struct options_known *known)
{
    char both[48];
    int used = known->letter == 'J'
                   ? snprintf(both, sizeof(both), "      --%s", known->name)
                   : snprintf(both, sizeof(both), "  -%c, --%s", known->letter, known->name);
    if (known->value != NULL)
        snprintf(both + used, sizeof(both) - (size_t)used, " %s", known->value);
    print("%-27s %s\n", both, known->help);
}

void options_help(const struct command *command)
{
    print("Usage: spawned %s [OPTION]...%s%s\n\n%s\n\n", command->name,
          command->argument == NULL ? "" : " ", command->argument == NULL ? "" : command->argument,
          command->summary);
    for (size_t i = 0; i < sizeof(options_known) / sizeof(options_known[0]); i++)
        if (options_has(command, options_known[i].letter))
            options_show(&options_known[i]);
}
