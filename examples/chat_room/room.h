/* A room: who is in it, and what is said goes to everybody.
 *
 * Members are processes; one that dies has left. The room never waits for a member: what a
 * slow one cannot take is lost to that one, and it is told how much.
 */
#ifndef CHAT_ROOM_ROOM_H
#define CHAT_ROOM_ROOM_H

#include "spawned/server.h"

/** Longest name and longest line, in bytes. */
#define ROOM_NAME_MAX 20
#define ROOM_LINE_MAX 400
/** Most members of a room. */
#define ROOM_MEMBERS_MAX 1000

struct room_name {
    char text[ROOM_NAME_MAX + 1];
};

struct room_line {
    char text[ROOM_LINE_MAX + 1];
};

/** What a member is sent: a line to show. */
struct room_heard {
    char text[ROOM_NAME_MAX + ROOM_LINE_MAX + 32];
};
SP_MESSAGE(room_heard, struct room_heard);

struct room_who {
    char text[1024]; /**< names, with blanks between, cut where there are too many */
};

SP_SERVER(room, sp_empty);
/** The caller enters under that name. Errors: EXISTS (taken), INVALID (letters and digits only),
 *  LIMIT (the room is full). */
SP_CALL(room, join, struct room_name, sp_empty);
/** Who is there? */
SP_CALL(room, who, sp_empty, struct room_who);
/** The caller says something. Errors: NOTMEMBER. */
SP_CALL(room, say, struct room_line, sp_empty);

#endif
