/* The probes: each is in the program, with the arguments that base/usdt.h and the scripts in
 * tools/bpftrace count on. */
#include "base/usdt.h"

#include "support/run.h"
#include "support/test.h"

#include <spawned/spawned.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

SP_SERVER(echo, sp_empty);
SP_CALL(echo, say, int, int);

static sp_err echo_on_say(sp_empty *self, const int *in, int *out)
{
    (void)self;
    *out = *in;
    return SP_OK;
}

SP_STATE(echo, sp_empty);
SP_ON_CALL(echo, say);
SP_CLASS(echo, .init = NULL);

/* So that all that has probes is linked. */
static int everything(void *arg)
{
    (void)arg;
    echo_ref echo;
    sp_empty none = { 0 };
    int out;
    CHECK_OK(echo_start(&none, NULL, &echo));
    CHECK_OK(echo_say(echo, &(int){ 1 }, &out, sp_never()));
    CHECK_OK(sp_timer_start(sp_self(), &echo_say_op.in, &(int){ 1 },
                            &(struct sp_timer_options){ .after = sp_ns(0) }, NULL));
    return 0;
}

#ifdef SP__USDT
static unsigned words(const char *text, size_t length)
{
    unsigned count = 0;
    for (size_t i = 0; i < length; i++)
        count += text[i] != ' ' && (i == 0 || text[i - 1] == ' ');
    return count;
}

/* "Name: send\n    Location: ...\n    Arguments: 8@%r12 8@%r14" for each place. */
static void check_probe(const char *notes, const char *name, unsigned arguments)
{
    char line[64];
    unsigned places = 0;
    snprintf(line, sizeof(line), "Name: %s\n", name);
    for (const char *at = notes; (at = strstr(at, line)) != NULL; at++, places++) {
        const char *list = strstr(at, "Arguments: ");
        CHECK(list != NULL);
        list += strlen("Arguments: ");
        CHECK_INT((int)words(list, strcspn(list, "\n")), (int)arguments);
    }
    CHECK(places > 0);
}
#endif

TEST(all_probes_are_there_with_their_arguments)
{
    CHECK_INT(sp_main(everything, NULL, NULL), 0);
#ifndef SP__USDT
    SKIP("built without <sys/sdt.h>");
#else
    char self[64];
    struct sp_test_output output;
    snprintf(self, sizeof(self), "/proc/%d/exe", getpid());
    const char *const args[] = { "-n", self, NULL };
    sp_test_run(&(struct sp_test_command){ .program = "readelf", .args = args }, &output);
    CHECK_INT(output.status, 0);
    CHECK_CONTAINS(output.out, "Provider: spawned");
    check_probe(output.out, "send", 4);
    check_probe(output.out, "handle_start", 3);
    check_probe(output.out, "handle_end", 2);
    check_probe(output.out, "reply", 3);
    check_probe(output.out, "spawn", 2);
    check_probe(output.out, "exit", 2);
    check_probe(output.out, "timer", 3);
    check_probe(output.out, "steal", 2);
    check_probe(output.out, "park", 2);
    check_probe(output.out, "handoff", 1);
    sp_test_output_free(&output);
#endif
}

/* What exits.bt names by number. */
TEST(reasons_have_the_numbers_of_the_script)
{
    CHECK_INT(SP_REASON_NORMAL, 0);
    CHECK_INT(SP_REASON_KILLED, 4);
    CHECK_INT(SP_REASON_ERROR, 7);
    CHECK_INT(SP_REASON_FAULT, 8);
    CHECK_INT(SP_REASON_OUT_OF_MEMORY, 9);
}
