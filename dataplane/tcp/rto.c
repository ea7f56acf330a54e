/* SPDX-License-Identifier: BSD-3-Clause */
/* The retransmission time-out (RFC 6298 5), its thresholds R1 and R2 (RFC 9293 3.8.3). */
#include <errno.h>

#include "ip/ip.h"
#include "tcp/established.h"

enum { R1 = 3 }; /* retransmissions before the way to the peer is doubted */

void
pv_rto_start(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	d->flags &= ~(uint32_t)PV_DATA_PERSIST;
	if (d->stalled_since == 0)
		d->stalled_since = ctx->now;
	pv_rto_try_after(ctx, pcb, d->rtt.rto);
}

/* R2 is the user time-out where there is one, else a number of attempts. */
bool
pv_rto_patience(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t attempts)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t most = d->config->data_retries;
	bool over = attempts > most;

	if (d->user_timeout != 0)
		over = ctx->now - d->stalled_since >= d->user_timeout;
	if (!over) {
		if (attempts == R1)
			pv_ip_doubt(ctx, &pcb->tuple.peer);
		return true;
	}
	pv_conn_destroy(ctx, pcb, d->soft_error != 0 ? d->soft_error : -ETIMEDOUT, false);
	return false;
}

void
pv_rto_try_after(struct pv_ctx *ctx, struct pv_pcb *pcb, uint64_t wait)
{
	const struct pv_conn_data *d = pcb->data;
	uint64_t stalled = ctx->now - d->stalled_since;

	if (d->user_timeout > stalled && d->user_timeout - stalled < wait)
		wait = d->user_timeout - stalled;
	else if (d->user_timeout != 0 && d->user_timeout <= stalled)
		wait = PV_MS;
	pv_conn_timer_set(ctx, pcb, PV_CONN_RETRANSMIT, ctx->now + wait);
}

/* The peer closed its window over what is in flight: that waits for the window, and the window is
 * probed. */
static bool
window_gone(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	pv_rtx_mark_all_lost(&pcb->data->rtx, false, ctx->now);
	pcb->data->frto = 0;
	pv_conn_timer_clear(pcb->data, PV_CONN_LOSS);
	pv_persist_start(ctx, pcb);
	return pv_persist_fired(ctx, pcb);
}

bool
pv_rto_fired(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	if (pv_never(ctx, d->rtx.first == NULL))
		return true;
	if (pcb->snd_wnd == 0)
		return window_gone(ctx, pcb);
	if (d->backoff < UINT8_MAX)
		d->backoff++;
	if (!pv_rto_patience(ctx, pcb, d->backoff))
		return false;
	d->stats.timeouts++;
	pv_count(&ctx->counters, PV_C_TCP_RTO);
	pv_pmtu_timeout(ctx, pcb);
	pv_recovery_timeout(ctx, pcb);
	pv_rtt_back_off(&d->rtt, d->config->rto_max * PV_MS);
	pv_conn_timer_clear(d, PV_CONN_LOSS);
	pv_output_resend(ctx, pcb, d->rtx.first);
	pv_rto_try_after(ctx, pcb, d->rtt.rto);
	return true;
}
