#include "sim/net_words.h"

#include "runtime/sim/host.h"

#include <inttypes.h>
#include <stdio.h>

static const char *words_break(uint64_t how)
{
    static const char *const breaks[SP__NET_BREAKS] = {
        [SP__NET_BREAK_NOT] = "holds",
        [SP__NET_BREAK_BEFORE] = "breaks; what is being sent is lost, and both sides learn of it",
        [SP__NET_BREAK_AFTER] = "breaks after what is being sent; both sides learn of it",
        [SP__NET_BREAK_SENDER] = "breaks; only the sender learns of it",
        [SP__NET_BREAK_SILENT] = "breaks; neither side learns of it",
    };
    return breaks[how < SP__NET_BREAKS ? how : 0];
}

static const char *words_cut(uint64_t drawn, char text[SIM_NET_WORDS_MAX])
{
    static const char *const ways[] = { "both ways", "this way", "the other way" };
    (void)snprintf(text, SIM_NET_WORDS_MAX, "is cut for %" PRId64 " ms, %s",
                   sp__net_cut_ms[(drawn - 1) / 3 % SP__NET_CUTS], ways[(drawn - 1) % 3]);
    return text;
}

static const char *words_number(const char *format, int64_t number, char text[SIM_NET_WORDS_MAX])
{
    (void)snprintf(text, SIM_NET_WORDS_MAX, "%s %" PRId64, format, number);
    return text;
}

const char *sim_net_words(const struct sim_choice *drawn, char text[SIM_NET_WORDS_MAX])
{
    uint64_t value = drawn->to;
    switch (drawn->kind) {
    case SP__CHOICE_NET_READ:
        return "is read in part";
    case SP__CHOICE_NET_WRITE:
        return "takes a part of a write";
    case SP__CHOICE_NET_STRETCH:
        return words_number("takes longer, in ms by", sp__net_stretch_ms[value % SP__NET_STRETCHES],
                            text);
    case SP__CHOICE_NET_SLOW:
        return words_number(
            "is slow, in bytes a second:", sp__net_slow_bytes[value % SP__NET_SLOWS], text);
    case SP__CHOICE_NET_CLOG:
        return words_number("stands still, in ms for", sp__net_clog_ms[value % SP__NET_CLOGS],
                            text);
    case SP__CHOICE_NET_CUT:
        return words_cut(value, text);
    case SP__CHOICE_NET_BREAK:
        return words_break(value);
    case SP__CHOICE_NET_REFUSE:
        return "is refused";
    case SP__CHOICE_NET_NOFILE:
        return "finds no descriptor left";
    default:
        return "takes a little longer";
    }
}
