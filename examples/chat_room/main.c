/* A chat room over TCP.
 *
 *     chat_room 127.0.0.1:7008          then, in two terminals: nc 127.0.0.1 7008
 *
 *   supervisor ─┬─ room      who is in it; says everything to everybody
 *               └─ doors     accepts; one `member` server per connection
 *
 * If the room crashes, it starts again, empty, and with it the doors and all connections.
 */
#include "member.h"

#include "spawned/os_signal.h"
#include "spawned/spawned.h"
#include "spawned/supervisor.h"

#include <stdio.h>
#include <stdlib.h>

/* Connections find the room through its name, so that a restarted one is found too. */
static sp_err doors_start(void *address, sp_pid *out_pid)
{
    static room_ref room;
    struct sp_io_error error = { .err = SP_OK };
    struct sp_serve_options options = {
        .address = address,
        .socket.out_error = &error,
        .server = &member_class,
        .arg = &room,
        /* A member that is 100 lines behind starts to miss some. */
        .spawn.mailbox_max = 100,
    };
    sp_serve_ref doors;
    sp_err err = room_whereis("room", &room);
    if (err == SP_OK)
        err = sp_serve_start(
            &options, &(struct sp_server_options){ .spawn = { .name = "doors", .link = true } },
            &doors);
    if (err != SP_OK) {
        fprintf(stderr, "chat_room: %s\n", error.err != SP_OK ? error.text : sp_err_text(err));
        return err;
    }
    *out_pid = doors.pid;
    return SP_OK;
}

static int chat_main(void *address)
{
    struct sp_child_spec children[] = {
        { .id = "room", .server = &room_class, .options.spawn.name = "room" },
        { .id = "doors", .start = doors_start, .args = address, .shutdown = sp_after_sec(10) },
    };
    struct sp_supervisor_spec spec = {
        .strategy = SP_REST_FOR_ONE,
        .children = children,
        .child_count = 2,
    };
    sp_pid supervisor;
    sp_serve_ref doors;
    struct sp_serve_info info;
    struct sp_message *message;
    char text[SP_ADDRESS_TEXT_MAX];
    /* The signals first: a Ctrl-C that comes once the program says it listens ends it in order. */
    if (sp_os_signal_subscribe(SP_OS_SIGNAL_ONCE, sp_after_sec(5)) != SP_OK ||
        sp_supervisor_start(&spec, NULL, &supervisor) != SP_OK ||
        sp_serve_whereis("doors", &doors) != SP_OK ||
        sp_serve_info(doors, &(sp_empty){ 0 }, &info, sp_after_sec(5)) != SP_OK)
        return EXIT_FAILURE;
    printf("chat_room: listening on %s, Ctrl-C ends it\n", sp_address_format(&info.address, text));
    fflush(stdout);
    if (sp_receive(sp_never(), &message) != SP_OK)
        return EXIT_FAILURE;
    sp_message_free(message);
    return sp_stop(supervisor, NULL, sp_after_sec(20)) == SP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static char default_address[] = "127.0.0.1:7008";
    return sp_main(chat_main, argc > 1 ? argv[1] : default_address, NULL);
}
