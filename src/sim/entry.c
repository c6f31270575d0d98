/* The main function of a test program that brings none. In an object of its own: a program that
 * has one must not pull it in. */
#include "sim/main.h"

int main(int argc, char **argv)
{
    return sim_main(argc, argv);
}
