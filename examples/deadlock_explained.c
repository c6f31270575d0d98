/* Two servers that call each other, three times: a deadlock that is told at once, the same with one
 * that lets its own chain in, and the same handed over.
 *
 * A shop asks its bank to pay; the bank asks the shop for the bill. docs/reentrancy.md says more.
 */
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>

struct order {
    sp_pid shop; /* who has the bill */
    const struct sp_op *bill;
};

SP_SERVER(bank, sp_empty);
SP_CALL(bank, pay, struct order, int);

static sp_err bank_on_pay(sp_empty *self, const struct order *in, int *out)
{
    (void)self;
    sp_err err = sp_server_call(in->shop, in->bill, &(sp_empty){ 0 }, out, sp_never());
    if (err == SP_ERR_DEADLOCK) {
        struct sp_call_outcome outcome;
        sp_call_outcome(&outcome);
        printf("  the bank is told: %s\n",
               outcome.reason != NULL ? sp_reason_text(outcome.reason) : "no memory");
    }
    return err;
}

SP_STATE(bank, sp_empty);
SP_ON_CALL(bank, pay);
SP_CLASS(bank);

/* ---- a shop that does one thing at a time ---- */

SP_SERVER(shop, sp_pid); /* started with its bank */
SP_CALL(shop, sell, sp_empty, int);
SP_CALL(shop, bill, sp_empty, int);
SP_CALL(shop, sell_later, sp_empty, int);

static int sell(sp_pid bank, const struct sp_op *bill, sp_err *out_err)
{
    int paid = 0;
    *out_err = bank_pay((bank_ref){ bank }, &(struct order){ sp_self(), bill }, &paid, sp_never());
    return paid;
}

static sp_err shop_init(sp_pid *self, const sp_pid *bank)
{
    *self = *bank;
    return SP_OK;
}

/* Waits for the bank, and so for itself. */
static sp_err shop_on_sell(sp_pid *self, const sp_empty *in, int *out)
{
    sp_err err;
    (void)in;
    *out = sell(*self, &shop_bill_op, &err);
    return err;
}

static sp_err shop_on_bill(sp_pid *self, const sp_empty *in, int *out)
{
    (void)self;
    (void)in;
    *out = 12;
    return SP_OK;
}

/* Somebody else waits for the bank: the shop is free to show its bill meanwhile. */
struct errand {
    sp_pid bank;
    sp_pid shop;
    sp_request request;
};

static void errand_run(void *arg)
{
    const struct errand *errand = arg;
    struct order order = { errand->shop, &shop_bill_op };
    int paid = 0;
    sp_err err = sp_request_adopt(errand->request);
    if (err == SP_OK)
        err = bank_pay((bank_ref){ errand->bank }, &order, &paid, sp_never());
    sp_ignore(err == SP_OK ? shop_sell_later_reply(errand->request, &paid)
                           : sp_request_fail(errand->request, err));
}

static sp_err shop_on_sell_later(sp_pid *self, const sp_empty *in, int *out)
{
    (void)in;
    (void)out;
    struct errand errand = { .bank = *self, .shop = sp_self() };
    sp_err err = sp_request_take(&errand.request);
    if (err != SP_OK)
        return err;
    err = sp_spawn(errand_run, &errand, &(struct sp_spawn_options){ .arg_size = sizeof(errand) },
                   NULL);
    if (err != SP_OK)
        sp_ignore(sp_request_fail(errand.request, err));
    return SP_ERR_DEFERRED;
}

SP_STATE(shop, sp_pid);
SP_ON_INIT(shop);
SP_ON_CALL(shop, sell);
SP_ON_CALL(shop, bill);
SP_ON_CALL(shop, sell_later);
SP_CLASS(shop, .init = shop__init);

/* ---- a shop that lets in who calls on its own behalf ---- */

SP_SERVER(open_shop, sp_pid);
SP_CALL(open_shop, sell, sp_empty, int);
SP_CALL(open_shop, bill, sp_empty, int);

static sp_err open_shop_init(sp_pid *self, const sp_pid *bank)
{
    *self = *bank;
    return SP_OK;
}

static sp_err open_shop_on_sell(sp_pid *self, const sp_empty *in, int *out)
{
    sp_err err;
    (void)in;
    *out = sell(*self, &open_shop_bill_op, &err);
    return err;
}

static sp_err open_shop_on_bill(sp_pid *self, const sp_empty *in, int *out)
{
    return shop_on_bill(self, in, out);
}

SP_STATE(open_shop, sp_pid);
SP_ON_INIT(open_shop);
SP_ON_CALL(open_shop, sell);
SP_ON_CALL(open_shop, bill);
SP_CLASS(open_shop, .init = open_shop__init, .reentrancy = SP_REENTRANCY_CALL_CHAIN);

/* ---- the three of them ---- */

static void must(sp_err err, const char *what)
{
    if (err != SP_OK)
        sp_exit_error(err, "%s", what);
}

static int program(void *unused)
{
    (void)unused;
    bank_ref bank;
    shop_ref shop;
    open_shop_ref open_shop;
    sp_empty in = { 0 };
    int paid = 0;
    must(bank_start(NULL, &(struct sp_server_options){ .spawn.name = "bank" }, &bank), "bank");
    must(shop_start(&bank.pid, &(struct sp_server_options){ .spawn.name = "shop" }, &shop), "shop");
    must(open_shop_start(&bank.pid, NULL, &open_shop), "open shop");

    puts("One thing at a time:");
    sp_err err = shop_sell(shop, &in, &paid, sp_never());
    printf("  the sale fails at once: %s\n", sp_err_text(err));
    must(shop_bill(shop, &in, &paid, sp_never()), "bill");
    puts("  nobody is stuck: the shop shows its bill to others");

    puts("With its own call chain let in:");
    must(open_shop_sell(open_shop, &in, &paid, sp_never()), "sale");
    printf("  sold for %d\n", paid);

    puts("Handed over:");
    must(shop_sell_later(shop, &in, &paid, sp_never()), "sale");
    printf("  sold for %d\n", paid);
    return EXIT_SUCCESS;
}

int main(void)
{
    return sp_main(program, NULL, NULL);
}
