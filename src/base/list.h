/* A doubly linked list whose links live in its members.
 *
 * A head and a member are the same struct: an empty list is a head that points at itself.
 *
 *        +------------------------------------------+
 *        v                                          |
 *      head <--> a.link <--> b.link <--> c.link <---+
 *
 * Invariants: next->prev == prev->next == self, for the head and for each member. A member
 * that is on no list is either zeroed (never used) or points at itself (removed), and
 * sp__list_linked() tells. No operation allocates, all but sp__list_count() are O(1).
 *
 * Iteration is a plain loop. One that may remove the current member fetches the next first:
 *
 *     for (struct sp__list *at = sp__list_first(list), *next; at != NULL; at = next) {
 *         next = sp__list_next(list, at);
 *         ...
 *     }
 *
 * Threads: none of its own; whoever owns the list locks it.
 */
#ifndef SP_BASE_LIST_H
#define SP_BASE_LIST_H

#include "spawned/base.h"

struct sp__list {
    struct sp__list *next;
    struct sp__list *prev;
};

/** The struct of type `type` (which may be const) whose member `member` is at `ptr`. */
#define sp__container_of(ptr, type, member) \
    ((type *)(uintptr_t)((const char *)(ptr)-offsetof(type, member)))

/** Makes `list` empty (a head), or unlinked (a member). */
static inline void sp__list_init(struct sp__list *list)
{
    list->next = list;
    list->prev = list;
}

/** True if no member is on `list`. */
static inline bool sp__list_empty(const struct sp__list *list)
{
    return list->next == list;
}

/** True if `node` is on a list. Zeroed nodes are not. */
static inline bool sp__list_linked(const struct sp__list *node)
{
    return node->next != NULL && node->next != node;
}

/** Puts `node` (on no list) right before `where`, which may be the head. */
static inline void sp__list_insert_before(struct sp__list *where, struct sp__list *node)
{
    node->next = where;
    node->prev = where->prev;
    where->prev->next = node;
    where->prev = node;
}

/** Puts `node` (on no list) at the end. */
static inline void sp__list_push_back(struct sp__list *list, struct sp__list *node)
{
    sp__list_insert_before(list, node);
}

/** Puts `node` (on no list) at the beginning. */
static inline void sp__list_push_front(struct sp__list *list, struct sp__list *node)
{
    sp__list_insert_before(list->next, node);
}

/** Takes `node` off its list; one that is on none stays as it is. */
static inline void sp__list_remove(struct sp__list *node)
{
    if (node->next == NULL)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    sp__list_init(node);
}

/** The first member, or NULL. */
static inline struct sp__list *sp__list_first(const struct sp__list *list)
{
    return list->next == list ? NULL : list->next;
}

/** The last member, or NULL. */
static inline struct sp__list *sp__list_last(const struct sp__list *list)
{
    return list->prev == list ? NULL : list->prev;
}

/** The member after `node`, or NULL. */
static inline struct sp__list *sp__list_next(const struct sp__list *list,
                                             const struct sp__list *node)
{
    return node->next == list ? NULL : node->next;
}

/** The member before `node`, or NULL. */
static inline struct sp__list *sp__list_prev(const struct sp__list *list,
                                             const struct sp__list *node)
{
    return node->prev == list ? NULL : node->prev;
}

/** Takes the first member off and returns it, or NULL. */
static inline struct sp__list *sp__list_pop_front(struct sp__list *list)
{
    struct sp__list *node = sp__list_first(list);
    if (node != NULL)
        sp__list_remove(node);
    return node;
}

/** Takes the last member off and returns it, or NULL. */
static inline struct sp__list *sp__list_pop_back(struct sp__list *list)
{
    struct sp__list *node = sp__list_last(list);
    if (node != NULL)
        sp__list_remove(node);
    return node;
}

/** Appends all members of `from` to `list`, in order; `from` is empty afterwards. */
static inline void sp__list_splice_back(struct sp__list *list, struct sp__list *from)
{
    if (sp__list_empty(from))
        return;
    from->next->prev = list->prev;
    from->prev->next = list;
    list->prev->next = from->next;
    list->prev = from->prev;
    sp__list_init(from);
}

/** How many members. O(n): for tests and inspection. */
static inline size_t sp__list_count(const struct sp__list *list)
{
    size_t n = 0;
    for (const struct sp__list *at = list->next; at != list; at = at->next)
        n++;
    return n;
}

#endif
