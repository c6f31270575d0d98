/* A door with a code lock, as a state machine.
 *
 *               right code                  five seconds, or `shut`
 *      locked ──────────────> open ─────────────────────────────────> locked
 *        │ third wrong code
 *        v
 *      blocked ── after a tenth of a second ──> locked
 *
 * Whoever presses a digit while the door is blocked is not refused: the event is postponed
 * and handled once the door is locked again, so the caller merely waits. To the caller the
 * machine is a server like any other.
 */
#include "spawned/spawned.h"
#include "spawned/statem.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- the protocol (in a larger program: door.h) ---- */

struct door_args {
    int code; /* read from its last digit */
};
struct door_digit {
    int digit;
};
struct door_answer {
    const char *text;
};

SP_SERVER(door, struct door_args);
SP_CALL(door, press, struct door_digit, struct door_answer);
SP_CALL(door, look, sp_empty, struct door_answer);
SP_CAST(door, shut, sp_empty);

/* ---- the machine (door.c) ---- */

struct door {
    int code;
    int left; /* what is still to be pressed */
    int wrong;
};

SP_STATEM(door, struct door);
struct door_state {
    SP_STATE_FIELDS(door);
    SP_STATE_CALL_FIELD(door, press);
    SP_STATE_CAST_FIELD(door, shut);
};
static const struct door_state door_locked, door_open, door_blocked;

static sp_err door_init(struct door *self, const struct door_args *args,
                        const struct door_state **out_first)
{
    self->code = args->code;
    *out_first = &door_locked;
    return SP_OK;
}

/** On entering any state. */
static void door_enter(struct door *self, const struct door_state *old)
{
    (void)old;
    self->left = self->code;
    if (door_in(&door_open))
        sp_statem_state_timeout(sp_sec(5));
    if (door_in(&door_blocked))
        sp_statem_state_timeout(sp_ms(100));
    else
        self->wrong = 0;
}

static sp_err door_locked_press(struct door *self, const struct door_digit *in,
                                struct door_answer *out)
{
    if (self->left % 10 != in->digit) {
        self->left = self->code;
        out->text = ++self->wrong < 3 ? "wrong" : "wrong, and once too often";
        if (self->wrong == 3)
            door_next(&door_blocked);
        return SP_OK;
    }
    self->left /= 10;
    out->text = self->left > 0 ? "go on" : "welcome";
    if (self->left == 0)
        door_next(&door_open);
    return SP_OK;
}

static sp_err door_blocked_press(struct door *self, const struct door_digit *in,
                                 struct door_answer *out)
{
    (void)self;
    (void)in;
    (void)out;
    return sp_statem_postpone();
}

static void door_lock(struct door *self)
{
    (void)self;
    door_next(&door_locked);
}

static void door_open_shut(struct door *self, const sp_empty *in)
{
    (void)in;
    door_lock(self);
}

static const struct door_state door_locked = {
    .name = "locked",
    .enter = door_enter,
    .press = door_locked_press,
};
static const struct door_state door_open = {
    .name = "open",
    .enter = door_enter,
    .state_timeout = door_lock,
    .shut = door_open_shut,
};
static const struct door_state door_blocked = {
    .name = "blocked",
    .enter = door_enter,
    .state_timeout = door_lock,
    .press = door_blocked_press,
};

/** In every state that has no `press` of its own: in `open`. */
static sp_err door_on_press(struct door *self, const struct door_digit *in, struct door_answer *out)
{
    (void)self;
    (void)in;
    out->text = "it is open";
    return SP_OK;
}

/** In every state: an ordinary operation of a server. */
static sp_err door_on_look(struct door *self, const sp_empty *in, struct door_answer *out)
{
    (void)self;
    (void)in;
    out->text = sp_statem_name();
    return SP_OK;
}

/** In every state but `open`. */
static void door_on_shut(struct door *self, const sp_empty *in)
{
    (void)self;
    (void)in;
}

SP_STATEM_ON_INIT(door);
SP_STATEM_ON_CALL(door, press);
SP_STATEM_ON_CAST(door, shut);
SP_ON_CALL(door, look);
SP_STATEM_CLASS(door, .init = door__init);

/* ---- somebody at the door ---- */

/** Presses a digit and looks what became of the door. */
static sp_err press(door_ref door, int digit)
{
    struct door_answer answer;
    struct door_answer view;
    sp_err err = door_press(door, &(struct door_digit){ digit }, &answer, sp_after_sec(5));
    if (err == SP_OK)
        err = door_look(door, &(sp_empty){ 0 }, &view, sp_after_sec(5));
    if (err == SP_OK)
        printf("press %d: %s; the door is %s\n", digit, answer.text, view.text);
    else
        printf("press %d: %s\n", digit, sp_err_text(err));
    return err;
}

static int visit(void *arg)
{
    static const int digits[] = { 4, 2, 9, 9, 9, 1, 2, 3, 4 };
    (void)arg;
    door_ref door;
    if (door_start(&(struct door_args){ .code = 321 }, NULL, &door) != SP_OK)
        return EXIT_FAILURE;
    for (size_t i = 0; i < sizeof digits / sizeof digits[0]; i++)
        if (press(door, digits[i]) != SP_OK)
            return EXIT_FAILURE;
    struct door_answer view;
    if (door_shut(door, &(sp_empty){ 0 }) != SP_OK ||
        door_look(door, &(sp_empty){ 0 }, &view, sp_after_sec(5)) != SP_OK)
        return EXIT_FAILURE;
    printf("shut: the door is %s\n", view.text);
    return door_stop(door, sp_after_sec(5)) == SP_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(void)
{
    return sp_main(visit, NULL, NULL);
}
