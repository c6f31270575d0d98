/* A subscriber takes a snapshot and then subscribes: an update in between is never seen. Corrected:
 * subscribing gives the snapshot. */
#include "suite.h"

SP_MESSAGE(gap_update, int);

SP_SERVER(store, sp_empty);
SP_CALL(store, snapshot, sp_empty, int);
SP_CALL(store, subscribe, sp_pid, int);
SP_CAST(store, update, int);

static struct {
    struct suite suite;
    store_ref store;
    int value;
    int view;
} feed;

struct store_state {
    int value;
    sp_pid subscriber;
};

static sp_err store_on_snapshot(struct store_state *store, const sp_empty *in, int *out)
{
    (void)in;
    *out = store->value;
    return SP_OK;
}

static sp_err store_on_subscribe(struct store_state *store, const sp_pid *subscriber, int *out)
{
    store->subscriber = *subscriber;
    *out = store->value;
    return SP_OK;
}

static void store_on_update(struct store_state *store, const int *value)
{
    store->value = *value;
    feed.value = *value;
    if (!sp_pid_equal(store->subscriber, SP_PID_NONE))
        sp_ignore(gap_update_send(store->subscriber, value));
}

SP_STATE(store, struct store_state);
SP_ON_CALL(store, snapshot);
SP_ON_CALL(store, subscribe);
SP_ON_CAST(store, update);
SP_CLASS(store, .init = NULL);

static void subscriber_main(void *arg)
{
    (void)arg;
    sp_pid self = sp_self();
    int unused;
    struct sp_message *message;
    if (feed.suite.fixed) {
        sp_ignore(store_subscribe(feed.store, &self, &feed.view, sp_never()));
    } else {
        sp_ignore(store_snapshot(feed.store, &(sp_empty){ 0 }, &feed.view, sp_never()));
        sp_ignore(store_subscribe(feed.store, &self, &unused, sp_never()));
    }
    while (sp_receive(sp_after_sec(1), &message) == SP_OK) {
        feed.view = *gap_update_of(message);
        sp_message_free(message);
    }
}

static void publisher_main(void *arg)
{
    (void)arg;
    suite_steps(feed.suite.skew);
    for (int value = 1; value <= 2; value++)
        sp_ignore(store_update(feed.store, &value));
}

static void feed_main(void *arg)
{
    (void)arg;
    sp_ignore(store_start(&(sp_empty){ 0 }, NULL, &feed.store));
    suite_run(&feed.suite,
              (const struct suite_actor[]){
                  { .name = "publisher", .fn = publisher_main },
                  { .name = "subscriber", .fn = subscriber_main },
              },
              2);
}

static void subscribe_gap_run(sp_sim *s, const struct suite *suite)
{
    feed.suite = *suite;
    feed.value = 0;
    feed.view = 0;
    sp_sim_start(s, "node", feed_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, feed.view == feed.value, "the view is %d, the value %d", feed.view, feed.value);
}

SUITE_TESTS(subscribe_gap, subscribe_gap_run);
