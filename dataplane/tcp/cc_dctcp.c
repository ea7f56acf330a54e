/* SPDX-License-Identifier: BSD-3-Clause */
/* DCTCP (RFC 8257): reduces by the share of bytes that were marked; without marks it is NewReno. */
#include "base/ctx.h"
#include "base/seq.h"
#include "tcp/conn_data.h"

enum { ALPHA_ONE = 1024, GAIN_SHIFT = 4 };

static void
start(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	(void)ctx;
	pcb->data->cc_state.dctcp =
			(struct pv_dctcp){ .alpha = ALPHA_ONE, .window_end = pcb->snd_nxt };
}

/* 3.3: once a window, alpha moves a sixteenth of the way to the share that was marked. */
static void
estimate(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_cc_ack *ack)
{
	struct pv_dctcp *dctcp = &pcb->data->cc_state.dctcp;
	uint32_t share;

	dctcp->bytes += ack->bytes;
	if (ack->ece)
		dctcp->marked += ack->bytes;
	if (pv_seq_lt(pcb->snd_una, dctcp->window_end))
		return;
	share = dctcp->bytes != 0 ? (uint32_t)((uint64_t)dctcp->marked * ALPHA_ONE / dctcp->bytes) :
				    0;
	dctcp->alpha = dctcp->alpha - (dctcp->alpha >> GAIN_SHIFT) + (share >> GAIN_SHIFT);
	dctcp->bytes = dctcp->marked = 0;
	dctcp->window_end = pcb->snd_nxt;
	pv_count(&ctx->counters, PV_C_CC_DCTCP);
}

static void
acked(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_cc_ack *ack)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_dctcp *dctcp = &d->cc_state.dctcp;
	uint32_t bytes = ack->bytes;

	estimate(ctx, pcb, ack);
	if (!ack->limited && d->recovery != PV_LOSS)
		return;
	if (d->cwnd < d->ssthresh)
		bytes = pv_cc_slow_start(pcb, bytes, 2, 1);
	dctcp->acked += bytes;
	if (dctcp->acked >= d->cwnd) {
		dctcp->acked -= d->cwnd;
		d->cwnd += pcb->snd_mss;
	}
}

static uint32_t
reduce(struct pv_ctx *ctx, struct pv_pcb *pcb, uint8_t ecn)
{
	const struct pv_conn_data *d = pcb->data;
	uint32_t least = 2 * pcb->snd_mss, to = pv_conn_flight(pcb) / 2;

	(void)ctx;
	if (ecn)
		to = d->cwnd -
		     (uint32_t)((uint64_t)d->cwnd * d->cc_state.dctcp.alpha / (2 * ALPHA_ONE));
	return to > least ? to : least;
}

const struct pv_cc pv_cc_dctcp = {
	.name = "dctcp",
	.ect = 1,
	.start = start,
	.acked = acked,
	.reduce = reduce,
};
