/* Glob matching without recursion. See glob.h.
 *
 * Only the last star matters: when a later part fails, the text under that star grows by a
 * byte and the part after it is tried again. Earlier stars never need to grow, because they
 * already matched the shortest text that let the match get this far.
 */
#include "glob.h"

struct glob {
    const unsigned char *p, *p_end;
    const unsigned char *s, *s_end;
    bool ignore_case;
};

static unsigned glob_fold(const struct glob *g, unsigned c)
{
    return g->ignore_case && c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static bool glob_in_range(const struct glob *g, unsigned low, unsigned high, unsigned c)
{
    low = glob_fold(g, low);
    high = glob_fold(g, high);
    c = glob_fold(g, c);
    if (low > high) {
        unsigned swap = low;
        low = high;
        high = swap;
    }
    return low <= c && c <= high;
}

/* Matches one byte against the class that begins after '[', and moves past its ']'. A class
 * that is not closed ends with the pattern. */
static bool glob_class(struct glob *g, unsigned c)
{
    bool match = false;
    bool negate = g->p < g->p_end && *g->p == '^';
    if (negate)
        g->p++;
    while (g->p < g->p_end && *g->p != ']') {
        if (*g->p == '\\' && g->p_end - g->p >= 2) {
            g->p++;
            match |= *g->p == c;
        } else if (g->p_end - g->p >= 3 && g->p[1] == '-') {
            match |= glob_in_range(g, g->p[0], g->p[2], c);
            g->p += 2;
        } else {
            match |= glob_fold(g, *g->p) == glob_fold(g, c);
        }
        g->p++;
    }
    if (g->p < g->p_end)
        g->p++;
    return match != negate;
}

/* Matches one byte of text against the next item of the pattern, which is not a star. */
static bool glob_one(struct glob *g)
{
    unsigned c = *g->s++;
    unsigned want = *g->p++;
    if (want == '?')
        return true;
    if (want == '[')
        return glob_class(g, c);
    if (want == '\\' && g->p < g->p_end)
        want = *g->p++;
    return glob_fold(g, want) == glob_fold(g, c);
}

bool kv_glob_match(const char *pattern, size_t pattern_len, const char *text, size_t text_len,
                   bool ignore_case)
{
    struct glob g = { .p = (const unsigned char *)pattern,
                      .p_end = (const unsigned char *)pattern + pattern_len,
                      .s = (const unsigned char *)text,
                      .s_end = (const unsigned char *)text + text_len,
                      .ignore_case = ignore_case };
    /* By the protocol's custom a star does not match a text that is empty as a whole. */
    if (text_len == 0)
        return pattern_len == 0;
    const unsigned char *star = NULL; /* the pattern after the last star */
    const unsigned char *star_text = NULL;
    while (g.s < g.s_end) {
        if (g.p < g.p_end && *g.p == '*') {
            star = ++g.p;
            star_text = g.s;
        } else if (g.p == g.p_end || !glob_one(&g)) {
            if (star == NULL)
                return false;
            g.p = star;
            g.s = ++star_text;
        }
    }
    while (g.p < g.p_end && *g.p == '*')
        g.p++;
    return g.p == g.p_end;
}
