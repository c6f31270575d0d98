/* spawned metrics: the Prometheus text, its lines made fit for a terminal; or the same as JSON. */
#include "commands.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_LINE_MAX = 64 * 1024, METRICS_LABELS_MAX = 64 };

struct metrics {
    const struct options *options;
    json_t *families; /* with --json: {name: {type, help, samples}} */
    char line[METRICS_LINE_MAX];
    size_t size;
    bool broken; /* a line is too long, or is none of the format */
};

/* ---- one line ---- */

/* Cuts a word off `*text`. */
static char *metrics_word(char **text)
{
    char *word = *text;
    size_t size = strcspn(word, " ");
    *text = word + size + (word[size] == ' ');
    word[size] = '\0';
    return word;
}

/* A string in quotes, unescaped in place; goes on behind it. NULL: it is none. */
static char *metrics_quoted(char **text)
{
    char *from = *text;
    if (*from++ != '"')
        return NULL;
    char *out = from;
    char *begin = from;
    for (; *from != '"'; from++) {
        if (*from == '\0' || (*from == '\\' && *++from == '\0'))
            return NULL;
        *out++ = *from == 'n' && from[-1] == '\\' ? '\n' : *from;
    }
    *out = '\0';
    *text = from + 1;
    return begin;
}

/* {a="b",c="d"}; goes on behind it. NULL: they are none. */
static json_t *metrics_labels(char **text)
{
    json_t *labels = json_object();
    char *at = *text + 1;
    for (int i = 0; i < METRICS_LABELS_MAX && *at != '}'; i++) {
        char *name = at;
        at += strcspn(at, "=");
        if (*at == '=')
            *at++ = '\0';
        char *value = metrics_quoted(&at);
        if (value == NULL) {
            json_decref(labels);
            return NULL;
        }
        json_object_set_new(labels, name, json_stringn(value, strlen(value)));
        at += *at == ',';
    }
    *text = at + (*at == '}');
    return labels;
}

/* The samples of a histogram or a summary are of the family without these ends. */
static json_t *metrics_family(struct metrics *metrics, const char *name)
{
    static const char *const ends[] = { "", "_bucket", "_sum", "_count", "_total", "_created" };
    char base[256];
    size_t size = strlen(name);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t end = strlen(ends[i]);
        if (size <= end || size - end >= sizeof(base) || strcmp(name + size - end, ends[i]) != 0)
            continue;
        memcpy(base, name, size - end);
        base[size - end] = '\0';
        json_t *family = json_object_get(metrics->families, base);
        if (family != NULL)
            return family;
    }
    json_t *family = json_pack("{s:n, s:n, s:[]}", "type", "help", "samples");
    json_object_set_new(metrics->families, name, family);
    return family;
}

/* "# HELP name text", "# TYPE name type". */
static void metrics_comment(struct metrics *metrics, char *line)
{
    char *rest = line + 2;
    char *what = metrics_word(&rest);
    bool is_type = strcmp(what, "TYPE") == 0;
    if (!is_type && strcmp(what, "HELP") != 0)
        return;
    json_t *family = metrics_family(metrics, metrics_word(&rest));
    json_object_set_new(family, is_type ? "type" : "help", json_stringn(rest, strlen(rest)));
}

/* JSON has no number that is none: those are told as text. */
static json_t *metrics_value(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || value != value || value > 1e308 || value < -1e308)
        return json_string(text);
    return json_real(value);
}

static void metrics_sample(struct metrics *metrics, char *line)
{
    char *rest = line + strcspn(line, "{ ");
    bool has_labels = *rest == '{';
    char *name = line;
    json_t *labels = has_labels ? metrics_labels(&rest) : json_object();
    if (labels == NULL) {
        metrics->broken = true;
        return;
    }
    *(name + strcspn(name, "{ ")) = '\0';
    rest += has_labels ? *rest == ' ' : 1;
    json_t *sample = json_pack("{s:s, s:o, s:o}", "name", name, "labels", labels, "value",
                               metrics_value(metrics_word(&rest)));
    json_array_append_new(json_object_get(metrics_family(metrics, name), "samples"), sample);
}

static bool metrics_wanted(const struct metrics *metrics, const char *line)
{
    char name[256];
    if (metrics->options->target == NULL)
        return true;
    if (strncmp(line, "# HELP ", 7) == 0 || strncmp(line, "# TYPE ", 7) == 0)
        line += 7;
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(line, "{ "), line);
    return strstr(name, metrics->options->target) != NULL;
}

static void metrics_line(struct metrics *metrics, char *line)
{
    if (!metrics_wanted(metrics, line))
        return;
    if (metrics->options->json && line[0] == '#') {
        metrics_comment(metrics, line);
    } else if (metrics->options->json && line[0] != '\0') {
        metrics_sample(metrics, line);
    } else if (!metrics->options->json) {
        char *clean = text_clean(line);
        bool dim = line[0] == '#';
        print("%s%s%s\n", dim ? print_sgr(PRINT_DIM) : "", clean == NULL ? "" : clean,
              dim ? print_sgr(PRINT_PLAIN) : "");
        free(clean);
    }
}

/* ---- the command ---- */

static bool metrics_write(void *arg, const char *bytes, size_t size)
{
    struct metrics *metrics = arg;
    for (size_t i = 0; i < size && !metrics->broken; i++) {
        if (bytes[i] != '\n') {
            metrics->line[metrics->size++] = bytes[i];
            metrics->broken = metrics->size == METRICS_LINE_MAX || bytes[i] == '\0';
            continue;
        }
        metrics->line[metrics->size] = '\0';
        metrics->size = 0;
        metrics_line(metrics, metrics->line);
    }
    return !metrics->broken && print_ok();
}

enum status metrics_run(const struct options *options, struct client *client)
{
    struct metrics *metrics = calloc(1, sizeof(*metrics));
    if (metrics == NULL)
        return client_fail(client, STATUS_LOCAL, "out of memory");
    metrics->options = options;
    metrics->families = json_object();
    enum status status = client_stream(client, "/metrics", false, metrics_write, metrics);
    if (status == STATUS_OK && metrics->broken)
        status = client_fail(client, STATUS_ANSWER, "what comes is no metrics");
    if (status == STATUS_OK && options->json) {
        print("{\"families\":");
        print_json(metrics->families);
        print("}\n");
    }
    json_decref(metrics->families);
    free(metrics);
    return status;
}
