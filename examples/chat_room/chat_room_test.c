/* The chat room as its users see it, over sockets; and the program as a whole. */
#include "member.h"

#include "support/io.h"
#include "support/run.h"

#include <signal.h>
#include <string.h>

static room_ref room;

struct chat {
    room_ref room;
    sp_serve_ref doors;
    char address[SP_ADDRESS_TEXT_MAX];
};

static struct chat chat_open(void)
{
    struct chat chat;
    struct sp_serve_info info;
    io_open(NULL);
    CHECK_OK(room_start(&(sp_empty){ 0 }, NULL, &room));
    chat.room = room;
    struct sp_serve_options options = {
        .address = "127.0.0.1:0",
        .server = &member_class,
        .arg = &room,
        .spawn.mailbox_max = 100,
    };
    CHECK_OK(sp_serve_start(&options, NULL, &chat.doors));
    CHECK_OK(sp_serve_info(chat.doors, &(sp_empty){ 0 }, &info, IO_PATIENCE));
    sp_address_format(&info.address, chat.address);
    return chat;
}

static void hears(struct sp_stream *stream, const char *line)
{
    char got[512];
    size_t size = strlen(line);
    CHECK_OK(sp_stream_read_exact(stream, got, size + 1, IO_PATIENCE));
    got[size + 1] = '\0';
    CHECK_CONTAINS(got, line);
    CHECK_INT(got[size], '\n');
}

static void says(struct sp_stream *stream, const char *line)
{
    struct sp_part parts[] = { { line, strlen(line) }, { "\n", 1 } };
    CHECK_OK(sp_stream_write_parts(stream, parts, 2, IO_PATIENCE));
}

static struct sp_stream *enters(const struct chat *chat)
{
    struct sp_stream *stream;
    CHECK_OK(sp_connect(chat->address, NULL, IO_PATIENCE, &stream));
    hears(stream, "* your name?");
    return stream;
}

TEST(chat_goes_to_everybody_else)
{
    struct chat chat = chat_open();
    struct sp_stream *ann = enters(&chat);
    says(ann, "ann");
    hears(ann, "* welcome, ann; /who and /quit work");
    struct sp_stream *bob = enters(&chat);
    says(bob, "ann");
    hears(bob, "* ann is taken, another name?");
    says(bob, "b o b");
    hears(bob, "* up to 20 letters and digits, please; another name?");
    says(bob, "bobbobbobbobbobbobbob");
    hears(bob, "* up to 20 letters and digits, please; another name?");
    says(bob, "bob");
    hears(bob, "* welcome, bob; /who and /quit work");
    hears(ann, "* bob joined");
    says(bob, "hello");
    hears(ann, "bob: hello");
    says(ann, "/who");
    hears(ann, "* here: ann bob");
    says(bob, "/quit");
    hears(ann, "* bob left");
    struct sp_stream *again = enters(&chat);
    says(again, "bob");
    hears(again, "* welcome, bob; /who and /quit work");
    io_close();
}

TEST(chat_one_who_vanishes_has_left)
{
    struct chat chat = chat_open();
    struct sp_stream *ann = enters(&chat);
    struct sp_stream *bob = enters(&chat);
    says(ann, "ann");
    hears(ann, "* welcome, ann; /who and /quit work");
    says(bob, "bob");
    hears(ann, "* bob joined");
    sp_stream_abort(bob);
    hears(ann, "* bob left");
    io_close();
}

TEST(chat_line_that_is_too_long_ends_that_connection_alone)
{
    struct chat chat = chat_open();
    static char much[ROOM_LINE_MAX + 2];
    memset(much, 'x', sizeof(much) - 1);
    struct sp_stream *ann = enters(&chat);
    struct sp_stream *bob = enters(&chat);
    says(ann, "ann");
    hears(ann, "* welcome, ann; /who and /quit work");
    says(bob, "bob");
    hears(ann, "* bob joined");
    says(bob, much);
    hears(ann, "* bob left");
    io_close();
}

TEST(chat_one_who_does_not_read_holds_up_nobody)
{
    struct chat chat = chat_open();
    static char line[ROOM_LINE_MAX + 1];
    memset(line, 'x', sizeof(line) - 1);
    struct sp_stream *ann = enters(&chat);
    struct sp_stream *bob = enters(&chat);
    struct sp_stream *eve = enters(&chat); /* never reads again */
    says(ann, "ann");
    hears(ann, "* welcome, ann; /who and /quit work");
    says(eve, "eve");
    hears(ann, "* eve joined");
    says(bob, "bob");
    hears(ann, "* bob joined");
    for (int i = 0; i < 20000; i++) {
        char got[sizeof(line) + 8];
        says(bob, line);
        /* "bob: xxx...", or that eve has left, after the bound of her queue. */
        CHECK_OK(sp_stream_read_exact(ann, got, 10, IO_PATIENCE));
        if (memcmp(got, "* eve left", 10) == 0)
            break;
        CHECK_MEM(got, "bob: xxxxx", 10);
        CHECK_OK(sp_stream_read_exact(ann, got, sizeof(line) - 1 - 5 + 1, IO_PATIENCE));
        if (i == 19999)
            FAIL("eve is still there");
    }
    io_close();
}

/* ---- the program ---- */

static struct sp_test_program *program_start(const char *address)
{
    const char *args[] = { address, NULL };
    return sp_test_program_start(
        &(struct sp_test_command){ .program = SP_TEST_BIN_DIR "/chat_room", .args = args });
}

TEST(chat_room_program_serves_and_ends_on_a_signal)
{
    io_open(NULL);
    struct sp_test_program *program = program_start("127.0.0.1:0");
    struct sp_test_output output;
    struct chat chat;
    sp_test_program_await(program, "Ctrl-C");
    const char *from = strstr(sp_test_program_out(program), "127.0.0.1:");
    CHECK(from != NULL);
    size_t size = strcspn(from, ",");
    CHECK(size < sizeof(chat.address));
    memcpy(chat.address, from, size);
    chat.address[size] = '\0';
    struct sp_stream *ann = enters(&chat);
    says(ann, "ann");
    hears(ann, "* welcome, ann; /who and /quit work");

    struct sp_test_program *second = program_start(chat.address);
    sp_test_program_finish(second, &output);
    CHECK_INT(output.status, 1);
    CHECK_CONTAINS(output.err, chat.address);
    CHECK_CONTAINS(output.err, "the address is already in use");
    sp_test_output_free(&output);

    sp_test_program_signal(program, SIGINT);
    sp_test_program_finish(program, &output);
    CHECK_INT(output.signal, 0);
    CHECK_INT(output.status, 0);
    sp_test_output_free(&output);
    io_close();
}
