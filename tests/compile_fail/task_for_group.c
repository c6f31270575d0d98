/* A task is no group. */
// expect: incompatible type
// expect-gcc: incompatible type for argument 1 of .sp_task_group_close.
// expect-clang: passing 'sp_task' .* to parameter of incompatible type 'sp_task_group'
#include "spawned/task.h"

void end(sp_task task, sp_task_group group);

void end(sp_task task, sp_task_group group)
{
    (void)task;
    (void)group;
#ifndef FIXED
    sp_task_group_close(task); // here
#else
    sp_task_group_close(group);
#endif
}
