/* The program around the tests. */
#ifndef SPAWNED_SIM_MAIN_H
#define SPAWNED_SIM_MAIN_H

/** What main() does: the command line, and the campaign. Context: the main thread. */
int sim_main(int argc, char **argv);

#endif
