/* A request: who asks, may they, and which question is it.
 *
 *   libmicrohttpd -> guard (Host, token, origin) -> route (path, method, parameters) -> question
 *
 * A question writes JSON, or refuses; what it wrote so far is then dropped.
 *
 * Threads: the endpoint's. Neighbours: thread.c, guard.c, the api_*.c, page.c.
 */
#ifndef SPAWNED_HTTP_REQUEST_H
#define SPAWNED_HTTP_REQUEST_H

#include "http/json.h"
#include "http/thread.h"

enum {
    SP__HTTP_PARAMS_MAX = 8,
    SP__HTTP_PARAM_SIZE_MAX = 64,          /* bytes of a parameter's value */
    SP__HTTP_ANSWER_MAX = 8 * 1024 * 1024, /* bytes of an answer */
    SP__HTTP_RECORDING_MAX = 256 * 1024 * 1024,
};

/** What is asked, and what becomes of it. */
struct sp__http_ask {
    struct sp__http *http;
    struct MHD_Connection *connection;
    sp_pid pid;                             /* the one in the path, or none */
    const char *param[SP__HTTP_PARAMS_MAX]; /* in the route's order; NULL: not given */
    unsigned status;                        /* 200, until it is refused */
    const char *code;                       /* of the refusal */
    const char *text;
    const char *allow; /* methods, with 405 */
};

/** A question of the API. Writes the members of the answer's object. */
typedef void (*sp__http_question)(struct sp__http_ask *ask, struct sp__json *json);

/** libmicrohttpd's callback for a request's line, before its path is decoded. */
void *sp__http_on_uri(void *arg, const char *uri, struct MHD_Connection *connection);

/** libmicrohttpd's callback for a request. `arg`: struct sp__http *. */
enum MHD_Result sp__http_on_request(void *arg, struct MHD_Connection *connection, const char *path,
                                    const char *method, const char *version, const char *body,
                                    size_t *body_size, void **request);

/** Refuse; the first refusal counts. */
void sp__http_refuse(struct sp__http_ask *ask, unsigned status, const char *code, const char *text)
    SP_NONNULL;
static inline bool sp__http_refused(const struct sp__http_ask *ask)
{
    return ask->status != MHD_HTTP_OK;
}

/** Refuse for an error of a function of spawned/sys.h. */
void sp__http_sys_refuse(struct sp__http_ask *ask, sp_err err) SP_NONNULL;

/** Refuse for an error of the library. */
void sp__http_refuse_err(struct sp__http_ask *ask, sp_err err) SP_NONNULL;

/** Parameter `index` as a number, or `otherwise` where it is not given; over `max`, or no number:
 *  refused. */
uint64_t sp__http_number(struct sp__http_ask *ask, int index, uint64_t otherwise, uint64_t max)
    SP_NONNULL;

/** Parameter `index` as the place of a word in `words`, which NULL ends; `otherwise` where it is not
 *  given; none of them: refused. */
int sp__http_word(struct sp__http_ask *ask, int index, const char *const *words, int otherwise)
    SP_NONNULL;

/** Parameter `index` as a pid; none where it is not given; no pid: refused. */
sp_pid sp__http_pid(struct sp__http_ask *ask, int index) SP_NONNULL;

/** May who asks have an answer? Refuses where not. `secret`: it needs the token; `changes`: it is
 *  more than a look. */
void sp__http_guard(struct sp__http_ask *ask, bool secret, bool changes) SP_NONNULL;

/** The member `exit_counts`: how many ended abnormally, by kind. */
void sp__http_exit_counts(struct sp__json *json, struct sp_runtime *runtime) SP_NONNULL;

/* ---- the questions ---- */
void sp__http_overview(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_processes(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_process(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_state(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_statistics(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_suspend(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_resume(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_measure(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_trace(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_untrace(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_messages(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_kill(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_health(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_tree(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_graph(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_exits(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_dead_letters(struct sp__http_ask *ask, struct sp__json *json);
void sp__http_events(struct sp__http_ask *ask, struct sp__json *json);

#endif
