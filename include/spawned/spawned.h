/* The core of Spawned in one include: processes, messages, servers, state machines,
 * supervisors, applications. Streams have headers of their own. */
#ifndef SPAWNED_SPAWNED_H
#define SPAWNED_SPAWNED_H

#include "spawned/application.h"
#include "spawned/dead_letter.h"
#include "spawned/dynamic_supervisor.h"
#include "spawned/err.h"
#include "spawned/exits.h"
#include "spawned/group.h"
#include "spawned/health.h"
#include "spawned/inspect.h"
#include "spawned/log.h"
#include "spawned/message.h"
#include "spawned/metrics.h"
#include "spawned/os_signal.h"
#include "spawned/pid.h"
#include "spawned/process.h"
#include "spawned/reason.h"
#include "spawned/recorder.h"
#include "spawned/registry.h"
#include "spawned/router.h"
#include "spawned/runtime.h"
#include "spawned/scheduling.h"
#include "spawned/server.h"
#include "spawned/shutdown.h"
#include "spawned/starvation.h"
#include "spawned/statem.h"
#include "spawned/supervisor.h"
#include "spawned/sys.h"
#include "spawned/task.h"
#include "spawned/time.h"
#include "spawned/timer.h"
#include "spawned/trace.h"
#include "spawned/wait_graph.h"

#endif
