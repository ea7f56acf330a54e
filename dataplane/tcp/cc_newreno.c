/* SPDX-License-Identifier: BSD-3-Clause */
/* RFC 5681, with appropriate byte counting (RFC 3465) and RFC 8511's milder answer to ECN. */
#include "base/ctx.h"
#include "tcp/conn_data.h"
#include "tcp/hystart.h"

static void
start(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_newreno *reno = &pcb->data->cc_state.newreno;

	(void)ctx;
	*reno = (struct pv_newreno){ 0 };
	pv_hystart_start(&reno->hystart, pcb->snd_nxt);
	/* RFC 9406 4.3: for the first slow start only. */
	reno->hystart.off = !pcb->data->config->hystart || pcb->data->ssthresh < PV_SSTHRESH_FIRST;
}

static void
acked(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_cc_ack *ack)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_newreno *reno = &d->cc_state.newreno;
	uint32_t bytes = ack->bytes;

	if (!ack->limited && d->recovery != PV_LOSS)
		return;
	if (d->cwnd < d->ssthresh)
		bytes = pv_cc_exponential(ctx, pcb, ack, &reno->hystart);
	reno->acked += bytes;
	if (reno->acked >= d->cwnd) {
		reno->acked -= d->cwnd;
		d->cwnd += pcb->snd_mss;
		pv_count(&ctx->counters, PV_C_CC_NEWRENO);
	}
}

static uint32_t
reduce(struct pv_ctx *ctx, struct pv_pcb *pcb, uint8_t ecn)
{
	uint32_t flight = pv_conn_flight(pcb), least = 2 * pcb->snd_mss;
	uint32_t to = ecn ? (uint32_t)((uint64_t)flight * 4 / 5) : flight / 2;

	(void)ctx;
	pcb->data->cc_state.newreno.acked = 0;
	pcb->data->cc_state.newreno.hystart.off = 1; /* for the first slow start only */
	return to > least ? to : least;
}

const struct pv_cc pv_cc_newreno = {
	.name = "newreno",
	.start = start,
	.acked = acked,
	.reduce = reduce,
};
