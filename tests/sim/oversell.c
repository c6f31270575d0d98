/* Three buyers ask whether there is stock, and then buy: two pieces may be sold three times.
 * Corrected: asking and buying are one operation. */
#include "suite.h"

enum {
    OVERSELL_STOCK = 2,
};

SP_SERVER(stock, sp_empty);
SP_CALL(stock, available, sp_empty, int);
SP_CAST(stock, buy, sp_empty);
SP_CALL(stock, take, sp_empty, int);

static struct {
    struct suite suite;
    stock_ref stock;
    int sold;
} shop;

struct shelf {
    int sold;
};

static sp_err stock_on_available(struct shelf *shelf, const sp_empty *unused, int *out)
{
    (void)unused;
    *out = OVERSELL_STOCK - shelf->sold;
    return SP_OK;
}

static void stock_on_buy(struct shelf *shelf, const sp_empty *unused)
{
    (void)unused;
    shop.sold = ++shelf->sold;
}

static sp_err stock_on_take(struct shelf *shelf, const sp_empty *unused, int *out)
{
    *out = shelf->sold < OVERSELL_STOCK;
    if (*out)
        stock_on_buy(shelf, unused);
    return SP_OK;
}

SP_STATE(stock, struct shelf);
SP_ON_CALL(stock, available);
SP_ON_CAST(stock, buy);
SP_ON_CALL(stock, take);
SP_CLASS(stock, .init = NULL);

static void buyer_main(void *arg)
{
    sp_empty empty = { 0 };
    int left = 0;
    suite_steps(arg != NULL ? shop.suite.skew : 0);
    if (shop.suite.fixed) {
        sp_ignore(stock_take(shop.stock, &empty, &left, sp_never()));
        return;
    }
    sp_ignore(stock_available(shop.stock, &empty, &left, sp_never()));
    if (left > 0)
        sp_ignore(stock_buy(shop.stock, &empty));
}

static void shop_main(void *arg)
{
    (void)arg;
    sp_empty empty = { 0 };
    int left = 0;
    sp_ignore(stock_start(&empty, NULL, &shop.stock));
    suite_run(&shop.suite,
              (const struct suite_actor[]){
                  { .name = "buyer1", .fn = buyer_main, .arg = &shop },
                  { .name = "buyer2", .fn = buyer_main },
                  { .name = "buyer3", .fn = buyer_main },
              },
              3);
    sp_ignore(stock_available(shop.stock, &empty, &left, sp_never()));
}

static void oversell_run(sp_sim *s, const struct suite *suite)
{
    shop.suite = *suite;
    shop.sold = 0;
    sp_sim_start(s, "node", shop_main, NULL);
    sp_sim_run(s);
    sp_sim_check(s, shop.sold <= OVERSELL_STOCK, "%d of %d are sold", shop.sold, OVERSELL_STOCK);
}

SUITE_TESTS(oversell, oversell_run);
