/* Other programs under test: start one, feed it, collect what it says and how it ends.
 *
 * No call here has a deadline of its own: a program that hangs is the case's watchdog's
 * business, which ends the case and everything it started. Whatever goes wrong with the
 * plumbing fails the case. One thread at a time may use a program.
 *
 * In a cross build, executables for the target are run through the emulator; those of the
 * build machine (redis-cli, sh) are not.
 */
#ifndef SP_TEST_SUPPORT_RUN_H
#define SP_TEST_SUPPORT_RUN_H

#include <stddef.h>

/** What to run. Zero means: no arguments, empty input, inherited environment. */
struct sp_test_command {
    const char *program;     /**< a path, or a name looked up in PATH */
    const char *const *args; /**< after the program's name; NULL-terminated */
    const char *const *env;  /**< "NAME=value" to add or replace; NULL-terminated */
    const char *dir;         /**< working directory */
    const void *input;       /**< what it reads on stdin, then end of file */
    size_t input_len;        /**< bytes of `input` */
};

/** How a program ended. `out` and `err` end with a zero byte that is not counted. */
struct sp_test_output {
    int status; /**< exit status; -1 when a signal ended it */
    int signal; /**< that signal, or 0 */
    char *out;
    size_t out_len;
    char *err;
    size_t err_len;
};

/** A program that runs beside the case. */
struct sp_test_program;

/** Runs `command` to its end.
 *  Ownership: free `out_output` with sp_test_output_free(). */
void sp_test_run(const struct sp_test_command *command, struct sp_test_output *out_output);

/** Take the lines that contain `part` out of `text`: " is stuck: ", which any handler may be on a
 *  machine that is busy. */
void sp_test_drop_lines(char *text, const char *part);

/** Starts `command` and comes back at once; `input` is queued, stdin stays open.
 *  Ownership: ends with sp_test_program_finish(). */
struct sp_test_program *sp_test_program_start(const struct sp_test_command *command);

/** Waits until stdout or stderr so far contains `part`; fails the case if the program ends
 *  before. */
void sp_test_program_await(struct sp_test_program *program, const char *part);

/** What came on stdout so far, up to the last await. Borrowed until the next call. */
const char *sp_test_program_out(const struct sp_test_program *program);

/** Writes `len` bytes to the program's stdin. */
void sp_test_program_write(struct sp_test_program *program, const void *bytes, size_t len);

/** Sends it a signal. */
void sp_test_program_signal(struct sp_test_program *program, int signal);

/** Its process id. */
int sp_test_program_pid(const struct sp_test_program *program);

/** Closes its stdin, reads what it still says, waits for its end and frees `program`.
 *  Does not ask it to end: see sp_test_program_signal().
 *  Ownership: free `out_output` with sp_test_output_free(). */
void sp_test_program_finish(struct sp_test_program *program, struct sp_test_output *out_output);

/** Frees what a run collected. */
void sp_test_output_free(struct sp_test_output *output);

#endif
