/* A random program: whatever its processes do to each other, what is promised of each operation
 * holds, and at the end nothing is left and the books balance.
 *
 * Players make random moves (sp_choose(), so that a failure is shrunk to the moves that matter)
 * on toys, on each other and on supervisors: start, call, cast, link, monitor, register, join,
 * arm, stop, kill. Each keeps account of what it is owed: which DOWNs and EXITs may come and which
 * may not, that replies belong to their requests, that casts of one sender come in order, that no
 * cancelled timer ticks.
 */
#include "accept.h"

#include <stdlib.h>

enum {
    PLAYERS_MAX = 4,
    TOYS = 3, /* of a player, at a time */
    WATCHES = 4,
    KEYS = 3,
};

SP_MESSAGE(chaos_note, int);
SP_MESSAGE(chaos_tick, uint64_t);

struct letter {
    int player;
    uint64_t number;
};

/* ---- toys ---- */

struct toy_args {
    uint32_t kind;
};

SP_SERVER(toy, struct toy_args);
SP_CALL(toy, echo, uint64_t, uint64_t);
SP_CALL(toy, later, uint64_t, uint64_t);
SP_CALL(toy, through, sp_pid, uint64_t);
SP_CAST(toy, poke, struct letter);
SP_MESSAGE(order, sp_request);
SP_MESSAGE(order_number, uint64_t);

struct toy {
    struct toy_args args;
    uint64_t last[PLAYERS_MAX];
    bool terminated;
};

static sp_err toy_init(struct toy *self, const struct toy_args *args)
{
    self->args = *args;
    if (args->kind == 1)
        return SP_ERR_IGNORED;
    if (args->kind == 2)
        sp_exit_error(SP_ERR_IO, "init");
    if (args->kind == 3)
        sp_sleep(sp_ms(3));
    if (args->kind == 4)
        return SP_ERR_REFUSED;
    return SP_OK;
}

static sp_err toy_on_echo(struct toy *self, const uint64_t *in, uint64_t *out)
{
    EXPECT(!self->terminated);
    switch (sp_choose(8)) {
    case 1:
        sp_sleep(sp_ms(2));
        break;
    case 2:
        sp_yield();
        break;
    case 3:
        accept_die("echo");
    case 4:
        return SP_ERR_REFUSED;
    default:
        break;
    }
    *out = *in;
    return SP_OK;
}

/* Answers somebody else's call, perhaps, and perhaps twice. */
static void helper(void *unused)
{
    (void)unused;
    struct sp_message *message = accept_next();
    sp_request request = *order_of(message);
    sp_message_free(message);
    message = accept_next();
    uint64_t number = *order_number_of(message);
    sp_message_free(message);
    if (sp_choose(2) != 0 && sp_request_adopt(request) != SP_OK)
        return;
    switch (sp_choose(4)) {
    case 1:
        sp_sleep(sp_ms(1));
        break;
    case 2:
        return;
    case 3:
        sp_request_drop(request);
        break;
    default:
        break;
    }
    sp_err first = toy_later_reply(request, &number);
    EXPECT(first == SP_OK || first == SP_ERR_STALE);
    EXPECT(toy_later_reply(request, &(uint64_t){ 0 }) == SP_ERR_STALE);
}

static sp_err toy_on_later(struct toy *self, const uint64_t *in, uint64_t *out)
{
    sp_request request;
    sp_pid pid;
    (void)self;
    (void)out;
    EXPECT(sp_request_take(&request) == SP_OK);
    const struct sp_spawn_options options = { .link = sp_choose(4) == 3 };
    if (sp_spawn(helper, NULL, &options, &pid) != SP_OK || order_send(pid, &request) != SP_OK ||
        order_number_send(pid, in) != SP_OK)
        sp_request_drop(request);
    return SP_ERR_DEFERRED;
}

static sp_err toy_on_through(struct toy *self, const sp_pid *in, uint64_t *out)
{
    (void)self;
    uint64_t number = 77;
    sp_err err = toy_echo((toy_ref){ *in }, &number, out, sp_after_ms(5));
    EXPECT(err != SP_OK || *out == 77);
    return err;
}

static void toy_on_poke(struct toy *self, const struct letter *in)
{
    EXPECT(!self->terminated);
    EXPECT(in->number > self->last[in->player]); /* in order, none twice */
    self->last[in->player] = in->number;
    switch (sp_choose(10)) {
    case 1:
        accept_die("poked");
    case 2:
        sp_server_stop_self(sp_reason_normal());
        break;
    case 3:
        sp_sleep(sp_ms(1));
        break;
    case 4:
        sp_server_idle_after(sp_ms(1));
        break;
    case 5:
        sp_ignore(sp_group_join("toys", sp_self()));
        break;
    case 6:
        (void)sp_trap_exit(sp_choose(2) == 0);
        break;
    case 7:
        sp_yield();
        break;
    default:
        break;
    }
}

static void toy_terminate(struct toy *self, const struct sp_reason *reason)
{
    EXPECT(!self->terminated && reason != NULL);
    self->terminated = true;
    if (sp_choose(4) == 3)
        sp_yield();
}

static void toy_timeout(struct toy *self)
{
    EXPECT(!self->terminated);
}

static void toy_exit(struct toy *self, const struct sp_exit_notice *notice)
{
    EXPECT(!self->terminated && notice->reason != NULL);
}

SP_STATE(toy, struct toy);
SP_ON_INIT(toy);
SP_ON_CALL(toy, echo);
SP_ON_CALL(toy, later);
SP_ON_CALL(toy, through);
SP_ON_CAST(toy, poke);
SP_ON_TIMEOUT(toy);
SP_ON_EXIT(toy);
SP_ON_TERMINATE(toy);
SP_CLASS(toy, .init = toy__init, .on_timeout = toy__timeout, .on_exit = toy__exit,
         .terminate = toy__terminate);

/* ---- what a player is owed ---- */

struct watch {
    uint64_t ref; /* 0: free */
    sp_pid pid;
};

struct key_timer {
    uint64_t generation; /* of the setting that may tick; 0: none */
};

struct player {
    int number;
    toy_ref toys[TOYS];
    struct watch watches[WATCHES];
    struct key_timer keys[KEYS + 1];
    sp_pid linked[TOYS]; /* may send us an EXIT */
    uint64_t counter;
    int failed; /* linked starts; each may have its EXIT */
};

static struct {
    struct player players[PLAYERS_MAX];
    sp_pid pids[PLAYERS_MAX];
    int count;
    int moves;
    int done;
} chaos;

static void take_down(struct player *self, const struct sp_down *down)
{
    for (int i = 0; i < WATCHES; i++)
        if (self->watches[i].ref == down->ref.id) {
            EXPECT(sp_pid_equal(self->watches[i].pid, down->pid));
            EXPECT(!sp_is_alive(down->pid));
            self->watches[i].ref = 0;
            return;
        }
    sp_always(false, "a DOWN comes once, and not after its monitor was flushed");
}

static void take_exit(struct player *self, const struct sp_exit_notice *notice)
{
    for (int i = 0; i < TOYS; i++)
        if (sp_pid_equal(self->linked[i], notice->pid)) {
            EXPECT(!sp_is_alive(notice->pid));
            self->linked[i] = SP_PID_NONE;
            return;
        }
    for (int i = 0; i < chaos.count; i++) /* a player's signal, see end() */
        if (sp_pid_equal(chaos.pids[i], notice->pid))
            return;
    sp_always(self->failed-- > 0, "an EXIT comes once, and only of a link");
}

static void read_mail(struct player *self)
{
    struct sp_message *message;
    while (sp_receive(sp_nowait(), &message) == SP_OK) {
        const struct sp_down *down = sp_message_down(message);
        const struct sp_exit_notice *notice = sp_message_exit(message);
        const uint64_t *tick = chaos_tick_of(message);
        if (down != NULL)
            take_down(self, down);
        else if (notice != NULL)
            take_exit(self, notice);
        else if (tick != NULL)
            EXPECT(*tick == self->keys[*tick % (KEYS + 1)].generation);
        sp_message_free(message);
    }
}

/* ---- the moves ---- */

static const char *const chaos_names[] = { NULL, NULL, "one", "two" };

static void move_start(struct player *self, int which)
{
    const char *name = chaos_names[sp_choose(4)];
    const struct sp_server_options options = {
        .spawn = { .name = name,
                   .link = sp_choose(3) == 2,
                   .trap_exit = sp_choose(3) == 2,
                   .mailbox_max = sp_choose(3) == 2 ? 2 : 0,
                   .overflow = (enum sp_overflow)sp_choose(4) },
        .start_deadline = sp_choose(4) == 3 ? sp_after_ms(1) : sp_never(),
    };
    toy_ref ref;
    sp_pid before = self->linked[which];
    sp_err err = toy_start(&(struct toy_args){ sp_choose(8) }, &options, &ref);
    if (getenv("SIM_TELL"))
        EXPECT(err == SP_OK || err == SP_ERR_IGNORED || err == SP_ERR_INITFAILED ||
               err == SP_ERR_REFUSED || err == SP_ERR_TIMEOUT ||
               (err == SP_ERR_EXISTS && name != NULL));
    if (err != SP_OK) {
        /* A linked one that was there says so, too, and its pid is not known. */
        self->failed += options.spawn.link && err != SP_ERR_EXISTS;
        return;
    }
    self->toys[which] = ref;
    if (!options.spawn.link)
        return;
    if (!sp_pid_is_none(before))
        sp_unlink(before);
    self->linked[which] = ref.pid;
}

static void move_call(struct player *self, int which)
{
    uint64_t in = ++self->counter;
    uint64_t out = 0;
    sp_pid to = self->toys[which].pid;
    sp_duration patience = sp_ms((int64_t)sp_choose(4));
    sp_err err;
    switch (sp_choose(3)) {
    case 0:
        err = toy_echo((toy_ref){ to }, &in, &out, sp_after(patience));
        break;
    case 1:
        err = toy_later((toy_ref){ to }, &in, &out, sp_after(patience));
        break;
    default:
        err = toy_through((toy_ref){ to }, &self->toys[sp_choose(TOYS)].pid, &out,
                          sp_after(patience));
        in = 77;
        break;
    }
    EXPECT(err != SP_OK || out == in);
    EXPECT(err == SP_OK || out == 0);
    sp_sometimes(err == SP_ERR_TIMEOUT, "a call's deadline passed");
    sp_sometimes(err == SP_ERR_DIED, "a server died during a call");
    sp_sometimes(err == SP_ERR_NOREPLY, "a request was dropped");
}

static void move_call_all(struct player *self)
{
    struct sp_multi targets[TOYS];
    uint64_t in[TOYS];
    uint64_t out[TOYS] = { 0 };
    for (int i = 0; i < TOYS; i++) {
        in[i] = ++self->counter;
        targets[i] = (struct sp_multi){ .server = self->toys[i].pid, .in = &in[i], .out = &out[i] };
    }
    const struct sp_op *op = sp_choose(2) == 0 ? &toy_echo_op : &toy_later_op;
    sp_ignore(sp_server_multi_call(op, NULL, targets, TOYS, sp_after_ms(2)));
    for (int i = 0; i < TOYS; i++)
        EXPECT(targets[i].err == SP_OK ? out[i] == in[i] : out[i] == 0);
}

static void move_cast(struct player *self, int which)
{
    struct letter letter = { self->number, ++self->counter };
    if (sp_choose(3) == 2)
        sp_ignore(sp_send_wait(self->toys[which].pid, &toy_poke_op.in, &letter, sp_after_ms(1)));
    else
        sp_ignore(toy_poke(self->toys[which], &letter));
}

static void move_end(struct player *self, int which)
{
    sp_pid pid = self->toys[which].pid;
    sp_err err;
    switch (sp_choose(5)) {
    case 0:
        sp_ignore(sp_kill(pid));
        break;
    case 1:
        err = sp_stop(pid, NULL, sp_after_ms(2));
        EXPECT(err == SP_ERR_TIMEOUT || !sp_is_alive(pid));
        break;
    case 2:
        sp_ignore(sp_signal(pid, sp_reason_error(SP_ERR_IO, "enough")));
        break;
    case 3:
        sp_ignore(sp_signal(chaos.pids[sp_choose((uint32_t)chaos.count)],
                            sp_reason_error(SP_ERR_IO, "hello")));
        break;
    default:
        err = sp_join(pid, sp_after_ms(1), NULL);
        EXPECT(err == SP_ERR_TIMEOUT || !sp_is_alive(pid));
        break;
    }
}

static void move_link(struct player *self, int which)
{
    sp_pid pid = self->toys[which].pid;
    if (sp_choose(2) == 0) {
        for (int i = 0; i < TOYS; i++)
            if (sp_pid_equal(self->linked[i], pid))
                return;
        if (sp_pid_is_none(pid))
            return;
        if (!sp_pid_is_none(self->linked[which]))
            sp_unlink(self->linked[which]);
        self->linked[which] = pid; /* the EXIT may come before link() is back */
        EXPECT(sp_link(pid) == SP_OK);
    } else {
        sp_unlink(self->linked[which]);
        self->linked[which] = SP_PID_NONE;
    }
}

static void move_watch(struct player *self, int which)
{
    struct watch *watch = &self->watches[sp_choose(WATCHES)];
    sp_monitor_ref ref;
    if (watch->ref == 0) {
        sp_pid pid = self->toys[which].pid;
        if (sp_pid_is_none(pid) || sp_monitor(pid, &ref) != SP_OK)
            return;
        *watch = (struct watch){ ref.id, pid };
        return;
    }
    enum sp_demonitor how = (enum sp_demonitor)sp_choose(2);
    bool active = sp_demonitor((sp_monitor_ref){ watch->ref }, how);
    if (active || how == SP_DEMONITOR_FLUSH)
        watch->ref = 0;
}

static void move_name(struct player *self, int which)
{
    sp_pid pid = self->toys[which].pid;
    sp_pid found;
    const char *name = chaos_names[2 + sp_choose(2)];
    switch (sp_choose(4)) {
    case 0:
        if (sp_register(name, pid) == SP_OK && sp_is_alive(pid))
            sp_sometimes(sp_whereis(name, &found) == SP_OK, "a name was registered");
        break;
    case 1:
        sp_ignore(sp_unregister(name));
        break;
    case 2:
        if (sp_whereis(name, &found) == SP_OK)
            self->toys[which].pid = found;
        break;
    default:
        sp_ignore(sp_choose(2) == 0 ? sp_group_join("toys", pid) : sp_group_leave("toys", pid));
        sp_ignore(sp_group_send("toys", &chaos_note_type, &(int){ 1 }, NULL));
        break;
    }
}

static void move_timer(struct player *self, int which)
{
    uint64_t key = 1 + sp_choose(KEYS);
    if (sp_choose(3) == 0) {
        sp_timer timer;
        int note = 1;
        const struct sp_timer_options other = { .after = sp_ms(1 + (int64_t)sp_choose(2)) };
        if (sp_timer_start(self->toys[which].pid, &chaos_note_type, &note, &other, &timer) ==
                SP_OK &&
            sp_choose(2) == 0)
            sp_ignore(sp_timer_cancel(timer, NULL));
        return;
    }
    if (sp_choose(3) == 0) {
        self->keys[key].generation = 0;
        sp_ignore(sp_timer_cancel_key(key, NULL));
        return;
    }
    uint64_t generation = ++self->counter * (KEYS + 1) + key;
    const struct sp_timer_options options = { .after = sp_ms((int64_t)sp_choose(3)),
                                              .period = sp_ms((int64_t)sp_choose(2) * 2),
                                              .key = key };
    self->keys[key].generation = generation;
    EXPECT(sp_timer_start(sp_self(), &chaos_tick_type, &generation, &options, NULL) == SP_OK);
}

static void move(struct player *self)
{
    int which = (int)sp_choose(TOYS);
    switch (sp_choose(10)) {
    case 0:
        move_start(self, which);
        break;
    case 1:
        move_call(self, which);
        break;
    case 2:
        move_cast(self, which);
        break;
    case 3:
        move_end(self, which);
        break;
    case 4:
        move_link(self, which);
        break;
    case 5:
        move_watch(self, which);
        break;
    case 6:
        move_name(self, which);
        break;
    case 7:
        move_timer(self, which);
        break;
    case 8:
        move_call_all(self);
        break;
    default:
        sp_sleep(sp_ms((int64_t)sp_choose(3)));
        break;
    }
}

static void end_one(sp_pid pid)
{
    if (sp_pid_is_none(pid))
        return;
    sp_ignore(sp_kill(pid));
    accept_join(pid);
}

static void plays(void *arg)
{
    struct player *self = arg;
    for (int i = 0; i < TOYS; i++)
        move_start(self, i);
    for (int i = 0; i < chaos.moves; i++) {
        move(self);
        read_mail(self);
    }
    for (uint64_t key = 1; key <= KEYS; key++) {
        self->keys[key].generation = 0;
        sp_ignore(sp_timer_cancel_key(key, NULL));
    }
    for (int i = 0; i < TOYS; i++) {
        end_one(self->toys[i].pid);
        end_one(self->linked[i]);
    }
    for (int i = 0; i < WATCHES; i++)
        if (self->watches[i].ref != 0)
            end_one(self->watches[i].pid);
    read_mail(self);
    for (int i = 0; i < WATCHES; i++)
        sp_always(self->watches[i].ref == 0, "each monitor has its DOWN");
    for (int i = 0; i < TOYS; i++)
        sp_always(sp_pid_is_none(self->linked[i]), "each link has its EXIT");
    chaos.done++;
}

static void chaos_main(void *unused)
{
    (void)unused;
    const struct sp_spawn_options options = { .label = "player", .trap_exit = true };
    for (int i = 0; i < chaos.count; i++) {
        chaos.players[i] = (struct player){ .number = i };
        EXPECT(sp_spawn(plays, &chaos.players[i], &options, &chaos.pids[i]) == SP_OK);
    }
    for (int i = 0; i < chaos.count; i++)
        accept_join(chaos.pids[i]);
    sp_always(chaos.done == chaos.count, "each player played to its end");
    (void)accept_mail_now();
}

static void chaos_run(sp_sim *s, int players, int moves)
{
    memset(&chaos, 0, sizeof(chaos));
    chaos.count = players;
    chaos.moves = moves;
    accept_run(s, chaos_main);
}

SP_SIM_TEST(chaos_of_one)
{
    chaos_run(s, 1, 12);
}
SP_SIM_TEST(chaos_of_two)
{
    chaos_run(s, 2, 10);
}
SP_SIM_TEST(chaos_of_four)
{
    chaos_run(s, 4, 30);
}
SP_SIM_TEST(chaos_of_two_in_abstract_time, .abstract_time = true)
{
    chaos_run(s, 2, 10);
}
SP_SIM_TEST(chaos_of_four_in_abstract_time, .abstract_time = true)
{
    chaos_run(s, 4, 30);
}
