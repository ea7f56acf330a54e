/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What may be sent now, in the order of RFC 6675 4 (NextSeg): what is lost, then new data, then in
 * a pinch the last segment once more; within min(cwnd, the peer's window), Nagle (RFC 9293 3.7.4,
 * with Minshall's refinement: only a small segment in flight holds a small one back) and the
 * sender's side of silly window avoidance (3.8.6.2.1).
 */
#include "tcp/offer.h"

#define PACE_CREDIT PV_MS

/* Room that SACK blocks take from a full segment. */
static uint32_t
sack_space(const struct pv_pcb *pcb, const struct pv_conn_data *d)
{
	uint32_t n = d->ooo.n_runs + ((d->flags & PV_DATA_DSACK) != 0 ? 1u : 0u);
	uint32_t most = (pcb->flags & PV_PCB_TIMESTAMPS) != 0 ? 3 : 4;

	if (n == 0 || (pcb->flags & PV_PCB_SACK) == 0)
		return 0;
	return PV_TCP_SPACE_SACK + 8 * (n < most ? n : most);
}

static uint32_t
full_segment(const struct pv_pcb *pcb, const struct pv_conn_data *d)
{
	uint32_t space = sack_space(pcb, d);

	return pcb->snd_mss > space + 8 ? pcb->snd_mss - space : 8;
}

uint64_t
pv_output_waiting(const struct pv_pcb *pcb)
{
	const struct pv_conn_data *d = pcb->data;

	if ((pcb->flags & PV_PCB_FIN_SENT) != 0)
		return 0;
	return d->written - pv_conn_pos(pcb, d, pcb->snd_nxt);
}

/* Looks once more into the tx stream when what was known ends with the next segment. */
static uint64_t
refresh_waiting(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	if (pv_output_waiting(pcb) > pcb->snd_mss)
		return pv_output_waiting(pcb);
	d->written = __atomic_load_n(&d->shared->tx.written, __ATOMIC_ACQUIRE) +
		     (pv_unlikely(d->exchange != NULL) ? d->exchange->inserted : 0);
	if (pv_unlikely(d->shared->tx.mark != 0))
		pv_urgent_look(ctx, pcb);
	return pv_output_waiting(pcb);
}

static bool
fin_due(const struct pv_pcb *pcb)
{
	return (pcb->flags & (PV_PCB_FIN_QUEUED | PV_PCB_FIN_SENT)) == PV_PCB_FIN_QUEUED;
}

static void
pace(struct pv_ctx *ctx, struct pv_conn_data *d, uint32_t len)
{
	if (d->pace_rate == 0)
		return;
	/* What the timer is late by is made up for; a pause earns nothing. */
	if (d->pace_next + PACE_CREDIT < ctx->now)
		d->pace_next = ctx->now;
	d->pace_next += (uint64_t)len * PV_SECOND / d->pace_rate;
}

/* Numbers that the peer's window still has room for. */
static uint32_t
window_room(const struct pv_pcb *pcb)
{
	uint32_t edge = pcb->snd_una + pcb->snd_wnd;

	return pv_seq_gt(edge, pcb->snd_nxt) ? edge - pcb->snd_nxt : 0;
}

static void
sent(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t len)
{
	struct pv_conn_data *d = pcb->data;

	d->last_sent = ctx->now;
	d->stats.data_segs_out++;
	if (d->recovery == PV_RECOVERY)
		d->prr_out += len;
	pace(ctx, d, len);
	if (d->deadline[PV_CONN_RETRANSMIT] == 0 || (d->flags & PV_DATA_PERSIST) != 0)
		pv_rto_start(ctx, pcb);
}

bool
pv_output_resend(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_rtx *rtx)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t mss = pcb->snd_mss, fin;
	struct pv_segment_out out = { .pos = pv_conn_pos(pcb, d, rtx->seq), .seq = rtx->seq };

	if (pv_unlikely(d->exchange != NULL) && pv_offer_at(d->exchange, out.pos) != NULL)
		mss = mss > PV_TCP_SPACE_HS + 8 ? mss - PV_TCP_SPACE_HS : 8;
	fin = (rtx->flags & PV_RTX_FIN) != 0;
	if (pv_rtx_len(rtx) - fin > mss) {
		if (!pv_rtx_split(&ctx->conns->rtx, &d->rtx, rtx, rtx->seq + mss))
			return false;
		fin = 0;
	}
	out.len = pv_rtx_len(rtx) - fin;
	out.flags = PV_TCP_ACK | (fin ? PV_TCP_FIN : 0) |
		    ((rtx->flags & PV_RTX_PUSH) != 0 ? PV_TCP_PSH : 0);
	if (pv_segment_send(ctx, pcb, &out) != 0)
		return false;
	if ((d->flags & PV_DATA_UNDO) != 0) {
		if (d->undo_resent++ == 0)
			d->undo_ts = pv_conn_tsval(ctx, pcb);
	}
	pv_rtx_mark_resent(&d->rtx, rtx, ctx->now);
	d->stats.resent++;
	d->stats.bytes_resent += out.len;
	pv_count(&ctx->counters, PV_C_TCP_RETRANSMITTED);
	sent(ctx, pcb, pv_rtx_len(rtx));
	if (rtx == d->rtx.first)
		pv_rto_start(ctx, pcb); /* it waits for a whole time-out again (RFC 6298 5) */
	return true;
}

/* One segment of `len` new bytes, with the FIN when it is due and fits. */
static bool
send_new(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t len, uint32_t room)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t full = full_segment(pcb, d);
	bool last = len == pv_output_waiting(pcb);
	bool fin = last && fin_due(pcb) && len < room;
	struct pv_segment_out out = {
		.pos = pv_conn_pos(pcb, d, pcb->snd_nxt),
		.seq = pcb->snd_nxt,
		.len = len,
		.flags = PV_TCP_ACK | (last && len > 0 ? PV_TCP_PSH : 0) | (fin ? PV_TCP_FIN : 0),
		.ect = len > 0 && (pcb->flags & PV_PCB_ECN) != 0,
	};
	struct pv_rtx *rtx;

	if (out.ect && (d->flags & PV_DATA_CWR) != 0)
		out.flags |= PV_TCP_CWR;
	rtx = pv_rtx_append(&ctx->conns->rtx, &d->rtx, out.seq, out.seq + len + fin, ctx->now);
	if (pv_unlikely(rtx == NULL))
		return false;
	if (pv_unlikely(pv_segment_send(ctx, pcb, &out) != 0)) {
		pv_rtx_unappend(&ctx->conns->rtx, &d->rtx);
		return false;
	}
	rtx->flags |= (fin ? PV_RTX_FIN : 0) | (last && len > 0 ? PV_RTX_PUSH : 0);
	if (out.flags & PV_TCP_CWR)
		d->flags &= ~(uint32_t)PV_DATA_CWR;
	if (fin)
		pcb->flags |= PV_PCB_FIN_SENT;
	pcb->snd_nxt += len + fin;
	if (len < full && len > 0)
		d->small_end = pcb->snd_nxt;
	d->stats.bytes_sent += len;
	sent(ctx, pcb, len + fin);
	return true;
}

/* A segment carries a block or the stream. False: nothing may go now. */
static pv_cold bool
cut_for_offer(const struct pv_pcb *pcb, uint32_t *len, uint32_t room, bool *cut)
{
	const struct pv_conn_data *d = pcb->data;
	uint32_t before = *len;
	bool is_cut = false;

	if (pv_offer_holds_back(d))
		return false;
	if (before != 0)
		*len = pv_offer_cut(pcb, pv_conn_pos(pcb, d, pcb->snd_nxt), before, room, &is_cut);
	if (cut != NULL)
		*cut = is_cut;
	return before == 0 || *len != 0;
}

/*
 * How many full segments the device may be given as one, which it cuts; 0: none. Only in the plain
 * state, where all of them look alike, and never the last one: that may have PSH and FIN.
 */
static uint32_t
bundle(struct pv_ctx *ctx, const struct pv_pcb *pcb, uint32_t pipe, uint32_t mss, uint64_t waiting)
{
	const struct pv_conn_data *d = pcb->data;
	uint32_t room = window_room(pcb), most = d->cwnd > pipe ? d->cwnd - pipe : 0;
	const struct pv_path *path;

	if (waiting <= 2ULL * mss || mss != pcb->snd_mss || d->recovery != PV_OPEN ||
			d->exchange != NULL || d->pace_rate != 0 ||
			(d->flags & (PV_DATA_SND_URGENT | PV_DATA_CWR)) != 0)
		return 0;
	path = pv_ip_path(ctx, &pcb->tuple.peer);
	if (path == NULL || path->tso == 0)
		return 0;
	most = most < room ? most : room;
	most = most < path->tso ? most : path->tso;
	if (most >= waiting)
		most = (uint32_t)waiting - 1;
	return most >= 2 * mss ? most / mss : 0;
}

/* n segments as one frame. */
static bool
send_bundle(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t n, uint32_t mss)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_segment_out out = {
		.pos = pv_conn_pos(pcb, d, pcb->snd_nxt),
		.seq = pcb->snd_nxt,
		.mss = (uint16_t)mss,
		.flags = PV_TCP_ACK,
		.ect = (pcb->flags & PV_PCB_ECN) != 0,
	};
	uint32_t made = 0;

	while (made < n && pv_rtx_append(&ctx->conns->rtx, &d->rtx, out.seq + out.len,
					   out.seq + out.len + mss, ctx->now) != NULL) {
		made++;
		out.len += mss;
	}
	if (pv_unlikely(made == 0 || pv_segment_send(ctx, pcb, &out) != 0)) {
		for (; made > 0; made--)
			pv_rtx_unappend(&ctx->conns->rtx, &d->rtx);
		return false;
	}
	pcb->snd_nxt += out.len;
	d->stats.bytes_sent += out.len;
	d->stats.segs_out += made - 1;
	d->stats.data_segs_out += made - 1;
	pv_count_n(&ctx->counters, PV_C_TCP_SEGMENTS_SENT, made - 1);
	pv_count_n(&ctx->counters, PV_C_TCP_SEGMENTS_BUNDLED, made);
	sent(ctx, pcb, out.len);
	return true;
}

bool
pv_output_new(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	uint64_t waiting = refresh_waiting(ctx, pcb);
	uint32_t room = window_room(pcb), len = full_segment(pcb, pcb->data);

	if (room == 0 || (waiting == 0 && !fin_due(pcb)))
		return false;
	if (len > room)
		len = room;
	if (len > waiting)
		len = (uint32_t)waiting;
	if (pv_unlikely(pcb->data->exchange != NULL) && !cut_for_offer(pcb, &len, room, NULL))
		return false;
	return send_new(ctx, pcb, len, room);
}

/* Nagle and silly window avoidance: may a segment of len bytes go, which is less than a full one?
 */
static bool
small_allowed(const struct pv_pcb *pcb, uint32_t len, uint64_t waiting)
{
	const struct pv_conn_data *d = pcb->data;

	if ((d->flags & PV_DATA_OVERRIDE) != 0)
		return true;
	if ((d->flags & PV_DATA_SND_URGENT) != 0 && pv_seq_gt(d->snd_up, pcb->snd_nxt))
		return true;
	if (len < waiting)
		return len >= pcb->max_wnd / 2;
	if ((pcb->flags & (PV_PCB_NODELAY | PV_PCB_FIN_QUEUED)) != 0)
		return true;
	return !pv_seq_gt(d->small_end, pcb->snd_una) || !pv_seq_le(d->small_end, pcb->snd_nxt);
}

/* What holds sending back. */
enum hold {
	HOLD_NONE,   /* one segment was sent */
	HOLD_DATA,   /* nothing to send */
	HOLD_WINDOW, /* the peer's window, or its smallness */
	HOLD_NAGLE,
	HOLD_CWND,
	HOLD_PACE,
	HOLD_MEMORY,
	HOLD_DEVICE, /* that takes no more in this turn */
};

/* RFC 3042: what duplicate ACKs say has left the network makes room before anything is lost. */
static uint32_t
limiting_pipe(const struct pv_pcb *pcb, const struct pv_conn_data *d)
{
	if (pv_unlikely(d->recovery == PV_DISORDER) && !d->config->limited_transmit)
		return pv_conn_flight(pcb);
	return pv_conn_pipe(pcb, d);
}

/* One segment that is larger than the others, as soon as there is room for it. */
static pv_cold enum hold
send_probe(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t len, uint32_t room, uint32_t pipe)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t seq = pcb->snd_nxt;

	if (len > room || pipe + len > d->cwnd)
		return HOLD_CWND;
	if (!send_new(ctx, pcb, len, room))
		return HOLD_MEMORY;
	d->probe_mss = (uint16_t)len;
	d->probe_seq = seq;
	pv_count(&ctx->counters, PV_C_MTU_PROBES);
	return HOLD_NONE;
}

static enum hold
step_new(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t waiting = refresh_waiting(ctx, pcb);
	uint32_t room = window_room(pcb), mss = full_segment(pcb, d), len = mss, pipe, n;
	bool cut = false;

	if (waiting == 0 && !fin_due(pcb))
		return HOLD_DATA;
	if (len > waiting)
		len = (uint32_t)waiting;
	if (len > room)
		len = room;
	if (room == 0)
		return HOLD_WINDOW;
	if (pv_unlikely(d->exchange != NULL) && !cut_for_offer(pcb, &len, room, &cut))
		return pv_offer_holds_back(d) ? HOLD_DATA : HOLD_WINDOW;
	if (len < mss && len > 0 && !cut && !small_allowed(pcb, len, waiting))
		return len < waiting ? HOLD_WINDOW : HOLD_NAGLE;
	pipe = limiting_pipe(pcb, d);
	if (pipe + len > d->cwnd && pipe > 0) {
		d->limited_end = pcb->snd_nxt;
		return HOLD_CWND;
	}
	if (pv_unlikely(d->mss_bad != 0) && len == pcb->snd_mss) {
		n = pv_pmtu_probe(ctx, pcb, waiting);
		if (n != 0)
			return send_probe(ctx, pcb, n, room, pipe);
	}
	n = len == mss ? bundle(ctx, pcb, pipe, mss, waiting) : 0;
	if (n != 0 && send_bundle(ctx, pcb, n, mss))
		len = n * mss;
	else if (!send_new(ctx, pcb, len, room))
		return HOLD_MEMORY;
	if (pipe + len + mss > d->cwnd)
		d->limited_end = pcb->snd_nxt; /* all of it is in use */
	if (d->recovery == PV_DISORDER)
		pv_count(&ctx->counters, PV_C_LIMITED_TRANSMIT);
	else if (d->recovery == PV_RECOVERY && d->config->prr)
		pv_count(&ctx->counters, PV_C_PRR);
	return HOLD_NONE;
}

static enum hold
step_lost(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_rtx *lost)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t pipe = pv_conn_pipe(pcb, d), len = pv_rtx_len(lost);

	if (!pv_seq_lt(lost->seq, pcb->snd_una + pcb->snd_wnd))
		return HOLD_WINDOW;
	if (len > pcb->snd_mss)
		len = pcb->snd_mss;
	if (pipe + len > d->cwnd && pipe > 0)
		return HOLD_CWND;
	if (!pv_output_resend(ctx, pcb, lost))
		return HOLD_MEMORY;
	if (d->recovery == PV_RECOVERY && d->config->prr)
		pv_count(&ctx->counters, PV_C_PRR);
	return HOLD_NONE;
}

static bool
resend_open(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_rtx *rtx)
{
	struct pv_conn_data *d = pcb->data;

	if ((rtx->flags & (PV_RTX_SACKED | PV_RTX_LOST | PV_RTX_EVER)) != 0 ||
			pv_conn_pipe(pcb, d) + pv_rtx_len(rtx) > d->cwnd ||
			!pv_output_resend(ctx, pcb, rtx))
		return false;
	pv_count(&ctx->counters, PV_C_TCP_RESCUED);
	return true;
}

/*
 * RFC 6675 4, (3) and (4): in recovery nothing lost is left to send and nothing new can be. Then
 * what lies below SACKed data, and once the end of the flight. RACK finds both out by what arrives
 * of the retransmissions; copies that were not needed would teach it to wait for longer.
 */
static void
rescue(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t sacked = d->rtx.n_sacked;

	if (d->recovery != PV_RECOVERY || (pcb->flags & PV_PCB_SACK) == 0 || d->rtx.last == NULL ||
			pv_rack_in_use(pcb))
		return;
	for (struct pv_rtx *rtx = d->rtx.first; rtx != NULL && sacked > 0; rtx = rtx->next) {
		if ((rtx->flags & PV_RTX_SACKED) != 0)
			sacked--;
		else
			resend_open(ctx, pcb, rtx);
	}
	if ((d->flags & PV_DATA_RESCUED) == 0 && resend_open(ctx, pcb, d->rtx.last))
		d->flags |= PV_DATA_RESCUED;
}

static bool
paced_out(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	if (d->pace_rate == 0 || d->pace_next <= ctx->now)
		return false;
	pv_conn_timer_set(ctx, pcb, PV_CONN_PACE, d->pace_next);
	pv_count(&ctx->counters, PV_C_TCP_PACED);
	return true;
}

static enum hold
step(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_rtx *lost;
	enum hold hold;

	if (pv_unlikely(ctx->tx_stalled))
		return HOLD_DEVICE;
	if (pv_unlikely(paced_out(ctx, pcb)))
		return HOLD_PACE;
	if (pv_likely(d->rtx.lost_from == NULL))
		return step_new(ctx, pcb);
	if (d->frto == 2) {
		/* RFC 5682 2.1 (2b): new data shows whether the old was lost; without any it is
		 * taken for lost. */
		hold = step_new(ctx, pcb);
		if (hold == HOLD_NONE || pv_seq_gt(pcb->snd_nxt, d->recover))
			return hold;
		d->frto = 0;
	}
	lost = pv_rtx_next_lost(&d->rtx);
	return lost != NULL ? step_lost(ctx, pcb, lost) : step_new(ctx, pcb);
}

/* RFC 5681 4.1: after a pause longer than the time-out the window says nothing about the path. */
static void
restart_after_idle(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t restart = pv_cc_initial_window(pcb, d->config);
	uint64_t pause = ctx->now - d->last_sent;

	if (d->last_sent == 0 || pause <= d->rtt.rto || !d->config->slow_start_after_idle)
		return;
	if (d->cc->idle != NULL)
		d->cc->idle(ctx, pcb);
	pv_count(&ctx->counters, PV_C_TCP_IDLE_RESTART);
	if (d->cwnd > restart)
		d->cwnd = restart;
	d->last_sent = ctx->now;
}

/* Nothing that was sent can still arrive: it is acknowledged, or all of it lost. (That duplicate
 * ACKs tell of segments that left does not say which ones.)
 */
static bool
is_stalled(const struct pv_pcb *pcb)
{
	struct pv_rtx_queue *queue = &pcb->data->rtx;

	if (pcb->snd_una == pcb->snd_nxt)
		return true;
	return pv_rtx_pipe(queue, pv_conn_flight(pcb)) == 0 && pv_rtx_next_lost(queue) != NULL;
}

/* Something is to be sent, nothing is in flight, and the peer's window holds it back: it must be
 * probed. */
static void
watch_window(struct pv_ctx *ctx, struct pv_pcb *pcb, enum hold hold)
{
	struct pv_conn_data *d = pcb->data;

	if (hold == HOLD_WINDOW && is_stalled(pcb)) {
		if ((d->flags & PV_DATA_PERSIST) == 0)
			pv_persist_start(ctx, pcb);
	} else if ((d->flags & PV_DATA_PERSIST) != 0) {
		d->flags &= ~(uint32_t)PV_DATA_PERSIST;
		d->backoff = d->probes = 0;
		d->stalled_since = 0;
		pv_conn_timer_clear(d, PV_CONN_RETRANSMIT);
		if (pcb->snd_una != pcb->snd_nxt)
			pv_rto_start(ctx, pcb);
	}
}

/* For how long has what held sending back? */
static void
account(struct pv_ctx *ctx, struct pv_pcb *pcb, enum hold hold)
{
	struct pv_conn_data *d = pcb->data;
	enum pv_limited limited = PV_LIMITED_NOT;

	if (hold == HOLD_WINDOW)
		limited = PV_LIMITED_WINDOW;
	else if (hold == HOLD_DATA && pcb->snd_una != pcb->snd_nxt &&
			(__atomic_load_n(&d->shared->tx.flags, __ATOMIC_RELAXED) &
					PV_STREAM_HUNGRY) != 0)
		limited = PV_LIMITED_BUFFER;
	if (pv_likely(limited == d->limited))
		return;
	d->stats.limited[d->limited] += ctx->now - d->limited_since;
	d->limited = (uint8_t)limited;
	d->limited_since = ctx->now;
}

bool
pv_output(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t before;
	enum hold hold;

	if (d == NULL || !pv_conn_sends(pcb))
		return false;
	before = d->stats.segs_out;
	if (pcb->snd_una == pcb->snd_nxt && refresh_waiting(ctx, pcb) != 0)
		restart_after_idle(ctx, pcb);
	do
		hold = step(ctx, pcb);
	while (hold == HOLD_NONE);
	if (hold == HOLD_DATA || hold == HOLD_WINDOW || hold == HOLD_NAGLE)
		rescue(ctx, pcb);
	if (pv_unlikely(hold == HOLD_MEMORY))
		pv_conn_timer_set(ctx, pcb, PV_CONN_PACE, ctx->now + PV_MS);
	if (pv_unlikely(hold == HOLD_DEVICE)) {
		pv_conn_pend(ctx, pcb);
	} else {
		d->flags &= ~(uint32_t)PV_DATA_OVERRIDE;
		watch_window(ctx, pcb, hold);
		account(ctx, pcb, hold);
	}
	if (d->stats.segs_out != before)
		pv_tlp_arm(ctx, pcb);
	return d->stats.segs_out != before;
}
