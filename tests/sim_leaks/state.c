/* Leaks of state around the program: what an earlier run left in the C library, the environment,
 * the folder. */
#include "leak.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void leak_library_state(void)
{
    LEAK_STEPS((uint64_t)rand()); /* leaks: library_state */
}
LEAK_TEST(library_state);

static void leak_environment(void)
{
    const char *zone = getenv("TZ");
    uint64_t hash = 7;
    for (; zone != NULL && *zone != '\0'; zone++)
        hash = hash * 31 + (unsigned char)*zone;
    LEAK_STEPS(hash); /* leaks: environment */
}
LEAK_TEST(environment);

static void leak_folder(void)
{
    char folder[4096] = "";
    char *got = getcwd(folder, sizeof(folder)); /* leaks: folder */
    LEAK_STEPS(got == NULL ? 0 : strlen(folder));
}
LEAK_TEST(folder);
