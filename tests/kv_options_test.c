/* spawned-kv started wrongly: what it says, and on which stream; --help and --version. */
#include "support/run.h"
#include "support/test.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KV SP_TEST_BIN_DIR "/spawned-kv"

enum { PORT_MAX = 16 };

/* One that has a port. Ownership: kv_stop(). */
static struct sp_test_program *kv_start(char port[PORT_MAX])
{
    if (access(KV, X_OK) != 0)
        SKIP("built without the examples");
    struct sp_test_program *kv = sp_test_program_start(&(struct sp_test_command){
        .program = KV, .args = (const char *const[]){ "--port", "0", NULL } });
    sp_test_program_await(kv, " workers\n");
    const char *colon = strrchr(sp_test_program_out(kv), ':');
    CHECK(colon != NULL);
    snprintf(port, PORT_MAX, "%.*s", (int)strspn(colon + 1, "0123456789"), colon + 1);
    return kv;
}

static void kv_stop(struct sp_test_program *kv)
{
    struct sp_test_output output;
    sp_test_program_signal(kv, SIGTERM);
    sp_test_program_finish(kv, &output);
    CHECK_INT(output.status, 0);
    sp_test_output_free(&output);
}

static void check_refusal(const char *const *args, const char *text)
{
    struct sp_test_output output;
    if (access(KV, X_OK) != 0)
        SKIP("built without the examples");
    struct sp_test_command command = { .program = KV, .args = args };
    sp_test_run(&command, &output);
    CHECK_INT(output.status, 1);
    CHECK_CONTAINS(output.err, text);
    CHECK_STR(output.out, "");
    sp_test_output_free(&output);
}

TEST(wrong_options_explain_themselves)
{
    check_refusal((const char *const[]){ "--prot", "1", NULL },
                  "spawned-kv: unknown option \"--prot\"; try --help\n");
    check_refusal((const char *const[]){ "--port", NULL }, "--port wants a value");
    check_refusal((const char *const[]){ "--port", "65536", NULL },
                  "--port wants a number from 0 to 65535, not \"65536\"");
    check_refusal((const char *const[]){ "--shards", "many", NULL },
                  "--shards wants a number from 1 to 64, not \"many\"");
    check_refusal((const char *const[]){ "--bind", "nowhere", NULL },
                  "--bind wants an IP address, not \"nowhere\"");
}

TEST(help_and_version_are_on_standard_output)
{
    struct sp_test_output output;
    if (access(KV, X_OK) != 0)
        SKIP("built without the examples");
    sp_test_run(
        &(struct sp_test_command){ .program = KV, .args = (const char *const[]){ "--help", NULL } },
        &output);
    CHECK_INT(output.status, 0);
    CHECK_CONTAINS(output.out, "--maxclients N");
    sp_test_output_free(&output);
    sp_test_run(&(struct sp_test_command){ .program = KV,
                                           .args = (const char *const[]){ "--version", NULL } },
                &output);
    CHECK_INT(output.status, 0);
    CHECK_CONTAINS(output.out, "spawned-kv ");
    sp_test_output_free(&output);
}

TEST(a_port_in_use_is_an_error_that_says_so)
{
    char port[PORT_MAX], text[96];
    struct sp_test_program *kv = kv_start(port);
    snprintf(text, sizeof(text), "listen on 127.0.0.1:%s: the address is already in use", port);
    check_refusal((const char *const[]){ "--port", port, NULL }, text);
    kv_stop(kv);
}

TEST(an_address_of_the_dashboard_that_will_not_do_is_an_error_that_says_so)
{
    char port[PORT_MAX], address[64], text[160];
    struct sp_test_output output;
    struct sp_test_program *kv = kv_start(port);
    snprintf(address, sizeof(address), "127.0.0.1:%s", port);
    const char *const args[] = { "--port", "0", "--http", address, NULL };
    sp_test_run(&(struct sp_test_command){ .program = KV, .args = args }, &output);
    bool built = strstr(output.err, "is not in this build") == NULL;
    sp_test_output_free(&output);
    snprintf(text, sizeof(text), "spawned-kv: listen on %s: the address is already in use",
             address);
    if (built) {
        check_refusal(args, text);
        check_refusal((const char *const[]){ "--port", "0", "--http", "0.0.0.0:0", NULL },
                      "listen on 0.0.0.0:0: an address that is not loopback needs a token");
    }
    kv_stop(kv);
}
