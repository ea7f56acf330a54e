/* SPDX-License-Identifier: BSD-3-Clause */
/* Keep-alive (RFC 9293 3.8.4): off unless asked for; a segment without data at SND.NXT - 1 after an
 * idle time, a few times. */
#include <errno.h>

#include "tcp/offer.h"

static uint64_t
last_heard(const struct pv_pcb *pcb)
{
	const struct pv_conn_data *d = pcb->data;

	return d->last_received > pcb->established_ns ? d->last_received : pcb->established_ns;
}

void
pv_keepalive_start(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t due = last_heard(pcb) + d->keepalive_idle;

	d->probes = 0;
	pv_conn_timer_set(ctx, pcb, PV_CONN_KEEPALIVE, due > ctx->now ? due : ctx->now + 1);
}

bool
pv_keepalive_fired(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_segment_out probe = { .seq = pcb->snd_nxt - 1, .flags = PV_TCP_ACK };

	if (pv_unlikely((pcb->flags & PV_PCB_CONNECTING) != 0))
		return pv_offer_fired(ctx, pcb);
	if ((pcb->flags & PV_PCB_KEEPALIVE) == 0 || pcb->state < PV_ESTABLISHED)
		return true;
	/* Heard since, or data is on its way, which has a timer of its own. */
	if (last_heard(pcb) + d->keepalive_idle > ctx->now) {
		pv_keepalive_start(ctx, pcb);
		return true;
	}
	if (pcb->snd_una != pcb->snd_nxt || (d->flags & PV_DATA_PERSIST) != 0) {
		pv_conn_timer_set(ctx, pcb, PV_CONN_KEEPALIVE, ctx->now + d->keepalive_idle);
		return true;
	}
	if (d->probes >= d->keepalive_count) {
		pv_conn_destroy(ctx, pcb, -ENETRESET, true);
		return false;
	}
	d->probes++;
	pv_count(&ctx->counters, PV_C_TCP_KEEPALIVE);
	pv_segment_send(ctx, pcb, &probe);
	pv_conn_timer_set(ctx, pcb, PV_CONN_KEEPALIVE, ctx->now + d->keepalive_interval);
	return true;
}
