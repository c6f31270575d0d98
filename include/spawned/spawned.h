/* The core of Spawned in one include: processes, messages, servers, supervisors. */
#ifndef SPAWNED_SPAWNED_H
#define SPAWNED_SPAWNED_H

#include "spawned/err.h"
#include "spawned/group.h"
#include "spawned/message.h"
#include "spawned/pid.h"
#include "spawned/process.h"
#include "spawned/reason.h"
#include "spawned/registry.h"
#include "spawned/runtime.h"
#include "spawned/server.h"
#include "spawned/time.h"
#include "spawned/timer.h"

#endif
