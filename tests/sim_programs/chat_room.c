/* The chat room in a simulated world: its own main function runs as a node, people are others. */
#include <spawned/sim.h>
#include <spawned/spawned.h>
#include <spawned/stream.h>
#include <spawned/listener.h>

#include <stdio.h>
#include <string.h>

enum { CHAT_PEOPLE = 3 };

struct person {
    sp_sim *s;
    const char *name;
    int heard; /* of the others: joined */
    bool done;
};

static sp_err person_line(struct sp_stream *stream, char *line, size_t size)
{
    size_t length = 0;
    while (length < size - 1) {
        sp_err err = sp_stream_read_exact(stream, line + length, 1, sp_after_sec(600));
        if (err != SP_OK)
            return err;
        if (line[length] == '\n')
            break;
        length++;
    }
    line[length] = '\0';
    return SP_OK;
}

static void person_says(struct sp_stream *stream, const char *text)
{
    struct sp_part parts[] = { { text, strlen(text) }, { "\n", 1 } };
    sp_ignore(sp_stream_write_parts(stream, parts, 2, sp_after_sec(600)));
}

static struct sp_stream *person_enters(void)
{
    struct sp_stream *stream;
    for (int i = 0; i < 1000; i++) {
        if (sp_connect("chat:7008", NULL, sp_after_sec(600), &stream) == SP_OK)
            return stream;
        sp_sleep(sp_ms(10));
    }
    return NULL;
}

/* Everybody says one line and leaves when he has heard one of each that came. */
static void person_main(void *arg)
{
    struct person *self = arg;
    char line[256];
    char welcome[64];
    struct sp_stream *stream = person_enters();
    sp_sim_check(self->s, stream != NULL, "%s cannot come in", self->name);
    sp_sim_check(self->s, person_line(stream, line, sizeof(line)) == SP_OK, "nobody asks");
    sp_sim_check(self->s, strcmp(line, "* your name?") == 0, "%s hears \"%s\"", self->name, line);
    person_says(stream, self->name);
    (void)snprintf(welcome, sizeof(welcome), "* welcome, %s; /who and /quit work", self->name);
    sp_sim_check(self->s, person_line(stream, line, sizeof(line)) == SP_OK, "no welcome");
    sp_sim_check(self->s, strcmp(line, welcome) == 0, "%s hears \"%s\"", self->name, line);
    person_says(stream, "hello");
    person_says(stream, "/who");
    while (person_line(stream, line, sizeof(line)) == SP_OK) {
        if (strstr(line, ": hello") != NULL)
            self->heard++;
        if (strncmp(line, "* here: ", 8) == 0)
            break;
    }
    sp_sim_check(self->s, strstr(line, self->name) != NULL, "%s is not here: \"%s\"", self->name,
                 line);
    person_says(stream, "/quit");
    sp_ignore(sp_stream_close(stream, sp_after_sec(600)));
    self->done = true;
}

static void chat_is_over(void *arg)
{
    struct person *people = arg;
    for (int i = 0; i < CHAT_PEOPLE; i++)
        while (!people[i].done)
            sp_sleep(sp_ms(100));
}

SP_SIM_TEST(people_come_talk_and_go)
{
    static const char *const names[] = { "ann", "bob", "eve" };
    struct person people[CHAT_PEOPLE];
    const char *const args[] = { "0.0.0.0:7008", NULL };
    sp_sim_node *chat = sp_sim_start_main(s, "chat", sp_sim_program, args);
    for (int i = 0; i < CHAT_PEOPLE; i++) {
        people[i] = (struct person){ .s = s, .name = names[i] };
        sp_sim_start(s, names[i], person_main, &people[i]);
    }
    sp_sim_node *last = sp_sim_start(s, "last", chat_is_over, people);
    while (!sp_sim_ended(last))
        sp_sim_run_for(s, sp_sec(1));
    sp_sim_stop(chat);
    sp_sim_run(s);
    sp_sim_check(s, sp_sim_status(chat) == 0, "the program ends with %d", sp_sim_status(chat));
}
