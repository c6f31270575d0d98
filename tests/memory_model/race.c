/* Data races: two accesses of a byte by different threads, one of them a write, not both atomic,
 * neither before the other.
 *
 * For each byte and thread the last access of each kind is kept, as one more than the number of
 * atomic events that the thread had played; it is before whoever knows of more events than that.
 */
#include "run.h"

#include <string.h>

enum { RACE_CELLS = 8192, RACE_BYTES = 8 };

enum race_kind { RACE_READ, RACE_WRITE, RACE_ATOMIC_READ, RACE_ATOMIC_WRITE, RACE_KINDS };

struct race_cell {
    uintptr_t address; /* of eight bytes */
    uint32_t round;
    uint16_t last[RACE_BYTES][RACE_KINDS][MODEL_THREADS_MAX];
};

static struct race_cell race_cells[RACE_CELLS];
static uint32_t race_round;

void race_reset(void)
{
    race_round++;
}

static struct race_cell *race_cell(uintptr_t address)
{
    uintptr_t key = address / RACE_BYTES;
    size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 40) % RACE_CELLS;
    while (race_cells[at].round == race_round && race_cells[at].address != key)
        at = (at + 1) % RACE_CELLS;
    if (race_cells[at].round != race_round) {
        memset(&race_cells[at], 0, sizeof(race_cells[at]));
        race_cells[at].round = race_round;
        race_cells[at].address = key;
    }
    return &race_cells[at];
}

static bool race_conflict(enum race_kind one, enum race_kind other)
{
    bool write = one == RACE_WRITE || one == RACE_ATOMIC_WRITE || other == RACE_WRITE ||
                 other == RACE_ATOMIC_WRITE;
    return write && (one < RACE_ATOMIC_READ || other < RACE_ATOMIC_READ);
}

static const char *race_verb(enum race_kind kind)
{
    static const char *const verbs[] = { "a read", "a write", "an atomic read", "an atomic write" };
    return verbs[kind];
}

static void race_look(const struct run *run, int thread, const uint16_t last[][MODEL_THREADS_MAX],
                      enum race_kind kind, const void *at)
{
    const struct clock *before = &run->play.views[thread].before;
    for (int u = 0; u < run->thread_count; u++)
        for (int other = 0; u != thread && other < RACE_KINDS; other++)
            if (last[other][u] > before->at[u] && race_conflict(kind, (enum race_kind)other)) {
                size_t offset = (size_t)((const char *)at - (const char *)run->model->state);
                run_fail("data race at state+%zu: %s by %s, %s by %s", offset,
                         race_verb((enum race_kind)other), run->model->thread_names[u],
                         race_verb(kind), run->model->thread_names[thread]);
            }
}

static void race_access(struct run *run, int thread, const void *at, size_t size,
                        enum race_kind kind, int clock)
{
    for (size_t i = 0; i < size && !run->failed; i++) {
        uintptr_t address = (uintptr_t)at + i;
        uint16_t(*last)[MODEL_THREADS_MAX] = race_cell(address)->last[address % RACE_BYTES];
        race_look(run, thread, (const uint16_t(*)[MODEL_THREADS_MAX])last, kind, at);
        last[kind][thread] = (uint16_t)(clock + 1);
    }
}

void race_plain(const void *at, size_t size, bool write)
{
    struct run *run = &model_run;
    if (run->current == 0)
        return;
    int thread = run->current - 1;
    race_access(run, thread, at, size, write ? RACE_WRITE : RACE_READ, run->play.done[thread]);
}

void race_atomic(const struct run *run, int thread, int index, const struct request *request,
                 bool write)
{
    race_access((struct run *)(uintptr_t)run, thread, request->at, (size_t)request->size,
                write ? RACE_ATOMIC_WRITE : RACE_ATOMIC_READ, index);
}

void model_freed(const void *at, size_t size)
{
    race_plain(at, size, true);
}
