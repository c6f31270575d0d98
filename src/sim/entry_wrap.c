/* The main function of a test program that has one, for its nodes: linked with -Wl,--wrap=main, the
 * process begins here, and the program's own is called __real_main. */
#include "sim/main.h"

int sim_entry(int argc, char **argv) __asm__("__wrap_main");

int sim_entry(int argc, char **argv)
{
    return sim_main(argc, argv);
}
