/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_SLOT_H
#define PV_BRIDGE_SLOT_H

/*
 * Slots: who owns an index, and when it may be used again. See bridge.h.
 *
 * The status record's generation counts up when the slot is taken and when it becomes free: odd
 * while it is in use, so that a handle is stale as soon as its slot is free, and no handle names a
 * free one.
 */

#include "bridge/bridge_private.h"

enum pv_slot_side { PV_SLOT_TCP = 1, PV_SLOT_CONTROL = 2 };

/*
 * Free indexes wait in a ring, oldest first. They are used again, before slots that were never
 * used, once ENOUGH wait and until no more than REST are left: so an index rests for a while, few
 * connections at a time touch little memory however many come one after the other, and what comes
 * next is known although others are released meanwhile.
 */
enum { PV_SLOT_REST = 1024, PV_SLOT_ENOUGH = 1280 };

static inline uint32_t
pv_slots_waiting(const struct pv_bridge_worker *worker)
{
	return worker->free_tail - worker->free_head;
}

/* Worker's own, by index. */
static inline struct pv_shared *
pv_slot_at(struct pv_ctx *ctx, uint32_t index)
{
	return &pv_bridge_own(ctx)->shared[index];
}

/* A slot that is taken: both sides hold it from now on. */
static inline uint64_t
pv_slot_begin(struct pv_bridge_worker *worker, uint8_t number, uint32_t index)
{
	struct pv_status *status = &worker->shared[index].status;
	uint32_t generation = status->generation + 1;

	pv_status_open(status, generation);
	__atomic_store_n(&worker->hold[index], PV_SLOT_TCP | PV_SLOT_CONTROL, __ATOMIC_RELAXED);
	return pv_handle_make(number, index, generation);
}

/* Worker: the same where none has rested for long enough. */
struct pv_shared *pv_slot_take_other(struct pv_ctx *ctx, uint32_t *index, uint64_t *handle);

/* Worker: takes the oldest free index of its own; both sides hold it then. All of the status record
 * is zero but the generation; returns the shared part, or NULL when there is none. For passive
 * opens the control plane's hold is the request in the backlog, later the accepted socket. */
static inline struct pv_shared *
pv_slot_take(struct pv_ctx *ctx, uint32_t *index, uint64_t *handle)
{
	struct pv_bridge_worker *worker = pv_bridge_own(ctx);

	if (pv_unlikely(pv_slots_waiting(worker) <= worker->rest))
		return pv_slot_take_other(ctx, index, handle);
	*index = worker->free[worker->free_head++ & worker->free_mask];
	*handle = pv_slot_begin(worker, ctx->worker, *index);
	return &worker->shared[*index];
}

/* Worker: the indexes that the next n takes will give, as things stand, so that what belongs to
 * them can be fetched. Returns how many there are. */
uint32_t pv_slot_ahead(struct pv_ctx *ctx, uint32_t *indexes, uint32_t n);
/* Worker: how many takes can succeed. */
uint32_t pv_slots_free(const struct pv_ctx *ctx);
/* Control plane: the same for an active open, from a small stock that the worker refills each turn.
 * -EAGAIN: the stock was empty, the worker has been woken, try again; -ENOBUFS: no slot is free;
 * -ESHUTDOWN. Any thread. */
int pv_slot_reserve(struct pv_bridge *bridge, uint8_t worker, uint64_t *handle);

#ifdef PV_CHECKS
void pv_slot_assert_clear(const struct pv_shared *shared);
#else
static inline void
pv_slot_assert_clear(const struct pv_shared *shared)
{
	(void)shared;
}
#endif

/* Worker: nobody holds it any more, but its streams were used or it is watched. */
void pv_slot_clear(struct pv_ctx *ctx, uint32_t index, bool used);

/* Worker: a side lets go. With the second one the slot is free: watches dropped, streams emptied,
 * handle stale. */
static inline void
pv_slot_release(struct pv_ctx *ctx, uint32_t index, enum pv_slot_side side)
{
	struct pv_bridge_worker *worker = pv_bridge_own(ctx);
	struct pv_status *status = &worker->shared[index].status;
	uint32_t hold = worker->hold[index] & ~(uint32_t)side;

	PV_ASSERT(worker->hold[index] & side);
	if (pv_never(ctx, hold == worker->hold[index]))
		return;
	if (hold & (PV_SLOT_TCP | PV_SLOT_CONTROL)) {
		__atomic_store_n(&worker->hold[index], (uint8_t)hold, __ATOMIC_RELAXED);
		return;
	}
	__atomic_store_n(&worker->hold[index], 0, __ATOMIC_RELAXED);
	if (pv_unlikely((hold & PV_SLOT_USED) | status->watch))
		pv_slot_clear(ctx, index, (hold & PV_SLOT_USED) != 0);
	pv_slot_assert_clear(&worker->shared[index]);
	pv_status_close(status);
	worker->free[worker->free_tail++ & worker->free_mask] = index;
}

/* Worker: the control plane's hold goes, as PV_CMD_CLOSE says (after pv_tcp_close has seen it). A
 * stale handle is ignored. */
void pv_slot_close(struct pv_ctx *ctx, const struct pv_command *command);
/* The record of a handle if it is of this engine's slots; the caller compares generations. NULL:
 * not. Any thread. */
struct pv_shared *pv_slot_of(struct pv_bridge *bridge, uint64_t handle);

#endif
