/* Spawning: the limit is met exactly, children run soon, and trees grow depth first. */
#include "support/puppet.h"

#include <stdatomic.h>

/* ---- the limit ---- */

enum { LIVING_MAX = 300, SPAWNERS = 3 };

static sp_pid sitters[LIVING_MAX];
static _Atomic uint32_t sitter_count;

static void sitter(void *arg)
{
    (void)arg;
    struct sp_message *message;
    sp_ignore(sp_receive(sp_never(), &message));
}

/* Until it is refused. */
static void spawn_sitters(void *arg)
{
    (void)arg;
    sp_pid pid;
    sp_err err;
    while ((err = sp_spawn(sitter, NULL, NULL, &pid)) == SP_OK) {
        /* relaxed: each writes a place of its own, the join orders the rest. */
        uint32_t place = atomic_fetch_add_explicit(&sitter_count, 1, memory_order_relaxed);
        CHECK(place < LIVING_MAX);
        sitters[place] = pid;
    }
    CHECK_ERR(err, SP_ERR_LIMIT);
}

static uint64_t living(void)
{
    struct sp_stats stats;
    sp_runtime_stats(world_runtime(), &stats);
    CHECK_INT(stats.spawned - stats.exited, stats.processes);
    return stats.processes;
}

static void end_sitters(uint32_t from)
{
    uint32_t count = atomic_load_explicit(&sitter_count, memory_order_relaxed);
    for (uint32_t i = from; i < count; i++) {
        CHECK_OK(sp_kill(sitters[i]));
        CHECK_OK(sp_join(sitters[i], WORLD_PATIENCE, NULL));
    }
    atomic_store_explicit(&sitter_count, from, memory_order_relaxed);
}

TEST(spawn_limit_is_exact_wherever_places_were_left)
{
    world_open(&(struct sp_runtime_options){ .workers = 2, .processes_max = LIVING_MAX });
    uint64_t before = living();
    for (int round = 0; round < (sp_test_slow() ? 5 : 20); round++) {
        sp_pid spawners[SPAWNERS];
        int count = 0;
        sp_err err = SP_OK;
        /* The first may have taken all places before the last is started. */
        for (; count < SPAWNERS && err == SP_OK; count += err == SP_OK)
            err =
                sp_spawn(spawn_sitters, NULL,
                         &(struct sp_spawn_options){ .own_thread = count == 0 }, &spawners[count]);
        CHECK(err == SP_OK || err == SP_ERR_LIMIT);
        for (int i = 0; i < count; i++)
            CHECK_OK(sp_join(spawners[i], WORLD_PATIENCE, NULL));
        /* The places of the spawners are free again; no more, no less. */
        spawn_sitters(NULL);
        CHECK_INT(living(), LIVING_MAX);
        CHECK_INT(atomic_load_explicit(&sitter_count, memory_order_relaxed), LIVING_MAX - before);
        /* One goes, one comes, at once. */
        end_sitters(LIVING_MAX - (uint32_t)before - 1);
        spawn_sitters(NULL);
        CHECK_INT(living(), LIVING_MAX);
        end_sitters(0);
        CHECK_INT(living(), before);
    }
    world_close();
}

/* ---- order ---- */

static void count_me(void *arg)
{
    atomic_fetch_add_explicit((_Atomic uint64_t *)arg, 1, memory_order_relaxed);
}

struct flood {
    uint64_t count;
    _Atomic uint64_t ran;
    uint64_t ran_meanwhile;
};

static void spawn_flood(void *arg)
{
    struct flood *flood = arg;
    for (uint64_t i = 0; i < flood->count; i++)
        CHECK_OK(sp_spawn(count_me, &flood->ran, NULL, NULL));
    flood->ran_meanwhile = atomic_load_explicit(&flood->ran, memory_order_relaxed);
}

TEST(spawn_gives_way_to_what_was_spawned)
{
    world_open(&(struct sp_runtime_options){ .workers = 1 });
    struct flood flood = { .count = 10000 };
    sp_pid pid;
    CHECK_OK(sp_spawn(spawn_flood, &flood, NULL, &pid));
    CHECK_OK(sp_join(pid, WORLD_PATIENCE, NULL));
    CHECK(flood.ran_meanwhile >= flood.count - 128);
    world_close();
}

/* A tree of plain processes: each spawns ten, down to the leaves. */
struct tree {
    _Atomic uint32_t alive;
    _Atomic uint32_t alive_most;
    _Atomic uint32_t leaves;
};

struct branch {
    struct tree *tree;
    int height;
};

static void grow(struct tree *tree, int height);

static void branch_run(void *arg)
{
    const struct branch *branch = arg;
    if (branch->height == 0)
        atomic_fetch_add_explicit(&branch->tree->leaves, 1, memory_order_relaxed);
    else
        for (int i = 0; i < 10; i++)
            grow(branch->tree, branch->height - 1);
    atomic_fetch_sub_explicit(&branch->tree->alive, 1, memory_order_relaxed);
}

static void grow(struct tree *tree, int height)
{
    struct branch branch = { .tree = tree, .height = height };
    uint32_t alive = 1 + atomic_fetch_add_explicit(&tree->alive, 1, memory_order_relaxed);
    uint32_t most = atomic_load_explicit(&tree->alive_most, memory_order_relaxed);
    while (alive > most &&
           !atomic_compare_exchange_weak_explicit(&tree->alive_most, &most, alive,
                                                  memory_order_relaxed, memory_order_relaxed))
        continue;
    CHECK_OK(sp_spawn(branch_run, &branch, &(struct sp_spawn_options){ .arg_size = sizeof branch },
                      NULL));
}

static void check_tree(uint32_t workers, uint32_t alive_at_most)
{
    world_open(&(struct sp_runtime_options){ .workers = workers });
    struct tree tree = { 0 };
    grow(&tree, 4);
    while (atomic_load_explicit(&tree.alive, memory_order_relaxed) != 0)
        sp_yield();
    CHECK_INT(atomic_load_explicit(&tree.leaves, memory_order_relaxed), 10000);
    CHECK(atomic_load_explicit(&tree.alive_most, memory_order_relaxed) <= alive_at_most);
    world_close();
}

TEST(spawn_grows_trees_depth_first)
{
    check_tree(1, 500);
}

TEST(spawn_grows_trees_depth_first_on_several_workers)
{
    check_tree(3, 1500);
}
