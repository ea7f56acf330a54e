/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Zero-window probes (RFC 9293 3.8.6.1, RFC 6429) and the override of silly window avoidance
 * (3.8.6.2.1): one timer, while nothing is in flight and the peer's window holds back what waits.
 * The probe is a segment below the window, which must be answered.
 */
#include <errno.h>

#include "tcp/established.h"

static uint64_t
interval(const struct pv_conn_data *d)
{
	uint64_t base = d->rtt.rto, most = d->config->rto_max * PV_MS;

	for (uint32_t i = 0; i < d->backoff && base < most; i++)
		base *= 2;
	return base < most ? base : most;
}

void
pv_persist_start(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t wait = d->rtt.rto;

	d->flags |= PV_DATA_PERSIST;
	if (d->stalled_since == 0)
		d->stalled_since = ctx->now;
	d->probes = 0;
	d->backoff = 0;
	if (pcb->snd_wnd != 0)
		wait = pv_rtt_clamp(wait, 100 * PV_MS, PV_SECOND);
	pv_rto_try_after(ctx, pcb, wait);
}

bool
pv_persist_fired(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_segment_out probe = { .seq = pcb->snd_una - 1, .flags = PV_TCP_ACK };

	if (pv_seq_gt(pcb->snd_una + pcb->snd_wnd, pcb->snd_nxt)) {
		d->flags |= PV_DATA_OVERRIDE;
		pv_conn_pend(ctx, pcb);
		pv_conn_timer_set(ctx, pcb, PV_CONN_RETRANSMIT, ctx->now + interval(d));
		return true;
	}
	if (!pv_rto_patience(ctx, pcb, d->probes + 1u))
		return false;
	/* Who closed does not wait for ever for a window, however well the peer answers. */
	if ((pcb->flags & PV_PCB_ORPHAN) != 0 && d->backoff >= d->config->data_retries) {
		pv_count(&ctx->counters, PV_C_TCP_ORPHANS_LIMITED);
		pv_conn_destroy(ctx, pcb, -ETIMEDOUT, true);
		return false;
	}
	pv_count(&ctx->counters, PV_C_TCP_PERSIST);
	pv_segment_send(ctx, pcb, &probe);
	/* The probe is not acceptable, so its urgent pointer says nothing (RFC 9293 3.10.7.4). */
	if (pv_unlikely((d->flags & PV_DATA_SND_URGENT) != 0))
		pv_ack_send(ctx, pcb);
	if (d->probes < UINT8_MAX)
		d->probes++;
	if (d->backoff < UINT8_MAX)
		d->backoff++;
	pv_rto_try_after(ctx, pcb, interval(d));
	return true;
}
