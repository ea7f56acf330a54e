/* SPDX-License-Identifier: BSD-3-Clause */
/* Loss by time: RACK and the tail loss probe (RFC 8985). Needs SACK. */
#include "tcp/established.h"

#define DUP_THRESH        3
#define DSACK_ROUNDS      16
#define TLP_MAX_ACK_DELAY (200 * PV_MS)

bool
pv_rack_in_use(const struct pv_pcb *pcb)
{
	return (pcb->flags & PV_PCB_SACK) != 0 && pcb->data->config->rack;
}

static bool
sent_after(uint64_t t1, uint32_t seq1, uint64_t t2, uint32_t seq2)
{
	return t1 > t2 || (t1 == t2 && pv_seq_gt(seq1, seq2));
}

/* 6.2 steps 2 and 3. What one ACK brings says nothing about the order in which that arrived. */
void
pv_rack_delivered(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_rtx *rtx,
		const struct pv_packet *p, const struct pv_delivery *dlv)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t rtt = ctx->now - rtx->sent;

	if ((rtx->flags & PV_RTX_EVER) != 0) {
		/* Perhaps it is the original that was delivered. */
		if ((pcb->flags & PV_PCB_TIMESTAMPS) != 0 &&
				pv_seq_lt(p->tsecr, pv_ms(rtx->sent) + pcb->ts_offset))
			return;
		if (rtt < d->rtt.min)
			return;
	} else if (pv_seq_lt(rtx->end, dlv->fack_before)) {
		d->flags |= PV_DATA_REORDER_SEEN;
	}
	if (pv_seq_gt(rtx->end, d->rack_fack))
		d->rack_fack = rtx->end;
	if (d->rack_sent == 0 || sent_after(rtx->sent, rtx->end, d->rack_sent, d->rack_end)) {
		d->rack_sent = rtx->sent;
		d->rack_end = rtx->end;
		d->rack_rtt = rtt;
		d->flags &= ~(uint32_t)PV_DATA_RACK_RESENT;
		if ((rtx->flags & PV_RTX_EVER) != 0)
			d->flags |= PV_DATA_RACK_RESENT;
	}
}

/* 6.2 step 4: a duplicate says that the window was too short; once a round trip. */
void
pv_rack_dsack(struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	if (pv_seq_lt(pcb->snd_una, d->rack_dsack_end))
		return;
	d->rack_dsack_end = pcb->snd_nxt;
	if (d->rack_mult < UINT16_MAX)
		d->rack_mult++;
	d->rack_persist = DSACK_ROUNDS;
}

void
pv_rack_recovered(struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	if (d->rack_persist > 0 && --d->rack_persist == 0)
		d->rack_mult = 1;
}

static uint64_t
reordering_window(const struct pv_conn_data *d)
{
	uint64_t window = d->rtt.min / 4 * d->rack_mult;

	if ((d->flags & PV_DATA_REORDER_SEEN) == 0 &&
			(d->recovery >= PV_RECOVERY || d->rtx.n_sacked >= DUP_THRESH))
		return 0;
	return window < d->rtt.srtt ? window : d->rtt.srtt;
}

uint64_t
pv_rack_overdue(const struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	const struct pv_conn_data *d = pcb->data;
	uint64_t wait = d->rack_rtt + reordering_window(d);

	if (!pv_rack_in_use(pcb) || wait == 0)
		return ctx->now;
	return ctx->now > wait ? ctx->now - wait : 0;
}

/* Of an original and a copy that left at one time the numbers do not tell which was first. */
static bool
order_known(const struct pv_conn_data *d, const struct pv_rtx *rtx)
{
	return d->rack_sent != rtx->sent ||
	       ((d->flags & PV_DATA_RACK_RESENT) != 0) == ((rtx->flags & PV_RTX_EVER) != 0);
}

/* 6.2 step 5. */
void
pv_rack_detect(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t window = reordering_window(d), wait = 0;
	struct pv_rtx *rtx = d->rtx.oldest, *later;

	for (; rtx != NULL && sent_after(d->rack_sent, d->rack_end, rtx->sent, rtx->end);
			rtx = later) {
		uint64_t due = rtx->sent + d->rack_rtt + window;

		later = rtx->later;
		if (!order_known(d, rtx))
			continue;
		if (due <= ctx->now) {
			pv_rtx_mark_lost(&d->rtx, rtx);
			pv_count(&ctx->counters, PV_C_TCP_RACK_LOST);
		} else if (due - ctx->now > wait) {
			wait = due - ctx->now;
		}
	}
	if (wait != 0) {
		d->flags |= PV_DATA_REORDER;
		pv_conn_timer_set(ctx, pcb, PV_CONN_LOSS, ctx->now + wait);
	} else if ((d->flags & PV_DATA_REORDER) != 0) {
		d->flags &= ~(uint32_t)PV_DATA_REORDER;
		pv_conn_timer_clear(d, PV_CONN_LOSS);
	}
}

/* 7.2: when to probe. Not in recovery, not while something is SACKed, one probe at a time. */
void
pv_tlp_arm(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t wait = d->rtt.srtt != 0 ? 2 * d->rtt.srtt : PV_SECOND, rto;

	if (!pv_rack_in_use(pcb) || !d->config->tlp || d->recovery != PV_OPEN ||
			d->rtx.first == NULL || d->rtx.n_sacked != 0 ||
			(d->flags & (PV_DATA_TLP_OPEN | PV_DATA_PERSIST)) != 0)
		return;
	if (d->rtx.n == 1)
		wait += TLP_MAX_ACK_DELAY;
	rto = d->deadline[PV_CONN_RETRANSMIT];
	if (rto != 0 && ctx->now + wait > rto)
		wait = rto > ctx->now ? rto - ctx->now : 0;
	d->flags &= ~(uint32_t)PV_DATA_REORDER;
	pv_conn_timer_set(ctx, pcb, PV_CONN_LOSS, ctx->now + wait);
}

/* 7.3: new data if there is some and the peer has room, else the last segment. */
static void
probe(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	bool resent = false;

	if (d->rtx.last == NULL || d->recovery != PV_OPEN || (d->flags & PV_DATA_TLP_OPEN) != 0)
		return;
	if (!pv_output_new(ctx, pcb)) {
		uint32_t undo = d->flags & PV_DATA_UNDO;

		d->flags &= ~(uint32_t)PV_DATA_UNDO; /* no part of a recovery */
		resent = pv_output_resend(ctx, pcb, d->rtx.last);
		d->flags |= undo;
		if (!resent)
			return;
	}
	pv_count(&ctx->counters, PV_C_TCP_TLP);
	d->flags |= PV_DATA_TLP_OPEN | (resent ? PV_DATA_TLP_RESENT : 0);
	d->tlp_end = pcb->snd_nxt;
	pv_rto_start(ctx, pcb);
}

void
pv_loss_fired(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	if ((d->flags & PV_DATA_REORDER) == 0) {
		probe(ctx, pcb);
		return;
	}
	d->flags &= ~(uint32_t)PV_DATA_REORDER;
	pv_recovery_reordered(ctx, pcb);
}

/* An ACK that says the same again, also when nothing is in flight any more: the probe's second
 * copy arrived at a peer that does not report duplicates. */
static bool
is_repeated(const struct pv_pcb *pcb, const struct pv_packet *p, const struct pv_delivery *dlv)
{
	return pcb->snd_una == dlv->una_before && p->ack == pcb->snd_una && p->payload_len == 0 &&
	       (p->flags & (PV_TCP_SYN | PV_TCP_FIN)) == 0 && (p->options & PV_TCP_OPT_SACK) == 0 &&
	       !dlv->window_changed;
}

/* 7.4: was a loss hidden by the probe? */
void
pv_tlp_acked(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p,
		const struct pv_delivery *dlv)
{
	struct pv_conn_data *d = pcb->data;
	bool resent = (d->flags & PV_DATA_TLP_RESENT) != 0;

	if ((d->flags & PV_DATA_TLP_OPEN) == 0 || pv_seq_lt(pcb->snd_una, d->tlp_end))
		return;
	if (resent && !dlv->dsack && !is_repeated(pcb, p, dlv)) {
		if (!pv_seq_gt(pcb->snd_una, d->tlp_end))
			return;
		/* Only one of the two copies arrived. */
		if (d->recovery < PV_RECOVERY) {
			pv_recovery_reduce(ctx, pcb, 0);
			d->cwnd = d->ssthresh;
			d->flags &= ~(uint32_t)PV_DATA_UNDO;
		}
	}
	d->flags &= ~(uint32_t)(PV_DATA_TLP_OPEN | PV_DATA_TLP_RESENT);
}
