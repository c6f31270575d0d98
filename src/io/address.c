#include "spawned/address.h"

#include "base/text.h"

#include <string.h>

/* A decimal number up to `max` at the very end of a text, without sign or leading blank. */
static bool address_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > max)
            return false;
    }
    *out = value;
    return true;
}

static bool address_port(const char *text, uint16_t *out)
{
    uint64_t port;
    if (!address_number(text, UINT16_MAX, &port))
        return false;
    *out = (uint16_t)port;
    return true;
}

/* ---- IPv4 ---- */

/* One to three digits up to 255; a leading zero would be octal to some, so it is refused. */
static bool address_octet(const char **at, uint8_t *out)
{
    unsigned value = 0;
    const char *begin = *at;
    while (**at >= '0' && **at <= '9' && *at - begin < 3)
        value = value * 10 + (unsigned)(*(*at)++ - '0');
    if (*at == begin || value > 255 || (*begin == '0' && *at - begin > 1))
        return false;
    *out = (uint8_t)value;
    return true;
}

static bool address_dotted(const char **at, uint8_t ip[4])
{
    for (int i = 0; i < 4; i++) {
        if (i > 0 && *(*at)++ != '.')
            return false;
        if (!address_octet(at, &ip[i]))
            return false;
    }
    return true;
}

static bool address_parse_ipv4(const char *text, sp_address *out)
{
    out->family = SP_ADDRESS_IPV4;
    return address_dotted(&text, out->ip) && *text++ == ':' && address_port(text, &out->port);
}

/* ---- IPv6: groups before and after one "::", the last two perhaps dotted ---- */

struct address_groups {
    uint8_t bytes[16];
    unsigned count; /* of bytes filled */
    int gap;        /* where "::" stood, in bytes; -1: nowhere */
};

static int address_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One group: up to four hex digits, or a dotted IPv4 address in place of two. */
static bool address_group(const char **at, struct address_groups *groups)
{
    const char *begin = *at;
    unsigned value = 0;
    while (address_hex(**at) >= 0 && *at - begin < 4)
        value = value * 16 + (unsigned)address_hex(*(*at)++);
    if (*at == begin)
        return false;
    if (**at == '.' && groups->count <= 12) {
        *at = begin;
        bool ok = address_dotted(at, groups->bytes + groups->count);
        groups->count += 4;
        return ok && **at != ':';
    }
    if (groups->count > 14)
        return false;
    groups->bytes[groups->count++] = (uint8_t)(value >> 8);
    groups->bytes[groups->count++] = (uint8_t)value;
    return true;
}

static bool address_separator(const char **at, struct address_groups *groups)
{
    if ((*at)[0] != ':')
        return false;
    if ((*at)[1] != ':') {
        (*at)++;
        return groups->count > 0;
    }
    if (groups->gap >= 0)
        return false;
    groups->gap = (int)groups->count;
    *at += 2;
    return true;
}

static bool address_read_groups(const char **at, struct address_groups *groups)
{
    bool after_single = false;
    while (**at != ']' && **at != '%' && **at != '\0') {
        if (groups->count > 0 || **at == ':') {
            const char *begin = *at;
            if (!address_separator(at, groups))
                return false;
            after_single = *at - begin == 1;
            if (!after_single && (**at == ']' || **at == '%'))
                break;
        }
        if (!address_group(at, groups))
            return false;
        after_single = false;
    }
    return !after_single && (groups->gap >= 0 ? groups->count <= 14 : groups->count == 16);
}

static bool address_scope(const char **at, uint32_t *out)
{
    char digits[11] = "";
    size_t length = strcspn(*at, "]");
    uint64_t scope;
    if (length == 0 || length >= sizeof(digits))
        return false;
    memcpy(digits, *at, length);
    *at += length;
    if (!address_number(digits, UINT32_MAX, &scope))
        return false;
    *out = (uint32_t)scope;
    return true;
}

static bool address_parse_ipv6(const char *text, sp_address *out)
{
    struct address_groups groups = { .gap = -1 };
    out->family = SP_ADDRESS_IPV6;
    text++; /* the bracket */
    if (!address_read_groups(&text, &groups))
        return false;
    unsigned head = groups.gap >= 0 ? (unsigned)groups.gap : groups.count;
    unsigned tail = groups.count - head;
    memcpy(out->ip, groups.bytes, head);
    memcpy(out->ip + 16 - tail, groups.bytes + head, tail);
    if (*text == '%') {
        text++;
        if (!address_scope(&text, &out->scope))
            return false;
    }
    return *text++ == ']' && *text++ == ':' && address_port(text, &out->port);
}

/* ---- Unix-domain ---- */

static bool address_parse_unix(const char *path, sp_address *out)
{
    size_t length = strlen(path);
    if (length == 0 || length > SP_ADDRESS_PATH_MAX || strcmp(path, "@") == 0)
        return false;
    out->family = SP_ADDRESS_UNIX;
    out->path_length = (uint8_t)length;
    memcpy(out->path, path, length + 1);
    return true;
}

sp_err sp_address_parse(const char *text, sp_address *out_address)
{
    static const char unix_prefix[] = "unix:";
    sp_address address = { .family = SP_ADDRESS_NONE };
    bool ok;
    if (strncmp(text, unix_prefix, sizeof(unix_prefix) - 1) == 0)
        ok = address_parse_unix(text + sizeof(unix_prefix) - 1, &address);
    else if (text[0] == '[')
        ok = address_parse_ipv6(text, &address);
    else
        ok = address_parse_ipv4(text, &address);
    if (!ok)
        return SP_ERR_INVALID;
    *out_address = address;
    return SP_OK;
}

/* ---- as text ---- */

static unsigned address_ipv6_group(const sp_address *address, unsigned i)
{
    return (unsigned)(address->ip[2 * i] << 8 | address->ip[2 * i + 1]);
}

/* The longest run of zero groups, of at least two: what "::" stands for (RFC 5952). */
static unsigned address_zero_run(const sp_address *address, unsigned *out_length)
{
    unsigned best = 8;
    *out_length = 0;
    for (unsigned i = 0; i < 8; i++) {
        unsigned length = 0;
        while (i + length < 8 && address_ipv6_group(address, i + length) == 0)
            length++;
        if (length >= 2 && length > *out_length) {
            best = i;
            *out_length = length;
        }
        i += length;
    }
    return best;
}

static void address_format_ipv6(struct sp__text *text, const sp_address *address)
{
    unsigned run_length;
    unsigned run = address_zero_run(address, &run_length);
    sp__text_add(text, "[");
    for (unsigned i = 0; i < 8; i++) {
        if (i == run) {
            sp__text_add(text, "::");
            i += run_length - 1;
            continue;
        }
        bool first = i == 0 || i == run + run_length;
        sp__text_add(text, "%s%x", first ? "" : ":", address_ipv6_group(address, i));
    }
    if (address->scope != 0)
        sp__text_add(text, "%%%u", address->scope);
    sp__text_add(text, "]:%u", (unsigned)address->port);
}

static void address_format_path(struct sp__text *text, const sp_address *address)
{
    sp__text_add(text, "unix:");
    for (unsigned i = 0; i < address->path_length; i++) {
        char c = address->path[i];
        sp__text_add(text, "%c", c >= ' ' && c <= '~' ? c : '?');
    }
}

const char *sp_address_format(const sp_address *address, char text[SP_ADDRESS_TEXT_MAX])
{
    struct sp__text out;
    const uint8_t *ip = address->ip;
    sp__text_init(&out, text, SP_ADDRESS_TEXT_MAX);
    switch (address->family) {
    case SP_ADDRESS_IPV4:
        sp__text_add(&out, "%u.%u.%u.%u:%u", ip[0], ip[1], ip[2], ip[3], (unsigned)address->port);
        break;
    case SP_ADDRESS_IPV6:
        address_format_ipv6(&out, address);
        break;
    case SP_ADDRESS_UNIX:
        address_format_path(&out, address);
        break;
    default:
        sp__text_add(&out, "unnamed");
        break;
    }
    return text;
}

bool sp_address_equal(const sp_address *a, const sp_address *b)
{
    if (a->family != b->family)
        return false;
    switch (a->family) {
    case SP_ADDRESS_IPV4:
        return a->port == b->port && memcmp(a->ip, b->ip, 4) == 0;
    case SP_ADDRESS_IPV6:
        return a->port == b->port && a->scope == b->scope && memcmp(a->ip, b->ip, 16) == 0;
    case SP_ADDRESS_UNIX:
        return a->path_length == b->path_length && memcmp(a->path, b->path, a->path_length) == 0;
    default:
        return true;
    }
}
