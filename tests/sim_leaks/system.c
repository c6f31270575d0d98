/* Leaks of the system: processes, threads, files, sockets, the machine. */
#include "leak.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void leak_process_number(void)
{
    pid_t number = getpid(); /* leaks: process_number */
    LEAK_STEPS((uint64_t)number);
}
LEAK_TEST(process_number);

static void *same_again(void *arg)
{
    return arg;
}

static void leak_thread(void)
{
    pthread_t thread;
    int err = pthread_create(&thread, NULL, same_again, NULL); /* leaks: thread */
    if (err == 0)
        err = pthread_join(thread, NULL);
    LEAK_STEPS((uint64_t)err);
}
LEAK_TEST(thread);

static void leak_file(void)
{
    FILE *file = fopen("/etc/hostname", "re"); /* leaks: file */
    int byte = file == NULL ? 0 : fgetc(file);
    if (file != NULL)
        (void)fclose(file);
    LEAK_STEPS((uint64_t)byte);
}
LEAK_TEST(file);

static void leak_directory(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/tmp"); /* leaks: directory */
    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        (void)closedir(folder);
    LEAK_STEPS(count);
}
LEAK_TEST(directory);

static void leak_socket(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); /* leaks: socket */
    if (fd >= 0)
        (void)close(fd);
    LEAK_STEPS((uint64_t)fd);
}
LEAK_TEST(socket);

static void leak_machine(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    (void)sched_getaffinity(0, sizeof(set), &set); /* leaks: machine */
    LEAK_STEPS((uint64_t)CPU_COUNT(&set));
}
LEAK_TEST(machine);
