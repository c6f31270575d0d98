/* No stack to suspend on: address space runs out. Who would have to suspend ends, out of memory; the
 * others, and the runtime, go on. And a limit on address space from the start (`ulimit -v`).
 */
#include "support/stress.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum {
    WAITERS_MAX = 20000,
    ROOM = 48 << 20, /* for stacks, and for what else is needed */
    ROOM_STEP =
        256 << 10, /* for what else only: far less than the stacks that are mapped at a time */
};

static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK_INT(fscanf(file, "%lu", &pages), 1);
    (void)fclose(file);
    return (rlim_t)pages * 4096;
}

/* Returns what it was. */
static rlim_t limit_address_space(rlim_t bytes)
{
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_AS, &limit), 0);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = bytes;
    CHECK_INT(setrlimit(RLIMIT_AS, &limit), 0);
    return before;
}

static void waiter(void *arg)
{
    struct sp_message *message;
    (void)arg;
    sp_ignore(sp_receive(sp_never(), &message));
}

/* Looks at what came so far: how many ended for want of a stack. */
static int count_ends(void)
{
    struct sp_message *message;
    int count = 0;
    while (sp_receive(sp_nowait(), &message) == SP_OK) {
        const struct sp_down *down = sp_message_down(message);
        CHECK(down != NULL);
        CHECK_STR(sp_reason_text(down->reason), "out_of_memory");
        sp_message_free(message);
        count++;
    }
    return count;
}

static void end_all(void)
{
    sp_pid pids[64];
    size_t cursor = 0;
    for (size_t count; (count = sp_process_list(&cursor, pids, 64)) != 0;)
        for (size_t i = 0; i < count; i++)
            if (!sp_pid_equal(pids[i], sp_self()))
                sp_ignore(sp_kill(pids[i]));
    while (accounts().processes != 1)
        sp_yield();
}

static void read_mail(void)
{
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK)
        sp_message_free(message);
}

static void check_world_works(void)
{
    sp_pid a = puppet_start(NULL);
    send_note(a, 1);
    CHECK_INT(puppet_mailbox(a), 1);
    puppet_exit(a, NULL);
}

static void run_out(const struct sp_runtime_options *options, bool own_thread)
{
    if (SANITIZED || sp_test_slow())
        SKIP("needs its address space for itself");
    world_open(options);
    check_world_works();
    rlim_t room = address_space() + ROOM;
    rlim_t before = limit_address_space(room);
    int ended = 0;
    sp_err err = SP_OK;
    for (int i = 0; i < WAITERS_MAX && ended == 0 && err == SP_OK; i++) {
        sp_monitor_ref ref;
        struct sp_spawn_options spawn = { .own_thread = own_thread, .out_monitor = &ref };
        err = sp_spawn(waiter, NULL, &spawn, NULL);
        ended += count_ends();
        if (err == SP_ERR_NOMEM && !own_thread) {
            /* Faster than those it spawns: what is left must go to their stacks, not to new ones. */
            limit_address_space(room += ROOM_STEP);
            sp_yield();
            err = SP_OK;
        }
    }
    /* All that there are want more stacks than there is room for, once they have run. */
    while (ended == 0 && err == SP_OK) {
        sp_yield();
        ended += count_ends();
    }
    CHECK(err == SP_OK || err == SP_ERR_NOMEM || (own_thread && err == SP_ERR_LIMIT));
    CHECK(ended > 0 || (own_thread && err != SP_OK));
    limit_address_space(before);
    end_all();
    read_mail();
    check_world_works();
    stress_settle();
    world_close();
}

TEST(without_a_stack_to_suspend_on_a_process_ends_alone)
{
    run_out(NULL, false);
}

TEST(without_a_stack_on_the_only_worker_a_process_ends_alone)
{
    run_out(&(struct sp_runtime_options){ .workers = 1 }, false);
}

TEST(without_a_stack_for_its_own_thread_a_process_ends_alone)
{
    run_out(NULL, true);
}

/* As docs/limits.md says it. */
static const rlim_t ulimit_2000000 = (rlim_t)2000000 * 1024;
static const rlim_t ulimit_500000 = (rlim_t)500000 * 1024;

TEST(without_the_address_space_for_all_slots_no_runtime_starts)
{
    if (SANITIZED || sp_test_slow())
        SKIP("needs its address space for itself");
    struct sp_runtime *runtime = NULL;
    rlim_t before = limit_address_space(ulimit_2000000);
    sp_err err = sp_runtime_create(NULL, &runtime);
    limit_address_space(before);
    CHECK_ERR(err, SP_ERR_NOMEM);
    CHECK_PTR(runtime, NULL);
}

TEST(with_fewer_slots_a_runtime_works_in_little_address_space)
{
    if (SANITIZED || sp_test_slow())
        SKIP("needs its address space for itself");
    rlim_t before = limit_address_space(ulimit_2000000);
    world_open(&(struct sp_runtime_options){ .workers = 2, .processes_max = 1000000 });
    check_world_works();
    stress_settle();
    world_close();
    limit_address_space(before);
}

TEST(with_fewer_timers_too_a_runtime_works_in_less)
{
    if (SANITIZED || sp_test_slow())
        SKIP("needs its address space for itself");
    rlim_t before = limit_address_space(ulimit_500000);
    world_open(&(struct sp_runtime_options){
        .workers = 2, .processes_max = 100000, .timers_max = 100000 });
    check_world_works();
    stress_settle();
    world_close();
    limit_address_space(before);
}
