/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_WAITER_H
#define PV_BRIDGE_WAITER_H

/*
 * Waiter sets. Whoever waits (a blocked call, a select, an event object, a queue, an event loop)
 * owns a waiter: one doorbell, one ready list. A *watch* ties a handle to a waiter; the watches of
 * a handle are a list that only the owning worker touches (made by PV_CMD_WATCH; of a listener one
 * list a worker), so that reporting needs no lock. The ready list is a stack that workers push
 * watches on (P0) and the owner takes whole (T0) and turns around; a watch that is on it already is
 * not pushed again, so it can't overflow and a wake costs what changed.
 *
 * A watch's state word: QUEUED is set by the worker after it has published the status (S0), and
 * cleared by the owner before it reads the status (S1). Both are read-modify-writes of one word:
 * either S1 is later and sees that status, or S0 is later and pushes the watch again.
 *
 * A closed waiter's watches go when they are next met (its number holds a generation). Its
 * doorbell's descriptor is used again, or closed, only when every worker has executed
 * PV_CMD_WAITER_CLOSE: none can write to a number that belongs to somebody else by then.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "base/types.h"

struct pv_bridge;
struct pv_command;
struct pv_ctx;

/* ---- worker ---- */

/* The level bits `set` became true and `clear` became false; `arrived` are those that happened
 * (again) just now and are reported to watches even when the level was true before (new data,
 * another request). Updates status.ready and pushes the watches whose mask matches `arrived`; the
 * doorbells ring at pv_bridge_flush. Counters of the status record are the caller's to raise,
 * before. */
void pv_report(struct pv_ctx *ctx, struct pv_status *status, uint64_t handle, uint32_t set,
		uint32_t clear, uint32_t arrived);
/* Once at the end of a turn: one fence, then the doorbells of all waiters touched; refills the
 * stock of slots. */
void pv_bridge_flush(struct pv_ctx *ctx);
/* The handle is gone; its watches go back (after a last report by the caller). pv_slot_release does
 * it for connections, PV_CMD_LISTEN_CLOSE must for listeners. */
void pv_watch_drop_all(struct pv_ctx *ctx, struct pv_status *status, uint64_t handle);
/* Executes PV_CMD_WATCH; status: of the command's handle, NULL: none. -EBADF: stale handle or
 * waiter; -ENOBUFS. */
int pv_watch_execute(
		struct pv_ctx *ctx, struct pv_status *status, const struct pv_command *command);
/* Executes PV_CMD_WAITER_CLOSE. */
void pv_waiter_execute_close(struct pv_ctx *ctx, uint32_t waiter);

/* ---- control plane, any thread: the functions of pv_api.h ---- */

/* A waiter whose descriptor was asked for (pv_bridge_waiter_fd) may be polled from outside: from
 * then on a take that finds nothing more arms the doorbell, and the descriptor becomes readable
 * with the next change. Waiters' numbers hold a generation: -EBADF after close. */
int pv_bridge_waiter_open(struct pv_bridge *bridge, int kind, int fd);
int pv_bridge_waiter_close(struct pv_bridge *bridge, int waiter);
int pv_bridge_waiter_fd(struct pv_bridge *bridge, int waiter);
int pv_bridge_waiter_take(struct pv_bridge *bridge, int waiter, struct pv_ready *out, uint32_t n);
/* The same for the only thread that ever takes from a waiter without descriptor: a worker's
 * services. No lock. */
int pv_bridge_waiter_take_own(
		struct pv_bridge *bridge, int waiter, struct pv_ready *out, uint32_t n);
int pv_bridge_waiter_wait(struct pv_bridge *bridge, int waiter, int64_t timeout_ns, int also);
int pv_bridge_waiter_ring(struct pv_bridge *bridge, int waiter);
/* Puts PV_CMD_WATCH to the worker that owns the handle, or to all for a listener. */
int pv_bridge_watch(struct pv_bridge *bridge, int waiter, uint64_t handle, uint32_t mask,
		uint32_t flags, uint64_t cookie);

#endif
