/* Starts a process, waits for its end, says so. */
#include <spawned/spawned.h>

#include <stdio.h>
#include <stdlib.h>

static void greet(void *arg)
{
    printf("hello from %s\n", (const char *)arg);
}

static int run(void *arg)
{
    char name[] = "a process";
    sp_pid pid;
    (void)arg;
    if (sp_spawn(greet, name, &(struct sp_spawn_options){ .arg_size = sizeof name }, &pid) != SP_OK)
        return EXIT_FAILURE;
    return sp_join(pid, sp_after_sec(60), NULL) == SP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
