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

#include "bridge/bridge.h"

enum pv_slot_side { PV_SLOT_TCP = 1, PV_SLOT_CONTROL = 2 };

/* Worker: takes the oldest free index of its own; both sides hold it then. All of the status record
 * is zero but the generation; returns the shared part, or NULL when there is none. For passive
 * opens the control plane's hold is the request in the backlog, later the accepted socket. */
struct pv_shared *pv_slot_take(struct pv_ctx *ctx, uint32_t *index, uint64_t *handle);
/* Worker: the indexes that the next n takes will give, as things stand, so that what belongs to
 * them can be fetched. Returns how many there are. */
uint32_t pv_slot_ahead(struct pv_ctx *ctx, uint32_t *indexes, uint32_t n);
/* Worker: how many takes can succeed. */
uint32_t pv_slots_free(const struct pv_ctx *ctx);
/* Control plane: the same for an active open, from a small stock that the worker refills each turn.
 * -EAGAIN: the stock was empty, the worker has been woken, try again; -ENOBUFS: no slot is free;
 * -ESHUTDOWN. Any thread. */
int pv_slot_reserve(struct pv_bridge *bridge, uint8_t worker, uint64_t *handle);
/* Worker: a side lets go. With the second one the slot is free: watches dropped, streams emptied,
 * handle stale. */
void pv_slot_release(struct pv_ctx *ctx, uint32_t index, enum pv_slot_side side);
/* Worker: the control plane's hold goes, as PV_CMD_CLOSE says (after pv_tcp_close has seen it). A
 * stale handle is ignored. */
void pv_slot_close(struct pv_ctx *ctx, const struct pv_command *command);
/* The record of a handle if it is of this engine's slots; the caller compares generations. NULL:
 * not. Any thread. */
struct pv_shared *pv_slot_of(struct pv_bridge *bridge, uint64_t handle);
/* Worker's own, by index. */
struct pv_shared *pv_slot_at(struct pv_ctx *ctx, uint32_t index);

#endif
