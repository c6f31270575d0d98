#include "runtime/real/log_writer.h"

#include "base/alloc.h"
#include "runtime/log_format.h"
#include "runtime/real/clock.h"
#include "runtime/real/futex.h"
#include "runtime/real/log_sink.h"
#include "runtime/real/os_thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

enum {
    WRITER_AWAKE,
    WRITER_LINGERS,
    WRITER_SLEEPS,
};

enum {
    WRITER_BATCH = 64, /* lines between two looks at who waits for them */
    WRITER_LINGER_NS = 1000000,
    WRITER_QUIET_ROUNDS = 10, /* of lingering without a line, before it sleeps */
    WRITER_CRASH_NS = 100000000,
    WRITER_CRASHES = 16,
    WRITER_LATE_NS = 100000000, /* for the thread to end, after the budget of the log */
};

struct sp__log_writer {
    struct sp__log *log;
    struct sp__log_sink sink;
    char *buffer; /* of two longest lines */
    size_t size;
    size_t line_max;
    pthread_t thread;
    _Atomic uint32_t asleep;
    _Atomic uint32_t rounds; /* changes when lines were written: for who flushes */
    _Atomic uint32_t ended;  /* the thread has come to its end */
    _Atomic bool reading;
    _Atomic bool left;     /* one of the thread and the stop has; the other one frees */
    _Atomic int64_t until; /* 0: it goes on; else when it has to end */
    uint64_t failed_told;
    bool works; /* the last write did */
};

/* Those that a fault writes out; by a handler, so without a lock. */
static struct sp__log_writer *_Atomic writer_all[WRITER_CRASHES];

/* ---- writing ---- */

static bool writer_patience(void *arg)
{
    struct sp__log_writer *writer = arg;
    /* acquire: pairs with stop. */
    int64_t until = atomic_load_explicit(&writer->until, memory_order_acquire);
    return until == 0 || sp__clock_monotonic_ns() < until;
}

/* How lines leave: `patience` is the thread's, or of a fault. */
struct writer_round {
    struct sp__log_writer *writer;
    struct sp__text text; /* formatted, not written yet */
    uint64_t lines;       /* in it */
    bool crash;
    sp__log_patience_fn patience;
    void *arg;
};

static void round_push(struct writer_round *round)
{
    struct sp__log_writer *writer = round->writer;
    struct sp__log *log = writer->log;
    int error = 0;
    if (round->text.length > 0) {
        error = sp__log_sink_write(&writer->sink, round->text.buffer, round->text.length,
                                   round->patience, round->arg);
        writer->works = error == 0;
    }
    /* relaxed, all: counts. */
    atomic_fetch_add_explicit(error == 0 ? &log->written : &log->failed, round->lines,
                              memory_order_relaxed);
    if (error != 0)
        atomic_store_explicit(&log->failed_errno, error, memory_order_relaxed);
    sp__text_init(&round->text, writer->buffer, writer->size);
    round->lines = 0;
}

static void round_format(struct writer_round *round, const struct sp_log_record *record)
{
    struct sp__log_writer *writer = round->writer;
    const struct sp_log_options *options = &writer->log->options;
    if (writer->size - round->text.length < writer->line_max)
        round_push(round);
    if (options->sink == SP_LOG_JOURNAL)
        sp__log_format_journal(&round->text, record, writer->sink.identifier);
    else if (options->sink != SP_LOG_NOWHERE && options->format == SP_LOG_JSON)
        sp__log_format_json(&round->text, record);
    else if (options->sink != SP_LOG_NOWHERE)
        sp__log_format_text(&round->text, record, writer->sink.colours);
    round->lines++;
    if (options->sink == SP_LOG_JOURNAL)
        round_push(round);
    if (options->fn != NULL && !round->crash)
        options->fn(options->context, record);
}

/* A line of the log's own. */
static void round_note(struct writer_round *round, const char *text, const char *key,
                       uint64_t count)
{
    const struct sp_kv pairs[] = { sp_kv_uint(key, count), { .type = SP_KV_END } };
    round_format(round, &(struct sp_log_record){ .level = SP_LOG_WARNING,
                                                 .wall_ns = sp__clock_wall_ns(),
                                                 .process = "",
                                                 .module = "spawned",
                                                 .text = text,
                                                 .pairs = pairs });
}

static void round_lost(struct writer_round *round, uint64_t lost)
{
    if (lost == 0)
        return;
    /* relaxed: a count. */
    atomic_fetch_add_explicit(&round->writer->log->lost, lost, memory_order_relaxed);
    round_note(round, "messages lost: the log was full", "lost", lost);
}

/* Once it takes something again, it says what it did not. */
static void round_failures(struct writer_round *round)
{
    struct sp__log_writer *writer = round->writer;
    /* relaxed: written by whoever reads the ring. */
    uint64_t failed = atomic_load_explicit(&writer->log->failed, memory_order_relaxed);
    if (failed == writer->failed_told || !writer->works)
        return;
    uint64_t untold = failed - writer->failed_told;
    writer->failed_told = failed;
    round_note(round, "messages could not be written", "failed", untold);
    round_push(round);
}

/* Up to a batch of what is there. Returns how many. */
static uint64_t round_lines(struct writer_round *round)
{
    struct sp__log_ring *ring = &round->writer->log->ring;
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    uint64_t count = 0;
    const struct sp__log_slot *slot;
    while (count < WRITER_BATCH && (slot = sp__log_ring_peek(ring, head + count)) != NULL) {
        round_lost(round, slot->lost);
        round_format(round, &slot->record);
        count++;
    }
    if (count == 0) {
        /* relaxed: as in put. No line came since that could have carried it. */
        uint64_t lost = atomic_load_explicit(&ring->lost, memory_order_relaxed);
        if (lost != 0)
            round_lost(round, atomic_exchange_explicit(&ring->lost, 0, memory_order_relaxed));
    }
    round_push(round);
    round_failures(round);
    sp__log_ring_release(ring, count);
    return count;
}

/* ---- who reads ---- */

static bool writer_take(struct sp__log_writer *writer)
{
    /* acquire: pairs with give. */
    return !atomic_exchange_explicit(&writer->reading, true, memory_order_acquire);
}

static void writer_give(struct sp__log_writer *writer)
{
    atomic_store_explicit(&writer->reading, false, memory_order_release);
}

/* False: nothing was there. */
static bool writer_round(struct sp__log_writer *writer)
{
    struct writer_round round = { .writer = writer, .patience = writer_patience, .arg = writer };
    if (!writer_take(writer))
        return false; /* a fault writes; if the program survives it, look again */
    sp__text_init(&round.text, writer->buffer, writer->size);
    uint64_t count = round_lines(&round);
    writer_give(writer);
    if (count == 0)
        return false;
    /* seq_cst: after head, which a flush reads when this has changed. */
    atomic_fetch_add_explicit(&writer->rounds, 1, memory_order_seq_cst);
    sp__futex_wake(&writer->rounds, INT32_MAX);
    return true;
}

/* ---- the thread ---- */

static bool writer_idle(struct sp__log_writer *writer)
{
    struct sp__log_ring *ring = &writer->log->ring;
    uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    /* seq_cst, the load inside too: after `asleep` was written; pair with put and wake, and stop. */
    return sp__log_ring_peek(ring, head) == NULL &&
           atomic_load_explicit(&writer->until, memory_order_seq_cst) == 0;
}

static void writer_sleep(struct sp__log_writer *writer, uint32_t how)
{
    atomic_store_explicit(&writer->asleep, how, memory_order_seq_cst);
    if (writer_idle(writer))
        sp__futex_wait(&writer->asleep, how, how == WRITER_LINGERS ? WRITER_LINGER_NS : INT64_MAX);
    /* relaxed: lines are looked for after it. */
    atomic_store_explicit(&writer->asleep, WRITER_AWAKE, memory_order_relaxed);
}

static void writer_free(struct sp__log_writer *writer)
{
    sp__log_sink_finish(&writer->sink);
    sp__free(writer->buffer);
    sp__log_free(writer->log);
    sp__free(writer);
}

static void *writer_main(void *arg)
{
    struct sp__log_writer *writer = arg;
    unsigned quiet = 0;
    for (;;) {
        bool any = writer_round(writer);
        quiet = any ? 0 : quiet + 1;
        /* acquire: pairs with stop; what was logged before is in the ring. */
        bool stops = atomic_load_explicit(&writer->until, memory_order_acquire) != 0;
        if (!any && stops && !writer_round(writer))
            break;
        if (!any && !stops)
            writer_sleep(writer, quiet > WRITER_QUIET_ROUNDS ? WRITER_SLEEPS : WRITER_LINGERS);
    }
    atomic_store_explicit(&writer->ended, 1, memory_order_seq_cst);
    sp__futex_wake(&writer->ended, 1);
    /* acq_rel: pairs with stop; who comes second frees. */
    if (atomic_exchange_explicit(&writer->left, true, memory_order_acq_rel))
        writer_free(writer);
    return NULL;
}

/* ---- what the log asks for ---- */

static void writer_rouse(struct sp__log_writer *writer)
{
    /* seq_cst: after what it is woken for. */
    if (atomic_exchange_explicit(&writer->asleep, WRITER_AWAKE, memory_order_seq_cst) !=
        WRITER_AWAKE)
        sp__futex_wake(&writer->asleep, 1);
}

static void writer_wake(struct sp__log *log)
{
    struct sp__log_writer *writer = log->writer;
    /* seq_cst: after the line was put; pairs with sleep. */
    uint32_t asleep = atomic_load_explicit(&writer->asleep, memory_order_seq_cst);
    if (asleep == WRITER_SLEEPS || (asleep == WRITER_LINGERS && sp__log_ring_half(&log->ring)))
        writer_rouse(writer);
}

static sp_err writer_flush(struct sp__log *log, int64_t until)
{
    struct sp__log_writer *writer = log->writer;
    /* seq_cst, both: what the caller has logged is before it; and `rounds` before head, so that a
     * round in between is seen. */
    uint64_t target = atomic_load_explicit(&log->ring.tail, memory_order_seq_cst);
    for (;;) {
        uint32_t rounds = atomic_load_explicit(&writer->rounds, memory_order_seq_cst);
        /* acquire: pairs with release(): it is written. */
        uint64_t head = atomic_load_explicit(&log->ring.head, memory_order_acquire);
        if ((int64_t)(head - target) >= 0)
            return SP_OK;
        int64_t now = sp__clock_monotonic_ns();
        if (now >= until)
            return SP_ERR_TIMEOUT;
        writer_rouse(writer);
        sp__futex_wait(&writer->rounds, rounds, until == INT64_MAX ? until : until - now);
    }
}

static void writer_enlist(struct sp__log_writer *from, struct sp__log_writer *to)
{
    for (int i = 0; i < WRITER_CRASHES; i++) {
        struct sp__log_writer *expected = from;
        /* acq_rel: pairs with crash, which finds it complete. */
        if (atomic_compare_exchange_strong_explicit(&writer_all[i], &expected, to,
                                                    memory_order_acq_rel, memory_order_relaxed))
            return;
    }
}

static sp_err writer_start(struct sp__log *log)
{
    struct sp__log_writer *writer = sp__calloc(1, sizeof(*writer));
    if (writer == NULL)
        return SP_ERR_NOMEM;
    writer->log = log;
    writer->line_max = SP__LOG_FORMAT_MAX(log->options.line_size);
    writer->size = 2 * writer->line_max;
    writer->buffer = sp__malloc(writer->size);
    sp_err err = writer->buffer == NULL ? SP_ERR_NOMEM : SP_OK;
    sp__log_sink_init(&writer->sink, &log->options);
    log->writer = writer;
    if (err == SP_OK)
        err = sp__thread_create(&writer->thread, writer_main, writer);
    if (err != SP_OK) {
        log->writer = NULL;
        sp__log_sink_finish(&writer->sink);
        sp__free(writer->buffer);
        sp__free(writer);
        return err;
    }
    writer_enlist(NULL, writer);
    return SP_OK;
}

static bool writer_await_end(struct sp__log_writer *writer, int64_t until)
{
    /* acquire: pairs with main. */
    while (atomic_load_explicit(&writer->ended, memory_order_acquire) == 0) {
        int64_t now = sp__clock_monotonic_ns();
        if (now >= until)
            return false;
        sp__futex_wait(&writer->ended, 0, until - now);
    }
    return true;
}

static void writer_stop(struct sp__log *moved_log)
{
    struct sp__log_writer *writer = moved_log->writer;
    pthread_t thread = writer->thread;
    int64_t until = sp__clock_monotonic_ns() + moved_log->options.flush_budget.ns;
    writer_enlist(writer, NULL);
    /* seq_cst: before the look whether it sleeps. */
    atomic_store_explicit(&writer->until, until, memory_order_seq_cst);
    writer_rouse(writer);
    bool ended = writer_await_end(writer, until + WRITER_LATE_NS);
    /* acq_rel: pairs with main. */
    bool last = atomic_exchange_explicit(&writer->left, true, memory_order_acq_rel);
    if (ended) {
        (void)pthread_join(thread, NULL);
        if (!last)
            return;
        writer_free(writer);
        return;
    }
    (void)pthread_detach(thread);
    if (last)
        writer_free(writer);
}

const struct sp__log_ops sp__log_writer_ops = {
    .start = writer_start,
    .wake = writer_wake,
    .flush = writer_flush,
    .stop = writer_stop,
};

/* ---- after a fault ---- */

static bool crash_patience(void *arg)
{
    return sp__clock_monotonic_ns() < *(const int64_t *)arg;
}

static void crash_write(struct sp__log_writer *writer)
{
    int64_t until = sp__clock_monotonic_ns() + WRITER_CRASH_NS;
    if (writer->log->options.sink == SP_LOG_NOWHERE ||
        pthread_equal(pthread_self(), writer->thread))
        return;
    while (!writer_take(writer)) {
        if (!crash_patience(&until))
            return;
        (void)poll(NULL, 0, 1);
    }
    struct writer_round round = {
        .writer = writer, .crash = true, .patience = crash_patience, .arg = &until
    };
    sp__text_init(&round.text, writer->buffer, writer->size);
    while (round_lines(&round) != 0 && crash_patience(&until))
        continue;
    writer_give(writer);
}

void sp__log_writer_crash(void)
{
    int saved_errno = errno;
    sigset_t pipe;
    sigset_t before;
    (void)sigemptyset(&pipe);
    (void)sigaddset(&pipe, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe, &before);
    for (int i = 0; i < WRITER_CRASHES; i++) {
        /* acquire: pairs with enlist. */
        struct sp__log_writer *writer = atomic_load_explicit(&writer_all[i], memory_order_acquire);
        if (writer != NULL)
            crash_write(writer);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved_errno;
}
