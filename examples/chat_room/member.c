#include "member.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct member {
    struct sp_stream *stream;
    room_ref room;
    bool joined;
};

/* Who does not read what is said to him is shown the door: the queue has a bound. */
static void member_show(struct member *self, const char *format, ...) SP_PRINTF(2, 3);
static void member_show(struct member *self, const char *format, ...)
{
    char line[ROOM_NAME_MAX + ROOM_LINE_MAX + 64];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    struct sp_frame frame = { .bytes = line, .size = strcspn(line, "\r\n") };
    if (sp_stream_send_frame(self->stream, &frame) != SP_OK)
        sp_server_stop_self(sp_reason_normal());
}

static void member_join(struct member *self, const char *name)
{
    struct room_name wanted = { .text = "" };
    sp_empty nothing;
    size_t size = strlen(name);
    if (size <= ROOM_NAME_MAX)
        memcpy(wanted.text, name, size); /* a longer one stays empty, which is no name */
    sp_err err = room_join(self->room, &wanted, &nothing, sp_after_sec(5));
    self->joined = err == SP_OK;
    if (err == SP_OK)
        member_show(self, "* welcome, %s; /who and /quit work", wanted.text);
    else if (err == SP_ERR_EXISTS)
        member_show(self, "* %s is taken, another name?", wanted.text);
    else if (err == SP_ERR_INVALID)
        member_show(self, "* up to %d letters and digits, please; another name?", ROOM_NAME_MAX);
    else
        member_show(self, "* you cannot join: %s", sp_err_text(err));
}

static void member_who(struct member *self)
{
    struct room_who who;
    if (room_who(self->room, &(sp_empty){ 0 }, &who, sp_after_sec(5)) == SP_OK)
        member_show(self, "* here: %.400s", who.text);
}

static void member_say(struct member *self, const char *text)
{
    struct room_line line;
    sp_empty nothing;
    snprintf(line.text, sizeof(line.text), "%s", text);
    sp_err err = room_say(self->room, &line, &nothing, sp_after_sec(5));
    if (err != SP_OK)
        member_show(self, "* not said: %s", sp_err_text(err));
}

static void member_on_line(void *arg, struct sp_stream *stream, const struct sp_frame *frame)
{
    struct member *self = arg;
    char line[ROOM_LINE_MAX + 1];
    (void)stream;
    memcpy(line, frame->bytes, frame->size);
    line[frame->size] = '\0';
    if (strcmp(line, "/quit") == 0)
        sp_server_stop_self(sp_reason_normal());
    else if (!self->joined)
        member_join(self, line);
    else if (strcmp(line, "/who") == 0)
        member_who(self);
    else if (line[0] != '\0')
        member_say(self, line);
}

static sp_err member_init(struct member *self, const struct sp_connection *connection)
{
    self->stream = connection->stream;
    self->room = *(const room_ref *)connection->arg;
    sp_err err = sp_stream_attach(
        self->stream, &(struct sp_attach){
                          .codec = &sp_lines,
                          .codec_options = &(struct sp_lines_options){ .line_max = ROOM_LINE_MAX },
                          .arg = self,
                          .on_frame = member_on_line,
                      });
    if (err == SP_OK)
        member_show(self, "* your name?");
    return err;
}

static void member_message(struct member *self, struct sp_message *message)
{
    const struct room_heard *heard = room_heard_of(message);
    if (heard != NULL)
        member_show(self, "%s", heard->text);
}

SP_STATE(member, struct member);
SP_ON_INIT(member);
SP_ON_MESSAGE(member);
SP_CLASS(member, .init = member__init, .on_message = member__message);
