/* SPDX-License-Identifier: BSD-3-Clause */
/* CUBIC (RFC 9438). Windows in bytes; the cubic function counts segments, as the RFC's C does. */
#include <math.h>

#include "base/ctx.h"
#include "tcp/conn_data.h"
#include "tcp/hystart.h"

#define C          0.4
#define BETA       0.7
#define BETA_ECN   0.85 /* RFC 8511 4.2 */
#define ALPHA      (3.0 * (1.0 - BETA) / (1.0 + BETA))
#define TARGET_MAX 1.5
#define NS         1e-9

static void
start(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_cubic *cubic = &pcb->data->cc_state.cubic;

	(void)ctx;
	*cubic = (struct pv_cubic){ 0 };
	pv_hystart_start(&cubic->hystart, pcb->snd_nxt);
	/* RFC 9406 4.3: for the first slow start only. */
	cubic->hystart.off = !pcb->data->config->hystart || pcb->data->ssthresh < PV_SSTHRESH_FIRST;
}

/* 4.2: congestion avoidance begins; K is the time to come back to w_max. */
static void
begin_epoch(struct pv_cubic *cubic, uint32_t cwnd, uint32_t mss, uint64_t now)
{
	cubic->epoch = now;
	cubic->limited_at = now;
	cubic->w_est = cwnd;
	if (cubic->w_max > cwnd) {
		cubic->k = cbrt((cubic->w_max - cwnd) / mss / C);
	} else {
		cubic->k = 0;
		cubic->w_max = cwnd;
	}
}

/* W_cubic(t), in bytes. */
static double
window_at(const struct pv_cubic *cubic, double t, uint32_t mss)
{
	double off = t - cubic->k;

	return C * off * off * off * mss + cubic->w_max;
}

/* 4.3: what Reno with the same reduction would have by now. */
static void
follow_reno(struct pv_cubic *cubic, uint32_t bytes, uint32_t cwnd, uint32_t mss)
{
	double alpha = cubic->w_est >= cubic->cwnd_prior ? 1.0 : ALPHA;

	cubic->w_est += alpha * bytes * mss / cwnd;
}

static void
avoid(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t bytes)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_cubic *cubic = &d->cc_state.cubic;
	uint32_t mss = pcb->snd_mss;
	double t, target, more;

	if (cubic->epoch == 0)
		begin_epoch(cubic, d->cwnd, mss, ctx->now);
	t = (double)(ctx->now - cubic->epoch) * NS;
	follow_reno(cubic, bytes, d->cwnd, mss);
	if (window_at(cubic, t, mss) < cubic->w_est) {
		if (cubic->w_est > d->cwnd)
			d->cwnd = (uint32_t)cubic->w_est;
		pv_count(&ctx->counters, PV_C_CC_CUBIC_FRIENDLY);
		return;
	}
	target = window_at(cubic, t + (double)d->rtt.srtt * NS, mss);
	if (target > TARGET_MAX * d->cwnd)
		target = TARGET_MAX * d->cwnd;
	if (target <= d->cwnd)
		return;
	more = (target - d->cwnd) * bytes / d->cwnd + cubic->spare;
	cubic->spare = more - floor(more);
	d->cwnd += (uint32_t)more;
	pv_count(&ctx->counters, PV_C_CC_CUBIC);
}

static void
acked(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_cc_ack *ack)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_cubic *cubic = &d->cc_state.cubic;
	uint32_t bytes = ack->bytes;

	/* Time in which the application or the peer's window set the pace does not count
	 * (4.2, 5.8). */
	if (!ack->limited && d->recovery != PV_LOSS) {
		cubic->paused = 1;
		return;
	}
	if (cubic->paused && cubic->epoch != 0)
		cubic->epoch += ctx->now - cubic->limited_at;
	cubic->paused = 0;
	cubic->limited_at = ctx->now;
	if (d->cwnd < d->ssthresh)
		bytes = pv_cc_exponential(ctx, pcb, ack, &cubic->hystart);
	if (bytes != 0 && d->cwnd >= d->ssthresh)
		avoid(ctx, pcb, bytes);
}

/* 4.6 and 4.7. */
static uint32_t
reduce(struct pv_ctx *ctx, struct pv_pcb *pcb, uint8_t ecn)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_cubic *cubic = &d->cc_state.cubic;
	uint32_t flight = pv_conn_flight(pcb), least = 2 * pcb->snd_mss;
	uint32_t to = (uint32_t)(flight * (ecn ? BETA_ECN : BETA));

	(void)ctx;
	cubic->undo_w_max = cubic->w_max;
	cubic->undo_k = cubic->k;
	cubic->undo_epoch = cubic->epoch;
	cubic->w_max = d->cwnd < cubic->w_max ? d->cwnd * (1.0 + BETA) / 2.0 : d->cwnd;
	cubic->cwnd_prior = d->cwnd;
	cubic->epoch = 0;
	cubic->hystart.off = 1;
	return to > least ? to : least;
}

/* 4.8: the epoch after the slow start that follows begins at its end, with K = 0. */
static void
timeout(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_cubic *cubic = &pcb->data->cc_state.cubic;

	(void)ctx;
	cubic->w_max = 0;
	cubic->epoch = 0;
}

static void
undo(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_cubic *cubic = &pcb->data->cc_state.cubic;

	(void)ctx;
	cubic->w_max = cubic->undo_w_max;
	cubic->k = cubic->undo_k;
	cubic->epoch = cubic->undo_epoch;
}

static void
idle(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_cubic *cubic = &pcb->data->cc_state.cubic;

	if (cubic->epoch != 0)
		cubic->epoch += ctx->now - cubic->limited_at;
	cubic->limited_at = ctx->now;
	cubic->paused = 0;
}

const struct pv_cc pv_cc_cubic = {
	.name = "cubic",
	.start = start,
	.acked = acked,
	.reduce = reduce,
	.timeout = timeout,
	.undo = undo,
	.idle = idle,
};
