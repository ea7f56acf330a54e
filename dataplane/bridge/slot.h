/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_SLOT_H
#define PV_BRIDGE_SLOT_H

/* Slots: who owns an index, and when it may be used again. See bridge.h. */

#include "bridge/bridge.h"

enum pv_slot_side { PV_SLOT_TCP = 1, PV_SLOT_CONTROL = 2 };

/* Worker: takes the oldest free index of its own; both sides hold it then. The record's generation
 * is raised; returns the shared part, or NULL when there is none. For passive opens the control
 * plane's hold is the request in the backlog, later the accepted socket. */
struct pv_shared *pv_slot_take(struct pv_ctx *ctx, uint32_t *index, uint64_t *handle);
/* Control plane: the same for an active open, from a small stock that the worker keeps filled;
 * -ENOBUFS. Thread safe. */
int pv_slot_reserve(struct pv_bridge *bridge, uint8_t worker, uint64_t *handle);
/* Either side lets go; safe from the side's own threads. The control plane's release goes through
 * the worker (PV_CMD_CLOSE), so both calls happen on the worker. */
void pv_slot_release(struct pv_ctx *ctx, uint32_t index, enum pv_slot_side side);
/* The record of a handle if it is of this engine; the caller compares generations. */
struct pv_shared *pv_slot_of(struct pv_bridge *bridge, uint64_t handle);
/* Worker's own, by index. */
struct pv_shared *pv_slot_at(struct pv_ctx *ctx, uint32_t index);

#endif
