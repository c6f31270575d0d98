/* A message carries its own payload. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 2 of .ping_send
// expect-clang: passing 'struct pang \*' to parameter of type 'const struct ping \*'
#include "spawned/message.h"

struct ping {
    int round;
};
struct pang {
    int round;
};
SP_MESSAGE(ping, struct ping);

sp_err serve(sp_pid to);

sp_err serve(sp_pid to)
{
#ifndef FIXED
    return ping_send(to, &(struct pang){ 1 }); // here
#else
    return ping_send(to, &(struct ping){ 1 });
#endif
}
