/* What a test does to the network, and what the two ends see of it. */
#include "pair.h"

#include <string.h>

static void sends_a_byte(struct pair *pair, struct sp_stream *stream)
{
    sp_sleep(sp_sec(2));
    pair_write(pair, stream, 1);
    pair_read(pair, stream, 1);
}

static void answers_a_byte(struct pair *pair, struct sp_stream *stream)
{
    pair_read(pair, stream, 1);
    pair->value = (int)pair_ms();
    pair_write(pair, stream, 1);
}

SP_SIM_TEST(what_is_sent_while_parted_arrives_afterwards)
{
    struct pair pair = { .left = sends_a_byte, .right = answers_a_byte };
    pair_start(s, &pair);
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_partition(s, pair.a, pair.b, SP_SIM_BOTH);
    sp_sim_run_for(s, sp_sec(9));
    sp_sim_check(s, pair.value == 0, "a byte went through the wall");
    sp_sim_heal(s, pair.a, pair.b);
    sp_sim_run(s);
    /* Sent at 2 s, and again after 0.2, 0.6, 1.4, 3, 6.2 and 12.6. */
    sp_sim_check(s, pair.value >= 10000 && pair.value < 15000, "it arrived at %d ms", pair.value);
}

SP_SIM_TEST(what_is_clogged_arrives_at_once_afterwards)
{
    struct pair pair = { .left = sends_a_byte, .right = answers_a_byte };
    pair_start(s, &pair);
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_clog(s, pair.a, pair.b, SP_SIM_ONEWAY);
    sp_sim_run_for(s, sp_sec(9));
    sp_sim_check(s, pair.value == 0, "a byte went through the clog");
    sp_sim_heal(s, NULL, NULL);
    sp_sim_run(s);
    sp_sim_check(s, pair.value >= 10000 && pair.value < 10100, "it arrived at %d ms", pair.value);
}

SP_SIM_TEST(one_way_is_open_while_the_other_is_not)
{
    struct pair pair = { .left = sends_a_byte, .right = answers_a_byte };
    pair_start(s, &pair);
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_partition(s, pair.b, pair.a, SP_SIM_ONEWAY);
    sp_sim_run_for(s, sp_sec(9));
    sp_sim_check(s, pair.value >= 2000 && pair.value < 2100, "it arrived at %d ms", pair.value);
    sp_sim_check(s, pair.ended == 1, "the answer went through the wall");
    sp_sim_heal(s, pair.a, pair.b);
    sp_sim_run(s);
    sp_sim_check(s, pair.ended == 2, "%d of 2 are through", pair.ended);
}

static void waits_for_ever(struct pair *pair, struct sp_stream *stream)
{
    char byte;
    size_t count;
    pair->error = sp_stream_read(stream, &byte, 1, sp_never(), &count);
    pair->at = sp_now();
}

static void sends_and_waits(struct pair *pair, struct sp_stream *stream)
{
    sp_sleep(sp_sec(2));
    pair_write(pair, stream, 1);
    waits_for_ever(pair, stream);
}

static void does_not_wait(struct pair *pair, struct sp_stream *stream)
{
    (void)pair;
    (void)stream;
    sp_sleep(sp_sec(100000));
}

static void parted_for_ever(sp_sim *s, struct pair *pair)
{
    pair_start(s, pair);
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_partition(s, pair->a, pair->b, SP_SIM_BOTH);
    sp_sim_run_for(s, sp_sec(2000));
    sp_sim_check(s, pair->error == SP_ERR_RESET, "it is told %s", sp_err_text(pair->error));
}

SP_SIM_TEST(who_has_unsent_data_gives_up_after_a_quarter_of_an_hour)
{
    struct pair pair = { .left = sends_and_waits, .right = does_not_wait };
    parted_for_ever(s, &pair);
    sp_sim_check(s, pair.at.ns / SP_NS_PER_S == 927, "after %lld ms",
                 (long long)(pair.at.ns / SP_NS_PER_MS));
}

SP_SIM_TEST(who_only_waits_is_told_by_keepalive)
{
    struct sp_socket_options options = { .keepalive = sp_sec(100) };
    struct pair pair = { .left = waits_for_ever, .right = does_not_wait, .options = &options };
    parted_for_ever(s, &pair);
    sp_sim_check(s, pair.at.ns / SP_NS_PER_S == 151, "after %lld ms",
                 (long long)(pair.at.ns / SP_NS_PER_MS));
}

SP_SIM_TEST(a_reset_is_for_both)
{
    struct pair pair = { .left = waits_for_ever, .right = waits_for_ever };
    pair_start(s, &pair);
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_reset_connections(s, pair.b, pair.a);
    sp_sim_run(s);
    sp_sim_check(s, pair.error == SP_ERR_RESET, "they are told %s", sp_err_text(pair.error));
    sp_sim_check(s, pair.ended == 2, "%d of 2 are through", pair.ended);
}

/* ---- what befalls a node, as its peer sees it ---- */

SP_SIM_TEST(the_peer_of_a_program_that_crashes_sees_the_end)
{
    struct pair pair = { .left = does_not_wait, .right = waits_for_ever };
    pair_start(s, &pair);
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_crash(pair.a);
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_check(s, pair.error == SP_ERR_EOF, "it is told %s", sp_err_text(pair.error));
}

SP_SIM_TEST(the_peer_of_a_machine_without_power_is_told_by_keepalive)
{
    struct sp_socket_options options = { .keepalive = sp_sec(100) };
    struct pair pair = { .left = does_not_wait, .right = waits_for_ever, .options = &options };
    pair_start(s, &pair);
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_power_off(pair.a);
    sp_sim_run_for(s, sp_sec(1000));
    sp_sim_check(s, pair.error == SP_ERR_RESET, "it is told %s", sp_err_text(pair.error));
    sp_sim_check(s, pair.at.ns / SP_NS_PER_S == 151, "after %lld ms",
                 (long long)(pair.at.ns / SP_NS_PER_MS));
}

SP_SIM_TEST(a_paused_node_hears_everything_afterwards)
{
    struct pair pair = { .left = sends_a_byte, .right = answers_a_byte };
    pair_start(s, &pair);
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_pause(pair.b);
    sp_sim_run_for(s, sp_sec(9));
    sp_sim_check(s, pair.value == 0, "a byte came to one who stands still");
    sp_sim_resume(pair.b);
    sp_sim_run(s);
    sp_sim_check(s, pair.value >= 10000 && pair.value < 15000, "it arrived at %d ms", pair.value);
}

static void beats_for_ever(struct pair *pair, struct sp_stream *stream)
{
    while (pair->error == SP_OK) {
        sp_sleep(sp_ms(100));
        pair->error = sp_stream_write(stream, "x", 1, sp_never());
    }
    pair->at = sp_now();
    sp_sleep(sp_sec(1000));
}

static void hears_for_ever(struct pair *pair, struct sp_stream *stream)
{
    char byte;
    size_t count;
    (void)pair;
    while (sp_stream_read(stream, &byte, 1, sp_never(), &count) == SP_OK)
        ;
}

SP_SIM_TEST(who_writes_to_a_machine_that_came_back_is_reset)
{
    struct pair pair = { .left = beats_for_ever, .right = hears_for_ever };
    pair_start(s, &pair);
    sp_sim_run_for(s, sp_sec(1));
    sp_sim_power_off(pair.b);
    sp_sim_run_for(s, sp_sec(10));
    sp_sim_check(s, pair.error == SP_OK, "it knows already: %s", sp_err_text(pair.error));
    sp_sim_restart(pair.b);
    sp_sim_run_for(s, sp_sec(20));
    sp_sim_check(s, pair.error == SP_ERR_RESET, "it is told %s", sp_err_text(pair.error));
}

static void times_one_way(struct pair *pair, struct sp_stream *stream)
{
    pair_write(pair, stream, 10000);
    sp_ignore(sp_stream_shutdown(stream, sp_never()));
    char byte;
    size_t count;
    sp_ignore(sp_stream_read(stream, &byte, 1, sp_never(), &count));
}

static void times_arrival(struct pair *pair, struct sp_stream *stream)
{
    pair_read(pair, stream, 10000);
    pair->value = (int)pair_ms();
}

SP_SIM_TEST(latency_and_bandwidth_are_as_told)
{
    struct pair pair = { .left = times_one_way, .right = times_arrival };
    pair_start(s, &pair);
    sp_sim_latency(s, pair.a, pair.b, sp_ms(100), sp_ms(100));
    sp_sim_bandwidth(s, pair.a, pair.b, 10000);
    sp_sim_run(s);
    /* Three times 100 ms and 40 bytes, and 10 KiB; a refused attempt takes 200 ms more. */
    sp_sim_check(s, pair.value >= 1300 && pair.value < 2700, "10 kB took %d ms", pair.value);
}

/* ---- connecting ---- */

struct attempt {
    sp_sim *s;
    sp_err err;
    sp_time at;
};

static void attempts(void *arg)
{
    struct attempt *self = arg;
    struct sp_stream *stream;
    sp_sleep(sp_sec(1));
    self->err = sp_connect("10.0.0.1:80", NULL, sp_after_sec(500), &stream);
    self->at = sp_now();
}

static void idles(void *arg)
{
    struct sp_listener *listener;
    sp_ignore(sp_listen("0.0.0.0:80", NULL, &listener));
    sp_sleep(*(sp_duration *)arg);
}

static void try_through_a_wall(sp_sim *s, struct attempt *self, sp_duration heals)
{
    sp_duration life = sp_sec(1000);
    sp_sim_node *a = sp_sim_start(s, "a", idles, &life);
    sp_sim_node *b = sp_sim_start(s, "b", attempts, self);
    sp_sim_partition(s, a, b, SP_SIM_BOTH);
    sp_sim_run_for(s, heals);
    sp_sim_heal(s, a, b);
    sp_sim_run(s);
}

SP_SIM_TEST(connecting_through_a_wall_times_out)
{
    struct attempt self = { .s = s };
    try_through_a_wall(s, &self, sp_sec(300));
    sp_sim_check(s, self.err == SP_ERR_TIMEOUT, "it says %s", sp_err_text(self.err));
    sp_sim_check(s, self.at.ns / SP_NS_PER_S == 128, "after %lld s",
                 (long long)(self.at.ns / SP_NS_PER_S));
}

SP_SIM_TEST(connecting_waits_for_the_wall_to_go)
{
    struct attempt self = { .s = s };
    try_through_a_wall(s, &self, sp_sec(20));
    sp_sim_check(s, self.err == SP_OK, "it says %s", sp_err_text(self.err));
    /* Asked at 1 s, and again after 1, 3, 7, 15 and 31 s. */
    sp_sim_check(s, self.at.ns / SP_NS_PER_S == 32, "after %lld s",
                 (long long)(self.at.ns / SP_NS_PER_S));
}
