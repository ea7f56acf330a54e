/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/rest.h"

#include "tcp/established.h"

/* A connection that says something once a second need not be taken apart and put together. */
#define QUIET PV_SECOND

enum {
	BUSY = PV_PCB_EXCHANGE | PV_PCB_CONNECTING | PV_PCB_KEEPALIVE | PV_PCB_ACK_NOW |
			PV_PCB_ACK_DELAYED | PV_PCB_FIN_QUEUED | PV_PCB_FIN_RECEIVED |
			PV_PCB_RECEIVE_SHUT | PV_PCB_ORPHAN | PV_PCB_OUTPUT | PV_PCB_MSS_SAID,
	/* flags of the data that say nothing any more once all is acknowledged */
	OVER = PV_DATA_REORDER_SEEN | PV_DATA_UNDO | PV_DATA_RESCUED | PV_DATA_TLP_OPEN |
			PV_DATA_TLP_RESENT,
};

static uint64_t
later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t
quiet_until(const struct pv_conn_data *d)
{
	uint64_t last = later(later(d->last_sent, d->last_data), d->last_acked);

	return last + later(QUIET, d->rtt.rto);
}

/* The application may be at it: what it adds after this look comes with a command. */
static bool
is_drained(const struct pv_stream *stream)
{
	uint32_t flags = __atomic_load_n(&stream->flags, __ATOMIC_RELAXED);

	return pv_stream_waiting(stream) == 0 && (flags & ~(uint32_t)PV_STREAM_INLINE) == 0 &&
	       __atomic_load_n(&stream->urgent, __ATOMIC_RELAXED) == 0 &&
	       __atomic_load_n(&stream->mark, __ATOMIC_RELAXED) == 0;
}

/* Nothing is under way, and nobody has chosen what [tcp] does not say. */
static bool
is_plain(const struct pv_pcb *pcb, const struct pv_conn_data *d)
{
	const struct pv_tcp_config *config = d->config;

	return (pcb->flags & BUSY) == 0 && (d->flags & ~(uint32_t)OVER) == 0 &&
	       pcb->snd_una == pcb->snd_nxt && d->exchange == NULL && d->ooo.first == NULL &&
	       d->rtx.first == NULL && d->recovery == PV_OPEN && d->backoff == 0 &&
	       d->probes == 0 && d->limited == PV_LIMITED_NOT && d->n_urgent == 0 &&
	       d->probe_mss == 0 && d->mtu_claim == 0 && d->pace_rate == 0 &&
	       d->user_timeout == config->user_timeout * PV_MS &&
	       d->keepalive_idle == config->keepalive_idle * PV_MS &&
	       d->keepalive_interval == config->keepalive_interval * PV_MS &&
	       d->keepalive_count == config->keepalive_count && is_drained(&d->shared->rx) &&
	       is_drained(&d->shared->tx);
}

/* What the streams don't tell must fit the record. */
static bool
fits(const struct pv_conn_data *d)
{
	const struct pv_conn_stats *stats = &d->stats;
	uint64_t words = d->rtt.srtt | d->rtt.rttvar | d->rtt.min | stats->segs_out |
			 stats->segs_in | stats->data_segs_out | stats->data_segs_in |
			 stats->bytes_resent | stats->bytes_reordered |
			 stats->limited[PV_LIMITED_WINDOW] / 1000 |
			 stats->limited[PV_LIMITED_BUFFER] / 1000;
	uint64_t halves = stats->resent | stats->dsacks | stats->fast | stats->timeouts |
			  stats->dup_acks | d->max_acked;
	uint64_t bytes = stats->syns_resent | d->quick_acks | d->rack_mult | d->rack_persist;

	return words <= UINT32_MAX && halves <= UINT16_MAX && bytes <= UINT8_MAX &&
	       stats->bytes_sent == d->una_pos && stats->bytes_received == d->shared->rx.written;
}

static uint32_t
short_time(uint64_t when)
{
	return when == 0 ? 0 : pv_ms(when) == 0 ? 1 : pv_ms(when);
}

static uint64_t
long_time(const struct pv_ctx *ctx, uint32_t ms)
{
	return ms == 0 ? 0 : ctx->now - (pv_ms(ctx->now) - ms) * PV_MS;
}

static struct pv_rest
keep(const struct pv_conn_data *d)
{
	const struct pv_conn_stats *stats = &d->stats;

	return (struct pv_rest){
		.config_owner = d->config_owner,
		.last_data = short_time(d->last_data),
		.last_sent = short_time(d->last_sent),
		.last_acked = short_time(d->last_acked),
		.srtt = (uint32_t)d->rtt.srtt,
		.rttvar = (uint32_t)d->rtt.rttvar,
		.min_rtt = (uint32_t)d->rtt.min,
		.cwnd = d->cwnd,
		.ssthresh = d->ssthresh,
		.segs_out = (uint32_t)stats->segs_out,
		.segs_in = (uint32_t)stats->segs_in,
		.data_segs_out = (uint32_t)stats->data_segs_out,
		.data_segs_in = (uint32_t)stats->data_segs_in,
		.bytes_resent = (uint32_t)stats->bytes_resent,
		.bytes_reordered = (uint32_t)stats->bytes_reordered,
		.limited = { (uint32_t)(stats->limited[PV_LIMITED_WINDOW] / 1000),
				(uint32_t)(stats->limited[PV_LIMITED_BUFFER] / 1000) },
		.resent = (uint16_t)stats->resent,
		.dsacks = (uint16_t)stats->dsacks,
		.fast = (uint16_t)stats->fast,
		.timeouts = (uint16_t)stats->timeouts,
		.dup_acks = (uint16_t)stats->dup_acks,
		.peer_mss = d->peer_mss,
		.mss_most = d->mss_most,
		.mss_bad = d->mss_bad,
		.max_acked = (uint16_t)d->max_acked,
		.quick_acks = (uint8_t)d->quick_acks,
		.rack_mult = (uint8_t)d->rack_mult,
		.rack_persist = (uint8_t)d->rack_persist,
		.congestion = (uint8_t)(pv_cc_number(d->cc) & 15u),
		.reordered = (d->flags & PV_DATA_REORDER_SEEN) != 0,
		.syns_resent = (uint8_t)stats->syns_resent,
	};
}

void
pv_rest_look(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_pool *pool = &ctx->conns->rests;
	struct pv_rest *rest;

	if (pcb->state != PV_ESTABLISHED)
		return;
	if (quiet_until(d) > ctx->now) {
		pv_timer_arm(&ctx->wheel, &pcb->timer, PV_TIMER_CONNECTION, quiet_until(d));
		return;
	}
	if (!is_plain(pcb, d) || !fits(d))
		return;
	rest = pv_pool_take(pool);
	if (pv_never(ctx, rest == NULL))
		return;
	*rest = keep(d);
	pcb->rest = (uint32_t)((size_t)((uint8_t *)rest - pool->base) / pool->size) + 1;
	pcb->data = NULL;
	pv_pool_give(&ctx->conns->data, d);
	pv_count(&ctx->counters, PV_C_TCP_RESTED);
}

static void
restore_path(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_rest *rest)
{
	struct pv_conn_data *d = pcb->data;

	d->rtt.min = rest->min_rtt;
	d->rtt.min_at = d->last_acked;
	d->rtt.srtt = rest->srtt;
	d->rtt.rttvar = rest->rttvar;
	if (d->rtt.srtt != 0)
		pv_rtt_set_rto(&d->rtt, d->config->rto_min * PV_MS, d->config->rto_max * PV_MS);
	d->rack_mult = rest->rack_mult;
	d->rack_persist = rest->rack_persist;
	if (rest->reordered)
		d->flags |= PV_DATA_REORDER_SEEN;
	d->peer_mss = rest->peer_mss;
	d->mss_most = rest->mss_most;
	d->mss_bad = rest->mss_bad;
	d->probe_ms = pv_ms(ctx->now);
	d->max_acked = rest->max_acked;
	d->cc = pv_cc_of(rest->congestion);
	d->ssthresh = rest->ssthresh;
	d->cc->start(ctx, pcb);
	d->cwnd = rest->cwnd;
}

static void
restore_stats(struct pv_conn_data *d, const struct pv_rest *rest)
{
	d->stats = (struct pv_conn_stats){
		.bytes_sent = d->una_pos,
		.bytes_received = d->shared->rx.written,
		.bytes_resent = rest->bytes_resent,
		.segs_out = rest->segs_out,
		.segs_in = rest->segs_in,
		.data_segs_out = rest->data_segs_out,
		.data_segs_in = rest->data_segs_in,
		.limited = { [PV_LIMITED_WINDOW] = rest->limited[0] * UINT64_C(1000),
				[PV_LIMITED_BUFFER] = rest->limited[1] * UINT64_C(1000) },
		.bytes_reordered = rest->bytes_reordered,
		.resent = rest->resent,
		.dsacks = rest->dsacks,
		.fast = rest->fast,
		.timeouts = rest->timeouts,
		.dup_acks = rest->dup_acks,
		.syns_resent = rest->syns_resent,
	};
}

void
pv_rest_end(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_rest *rest)
{
	struct pv_conn_data *d = pcb->data;

	d->una_pos = d->written = d->shared->tx.taken;
	d->last_data = long_time(ctx, rest->last_data);
	d->last_sent = long_time(ctx, rest->last_sent);
	d->last_acked = d->last_received = long_time(ctx, rest->last_acked);
	d->quick_acks = rest->quick_acks;
	restore_path(ctx, pcb, rest);
	restore_stats(d, rest);
	pv_pool_give(&ctx->conns->rests, rest);
	pcb->rest = 0;
	/* What woke it may have been no more than a question. */
	if (!pv_timer_armed(&pcb->timer))
		pv_timer_arm(&ctx->wheel, &pcb->timer, PV_TIMER_CONNECTION, ctx->now + QUIET);
}
