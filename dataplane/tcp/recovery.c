/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loss recovery:
 *
 *	OPEN -> DISORDER	duplicate ACKs or SACKed data, nothing lost yet
 *	OPEN, DISORDER -> RECOVERY	a segment is lost: by RACK, by RFC 6675, without SACK by
 * three duplicate ACKs RECOVERY -> OPEN	`recover` is acknowledged, or the loss was none any
 * -> LOSS		the retransmission timer LOSS -> OPEN		`recover` is acknowledged,
 * or the time-out was spurious
 *
 * In RECOVERY cwnd follows PRR (RFC 9937); in LOSS it grows from one segment by slow start.
 */
#include <string.h>

#include "tcp/established.h"

#define DUP_THRESH 3

/* ssthresh for a loss or a mark, and what is needed to take that back. */
void
pv_recovery_reduce(struct pv_ctx *ctx, struct pv_pcb *pcb, uint8_t ecn)
{
	struct pv_conn_data *d = pcb->data;

	d->undo_cwnd = d->cwnd;
	d->undo_ssthresh = d->ssthresh;
	d->undo_una = pcb->snd_una;
	d->undo_resent = d->undo_dups = 0;
	d->flags |= PV_DATA_UNDO;
	d->ssthresh = d->cc->reduce(ctx, pcb, ecn);
	if ((pcb->flags & PV_PCB_ECN) != 0) {
		d->cwr_end = pcb->snd_nxt;
		d->flags |= PV_DATA_CWR;
	}
}

/* Not more at once than a connection begins with (RFC 5681 4.3); slow start does the rest. */
static uint32_t
without_burst(const struct pv_pcb *pcb, uint32_t cwnd)
{
	const struct pv_conn_data *d = pcb->data;
	uint32_t most = pv_conn_pipe(pcb, d) + d->config->initial_window * pcb->snd_mss;

	return cwnd < most ? cwnd : most;
}

static void
leave(struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	d->dup_acks = 0;
	if (d->recovery == PV_RECOVERY)
		d->cwnd = without_burst(pcb, d->ssthresh);
	else
		d->limited_end = pcb->snd_una; /* slow start has come as far as here */
	pv_rack_recovered(pcb);
	d->recovery = PV_OPEN;
	d->frto = 0;
}

/* The reduction was made in error: RFC 4015, RFC 5682, RFC 3708. */
static void
undo(struct pv_ctx *ctx, struct pv_pcb *pcb, enum pv_counter why)
{
	struct pv_conn_data *d = pcb->data;

	pv_count(&ctx->counters, PV_C_TCP_UNDO);
	pv_count(&ctx->counters, why);
	if (d->recovery == PV_LOSS)
		pv_count(&ctx->counters, PV_C_TCP_RTO_SPURIOUS);
	if (d->cc->undo != NULL)
		d->cc->undo(ctx, pcb);
	pv_rtx_unmark_lost(&d->rtx);
	d->dup_acks = 0;
	if (d->cwnd < d->undo_cwnd)
		d->cwnd = without_burst(pcb, d->undo_cwnd);
	if (d->ssthresh < d->undo_ssthresh)
		d->ssthresh = d->undo_ssthresh;
	d->flags &= ~(uint32_t)(PV_DATA_UNDO | PV_DATA_CWR);
	d->recovery = PV_OPEN;
	d->frto = 0;
}

/* Eifel (RFC 3522): the ACK that passes what was resent echoes a segment from before the first
 * retransmission. */
static bool
eifel(const struct pv_pcb *pcb, const struct pv_packet *p, const struct pv_delivery *dlv)
{
	const struct pv_conn_data *d = pcb->data;

	return d->config->undo && (d->flags & PV_DATA_UNDO) != 0 && d->undo_resent != 0 &&
	       dlv->resent_acked != 0 && (pcb->flags & PV_PCB_TIMESTAMPS) != 0 && p->tsecr != 0 &&
	       pv_seq_lt(p->tsecr, d->undo_ts);
}

/* Every retransmission was reported as a duplicate (RFC 3708). */
static bool
all_duplicates(const struct pv_conn_data *d, const struct pv_delivery *dlv)
{
	return dlv->dsack && d->config->undo && (d->flags & PV_DATA_UNDO) != 0 &&
	       d->undo_resent != 0 && d->undo_dups >= d->undo_resent;
}

/*
 * Without SACK: counts duplicates, forgets those that a partial ACK explains, marks what must be
 * lost (RFC 6582). What a duplicate stood for is delivered once.
 */
static void
detect_by_count(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_delivery *dlv)
{
	struct pv_conn_data *d = pcb->data;
	bool advanced = pcb->snd_una != dlv->una_before;
	uint32_t acked = (pcb->snd_una - dlv->una_before) / pcb->snd_mss;
	struct pv_rtx *first = d->rtx.first;

	if (d->recovery == PV_LOSS) {
		d->dup_acks = 0;
		return;
	}
	if (dlv->duplicate && d->dup_acks < d->rtx.n) {
		d->dup_acks++;
		dlv->delivered = pcb->snd_mss;
	} else if (advanced) {
		uint32_t known = acked > 0 ? acked - 1 : 0;

		if (known > d->dup_acks || d->recovery != PV_RECOVERY)
			known = d->dup_acks;
		d->dup_acks -= known;
		known *= pcb->snd_mss;
		dlv->delivered = dlv->delivered > known ? dlv->delivered - known : 0;
	}
	if (first == NULL || (first->flags & (PV_RTX_LOST | PV_RTX_RESENT)) != 0)
		return;
	if (d->recovery == PV_RECOVERY ? advanced && pv_seq_lt(pcb->snd_una, d->recover) :
					 d->dup_acks >= DUP_THRESH &&
							 pv_seq_gt(pcb->snd_una, d->recover)) {
		pv_rtx_mark_lost(&d->rtx, first);
		pv_count(&ctx->counters, PV_C_TCP_DUP_ACK_LOST);
	}
}

static void
detect(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_delivery *dlv)
{
	if ((pcb->flags & PV_PCB_SACK) == 0)
		detect_by_count(ctx, pcb, dlv);
	else if (pv_rack_in_use(pcb))
		pv_rack_detect(ctx, pcb);
	else
		pv_sack_detect(ctx, pcb);
}

static bool
is_partial(const struct pv_pcb *pcb, const struct pv_delivery *dlv)
{
	return (pcb->flags & PV_PCB_SACK) == 0 && pcb->snd_una != dlv->una_before;
}

/* RFC 9937 6, bytes; `safe`: the ACK moved SND.UNA and showed no further loss. */
static void
proportional(struct pv_pcb *pcb, const struct pv_delivery *dlv, bool safe)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t pipe = pv_conn_pipe(pcb, d), delivered = dlv->delivered, send;

	if (!d->config->prr) {
		d->cwnd = d->ssthresh;
		return;
	}
	d->prr_delivered += delivered;
	if (pipe > d->ssthresh) {
		uint64_t share = (uint64_t)d->prr_delivered * d->ssthresh;

		share = (share + d->prr_flight - 1) / (d->prr_flight != 0 ? d->prr_flight : 1);
		send = share > d->prr_out ? (uint32_t)share - d->prr_out : 0;
	} else {
		uint32_t bound = d->prr_delivered > d->prr_out ? d->prr_delivered - d->prr_out : 0;

		if (bound < delivered)
			bound = delivered;
		if (safe)
			bound += pcb->snd_mss;
		send = d->ssthresh - pipe;
		if (send > bound)
			send = bound;
	}
	/* The fast retransmit itself; without SACK, that of the next hole (RFC 6582 3.2, step 3).
	 */
	if (send < pcb->snd_mss && (d->prr_out == 0 || is_partial(pcb, dlv)))
		send = pcb->snd_mss;
	d->cwnd = pipe + send > pcb->snd_mss ? pipe + send : pcb->snd_mss;
}

/* What the ACK that shows the loss delivers counts as the first of the recovery. */
static void
start(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_delivery *dlv)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t pipe = pv_conn_pipe(pcb, d);

	pv_recovery_reduce(ctx, pcb, 0);
	d->recovery = PV_RECOVERY;
	d->recover = pcb->snd_nxt;
	d->prr_delivered = d->prr_out = 0;
	d->prr_flight = pipe + d->rtx.lost - d->rtx.retrans + dlv->delivered;
	d->flags &= ~(uint32_t)(PV_DATA_RESCUED | PV_DATA_TLP_OPEN | PV_DATA_TLP_RESENT);
	d->stats.fast++;
	pv_count(&ctx->counters, PV_C_TCP_FAST_RETRANSMIT);
	if (d->config->prr)
		proportional(pcb, dlv, false);
	else
		d->cwnd = pipe + pcb->snd_mss; /* the first retransmission leaves at once */
}

/* RFC 5682 2.1 and 3.1: the first two ACKs after a time-out tell whether the flight was lost. */
static bool
spurious_by_frto(struct pv_pcb *pcb, const struct pv_delivery *dlv)
{
	struct pv_conn_data *d = pcb->data;
	bool advanced = pcb->snd_una != dlv->una_before;

	if (d->frto == 1) {
		if (advanced)
			d->frto = pv_seq_lt(pcb->snd_una, d->recover) ? 2 : 0;
		else if (dlv->duplicate)
			d->frto = 0;
		return false;
	}
	if (d->frto != 2)
		return false;
	if (dlv->original && (advanced || dlv->sacked != 0))
		return true;
	if (dlv->duplicate || advanced)
		d->frto = 0;
	return false;
}

static bool
is_over(const struct pv_pcb *pcb)
{
	return pv_seq_ge(pcb->snd_una, pcb->data->recover);
}

static void
settle(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_delivery *dlv, bool new_loss)
{
	struct pv_conn_data *d = pcb->data;

	switch ((enum pv_recovery)d->recovery) {
	case PV_OPEN:
	case PV_DISORDER:
		if (d->rtx.lost > d->rtx.retrans && !pv_pmtu_probe_lost(ctx, pcb))
			start(ctx, pcb, dlv);
		else
			d->recovery = d->rtx.n_sacked != 0 || d->dup_acks != 0 ? PV_DISORDER :
										 PV_OPEN;
		break;
	case PV_RECOVERY:
		if (is_over(pcb))
			leave(pcb);
		else
			proportional(pcb, dlv, pcb->snd_una != dlv->una_before && !new_loss);
		break;
	case PV_LOSS:
		if (is_over(pcb))
			leave(pcb);
		break;
	}
}

void
pv_recovery_acked(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p,
		struct pv_delivery *dlv)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t lost = d->rtx.lost - d->rtx.retrans;

	pv_tlp_acked(ctx, pcb, p, dlv);
	if (eifel(pcb, p, dlv))
		undo(ctx, pcb, PV_C_TCP_UNDO_EIFEL);
	else if (all_duplicates(d, dlv))
		undo(ctx, pcb, PV_C_TCP_UNDO_DSACK);
	else if (d->recovery == PV_LOSS && spurious_by_frto(pcb, dlv))
		undo(ctx, pcb, PV_C_TCP_UNDO_FRTO);
	if (d->recovery >= PV_RECOVERY && is_over(pcb))
		leave(pcb);
	detect(ctx, pcb, dlv);
	settle(ctx, pcb, dlv, d->rtx.lost - d->rtx.retrans > lost);
}

/* The reordering window is over. */
void
pv_recovery_reordered(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	const struct pv_delivery nothing = { .una_before = pcb->snd_una };

	pv_rack_detect(ctx, pcb);
	if (d->recovery < PV_RECOVERY && d->rtx.lost > d->rtx.retrans) {
		if (!pv_pmtu_probe_lost(ctx, pcb))
			start(ctx, pcb, &nothing);
	} else if (d->recovery == PV_RECOVERY)
		proportional(pcb, &nothing, false);
	pv_conn_pend(ctx, pcb);
}

/* RFC 5681 3.1, RFC 6675 5.1. */
void
pv_recovery_timeout(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	bool reneged = (d->rtx.first->flags & PV_RTX_SACKED) != 0;

	if (reneged) {
		pv_count(&ctx->counters, PV_C_TCP_SACK_RENEGED);
		memset(d->sack_seen, 0, sizeof(d->sack_seen));
	}
	/* Once for a segment, however often it is sent again (RFC 5681 3.1). */
	if (d->recovery != PV_LOSS || d->backoff <= 1) {
		pv_recovery_reduce(ctx, pcb, 0);
		if (d->cc->timeout != NULL)
			d->cc->timeout(ctx, pcb);
		d->frto = d->config->f_rto && !reneged && pv_seq_ge(pcb->snd_una, d->recover);
	} else {
		d->frto = 0;
	}
	d->recovery = PV_LOSS;
	d->recover = pcb->snd_nxt;
	d->dup_acks = 0;
	d->cwnd = pcb->snd_mss;
	d->flags &= ~(uint32_t)(PV_DATA_TLP_OPEN | PV_DATA_TLP_RESENT | PV_DATA_REORDER);
	pv_rtx_mark_all_lost(&d->rtx, reneged, pv_rack_overdue(ctx, pcb));
}

/* RFC 3168 6.1.2: as for a loss, and again only for what is sent after the answer. */
void
pv_recovery_ece(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	struct pv_conn_data *d = pcb->data;

	if (d->recovery >= PV_RECOVERY || pv_seq_le(p->ack, d->cwr_end))
		return;
	pv_recovery_reduce(ctx, pcb, 1);
	d->flags &= ~(uint32_t)PV_DATA_UNDO;
	if (d->cwnd > d->ssthresh)
		d->cwnd = d->ssthresh;
	pv_count(&ctx->counters, PV_C_TCP_ECN_REDUCED);
}
