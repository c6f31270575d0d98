/* Messages under stress: mailboxes, waking, pids that go stale, memory that changes threads. The
 * other half is stress_life_test.c.
 */
#include "support/stress.h"

#include <stdatomic.h>
#include <string.h>

static const struct sp_runtime_options four_workers = { .workers = 4 };

/* ---- mailboxes -------------------------------------------------------------------------- */

enum {
    SENDERS = 5,
    SENDER_THREADS = 2,
    SENDERS_ALL = SENDERS + SENDER_THREADS,
};

/* Whose message, and which one of his. */
struct parcel {
    int sender;
    int number;
};

static atomic_long parcels; /* sent, and not destroyed yet */

static void parcel_destroy(struct parcel *parcel)
{
    (void)parcel;
    atomic_fetch_sub(&parcels, 1);
}

SP_MESSAGE_MOVED(parcel_message, struct parcel, parcel_destroy);

/* One receiver after another under one name, and who sends to whichever is there. */
struct post {
    enum sp_overflow overflow;
    bool waits;              /* the senders, for room */
    int count;               /* messages of each sender */
    _Atomic uint64_t serial; /* of the receiver; read apart from the slot, so that it may not fit */
    _Atomic uint32_t slot;
    atomic_int next_sender;
    atomic_int sending;   /* senders that are not through */
    atomic_long accepted; /* what the mailbox took, or said so */
    atomic_long received;
    atomic_bool over;
};

static sp_pid post_receiver(struct post *post)
{
    return (sp_pid){ atomic_load(&post->serial), atomic_load(&post->slot), 0 };
}

static void post_main(void *arg)
{
    struct post *post = arg;
    int last[SENDERS_ALL];
    struct sp_message *message;
    memset(last, 0, sizeof last);
    while (!atomic_load(&post->over)) {
        CHECK_OK(sp_receive(sp_never(), &message));
        const struct parcel *parcel = parcel_message_of(message);
        if (parcel != NULL) {
            CHECK(parcel->number > last[parcel->sender]); /* in the order of their sending */
            last[parcel->sender] = parcel->number;
            atomic_fetch_add(&post->received, 1);
        }
        sp_message_free(message);
        stress_spin();
    }
}

static void post_send(struct post *post, const struct parcel *parcel)
{
    sp_pid to = post_receiver(post);
    atomic_fetch_add(&parcels, 1);
    sp_err err = post->waits ? parcel_message_send_wait(to, parcel, sp_never())
                             : parcel_message_send(to, parcel);
    if (err == SP_OK)
        atomic_fetch_add(&post->accepted, 1);
    else
        CHECK(err == SP_ERR_NOPROC || (err == SP_ERR_FULL && !post->waits));
}

static void post_sent_all(void *arg)
{
    struct post *post = arg;
    atomic_fetch_sub(&post->sending, 1);
}

static void post_sender(void *arg)
{
    struct post *post = arg;
    CHECK_OK(sp_defer(post_sent_all, post)); /* it may be killed */
    struct parcel parcel = { .sender = atomic_fetch_add(&post->next_sender, 1) };
    for (parcel.number = 1; parcel.number <= post->count; parcel.number++) {
        post_send(post, &parcel);
        stress_spin();
    }
}

static void post_open(struct post *post)
{
    sp_pid pid;
    CHECK_OK(sp_spawn(post_main, post,
                      &(struct sp_spawn_options){ .mailbox_max = 4, .overflow = post->overflow },
                      &pid));
    atomic_store(&post->slot, pid.slot);
    atomic_store(&post->serial, pid.serial);
}

static void post_crew(struct post *post, struct stress_crew *crew)
{
    atomic_store(&post->sending, SENDERS_ALL);
    stress_processes(crew, SENDERS, post_sender, post);
    stress_threads(crew, SENDER_THREADS, post_sender, post);
}

static void post_close(struct post *post)
{
    sp_pid pid = post_receiver(post);
    atomic_store(&post->over, true);
    sp_ignore(sp_stop(pid, NULL, sp_never())); /* it may have been stopped for its mailbox */
    while (atomic_load(&parcels) != 0)
        sp_yield(); /* what it left is destroyed after its end is told */
}

/* Many senders to one receiver with little room. */
static void post_run(struct post post)
{
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    post.count = stress_times(20000);
    post_open(&post);
    post_crew(&post, &crew);
    stress_wait(&crew);
    post_close(&post);
    if (post.overflow == SP_OVERFLOW_DROP_NEWEST || post.overflow == SP_OVERFLOW_DROP_OLDEST)
        CHECK_INT(post.accepted, SENDERS_ALL * (long)post.count);
    CHECK(post.received <= post.accepted);
    stress_settle();
    CHECK_INT(accounts().sent - accounts().dropped_full - accounts().dead_noproc, post.received);
    world_close();
}

TEST(a_mailbox_that_refuses_accounts_for_all)
{
    post_run((struct post){ .overflow = SP_OVERFLOW_REFUSE });
}

TEST(a_mailbox_that_drops_the_newest_accounts_for_all)
{
    post_run((struct post){ .overflow = SP_OVERFLOW_DROP_NEWEST });
}

TEST(a_mailbox_that_drops_the_oldest_accounts_for_all)
{
    post_run((struct post){ .overflow = SP_OVERFLOW_DROP_OLDEST });
}

TEST(a_mailbox_that_stops_its_owner_accounts_for_all)
{
    post_run((struct post){ .overflow = SP_OVERFLOW_STOP });
}

TEST(senders_that_wait_for_room_lose_nothing)
{
    struct post post = { .waits = true };
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    post.count = stress_times(3000);
    post_open(&post);
    post_crew(&post, &crew);
    while (atomic_load(&post.received) != SENDERS_ALL * (long)post.count)
        sp_yield();
    stress_wait(&crew);
    CHECK_INT(post.accepted, post.received);
    post_close(&post);
    stress_settle();
    CHECK_INT(accounts().dead_noproc, 0);
    world_close();
}

/* Receivers are killed while all send, and a sender is too. */
static void post_run_deadly(struct post post)
{
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    post.count = stress_times(10000);
    post_open(&post);
    post_crew(&post, &crew);
    for (int kills = 0; atomic_load(&post.sending) > 0; kills++) {
        sp_pid pid = post_receiver(&post);
        sp_ignore(sp_kill(pid));
        if (kills == 10)
            sp_ignore(sp_kill(crew.processes[0]));
        post_open(&post);
        for (int i = stress_dice(20); i > 0; i--)
            sp_yield();
        wait_gone(pid);
    }
    stress_wait(&crew);
    post_close(&post);
    stress_settle();
    world_close();
}

TEST(receivers_that_are_killed_account_for_all)
{
    post_run_deadly((struct post){ .overflow = SP_OVERFLOW_REFUSE });
}

TEST(receivers_whose_oldest_are_dropped_are_killed)
{
    post_run_deadly((struct post){ .overflow = SP_OVERFLOW_DROP_OLDEST });
}

TEST(receivers_for_whose_room_is_waited_are_killed)
{
    post_run_deadly((struct post){ .waits = true });
}

/* ---- waking ----------------------------------------------------------------------------- */

/* A ball goes round among processes that work a little in between: each hop finds the next one
 * running, parking or parked, its worker too. One wake-up that is lost, and it lies still. */

struct ring {
    struct ring *next;
    sp_pid pid;
    int rounds;
};

static void ring_main(void *arg)
{
    const struct ring *ring = arg;
    struct sp_message *message;
    for (int i = 0; i < ring->rounds; i++) {
        CHECK_OK(sp_receive(sp_never(), &message));
        sp_message_free(message);
        stress_spin();
        sp_pid next = ring->next->pid;
        if (!sp_pid_is_none(next))
            sp_ignore(note_send(next, &(struct note){ i, sp_self() })); /* the last may be gone */
    }
}

enum { RINGS = 3, RING_SIZE = 3 };

static void ring_start(struct ring ring[RING_SIZE], bool own_thread)
{
    for (int i = 0; i < RING_SIZE; i++) {
        const struct sp_spawn_options options = { .own_thread = own_thread && i == 0 };
        ring[i] =
            (struct ring){ .next = &ring[(i + 1) % RING_SIZE], .rounds = stress_times(20000) };
        CHECK_OK(sp_spawn(ring_main, &ring[i], &options, &ring[i].pid));
    }
    send_note(ring[0].pid, 0);
}

TEST(no_wake_up_is_lost_between_workers)
{
    struct ring rings[RINGS][RING_SIZE];
    world_open(&four_workers);
    for (int i = 0; i < RINGS; i++)
        ring_start(rings[i], i == 0);
    for (int i = 0; i < RINGS; i++)
        for (int k = 0; k < RING_SIZE; k++)
            wait_gone(rings[i][k].pid);
    stress_settle();
    world_close();
}

/* The same between a thread of the program and a process. */

static void echo_main(void *arg)
{
    struct sp_message *message;
    (void)arg;
    for (;;) {
        CHECK_OK(sp_receive(sp_never(), &message));
        struct note note = *note_of(message);
        sp_message_free(message);
        stress_spin();
        if (note.number < 0)
            return;
        send_note(note.from, note.number + 1);
    }
}

static void echo_thread(void *arg)
{
    sp_pid echo;
    int rounds = stress_times(3000);
    (void)arg;
    CHECK_OK(sp_spawn(echo_main, NULL, NULL, &echo));
    for (int i = 0; i < rounds; i++) {
        send_note(echo, i);
        stress_spin();
        CHECK_INT(expect_note(), i + 1);
    }
    send_note(echo, -1);
}

TEST(no_wake_up_is_lost_between_threads_and_workers)
{
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    stress_threads(&crew, 3, echo_thread, NULL);
    stress_processes(&crew, 1, echo_thread, NULL);
    stress_wait(&crew);
    stress_settle();
    world_close();
}

/* Bursts of new processes, which workers take from each other. */

static atomic_int grown;

static void grow(void *arg)
{
    int depth = *(const int *)arg;
    const struct sp_spawn_options options = { .arg_size = sizeof depth };
    stress_spin();
    if (depth % 2 == 0)
        sp_yield();
    atomic_fetch_add(&grown, 1);
    if (depth-- > 0)
        for (int i = 0; i < 3; i++)
            CHECK_OK(sp_spawn(grow, &depth, &options, NULL));
}

TEST(bursts_of_processes_all_run)
{
    world_open(&four_workers);
    for (int burst = stress_times(10); burst > 0; burst--) {
        atomic_store(&grown, 0);
        grow(&(int){ 7 });
        while (accounts().processes != 1)
            sp_yield();
        CHECK_INT(grown, (3 * 3 * 3 * 3 * 3 * 3 * 3 * 3 - 1) / 2);
    }
    stress_settle();
    world_close();
}

/* ---- pids that go stale ------------------------------------------------------------------- */

/* Slots get new users as fast as can be, while others use the pids of the former ones. A message
 * says whom it is for: it never comes to another. */

enum { BOARD = 16 };

struct board {
    _Atomic uint64_t serials[BOARD];
    _Atomic uint32_t slots[BOARD];
    int count;
};

static sp_pid board_any(struct board *board)
{
    int i = stress_dice(BOARD);
    return (sp_pid){ atomic_load(&board->serials[i]), atomic_load(&board->slots[i]), 0 };
}

SP_MESSAGE(letter, sp_pid);

static void mayfly_main(void *arg)
{
    struct sp_message *message;
    (void)arg;
    for (int i = stress_dice(3); i > 0; i--) {
        while (sp_receive(sp_nowait(), &message) == SP_OK) {
            const sp_pid *to = letter_of(message);
            if (to != NULL)
                CHECK(sp_pid_equal(*to, sp_self()));
            sp_message_free(message);
        }
        sp_yield();
    }
    if (stress_dice(10) == 0)
        sp_exit_error(SP_OK, "mayfly");
}

static void board_breeder(void *arg)
{
    struct board *board = arg;
    for (int i = 0; i < board->count; i++) {
        sp_pid pid;
        int place = stress_dice(BOARD);
        CHECK_OK(sp_spawn(mayfly_main, NULL, NULL, &pid));
        atomic_store_explicit(&board->slots[place], pid.slot, memory_order_relaxed);
        atomic_store_explicit(&board->serials[place], pid.serial, memory_order_relaxed);
        if (i % 64 == 0)
            sp_yield();
    }
}

static void board_watch(sp_pid pid)
{
    sp_monitor_ref ref;
    CHECK_OK(sp_monitor(pid, &ref));
    if (stress_dice(2) == 0)
        sp_demonitor(ref, SP_DEMONITOR_FLUSH);
    sp_err err = sp_link(pid);
    CHECK(err == SP_OK || err == SP_ERR_NOPROC);
    sp_unlink(pid);
}

static void board_look(sp_pid pid)
{
    struct sp_process_info info;
    if (sp_process_info(pid, &info) == SP_OK) {
        CHECK(sp_pid_equal(info.pid, pid));
        CHECK_STR(info.label, "process");
    }
    sp_ignore(sp_is_alive(pid));
}

static void board_post(struct board *board, sp_pid pid)
{
    switch (stress_dice(6)) {
    case 0:
        board_watch(pid);
        break;
    case 1:
        board_look(pid);
        break;
    case 2:
        sp_ignore(sp_signal(pid, sp_reason_normal()));
        break;
    case 3:
        sp_ignore(sp_join(pid, sp_after_us(50), NULL));
        break;
    default:
        for (int i = 0; i < 8; i++) {
            sp_ignore(letter_send(pid, &pid));
            pid = board_any(board);
        }
        break;
    }
}

static void board_poster(void *arg)
{
    struct board *board = arg;
    struct sp_message *message;
    sp_trap_exit(true);
    for (int i = 0; i < board->count; i++) {
        sp_pid pid = board_any(board);
        if (pid.serial != 0)
            board_post(board, pid);
        while (sp_receive(sp_nowait(), &message) == SP_OK)
            sp_message_free(message);
    }
}

TEST(what_is_sent_to_the_dead_never_comes_to_a_stranger)
{
    static struct board board;
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    board.count = stress_times(20000);
    stress_processes(&crew, 2, board_breeder, &board);
    stress_processes(&crew, 4, board_poster, &board);
    stress_threads(&crew, 1, board_poster, &board);
    stress_wait(&crew);
    stress_settle();
    world_close();
}

/* ---- memory that changes threads ---------------------------------------------------------- */

/* Messages of every size are made on one thread, go on through others, and end somewhere. */

enum { PAGE_MAX = 1500 };

struct page {
    int hops;
    uint32_t size;
    uint8_t bytes[];
};

static struct sp_msg_type page_types[PAGE_MAX + 1];

static void page_types_init(void)
{
    for (uint32_t size = 0; size <= PAGE_MAX; size++)
        page_types[size] =
            (struct sp_msg_type){ .name = "page", .size = (uint32_t)sizeof(struct page) + size };
}

static void page_send(sp_pid to)
{
    _Alignas(struct page) char memory[sizeof(struct page) + PAGE_MAX];
    struct page *page = (struct page *)(void *)memory;
    uint32_t size = (uint32_t)stress_dice(stress_dice(4) == 0 ? PAGE_MAX : 100);
    *page = (struct page){ .hops = stress_dice(6), .size = size };
    memset(page->bytes, (int)(size & 0xff), size);
    sp_ignore(sp_send(to, &page_types[size], page));
}

static void page_check(const struct page *page)
{
    for (uint32_t i = 0; i < page->size; i++)
        CHECK_INT(page->bytes[i], page->size & 0xff);
}

static struct ring printers[4];

static void printer_main(void *arg)
{
    const struct ring *ring = arg;
    struct sp_message *message;
    for (;;) {
        CHECK_OK(sp_receive(sp_never(), &message));
        struct page *page = sp_message_payload(message);
        page_check(page);
        if (page->hops-- > 0)
            sp_ignore(sp_message_forward(message, ring->next->pid)); /* or it is gone: full */
        else
            sp_message_free(message);
    }
}

static void page_author(void *arg)
{
    (void)arg;
    for (int i = stress_times(30000); i > 0; i--)
        page_send(printers[stress_dice(4)].pid);
}

TEST(messages_of_all_sizes_go_round_unharmed)
{
    struct stress_crew crew = { 0 };
    world_open(&four_workers);
    page_types_init();
    for (int i = 0; i < 4; i++) {
        const struct sp_spawn_options options = { .mailbox_max = 200, .own_thread = i == 3 };
        printers[i].next = &printers[(i + 1) % 4];
        CHECK_OK(sp_spawn(printer_main, &printers[i], &options, &printers[i].pid));
    }
    stress_processes(&crew, 3, page_author, NULL);
    stress_threads(&crew, 2, page_author, NULL);
    stress_wait(&crew);
    for (int i = 0; i < 4; i++)
        CHECK_OK(sp_stop(printers[i].pid, NULL, sp_never()));
    stress_settle();
    world_close();
}

/* ---- threads that come and go --------------------------------------------------------------- */

static void visitor(void *arg)
{
    const sp_pid *to = arg;
    struct sp_message *message;
    for (int i = stress_times(300); i > 0; i--) {
        send_note(*to, i);
        if (i % 3 == 0)
            CHECK_OK(sp_receive(sp_never(), &message));
        if (i % 3 == 0)
            sp_message_free(message);
        sp_thread_detach(); /* what is still on its way to it is dead */
        CHECK_OK(sp_thread_attach(world_runtime()));
    }
}

static void host_main(void *arg)
{
    struct sp_message *message;
    (void)arg;
    for (;;) {
        CHECK_OK(sp_receive(sp_never(), &message));
        const struct note *note = note_of(message);
        sp_ignore(note_send(note->from, note));
        sp_message_free(message);
    }
}

TEST(threads_attach_and_detach_while_they_are_written_to)
{
    struct stress_crew crew = { 0 };
    sp_pid host;
    world_open(&four_workers);
    CHECK_OK(sp_spawn(host_main, NULL, NULL, &host));
    stress_threads(&crew, 4, visitor, &host);
    stress_wait(&crew);
    CHECK_OK(sp_stop(host, NULL, sp_never()));
    stress_settle();
    world_close();
}
