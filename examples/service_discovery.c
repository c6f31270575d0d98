/* Finding each other: names for one process, groups for many.
 *
 * A name belongs to one process at a time and is free before anybody learns that it has died. A
 * group has any number of members; who dies leaves it. Both need no cleaning up.
 */
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(sp_err err, const char *what)
{
    if (err != SP_OK)
        sp_exit_error(err, "%s: %s", what, sp_err_text(err));
}

/* ---- two kinds of service ---- */

struct text {
    char chars[32];
};

SP_SERVER(upper, sp_empty);
SP_CALL(upper, convert, struct text, struct text);

static sp_err upper_init(sp_empty *self, const sp_empty *args)
{
    *self = *args;
    return SP_OK;
}

static sp_err upper_on_convert(sp_empty *self, const struct text *in, struct text *out)
{
    (void)self;
    for (size_t i = 0; i < sizeof in->chars; i++)
        out->chars[i] =
            (char)(in->chars[i] >= 'a' && in->chars[i] <= 'z' ? in->chars[i] - 32 : in->chars[i]);
    return SP_OK;
}

SP_STATE(upper, sp_empty);
SP_ON_INIT(upper);
SP_ON_CALL(upper, convert);
SP_CLASS(upper, .init = upper__init);

/** A plain process: it prints the news that it gets. */
SP_MESSAGE(news, struct text);
SP_MESSAGE(news_read, sp_empty);

struct listener {
    const char *name;
    sp_pid tell; /* when it has read something */
};

static void listen(void *arg)
{
    const struct listener *self = arg;
    struct sp_message *message;
    while (sp_receive(sp_never(), &message) == SP_OK) {
        const struct text *text = news_of(message);
        if (text != NULL) {
            printf("  %s reads: %s\n", self->name, text->chars);
            must(news_read_send(self->tell, &(sp_empty){ 0 }), "answer");
        }
        sp_message_free(message);
    }
}

/* ---- names ---- */

static bool print_name(const char *name, sp_pid pid, void *arg)
{
    (void)pid;
    (void)arg;
    printf(" %s", name);
    return true;
}

static void names(void)
{
    upper_ref upper;
    struct text out;
    must(
        upper_start(&(sp_empty){ 0 }, &(struct sp_server_options){ .spawn.name = "shouter" }, NULL),
        "start");
    printf("names:");
    must(sp_registered_each(print_name, NULL), "list");
    printf("\n");

    must(upper_whereis("shouter", &upper), "look up");
    must(upper_convert(upper, &(struct text){ "hello" }, &out, sp_after_sec(5)), "call");
    printf("shouter says %s\n", out.chars);
    /* The look-up knows what kind of server it asks for. This process, main, is none. */
    printf("main as an upper: %s\n", sp_err_text(upper_whereis("main", &upper)));
    printf("whisperer: %s\n", sp_err_text(upper_whereis("whisperer", &upper)));

    must(upper_whereis("shouter", &upper), "look up");
    must(sp_unregister("shouter"), "unregister");
    printf("shouter, unregistered: %s\n", sp_err_text(upper_whereis("shouter", &upper)));
    must(sp_register("shouter", upper.pid), "register");
    must(upper_stop(upper, sp_after_sec(5)), "stop");
    printf("shouter, stopped: %s\n", sp_err_text(upper_whereis("shouter", &upper)));
}

/* ---- groups ---- */

/** Send to all, then wait for as many answers: so the news come one after the other. */
static void publish(const char *chars)
{
    struct text text = { { 0 } };
    struct sp_broadcast counts;
    snprintf(text.chars, sizeof text.chars, "%s", chars);
    must(sp_group_send("readers", &news_type, &text, &counts), "send");
    for (size_t i = 0; i < counts.sent; i++) {
        struct sp_message *message;
        must(sp_receive(sp_after_sec(60), &message), "receive");
        sp_message_free(message);
    }
    printf("sent to %zu readers\n", counts.sent);
}

static void groups(void)
{
    const struct listener ann = { "ann", sp_self() };
    struct sp_spawn_options copied = { .arg_size = sizeof ann };
    sp_pid pid;
    must(sp_spawn(listen, (void *)(uintptr_t)&ann, &copied, &pid), "spawn");
    must(sp_group_join("readers", pid), "join");
    publish("a reader has come");

    const struct listener bob = { "bob", sp_self() };
    must(sp_spawn(listen, (void *)(uintptr_t)&bob, &copied, &pid), "spawn");
    must(sp_group_join("readers", pid), "join");
    printf("members: %zu\n", sp_group_members("readers", NULL, 0));
    must(sp_stop(pid, NULL, sp_after_sec(5)), "stop");
    printf("members after bob's end: %zu\n", sp_group_members("readers", NULL, 0));
    publish("one has left");
}

static int run(void *arg)
{
    (void)arg;
    names();
    groups();
    return EXIT_SUCCESS;
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
