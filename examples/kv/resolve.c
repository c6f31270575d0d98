/* Finding and refusing commands. See resolve.h. */
#include "resolve.h"

enum { RESOLVE_SHOWN_MAX = 128 }; /* bytes of a name or of arguments that an error repeats */

static int resolve_shown(const struct kv_arg *arg, size_t max)
{
    size_t len = strnlen(arg->ptr, arg->len);
    return (int)(len < max ? len : max);
}

static void resolve_reply_unknown(struct resp_out *out, const struct kv_arg *argv, size_t argc)
{
    char args[RESOLVE_SHOWN_MAX * 2];
    size_t len = 0;
    for (size_t i = 1; i < argc && len < RESOLVE_SHOWN_MAX; i++) {
        int shown = resolve_shown(&argv[i], RESOLVE_SHOWN_MAX - len);
        args[len++] = '\'';
        memcpy(args + len, argv[i].ptr, (size_t)shown);
        len += (size_t)shown;
        args[len++] = '\'';
        args[len++] = ' ';
    }
    resp_errorf(out, "ERR unknown command '%.*s', with args beginning with: %.*s",
                resolve_shown(&argv[0], RESOLVE_SHOWN_MAX), argv[0].ptr, (int)len, args);
}

static void resolve_reply_unknown_sub(struct resp_out *out, const struct kv_arg *argv)
{
    char name[RESOLVE_SHOWN_MAX];
    int len = resolve_shown(&argv[0], sizeof(name));
    for (int i = 0; i < len; i++) {
        char c = argv[0].ptr[i];
        name[i] = c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
    }
    resp_errorf(out, "ERR unknown subcommand '%.*s'. Try %.*s HELP.",
                resolve_shown(&argv[1], RESOLVE_SHOWN_MAX), argv[1].ptr, len, name);
}

static bool resolve_allowed_subscribed(const struct kv_command *command)
{
    static const char *const names[] = { "subscribe", "psubscribe", "unsubscribe", "punsubscribe",
                                         "ping",      "quit",       "reset" };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(command->name, names[i]) == 0)
            return true;
    return false;
}

/* The command or subcommand of this name, or NULL after an error was replied. */
static const struct kv_command *resolve_name(const struct kv_command_index *index,
                                             const struct kv_arg *argv, size_t argc,
                                             struct resp_out *out)
{
    const struct kv_command *command = kv_command_find(index, &argv[0]);
    if (command == NULL) {
        resolve_reply_unknown(out, argv, argc);
        return NULL;
    }
    if (command->subcommands == NULL || argc < 2)
        return command;
    const struct kv_command *sub = kv_subcommand_find(command, &argv[1]);
    if (sub == NULL)
        resolve_reply_unknown_sub(out, argv);
    return sub;
}

const struct kv_command *kv_command_resolve(const struct kv_session *session,
                                            const struct kv_command_index *index,
                                            const struct kv_arg *argv, size_t argc,
                                            struct resp_out *out)
{
    const struct kv_command *command = resolve_name(index, argv, argc, out);
    if (command == NULL)
        return NULL;
    if (!kv_command_takes(command, argc)) {
        kv_reply_arity(out, command->name);
        return NULL;
    }
    if (session->protocol == 2 && kv_session_subscriptions(session) > 0 &&
        !resolve_allowed_subscribed(command)) {
        resp_errorf(out,
                    "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
                    "QUIT / RESET are allowed in this context",
                    command->name);
        return NULL;
    }
    if (command->check != NULL && !command->check(argv, argc, out))
        return NULL;
    return command;
}
