/* Properties of a program, said where they hold, and looked at where it is tested.
 *
 * In production each is a test of one pointer and its condition is not evaluated; in
 * simulation (sim.h) sp_always() fails the run, sp_sometimes() is counted over the campaign,
 * sp_eventually_begin() owes something that must be done, and sp_buggify() and sp_choose() are
 * decisions that a failing run remembers.
 */
#ifndef SPAWNED_PROPERTY_H
#define SPAWNED_PROPERTY_H

#include "spawned/base.h"

SP_EXTERN_C_BEGIN

/** Who listens; set by the simulation. */
struct sp__property_ops {
    void (*always_failed)(const char *what, const char *file, int line);
    void (*sometimes)(bool came, const char *what, const char *file, int line);
    bool (*buggify)(const char *what);
    void (*eventually)(const char *what, bool begin, const char *file, int line);
    void (*label)(const char *what);
    uint32_t (*choose)(uint32_t count);
};

SP_API extern const struct sp__property_ops *sp__properties;

/** `condition` is true whenever control comes here; if ever it is not, that is a bug.
 *  `what` names it. */
#define sp_always(condition, what)                                 \
    (sp__properties != NULL && !(condition)                        \
         ? sp__properties->always_failed(what, __FILE__, __LINE__) \
         : (void)0)

/** `condition` should be true at some time in some run: if never, the tests are weak. */
#define sp_sometimes(condition, what)                                                      \
    (sp__properties != NULL                                                                \
         ? sp__properties->sometimes((condition) ? true : false, what, __FILE__, __LINE__) \
         : (void)0)

/** From here on something is owed, until sp_eventually_end() of the same text in the same node; as
 *  many ends as begins. If the run ends before, or it takes longer than a fair schedule needs,
 *  that is a bug. A node that crashes owes nothing any more. */
#define sp_eventually_begin(what) \
    (sp__properties != NULL ? sp__properties->eventually(what, true, __FILE__, __LINE__) : (void)0)
#define sp_eventually_end(what) \
    (sp__properties != NULL ? sp__properties->eventually(what, false, __FILE__, __LINE__) : (void)0)

/** A place that a test can wait for (sp_sim_stop_at()). */
#define sp_label(what) (sp__properties != NULL ? sp__properties->label(what) : (void)0)

/** True now and then in simulation, so that rare paths are taken; never in production. A text is
 *  armed for a whole run or is not, and fires now and then in a run in which it is. */
#define sp_buggify(what) (sp__properties != NULL && sp__properties->buggify(what))

/** A number below `count` that the simulation chooses; 0 in production. */
#define sp_choose(count) (sp__properties != NULL ? sp__properties->choose(count) : 0)

SP_EXTERN_C_END

#endif
