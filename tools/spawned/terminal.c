/* The terminal while a command has all of it; see terminal.h. */
#include "terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* The other screen, no cursor, no wrapping at the margin; and back. */
#define TERMINAL_TAKE "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
#define TERMINAL_GIVE "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"

enum { TERMINAL_ESCAPE_MS = 30, TERMINAL_SEQUENCE_MAX = 16 };

static struct termios terminal_before;
static struct termios terminal_raw;
static volatile sig_atomic_t terminal_taken;
static volatile sig_atomic_t terminal_ended;
static volatile sig_atomic_t terminal_resized;

/* ---- taking and giving; all of it may run in a signal handler ---- */

static void terminal_write(const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t count = write(STDOUT_FILENO, bytes, size);
        if (count <= 0 && errno != EINTR)
            return;
        if (count > 0) {
            bytes += count;
            size -= (size_t)count;
        }
    }
}

static void terminal_take(void)
{
    tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal_raw);
    terminal_write(TERMINAL_TAKE, sizeof(TERMINAL_TAKE) - 1);
    terminal_taken = 1;
}

static void terminal_give(void)
{
    if (!terminal_taken)
        return;
    terminal_taken = 0;
    terminal_write(TERMINAL_GIVE, sizeof(TERMINAL_GIVE) - 1);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal_before);
}

/* ---- signals ---- */

static void terminal_on_end(int number)
{
    terminal_ended = number;
}

static void terminal_on_resize(int number)
{
    (void)number;
    terminal_resized = 1;
}

/* Ctrl-Z: stop as we would have, and go on with the screen as it must be. */
static void terminal_on_stop(int number)
{
    int error = errno;
    (void)number;
    terminal_give();
    raise(SIGSTOP);
    terminal_take();
    terminal_resized = 1; /* all is to be drawn anew */
    errno = error;
}

static void terminal_on_crash(int number)
{
    terminal_give();
    signal(number, SIG_DFL);
    raise(number);
}

static void terminal_handle(int number, void (*handler)(int), int flags)
{
    struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void terminal_signals(void)
{
    static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
    static const int crashes[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    /* Without SA_RESTART: they interrupt the wait for a key. */
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        terminal_handle(ends[i], terminal_on_end, 0);
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        terminal_handle(crashes[i], terminal_on_crash, 0);
    terminal_handle(SIGWINCH, terminal_on_resize, 0);
    terminal_handle(SIGTSTP, terminal_on_stop, SA_RESTART);
}

/* ---- open and close ---- */

bool terminal_open(void)
{
    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &terminal_before) != 0)
        return false;
    terminal_raw = terminal_before;
    terminal_raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    terminal_raw.c_cc[VMIN] = 1;
    terminal_raw.c_cc[VTIME] = 0;
    terminal_signals();
    terminal_take();
    return true;
}

void terminal_close(void)
{
    terminal_give();
}

void terminal_size(size_t *out_rows, size_t *out_columns)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0;
    *out_rows = known ? size.ws_row : 24;
    *out_columns = known ? size.ws_col : 80;
}

int terminal_signal(void)
{
    return terminal_ended;
}

/* ---- keys ---- */

static bool terminal_readable(int ms)
{
    struct pollfd file = { .fd = STDIN_FILENO, .events = POLLIN };
    return poll(&file, 1, ms) > 0;
}

/* One byte; -1: the terminal is gone, or a signal came. */
static int terminal_byte(void)
{
    unsigned char byte;
    return read(STDIN_FILENO, &byte, 1) == 1 ? byte : -1;
}

/* What stands behind ESC [ or ESC O. */
static int terminal_sequence(const char *text)
{
    static const struct {
        const char *text;
        int key;
    } known[] = {
        { "A", TERMINAL_UP },         { "B", TERMINAL_DOWN }, { "5~", TERMINAL_PAGE_UP },
        { "6~", TERMINAL_PAGE_DOWN }, { "H", TERMINAL_HOME }, { "F", TERMINAL_END },
        { "1~", TERMINAL_HOME },      { "4~", TERMINAL_END },
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(text, known[i].text) == 0)
            return known[i].key;
    return TERMINAL_OTHER;
}

/* After an ESC: a key that sends more at once, or the key itself. */
static int terminal_escaped(void)
{
    char text[TERMINAL_SEQUENCE_MAX];
    size_t size = 0;
    if (!terminal_readable(TERMINAL_ESCAPE_MS))
        return TERMINAL_ESCAPE;
    int first = terminal_byte();
    if (first != '[' && first != 'O')
        return TERMINAL_OTHER;
    while (size < sizeof(text) - 1 && terminal_readable(TERMINAL_ESCAPE_MS)) {
        int byte = terminal_byte();
        if (byte < 0)
            break;
        text[size++] = (char)byte;
        if (byte >= '@' && byte <= '~')
            break;
    }
    text[size] = '\0';
    return terminal_sequence(text);
}

/* What signals left to be told; TERMINAL_NONE: nothing. */
static int terminal_told(void)
{
    if (terminal_ended)
        return TERMINAL_ENDED;
    if (!terminal_resized)
        return TERMINAL_NONE;
    terminal_resized = 0;
    return TERMINAL_RESIZED;
}

static bool terminal_wait(int ms)
{
    sigset_t all;
    sigset_t before;
    struct pollfd file = { .fd = STDIN_FILENO, .events = POLLIN };
    struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    /* A signal between the look at its flag and the wait would wait with us. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    bool ready = false;
    if (!terminal_ended && !terminal_resized)
        ready = ppoll(&file, 1, &time, &before) > 0;
    sigprocmask(SIG_SETMASK, &before, NULL);
    return ready;
}

int terminal_key(int ms)
{
    bool ready = terminal_wait(ms);
    int told = terminal_told();
    if (told != TERMINAL_NONE || !ready)
        return told;
    int byte = terminal_byte();
    if (byte < 0)
        return errno == EINTR ? TERMINAL_NONE : TERMINAL_ENDED;
    if (byte == 0x1b)
        return terminal_escaped();
    return byte == 0x7f || byte == '\b' ? TERMINAL_BACK : byte;
}

bool terminal_pending(void)
{
    return terminal_ended || terminal_resized || terminal_readable(0);
}
