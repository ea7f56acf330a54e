/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_PCB_LIFE_H
#define PV_TCP_PCB_LIFE_H

/* How a control block begins and ends, in line for the segments that open and reset connections. */

#include "bridge/slot.h"
#include "tcp/conn.h"
#include "tcp/state.h"

/*
 * Lines 0 and 1 of a free block are whatever was there, but state and flags, which are zero as line
 * 2 is: the caller fills them whole. The index is known before the handle, whose generation may
 * have to come from far.
 */
static inline struct pv_pcb *
pv_pcb_begin(struct pv_ctx *ctx, uint32_t index, uint64_t handle, const struct pv_tuple *tuple,
		uint32_t hash)
{
	struct pv_tcp *tcp = ctx->tcp;
	struct pv_pcb *pcb = &tcp->pcb[index];

	if (index >= tcp->pcb_fresh)
		tcp->pcb_fresh = index + 1;
	tcp->live++;
	pcb->tuple = *tuple;
	pcb->hash = hash;
	pcb->handle = handle;
	pcb->index = index;
	return pcb;
}

/* Takes a slot and fills identity; not yet in the flow table. Its status record goes to *status.
 * NULL: none left. */
static inline struct pv_pcb *
pv_pcb_new(struct pv_ctx *ctx, const struct pv_tuple *tuple, uint32_t hash,
		struct pv_status **status)
{
	struct pv_shared *shared;
	uint32_t index;
	uint64_t handle;

	shared = pv_slot_take(ctx, &index, &handle);
	if (pv_unlikely(shared == NULL))
		return NULL;
	*status = &shared->status;
	return pv_pcb_begin(ctx, index, handle, tuple, hash);
}

/* Out of the flow table already: zeroed, and TCP's hold on the slot released. */
static inline void
pv_pcb_end(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	if (pv_unlikely((pcb->flags & (PV_PCB_EXCHANGE | PV_PCB_ORPHAN)) ==
			    (PV_PCB_EXCHANGE | PV_PCB_ORPHAN)))
		pv_exchange_drop(ctx, pcb->index);
	if (pv_unlikely((pcb->flags & PV_PCB_TOUCHED) != 0))
		memset(&pcb->timer, 0, sizeof(*pcb) - offsetof(struct pv_pcb, timer));
	ctx->tcp->live--;
	pcb->state = PV_CLOSED;
	pcb->handle = 0;
	pcb->flags = 0;
	pv_slot_release(ctx, pcb->index, PV_SLOT_TCP);
}

#endif
