/* A task is joined for its own result. */
// expect: incompatible.pointer.type
// expect-gcc: passing argument 2 of .measure_join. from incompatible pointer type
// expect-clang: passing 'int \*' to parameter of type 'measure__out_type \*'
#include "spawned/task.h"

struct place {
    int x;
};
struct length {
    double metres;
};
SP_TASK(measure, struct place, struct length);

sp_err take(measure_task task);

sp_err take(measure_task task)
{
#ifndef FIXED
    int out;
#else
    struct length out;
#endif
    return measure_join(task, &out, sp_after_ms(500)); // here
}
