#include "room.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct room_member {
    sp_pid pid;
    sp_monitor_ref monitor;
    char name[ROOM_NAME_MAX + 1];
    unsigned missed; /* lines that its mailbox did not take */
};

struct room {
    size_t count;
    struct room_member members[ROOM_MEMBERS_MAX];
};

static struct room_member *room_find(struct room *self, sp_pid pid)
{
    for (size_t i = 0; i < self->count; i++)
        if (sp_pid_equal(self->members[i].pid, pid))
            return &self->members[i];
    return NULL;
}

static bool room_name_taken(const struct room *self, const char *name)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->members[i].name, name) == 0)
            return true;
    return false;
}

static bool room_name_valid(const char *name)
{
    for (const char *at = name; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at))
            return false;
    return *name != '\0';
}

/* A member that does not read its messages misses some, and hears of it when it reads again. */
static void room_tell(struct room_member *member, const struct room_heard *heard)
{
    struct room_heard gap;
    if (member->missed > 0) {
        snprintf(gap.text, sizeof(gap.text), "* you missed %u lines", member->missed);
        if (room_heard_send(member->pid, &gap) != SP_OK) {
            member->missed++;
            return;
        }
        member->missed = 0;
    }
    if (room_heard_send(member->pid, heard) != SP_OK)
        member->missed++;
}

static void room_tell_all(struct room *self, const struct room_heard *heard, sp_pid except)
{
    for (size_t i = 0; i < self->count; i++)
        if (!sp_pid_equal(self->members[i].pid, except))
            room_tell(&self->members[i], heard);
}

static sp_err room_on_join(struct room *self, const struct room_name *in, sp_empty *out)
{
    (void)out;
    if (!room_name_valid(in->text) || room_find(self, sp_server_from()) != NULL)
        return SP_ERR_INVALID;
    if (room_name_taken(self, in->text))
        return SP_ERR_EXISTS;
    if (self->count == ROOM_MEMBERS_MAX)
        return SP_ERR_LIMIT;
    struct room_member *member = &self->members[self->count];
    *member = (struct room_member){ .pid = sp_server_from() };
    sp_err err = sp_monitor(member->pid, &member->monitor);
    if (err != SP_OK)
        return err;
    memcpy(member->name, in->text, sizeof(member->name));
    self->count++;
    struct room_heard heard;
    snprintf(heard.text, sizeof(heard.text), "* %s joined", member->name);
    room_tell_all(self, &heard, member->pid);
    return SP_OK;
}

static sp_err room_on_who(struct room *self, const sp_empty *in, struct room_who *out)
{
    (void)in;
    size_t length = 0;
    for (size_t i = 0; i < self->count && length < sizeof(out->text); i++)
        length += (size_t)snprintf(out->text + length, sizeof(out->text) - length, "%s%s",
                                   i > 0 ? " " : "", self->members[i].name);
    return SP_OK;
}

static sp_err room_on_say(struct room *self, const struct room_line *in, sp_empty *out)
{
    (void)out;
    const struct room_member *member = room_find(self, sp_server_from());
    if (member == NULL)
        return SP_ERR_NOTMEMBER;
    struct room_heard heard;
    snprintf(heard.text, sizeof(heard.text), "%s: %s", member->name, in->text);
    room_tell_all(self, &heard, member->pid);
    return SP_OK;
}

static void room_down(struct room *self, const struct sp_down *down)
{
    struct room_member *member = room_find(self, down->pid);
    if (member == NULL)
        return;
    struct room_heard heard;
    snprintf(heard.text, sizeof(heard.text), "* %s left", member->name);
    /* The last one takes the place. */
    *member = self->members[--self->count];
    room_tell_all(self, &heard, down->pid);
}

SP_STATE(room, struct room);
SP_ON_DOWN(room);
SP_ON_CALL(room, join);
SP_ON_CALL(room, who);
SP_ON_CALL(room, say);
SP_CLASS(room, .on_down = room__down);
