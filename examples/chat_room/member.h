/* A connection to the room: a server that shows its peer what the room says, and the room what
 * its peer types. `arg` of the connection is a pointer to the room_ref.
 */
#ifndef CHAT_ROOM_MEMBER_H
#define CHAT_ROOM_MEMBER_H

#include "room.h"
#include "spawned/serve.h"

SP_SERVER(member, struct sp_connection);

#endif
