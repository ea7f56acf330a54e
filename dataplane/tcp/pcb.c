/* SPDX-License-Identifier: BSD-3-Clause */
/* Control blocks by slot index: where they are, how one begins and ends. */
#include <errno.h>

#include "tcp/pcb_life.h"

struct pv_pcb *
pv_pcb_at(struct pv_ctx *ctx, uint32_t index)
{
	struct pv_tcp *tcp = ctx->tcp;

	if (index >= tcp->pcb_fresh || tcp->pcb[index].state == PV_CLOSED)
		return NULL;
	return &tcp->pcb[index];
}

struct pv_pcb *
pv_pcb_of(struct pv_ctx *ctx, uint64_t handle)
{
	struct pv_pcb *pcb = pv_pcb_at(ctx, pv_handle_index(handle));

	return pcb != NULL && pcb->handle == handle ? pcb : NULL;
}

struct pv_pcb *
pv_pcb_adopt(struct pv_ctx *ctx, uint64_t handle, const struct pv_tuple *tuple, uint32_t hash)
{
	uint32_t index = pv_handle_index(handle);
	struct pv_pcb *pcb;

	if (index >= ctx->tcp->n_pcb)
		return NULL;
	memset(&ctx->tcp->pcb[index], 0, offsetof(struct pv_pcb, timer));
	pcb = pv_pcb_begin(ctx, index, handle, tuple, hash);
	pcb->is_v4 = pv_addr_is_v4(&tuple->peer);
	pcb->listener = PV_LISTENER_NONE;
	return pcb;
}

void
pv_pcb_free(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_flow_table *flows = &ctx->tcp->flows;
	uint32_t entry = pv_flow_entry(PV_FLOW_CONNECTION, pcb->index);
	struct pv_flow_place place;

	if (pv_flow_place_of(flows, pcb->hash, entry, &place))
		pv_flow_remove(flows, &place);
	pv_pcb_end(ctx, pcb);
}

uint32_t
pv_flow_hash(const struct pv_ctx *ctx, const struct pv_tuple *tuple)
{
	return pv_isn_hash_one(&ctx->tcp->isn, tuple, NULL);
}

int
pv_flow_insert(struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	struct pv_flow_table *flows = &ctx->tcp->flows;
	struct pv_flow_place place;

	if (pv_flow_find(flows, pcb->hash, &pcb->tuple, &place) != PV_FLOW_NONE)
		return -EEXIST;
	if (!pv_flow_add(flows, pcb->hash, pv_flow_entry(PV_FLOW_CONNECTION, pcb->index))) {
		pv_count(&ctx->counters, PV_C_FLOW_TABLE_FULL);
		return -ENOBUFS;
	}
	return 0;
}

bool
pv_flow_exists(struct pv_ctx *ctx, const struct pv_tuple *tuple)
{
	struct pv_flow_place place;

	return pv_flow_find(&ctx->tcp->flows, pv_flow_hash(ctx, tuple), tuple, &place) !=
	       PV_FLOW_NONE;
}

uint32_t
pv_isn_active(struct pv_ctx *ctx, const struct pv_tuple *tuple)
{
	/* RFC 6528 3: M steps about every 4 us. */
	return (uint32_t)(ctx->now >> 12) + pv_isn_active_one(&ctx->tcp->isn, tuple);
}

uint32_t
pv_ts_offset(struct pv_ctx *ctx, const struct pv_tuple *tuple)
{
	uint32_t offset;

	pv_isn_hash_one(&ctx->tcp->isn, tuple, &offset);
	return offset;
}
