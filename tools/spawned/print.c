/* The output; see print.h. */
#include "print.h"

#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int print_error; /* number of the first failure */
static bool print_colored;

void print_init(enum print_colors colors)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    bool able = isatty(STDOUT_FILENO) && term != NULL && strcmp(term, "dumb") != 0 &&
                (no == NULL || no[0] == '\0');
    print_colored = colors == PRINT_ALWAYS || (colors == PRINT_AUTO && able);
}

const char *print_sgr(enum print_color color)
{
    static const char *const codes[] = { "\x1b[0m",  "\x1b[1m",  "\x1b[2m",  "\x1b[31m",
                                         "\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[7m" };
    return print_colored ? codes[color] : "";
}

void print_bytes(const char *bytes, size_t size)
{
    if (print_error == 0 && size != 0 && fwrite(bytes, 1, size, stdout) != size)
        print_error = errno;
}

void print(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (print_error == 0 && vprintf(format, args) < 0)
        print_error = errno;
    va_end(args);
}

void print_cell(enum print_color color, const char *text, size_t columns)
{
    char clean[1024];
    size_t used = text_show(clean, sizeof(clean), text, columns);
    bool colored = color != PRINT_PLAIN;
    print("%s%s%s%*s", colored ? print_sgr(color) : "", clean,
          colored ? print_sgr(PRINT_PLAIN) : "", columns > used ? (int)(columns - used) : 0, "");
}

static int print_dumped(const char *bytes, size_t size, void *arg)
{
    (void)arg;
    /* The one control character that JSON does not escape; it stands in strings only. */
    const char *del;
    while ((del = memchr(bytes, 0x7f, size)) != NULL) {
        print_bytes(bytes, (size_t)(del - bytes));
        print_bytes("\\u007f", 6);
        size -= (size_t)(del - bytes) + 1;
        bytes = del + 1;
    }
    print_bytes(bytes, size);
    return 0;
}

void print_json(const json_t *value)
{
    if (json_dump_callback(value, print_dumped, NULL,
                           JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY |
                               JSON_REAL_PRECISION(15)) != 0 &&
        print_error == 0)
        print_error = ENOMEM;
}

void print_json_line(const json_t *value)
{
    print_json(value);
    print_bytes("\n", 1);
}

bool print_ok(void)
{
    if (print_error == 0 && fflush(stdout) != 0)
        print_error = errno;
    return print_error == 0;
}

size_t print_columns(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

enum status print_finish(void)
{
    if (print_ok() || print_error == EPIPE)
        return STATUS_OK;
    fprintf(stderr, "spawned: cannot write: %s\n", strerror(print_error));
    return STATUS_LOCAL;
}
