#include "sim/history/model.h"

#include "base/alloc.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

enum {
    MODEL_STATE_MIN = 64,
    MODEL_VALUE_TEXT = 40,
};

/* ---- bytes of a state ---- */

uint64_t sim__hash(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint64_t hash = sim__mix(UINT64_C(0x9e3779b97f4a7c15), size);
    uint64_t word;
    for (; size >= sizeof(word); size -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        hash = sim__mix(hash, word);
    }
    word = 0;
    if (size > 0)
        memcpy(&word, at, size);
    return sim__mix(hash, word);
}

uint64_t sim__hash_value(sp_value value)
{
    if (value.kind == SP_VALUE_BYTES)
        return sim__hash(value.bytes, value.size);
    return sim__mix(value.kind + 1U, value.kind == SP_VALUE_INT ? (uint64_t)value.number : 0);
}

static bool state_reserve(struct sp_state *state, size_t size)
{
    if (state->failed || size <= state->capacity - state->size)
        return !state->failed;
    size_t capacity = state->capacity < MODEL_STATE_MIN ? MODEL_STATE_MIN : 2 * state->capacity;
    while (capacity - state->size < size)
        capacity *= 2;
    unsigned char *bytes = sp__realloc(state->bytes, capacity);
    state->failed = bytes == NULL;
    if (bytes == NULL)
        return false;
    state->bytes = bytes;
    state->capacity = capacity;
    return true;
}

void sp_state_add(struct sp_state *state, const void *bytes, size_t size)
{
    if (size == 0 || !state_reserve(state, size))
        return;
    memcpy(state->bytes + state->size, bytes, size);
    state->size += size;
}

/* A value in a state: kind and size in four bytes each, then the number or the bytes. */
static void state_add_head(struct sp_state *state, enum sp_value_kind kind, uint32_t size)
{
    uint32_t head[2] = { kind, size };
    sp_state_add(state, head, sizeof(head));
}

void sp_state_add_value(struct sp_state *state, sp_value value)
{
    if (value.kind == SP_VALUE_BYTES) {
        state_add_head(state, value.kind, value.size);
        sp_state_add(state, value.bytes, value.size);
        return;
    }
    state_add_head(state, value.kind, value.kind == SP_VALUE_INT ? sizeof(value.number) : 0);
    if (value.kind == SP_VALUE_INT)
        sp_state_add(state, &value.number, sizeof(value.number));
}

bool sp_state_value(const struct sp_state *state, size_t *at, sp_value *out_value)
{
    uint32_t head[2];
    if (state->size - *at < sizeof(head))
        return false;
    memcpy(head, state->bytes + *at, sizeof(head));
    const unsigned char *bytes = state->bytes + *at + sizeof(head);
    *out_value = (sp_value){ .kind = (enum sp_value_kind)head[0] };
    if (head[0] == SP_VALUE_BYTES)
        *out_value = sp_value_bytes(bytes, head[1]);
    else if (head[0] == SP_VALUE_INT)
        memcpy(&out_value->number, bytes, sizeof(out_value->number));
    *at += sizeof(head) + head[1];
    return true;
}

bool sp_operation_gave(const struct sp_operation *operation, sp_value out)
{
    return operation->outcome == SP_OUTCOME_UNKNOWN || sp_value_equal(operation->out, out);
}

/* For what comes back from an operation that need not say it. */
static bool operation_said(const struct sp_operation *operation, int64_t number)
{
    return operation->out.kind == SP_VALUE_NONE ||
           sp_operation_gave(operation, sp_value_int(number));
}

/* ---- one cell: register, map ---- */

/* What became of a cell. */
enum cell_change {
    CELL_NO,
    CELL_SAME,
    CELL_WRITTEN,
    CELL_APPENDED,
    CELL_DELETED,
};

static enum cell_change cell_swap(const struct sp_operation *operation, sp_value now)
{
    bool equal = sp_value_equal(now, operation->in[0]);
    if (!sp_operation_gave(operation, sp_value_int(equal)))
        return CELL_NO;
    return equal ? CELL_WRITTEN : CELL_SAME;
}

/* `*out_value` is the new value, of CELL_WRITTEN, or what is added. */
static enum cell_change cell_step(const struct sp_operation *operation, sp_value now,
                                  sp_value *out_value)
{
    enum cell_change change = CELL_NO;
    *out_value = operation->in[0];
    switch (operation->code) {
    case SP_OP_READ:
        return sp_operation_gave(operation, now) ? CELL_SAME : CELL_NO;
    case SP_OP_WRITE:
        change = CELL_WRITTEN;
        break;
    case SP_OP_CAS:
        change = cell_swap(operation, now);
        *out_value = operation->in[1];
        break;
    case SP_OP_APPEND:
        if (now.kind == SP_VALUE_INT)
            break;
        return operation->in[0].size == 0 && now.kind != SP_VALUE_NONE ? CELL_SAME : CELL_APPENDED;
    case SP_OP_DELETE:
        return now.kind == SP_VALUE_NONE ? CELL_SAME : CELL_DELETED;
    default:
        break;
    }
    return change == CELL_WRITTEN && sp_value_equal(now, *out_value) ? CELL_SAME : change;
}

static void cell_write(struct sp_state *state, enum cell_change change, sp_value now,
                       sp_value value)
{
    if (change == CELL_WRITTEN) {
        sp_state_add_value(state, value);
    } else if (change == CELL_APPENDED) {
        uint32_t before = now.kind == SP_VALUE_BYTES ? now.size : 0;
        state_add_head(state, SP_VALUE_BYTES, before + value.size);
        sp_state_add(state, now.bytes, before);
        sp_state_add(state, value.bytes, value.size);
    }
}

static enum sp_step cell_said(enum cell_change change)
{
    if (change == CELL_NO)
        return SP_STEP_NO;
    return change == CELL_SAME ? SP_STEP_SAME : SP_STEP_NEXT;
}

static enum sp_step register_step(const struct sp_state *state,
                                  const struct sp_operation *operation, struct sp_state *next)
{
    size_t at = 0;
    sp_value now = sp_value_none();
    sp_value value = sp_value_none();
    (void)sp_state_value(state, &at, &now);
    enum cell_change change = cell_step(operation, now, &value);
    if (change == CELL_WRITTEN && value.kind == SP_VALUE_NONE)
        return SP_STEP_NEXT; /* nothing is the first state */
    cell_write(next, change, now, value);
    return cell_said(change);
}

/* Keys and their values, in the order of the keys' bytes, so that equal maps are equal bytes. */
static int key_compare(sp_value a, sp_value b)
{
    if (a.kind != b.kind)
        return a.kind < b.kind ? -1 : 1;
    if (a.kind == SP_VALUE_INT)
        return (a.number > b.number) - (a.number < b.number);
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size == 0 ? 0 : memcmp(a.bytes, b.bytes, size);
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

static enum sp_step map_step(const struct sp_state *state, const struct sp_operation *operation,
                             struct sp_state *next)
{
    size_t before = 0; /* where the key is, or would be */
    size_t behind = 0; /* where what follows it is */
    sp_value now = sp_value_none();
    sp_value key = sp_value_none();
    sp_value value = sp_value_none();
    for (size_t at = 0; sp_state_value(state, &at, &key); before = behind = at) {
        int order = key_compare(key, operation->key);
        if (order > 0)
            break;
        (void)sp_state_value(state, &at, &value);
        if (order == 0) {
            now = value;
            behind = at;
            break;
        }
    }
    enum cell_change change = cell_step(operation, now, &value);
    if (change == CELL_WRITTEN && value.kind == SP_VALUE_NONE)
        change = CELL_DELETED;
    if (change == CELL_NO || change == CELL_SAME)
        return cell_said(change);
    sp_state_add(next, state->bytes, before);
    if (change != CELL_DELETED)
        sp_state_add_value(next, operation->key);
    cell_write(next, change, now, value);
    if (behind < state->size)
        sp_state_add(next, state->bytes + behind, state->size - behind);
    return SP_STEP_NEXT;
}

static bool cell_reads(const struct sp_operation *operation)
{
    return operation->code == SP_OP_READ ||
           (operation->code == SP_OP_CAS && operation->outcome == SP_OUTCOME_OK &&
            sp_value_equal(operation->out, sp_value_int(0)));
}

/* ---- counter ---- */

static enum sp_step counter_step(const struct sp_state *state, const struct sp_operation *operation,
                                 struct sp_state *next)
{
    int64_t sum = 0;
    if (state->size == sizeof(sum))
        memcpy(&sum, state->bytes, sizeof(sum));
    if (operation->code == SP_OP_READ)
        return sp_operation_gave(operation, sp_value_int(sum)) ? SP_STEP_SAME : SP_STEP_NO;
    if (operation->code != SP_OP_ADD)
        return SP_STEP_NO;
    int64_t result = (int64_t)((uint64_t)sum + (uint64_t)operation->in[0].number);
    if (!operation_said(operation, result))
        return SP_STEP_NO;
    if (result == sum)
        return SP_STEP_SAME;
    if (result != 0)
        sp_state_add(next, &result, sizeof(result));
    return SP_STEP_NEXT;
}

static bool counter_reads(const struct sp_operation *operation)
{
    return operation->code == SP_OP_READ ||
           (operation->code == SP_OP_ADD && operation->in[0].number == 0);
}

/* ---- queue ---- */

static enum sp_step queue_step(const struct sp_state *state, const struct sp_operation *operation,
                               struct sp_state *next)
{
    size_t at = 0;
    sp_value oldest = sp_value_none();
    if (operation->code == SP_OP_ENQUEUE && operation->in[0].kind != SP_VALUE_NONE) {
        sp_state_add(next, state->bytes, state->size);
        sp_state_add_value(next, operation->in[0]);
        return SP_STEP_NEXT;
    }
    if (operation->code != SP_OP_DEQUEUE)
        return SP_STEP_NO;
    bool empty = !sp_state_value(state, &at, &oldest);
    if (!sp_operation_gave(operation, oldest))
        return SP_STEP_NO;
    if (empty)
        return SP_STEP_SAME;
    sp_state_add(next, state->bytes + at, state->size - at);
    return SP_STEP_NEXT;
}

static bool queue_reads(const struct sp_operation *operation)
{
    return operation->code == SP_OP_DEQUEUE && operation->outcome == SP_OUTCOME_OK &&
           operation->out.kind == SP_VALUE_NONE;
}

/* ---- set ---- */

static enum sp_step set_step(const struct sp_state *state, const struct sp_operation *operation,
                             struct sp_state *next)
{
    size_t before = 0;
    size_t behind = 0;
    bool there = false;
    sp_value member = sp_value_none();
    for (size_t at = 0; sp_state_value(state, &at, &member); before = behind = at) {
        int order = key_compare(member, operation->in[0]);
        there = order == 0;
        behind = there ? at : before;
        if (order >= 0)
            break;
    }
    if (operation->code == SP_OP_CONTAINS)
        return sp_operation_gave(operation, sp_value_int(there)) ? SP_STEP_SAME : SP_STEP_NO;
    bool insert = operation->code == SP_OP_INSERT;
    if ((!insert && operation->code != SP_OP_REMOVE) || !operation_said(operation, insert != there))
        return SP_STEP_NO;
    if (insert == there)
        return SP_STEP_SAME;
    sp_state_add(next, state->bytes, before);
    if (insert)
        sp_state_add_value(next, operation->in[0]);
    if (behind < state->size)
        sp_state_add(next, state->bytes + behind, state->size - behind);
    return SP_STEP_NEXT;
}

static bool set_reads(const struct sp_operation *operation)
{
    return operation->code == SP_OP_CONTAINS ||
           (operation->outcome == SP_OUTCOME_OK && sp_value_equal(operation->out, sp_value_int(0)));
}

/* ---- words ---- */

void sim__value_text(sp_value value, char *text, size_t size)
{
    struct sp__text out;
    sp__text_init(&out, text, size);
    if (value.kind == SP_VALUE_NONE)
        sp__text_add(&out, "nothing");
    else if (value.kind == SP_VALUE_INT)
        sp__text_add(&out, "%" PRId64, value.number);
    else
        sp__text_add_quoted(&out, value.bytes, value.size);
}

static const struct operation_word {
    const char *word;
    uint8_t in; /* values that go in */
    bool out;   /* what comes out is worth telling */
} operation_words[SP_OP_CODES] = {
    [SP_OP_READ] = { "read", 0, true },      [SP_OP_WRITE] = { "write", 1, false },
    [SP_OP_CAS] = { "cas", 2, true },        [SP_OP_APPEND] = { "append", 1, false },
    [SP_OP_DELETE] = { "delete", 0, false }, [SP_OP_ADD] = { "add", 1, true },
    [SP_OP_ENQUEUE] = { "put", 1, false },   [SP_OP_DEQUEUE] = { "take", 0, true },
    [SP_OP_INSERT] = { "insert", 1, true },  [SP_OP_REMOVE] = { "remove", 1, true },
    [SP_OP_CONTAINS] = { "has", 1, true },
};

static void operation_describe(const struct sp_operation *operation, char *text, size_t size)
{
    char value[MODEL_VALUE_TEXT];
    struct sp__text out;
    const struct operation_word *word =
        &operation_words[operation->code < SP_OP_CODES ? operation->code : SP_OP_READ];
    sp__text_init(&out, text, size);
    sp__text_add(&out, "%s", word->word);
    for (int i = 0; i < word->in; i++) {
        sim__value_text(operation->in[i], value, sizeof(value));
        sp__text_add(&out, "%s%s", i == 0 ? " " : " to ", value);
    }
    bool optional = operation->code == SP_OP_ADD || operation->code == SP_OP_INSERT ||
                    operation->code == SP_OP_REMOVE;
    if (!word->out || operation->outcome != SP_OUTCOME_OK ||
        (optional && operation->out.kind == SP_VALUE_NONE))
        return;
    sim__value_text(operation->out, value, sizeof(value));
    if (operation->code == SP_OP_CAS)
        sp__text_add(&out, operation->out.number != 0 ? ": done" : ": not done");
    else
        sp__text_add(&out, ": %s", value);
}

void sim__describe(const struct sp_model *model, const struct sp_operation *operation, char *text,
                   size_t size)
{
    char value[MODEL_VALUE_TEXT];
    struct sp__text out;
    if (model->describe != NULL) {
        model->describe(operation, text, size);
        return;
    }
    sp__text_init(&out, text, size);
    sim__value_text(operation->in[0], value, sizeof(value));
    sp__text_add(&out, "op %u (%s, ", operation->code, value);
    sim__value_text(operation->in[1], value, sizeof(value));
    sp__text_add(&out, "%s)", value);
    sim__value_text(operation->out, value, sizeof(value));
    if (operation->outcome == SP_OUTCOME_OK)
        sp__text_add(&out, ": %s", value);
}

static sp_value operation_key(const struct sp_operation *operation)
{
    return operation->key;
}

const struct sp_model sp_model_register = {
    .name = "register",
    .step = register_step,
    .reads = cell_reads,
    .key = operation_key,
    .describe = operation_describe,
};

const struct sp_model sp_model_cas_register = {
    .name = "register with compare and set",
    .step = register_step,
    .reads = cell_reads,
    .key = operation_key,
    .describe = operation_describe,
};

const struct sp_model sp_model_counter = {
    .name = "counter",
    .step = counter_step,
    .reads = counter_reads,
    .key = operation_key,
    .describe = operation_describe,
};

const struct sp_model sp_model_queue = {
    .name = "queue",
    .step = queue_step,
    .reads = queue_reads,
    .key = operation_key,
    .describe = operation_describe,
};

const struct sp_model sp_model_set = {
    .name = "set",
    .step = set_step,
    .reads = set_reads,
    .key = operation_key,
    .describe = operation_describe,
};

const struct sp_model sp_model_map = {
    .name = "map",
    .step = map_step,
    .reads = cell_reads,
    .key = operation_key,
    .describe = operation_describe,
};
