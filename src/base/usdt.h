/* Probes for bpftrace, perf and SystemTap: a no-op instruction each, and a note in the program where it is
 * and where its arguments are.
 *
 *     send         message, type, receiver's serial, slot    before it is in the mailbox; where the short way
 *                                                             does not do, once more
 *     handle_start message, type, own slot
 *     handle_end   message, own slot
 *     reply        caller's serial, slot, error               but for the shortest way of an answer
 *     spawn        serial, slot
 *     exit         slot, kind of the reason (enum sp_reason_kind)
 *     timer        message, type, receiver's slot
 *     steal        thief, victim                              numbers of workers
 *     park         worker, how (0: in the poller, 1: beside it)
 *     handoff      worker
 *
 * A type is a struct sp_msg_type, whose first member is its name. Arguments are what is at hand, so that
 * nothing is computed for them. Without <sys/sdt.h>, or with SPAWNED_NO_USDT, there are none.
 *
 * Threads: any. Neighbours: tools/bpftrace uses them; docs/tracing.md.
 */
#ifndef SP_BASE_USDT_H
#define SP_BASE_USDT_H

#if defined(__has_include) && !defined(SPAWNED_NO_USDT)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define SP__USDT 1
#endif
#endif

#ifdef SP__USDT
#define SP__USDT1(name, a) DTRACE_PROBE1(spawned, name, a)
#define SP__USDT2(name, a, b) DTRACE_PROBE2(spawned, name, a, b)
#define SP__USDT3(name, a, b, c) DTRACE_PROBE3(spawned, name, a, b, c)
#define SP__USDT4(name, a, b, c, d) DTRACE_PROBE4(spawned, name, a, b, c, d)
#else
#define SP__USDT1(name, a) ((void)(a))
#define SP__USDT2(name, a, b) ((void)(a), (void)(b))
#define SP__USDT3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#define SP__USDT4(name, a, b, c, d) ((void)(a), (void)(b), (void)(c), (void)(d))
#endif

#endif
