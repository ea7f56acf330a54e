/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the peer acknowledges: SND.UNA moves, records and stream bytes go, a round-trip time is
 * taken, the window is read, and recovery and congestion control hear of it.
 */
#include <string.h>

#include "ip/ip.h"
#include "tcp/offer.h"

bool
pv_acked_window(struct pv_pcb *pcb, const struct pv_packet *p)
{
	uint32_t window = (uint32_t)p->window << pcb->snd_wscale;
	bool changed = window != pcb->snd_wnd;

	if (pv_seq_gt(pcb->snd_wl1, p->seq) ||
			(pcb->snd_wl1 == p->seq && pv_seq_gt(pcb->snd_wl2, p->ack)))
		return false;
	pcb->snd_wnd = window;
	pcb->snd_wl1 = p->seq;
	pcb->snd_wl2 = p->ack;
	if (window > pcb->max_wnd)
		pcb->max_wnd = window;
	return changed;
}

/* A sample from the echoed timestamp, for what was sent more than once (RFC 7323 4.1); 0: none. */
static uint64_t
rtt_from_echo(const struct pv_ctx *ctx, const struct pv_pcb *pcb, const struct pv_packet *p)
{
	uint32_t ticks;

	if ((pcb->flags & PV_PCB_TIMESTAMPS) == 0 || p->tsecr == 0)
		return 0;
	ticks = pv_conn_tsval(ctx, pcb) - p->tsecr;
	if (ticks > 120 * 1000)
		return 0;
	return ticks == 0 ? PV_MS : ticks * PV_MS;
}

/* `oldest`: of the first acknowledged segment, for the smoothed values. */
static void
take_rtt(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p, uint64_t oldest)
{
	struct pv_conn_data *d = pcb->data;

	if (pv_seq_le(p->ack, d->rtt_mark) && d->backoff == 0)
		return;
	if (oldest == 0)
		oldest = rtt_from_echo(ctx, pcb, p);
	if (oldest == 0)
		return;
	pv_rtt_smooth(&d->rtt, oldest);
	pv_rtt_set_rto(&d->rtt, d->config->rto_min * PV_MS, d->config->rto_max * PV_MS);
	d->rtt_mark = pcb->snd_nxt;
	if (ctx->now - d->mtu_checked > PV_SECOND)
		pv_pmtu_look(ctx, pcb);
}

/* Takes the records up to the ACK out. Returns the age of the first one that was sent once, 0 if
 * one was sent again (Karn). */
static uint64_t
pop_records(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p,
		struct pv_delivery *dlv)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t oldest = 0;
	struct pv_rtx *rtx;

	while ((rtx = d->rtx.first) != NULL && pv_seq_le(rtx->end, p->ack)) {
		uint32_t len = pv_rtx_len(rtx);

		if (pv_unlikely((rtx->flags & PV_RTX_EVER) != 0)) {
			dlv->resent_acked++;
		} else if ((rtx->flags & PV_RTX_SACKED) == 0) {
			dlv->rtt = ctx->now - rtx->sent + (ctx->now == rtx->sent);
			if (oldest == 0)
				oldest = dlv->rtt;
			dlv->original |= pv_seq_le(rtx->end, d->recover);
		}
		if ((rtx->flags & PV_RTX_SACKED) == 0) {
			dlv->delivered += len;
			pv_rack_delivered(ctx, pcb, rtx, p, dlv);
		}
		if (len > d->max_acked)
			d->max_acked = len;
		pv_rtx_pop(&ctx->conns->rtx, &d->rtx);
	}
	if (rtx != NULL && pv_seq_lt(rtx->seq, p->ack)) {
		dlv->delivered += (rtx->flags & PV_RTX_SACKED) == 0 ? p->ack - rtx->seq : 0;
		pv_rtx_trim(&d->rtx, rtx, p->ack);
	}
	return dlv->resent_acked != 0 ? 0 : oldest;
}

/* How far the stream is acknowledged. */
static inline uint64_t
stream_una(const struct pv_conn_data *d)
{
	if (pv_likely(d->exchange == NULL))
		return d->una_pos;
	return d->una_pos - pv_offer_before(d->exchange, d->una_pos);
}

static void
advance(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p, struct pv_delivery *dlv)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t oldest = pop_records(ctx, pcb, p, dlv);
	uint32_t bytes = p->ack - pcb->snd_una;

	/* The FIN stands behind the last byte. */
	if ((pcb->flags & PV_PCB_FIN_SENT) != 0 && p->ack == pcb->snd_nxt)
		bytes--;
	pcb->snd_una = p->ack;
	d->una_pos += bytes;
	if (pv_unlikely(d->exchange != NULL))
		pv_offer_acked(ctx, d->exchange, d->una_pos);
	pv_stream_free_until(ctx->bridge, &d->shared->tx, &d->cursor, stream_una(d));
	if (d->resend_cursor.pos <= d->una_pos)
		memset(&d->resend_cursor, 0, sizeof(d->resend_cursor));
	d->flags |= PV_DATA_ROOM;
	d->stalled_since = pcb->snd_una != pcb->snd_nxt ? ctx->now : 0;
	if (pv_unlikely(d->probe_mss != 0) && pv_seq_ge(pcb->snd_una, d->probe_seq + d->probe_mss))
		pv_pmtu_probe_acked(ctx, pcb);
	take_rtt(ctx, pcb, p, oldest);
	d->backoff = 0;
	d->mtu_claim = 0;
	d->soft_error = 0;
	pv_ip_confirm(ctx, &pcb->tuple.peer);
}

/* RFC 5681 2. */
static bool
is_duplicate(const struct pv_pcb *pcb, const struct pv_packet *p, const struct pv_delivery *dlv)
{
	return p->ack == dlv->una_before && pcb->snd_una != pcb->snd_nxt && p->payload_len == 0 &&
	       (p->flags & (PV_TCP_SYN | PV_TCP_FIN)) == 0 && !dlv->window_changed;
}

/* What waits to be sent and what is in flight share the buffer: it grows to two windows. */
static void
tune_buffer(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t most = d->config->send_buffer_max, want = d->cwnd < most / 2 ? 2 * d->cwnd : most;

	if (pcb->snd_buffer != 0 || want <= d->snd_limit)
		return;
	d->snd_limit = want;
	pv_stream_set_limit(ctx->bridge, &d->shared->tx, want);
}

static void
grow(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p,
		const struct pv_delivery *dlv, bool may_grow)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_cc_ack ack = {
		.rtt = dlv->rtt,
		.bytes = pcb->snd_una - dlv->una_before,
		.una = dlv->una_before,
		.ece = (p->flags & PV_TCP_ECE) != 0,
		.limited = pv_seq_gt(d->limited_end, dlv->una_before),
	};

	if (may_grow)
		d->cc->acked(ctx, pcb, &ack);
	if (pv_unlikely(d->cwnd > d->snd_limit / 2))
		tune_buffer(ctx, pcb);
	if (pv_seq_lt(d->limited_end, pcb->snd_una))
		d->limited_end = pcb->snd_una;
}

static void
set_timers(struct pv_ctx *ctx, struct pv_pcb *pcb, bool advanced)
{
	struct pv_conn_data *d = pcb->data;

	if (pcb->snd_una == pcb->snd_nxt) {
		if ((d->flags & PV_DATA_PERSIST) == 0)
			pv_conn_timer_clear(d, PV_CONN_RETRANSMIT);
		pv_conn_timer_clear(d, PV_CONN_LOSS);
	} else if (advanced && (d->flags & PV_DATA_PERSIST) == 0) {
		pv_rto_start(ctx, pcb);
		if ((d->flags & PV_DATA_REORDER) == 0)
			pv_tlp_arm(ctx, pcb);
	}
}

bool
pv_acked(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_delivery dlv = { .una_before = pcb->snd_una, .fack_before = d->rack_fack };
	bool advanced = pv_seq_gt(p->ack, pcb->snd_una), fin_acked;
	bool recovering = d->recovery == PV_RECOVERY;

	d->last_acked = ctx->now;
	d->probes = 0;
	dlv.window_changed = pv_acked_window(pcb, p);
	if (pv_unlikely((p->flags & PV_TCP_ECE) != 0) && (pcb->flags & PV_PCB_ECN) != 0)
		pv_recovery_ece(ctx, pcb, p);
	if (pv_unlikely((p->options & PV_TCP_OPT_SACK) != 0) && (pcb->flags & PV_PCB_SACK) != 0)
		pv_sack_input(ctx, pcb, p, &dlv);
	if (advanced)
		advance(ctx, pcb, p, &dlv);
	else
		dlv.duplicate = is_duplicate(pcb, p, &dlv);
	if (dlv.rtt != 0)
		pv_rtt_minimum(&d->rtt, dlv.rtt, ctx->now);
	d->stats.dup_acks += dlv.duplicate;
	if (pv_unlikely(d->recovery != PV_OPEN || dlv.duplicate || dlv.sacked != 0 || dlv.dsack ||
			    (d->flags & PV_DATA_TLP_OPEN) != 0))
		pv_recovery_acked(ctx, pcb, p, &dlv);
	if (advanced)
		grow(ctx, pcb, p, &dlv, !recovering && d->recovery != PV_RECOVERY);
	set_timers(ctx, pcb, advanced);
	if (advanced || dlv.window_changed || d->recovery != PV_OPEN || dlv.sacked != 0)
		pv_conn_pend(ctx, pcb);
	fin_acked = (pcb->flags & PV_PCB_FIN_SENT) != 0 && pcb->snd_una == pcb->snd_nxt;
	return !fin_acked || !advanced || pv_conn_fin_acked(ctx, pcb);
}
