#include "glob.h"

#include "support/test.h"

#include <string.h>

static bool match(const char *pattern, const char *text)
{
    return kv_glob_match(pattern, strlen(pattern), text, strlen(text), false);
}

TEST(glob_matches_as_shells_do)
{
    static const char *const yes[][2] = {
        { "*", "a" },
        { "**", "abc" },
        { "a*c", "abbbc" },
        { "a*c", "ac" },
        { "*.txt", "x.txt" },
        { "h?llo", "hello" },
        { "h[ae]llo", "hallo" },
        { "h[^e]llo", "hallo" },
        { "[a-c]x", "bx" },
        { "[c-a]x", "bx" },
        { "\\*", "*" },
        { "a\\", "a\\" },
        { "[\\]]", "]" },
        { "[a", "a" },
        { "*a*b*", "xxaxxbxx" },
        { "", "" },
        { "[a-]", "]" },
        { "a[^", "ab" },
    };
    static const char *const no[][2] = {
        { "a*c", "abd" }, { "?", "" },  { "?", "ab" }, { "[abc]", "d" },  { "[^a]", "a" },
        { "\\*", "a" },   { "*", "" },  { "a", "" },   { "", "a" },       { "[]", "a" },
        { "a*b", "a" },   { "A", "a" }, { "[", "[" },  { "h[a-b]", "h" }, { "[]]", "]" },
    };
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++)
        if (!match(yes[i][0], yes[i][1]))
            FAIL("\"%s\" should match \"%s\"", yes[i][0], yes[i][1]);
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
        if (match(no[i][0], no[i][1]))
            FAIL("\"%s\" should not match \"%s\"", no[i][0], no[i][1]);
}

TEST(glob_ignores_case_when_asked)
{
    CHECK(kv_glob_match("H[A-C]LLO*", 10, "hbllo!", 6, true));
    CHECK(!kv_glob_match("H[A-C]LLO*", 10, "hbllo!", 6, false));
}

/* Recursive matchers take exponential time here; this one takes the product of the lengths. */
TEST(glob_of_many_stars_is_not_exponential)
{
    char pattern[201], text[5001];
    for (size_t i = 0; i < 200; i += 2)
        memcpy(pattern + i, "*a", 2);
    pattern[200] = 'b';
    memset(text, 'a', sizeof(text));
    CHECK(!kv_glob_match(pattern, 201, text, 5001, false));
}
