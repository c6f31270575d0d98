/* A bank: accounts in one server, and what can go wrong with them.
 *
 * Two kinds of failure, kept apart. What concerns the call (no such process, too late, died)
 * is its sp_err. What concerns the business (unknown customer, not enough money) is part
 * of the reply: the call worked, and this is the answer.
 *
 * No deposit is ever lost between two others: a server handles one message after the other, so
 * the handlers need no lock, however many customers call at once.
 */
#include <spawned/spawned.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the protocol (in a larger program: bank.h) ---- */

enum bank_answer {
    BANK_OK = 0,
    BANK_UNKNOWN,      /* no such customer */
    BANK_KNOWN,        /* there is one of that name already */
    BANK_INSUFFICIENT, /* not enough money: nothing was paid out */
    BANK_FULL,
};
struct order {
    char customer[16];
    int64_t cents;
};
struct receipt {
    enum bank_answer answer;
    int64_t balance; /* of the customer, afterwards */
};
struct books {
    int customers;
    int64_t cents;
};

SP_SERVER(bank, struct order); /* its own account, open from the start */
SP_CALL(bank, open, struct order, struct receipt);
SP_CALL(bank, deposit, struct order, struct receipt);
SP_CALL(bank, withdraw, struct order, struct receipt);
SP_CALL(bank, close, sp_empty, struct books); /* the last operation: the bank ends */

/* ---- the server (bank.c) ---- */

enum { BANK_CUSTOMERS_MAX = 8 };
struct bank {
    int count;
    struct order accounts[BANK_CUSTOMERS_MAX];
};

static struct order *bank_account(struct bank *self, const char *customer)
{
    for (int i = 0; i < self->count; i++)
        if (strcmp(self->accounts[i].customer, customer) == 0)
            return &self->accounts[i];
    return NULL;
}

static sp_err bank_init(struct bank *self, const struct order *own)
{
    self->count = 1;
    self->accounts[0] = *own;
    return SP_OK;
}

static sp_err bank_on_open(struct bank *self, const struct order *in, struct receipt *out)
{
    if (bank_account(self, in->customer) != NULL)
        out->answer = BANK_KNOWN;
    else if (self->count == BANK_CUSTOMERS_MAX)
        out->answer = BANK_FULL;
    else
        self->accounts[self->count++] = *in; /* `out` is all zero: BANK_OK */
    out->balance = in->cents;
    return SP_OK;
}

/* Both ways: a withdrawal is a negative amount. */
static sp_err bank_move(struct bank *self, const char *customer, int64_t cents, struct receipt *out)
{
    struct order *account = bank_account(self, customer);
    if (account == NULL) {
        out->answer = BANK_UNKNOWN;
        return SP_OK;
    }
    if (account->cents + cents < 0)
        out->answer = BANK_INSUFFICIENT;
    else
        account->cents += cents;
    out->balance = account->cents;
    return SP_OK;
}

static sp_err bank_on_deposit(struct bank *self, const struct order *in, struct receipt *out)
{
    /* This is no answer of a bank, but a bug of the program that asks. */
    return in->cents < 0 ? SP_ERR_INVALID : bank_move(self, in->customer, in->cents, out);
}

static sp_err bank_on_withdraw(struct bank *self, const struct order *in, struct receipt *out)
{
    return in->cents < 0 ? SP_ERR_INVALID : bank_move(self, in->customer, -in->cents, out);
}

static sp_err bank_on_close(struct bank *self, const sp_empty *in, struct books *out)
{
    (void)in;
    out->customers = self->count;
    for (int i = 0; i < self->count; i++)
        out->cents += self->accounts[i].cents;
    /* The reply goes out first. Whoever is queued behind it is told that the bank died. */
    sp_server_stop_self(sp_reason_normal());
    return SP_OK;
}

SP_STATE(bank, struct bank);
SP_ON_INIT(bank);
SP_ON_CALL(bank, open);
SP_ON_CALL(bank, deposit);
SP_ON_CALL(bank, withdraw);
SP_ON_CALL(bank, close);
SP_CLASS(bank, .init = bank__init);

/* ---- a customer ---- */

typedef sp_err (*bank_fn)(bank_ref, const struct order *, struct receipt *, sp_deadline);

static void order(const char *what, bank_fn operation, bank_ref bank, const struct order *in)
{
    static const char *const answers[] = { "ok", "unknown customer", "is a customer already",
                                           "insufficient balance", "no more customers" };
    struct receipt out;
    sp_err err = operation(bank, in, &out, sp_after_sec(5));
    printf("%-8s %-5s %5ld: ", what, in->customer, (long)in->cents);
    if (err != SP_OK)
        printf("the call failed: %s\n", sp_err_text(err));
    else
        printf("%s, balance %ld\n", answers[out.answer], (long)out.balance);
}

static int run(void *arg)
{
    (void)arg;
    bank_ref bank;
    if (bank_start(&(struct order){ "main", 1000 }, NULL, &bank) != SP_OK)
        return EXIT_FAILURE;
    order("deposit", bank_deposit, bank, &(struct order){ "main", 500 });
    order("withdraw", bank_withdraw, bank, &(struct order){ "main", 700 });
    order("withdraw", bank_withdraw, bank, &(struct order){ "main", 900 });
    order("deposit", bank_deposit, bank, &(struct order){ "joe", 10 });
    order("open", bank_open, bank, &(struct order){ "joe", 0 });
    order("open", bank_open, bank, &(struct order){ "joe", 0 });
    order("deposit", bank_deposit, bank, &(struct order){ "joe", 10 });
    order("deposit", bank_deposit, bank, &(struct order){ "joe", -10 });

    struct books books;
    if (bank_close(bank, &(sp_empty){ 0 }, &books, sp_after_sec(5)) != SP_OK)
        return EXIT_FAILURE;
    printf("closed with %ld cents of %d customers\n", (long)books.cents, books.customers);
    /* The reply may be here before the bank is quite gone. */
    if (sp_join(bank.pid, sp_after_sec(5), NULL) != SP_OK)
        return EXIT_FAILURE;
    order("deposit", bank_deposit, bank, &(struct order){ "main", 1 });
    return EXIT_SUCCESS;
}

int main(void)
{
    return sp_main(run, NULL, NULL);
}
