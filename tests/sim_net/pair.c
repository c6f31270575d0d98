#include "pair.h"

#include <string.h>

static void pair_left(void *arg)
{
    struct pair *pair = arg;
    struct sp_stream *stream;
    sp_err err;
    while ((err = sp_connect("right:7000", pair->options, sp_never(), &stream)) == SP_ERR_REFUSED)
        sp_sleep(sp_ms(1));
    sp_sim_check(pair->s, err == SP_OK, "cannot connect: %s", sp_err_text(err));
    pair->left(pair, stream);
    pair->ended++;
}

static void pair_right(void *arg)
{
    struct pair *pair = arg;
    struct sp_listener *listener;
    struct sp_stream *stream;
    sp_err err = sp_listen("0.0.0.0:7000", pair->options, &listener);
    if (err == SP_OK)
        err = sp_accept(listener, sp_never(), &stream);
    sp_sim_check(pair->s, err == SP_OK, "cannot accept: %s", sp_err_text(err));
    pair->right(pair, stream);
    pair->ended++;
}

void pair_start(sp_sim *s, struct pair *pair)
{
    pair->s = s;
    pair->a = sp_sim_start(s, "left", pair_left, pair);
    pair->b = sp_sim_start(s, "right", pair_right, pair);
}

void pair_run(sp_sim *s, struct pair *pair)
{
    pair_start(s, pair);
    sp_sim_run(s);
    sp_sim_check(s, pair->ended == 2, "%d of 2 ends are through", pair->ended);
}

int64_t pair_ms(void)
{
    return sp_now().ns / SP_NS_PER_MS;
}

static char pair_byte(size_t at)
{
    return (char)(at * 7 + at / 251);
}

void pair_write(struct pair *pair, struct sp_stream *stream, size_t size)
{
    char bytes[1024];
    for (size_t at = 0; at < size;) {
        size_t part = size - at < sizeof(bytes) ? size - at : sizeof(bytes);
        for (size_t i = 0; i < part; i++)
            bytes[i] = pair_byte(at + i);
        sp_err err = sp_stream_write(stream, bytes, part, sp_never());
        sp_sim_check(pair->s, err == SP_OK, "write at %zu: %s", at, sp_err_text(err));
        at += part;
    }
}

void pair_read(struct pair *pair, struct sp_stream *stream, size_t size)
{
    char bytes[3000];
    for (size_t at = 0; at < size;) {
        size_t count = 0;
        size_t want = size - at < sizeof(bytes) ? size - at : sizeof(bytes);
        sp_err err = sp_stream_read(stream, bytes, want, sp_never(), &count);
        sp_sim_check(pair->s, err == SP_OK, "read at %zu: %s", at, sp_err_text(err));
        for (size_t i = 0; i < count; i++)
            sp_sim_check(pair->s, bytes[i] == pair_byte(at + i), "byte %zu is wrong", at + i);
        at += count;
    }
}
