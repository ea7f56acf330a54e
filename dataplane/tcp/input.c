/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP input. A burst goes through stages, so that what one packet waits for is fetched while others
 * are worked on:
 *
 *	parse	bytes to struct pv_packet, verified
 *	hash	keyed hashes of all tuples; the flow table's buckets are fetched
 *	look	signatures propose an entry: its record is fetched, and what a SYN or an ACK will
 * take next prf	the keyed ISS of those that seem to have no entry act	each packet in
 * order: the real search, and what the RFC says end	requests into backlogs, counters, mbufs
 *
 * Only the stage `act` decides: an earlier packet of the same burst may change everything that was
 * proposed.
 */
#include <rte_mbuf.h>

#include "bridge/slot.h"
#include "tcp/conn_reset.h"
#include "tcp/half_open_ack.h"
#include "tcp/handshake.h"
#include "tcp/parse.h"
#include "tcp/reset.h"
#include "tcp/state.h"

/* So many packets of a burst are looked up and acted on at a time: what is fetched for more than
 * that does not stay in the nearest cache until it is used. */
enum { SPAN = 32 };

static inline void
parse(struct pv_packet *packets, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		packets[i].outcome = (uint8_t)pv_parse(&packets[i]);
		if (pv_unlikely(packets[i].outcome != 0)) {
			packets[i].tuple.local_port = 0;
			packets[i].tuple.peer_port = 0;
		}
	}
}

static inline void
hash(const struct pv_tcp *tcp, struct pv_packet *packets, uint32_t n)
{
	pv_isn_hash(&tcp->isn, packets, n);
	for (uint32_t i = 0; i < n; i++) {
		packets[i].home = pv_flow_home(&tcp->flows, packets[i].hash);
		pv_prefetch_write(packets[i].home);
	}
}

/* Of SYNs, and while cookies are about, of all segments that could bring one back. */
static inline void
prf(const struct pv_tcp *tcp, struct pv_packet *packets, uint32_t n)
{
	const uint8_t wanted = pv_isn_fresh(&tcp->isn, tcp->last_stamp) ? PV_TCP_SYN | PV_TCP_ACK :
									  PV_TCP_SYN;
	uint8_t which[PV_BURST];
	uint32_t n_prf = 0;

	for (uint32_t i = 0; i < n; i++) {
		which[n_prf] = (uint8_t)i;
		n_prf += (packets[i].flags & wanted) != 0;
	}
	pv_isn_prf(&tcp->isn, packets, which, n_prf);
}

/* A control block of which more will be needed than its first two lines. */
static inline void
fetch_rest(const struct pv_pcb *pcb, const struct pv_shared *shared)
{
	pv_prefetch_write(&pcb->timer);
	pv_prefetch_write(&shared->status);
	pv_prefetch_write(&shared->rx);
	pv_prefetch_write(&shared->tx);
}

/* The slots that ACKs will take. */
static inline void
fetch_slots(struct pv_ctx *ctx, const struct pv_shared *shared, uint32_t n)
{
	uint32_t index[PV_BURST];

	n = pv_slot_ahead(ctx, index, n);
	for (uint32_t i = 0; i < n; i++) {
		const struct pv_pcb *pcb = &ctx->tcp->pcb[index[i]];

		pv_prefetch_write(pcb);
		pv_prefetch_write(&pcb->iss);
		pv_prefetch_write(&shared[index[i]].status);
	}
}

static inline void
look(struct pv_ctx *ctx, const struct pv_packet *packets, uint32_t n)
{
	const struct pv_tcp *tcp = ctx->tcp;
	const struct pv_shared *shared = pv_slot_at(ctx, 0);
	uint32_t n_syn = 0, n_ack = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct pv_flow_bucket *home = packets[i].home;
		uint32_t match = pv_flow_match(home, pv_flow_signature(packets[i].hash));
		uint32_t entry;

		if (match == 0) {
			if (packets[i].flags & PV_TCP_SYN)
				pv_record_fetch_ahead(
						&tcp->half_open.pool, !packets[i].is_v4, n_syn++);
			continue;
		}
		entry = home->entry[pv_flow_first(match)];
		pv_record_fetch(pv_flow_record(&tcp->flows, entry));
		if (pv_flow_kind(entry) == PV_FLOW_HALF_OPEN) {
			n_ack++;
		} else if (pv_flow_kind(entry) == PV_FLOW_CONNECTION) {
			const struct pv_pcb *pcb = &tcp->pcb[pv_flow_index(entry)];

			pv_prefetch_write(&pcb->iss);
			if (packets[i].flags & PV_TCP_RST)
				pv_prefetch_write(&shared[pv_flow_index(entry)].status);
			else if ((packets[i].flags & PV_TCP_FIN) != 0 ||
					packets[i].payload_len != 0)
				fetch_rest(pcb, &shared[pv_flow_index(entry)]);
		}
	}
	if (n_ack != 0)
		fetch_slots(ctx, shared, n_ack);
}

/* Nothing to a listener, unless it asked. */
static enum pv_counter
listen_reset(struct pv_ctx *ctx, const struct pv_packet *packet, const struct pv_listener *listener)
{
	if (packet->flags & PV_TCP_SYN)
		return PV_C_TCP_SYN_BAD_FLAGS;
	if (listener->conditional && pv_source_answered(ctx, packet))
		return PV_C_TCP_SOURCE_PROVEN;
	return PV_C_TCP_LISTEN_IGNORED;
}

/* RFC 9293 3.10.7.2, in its order: RST, ACK, SYN, anything else. */
static enum pv_counter
listen_segment(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener)
{
	if (packet->flags & PV_TCP_RST)
		return listen_reset(ctx, packet, listener);
	if ((packet->flags & (PV_TCP_SYN | PV_TCP_ACK)) == PV_TCP_SYN)
		return pv_syn_segment(ctx, packet, listener);
	if ((packet->flags & PV_TCP_ACK) == 0)
		return PV_C_TCP_LISTEN_IGNORED;
	if (packet->flags & PV_TCP_SYN)
		return pv_reset_closed(ctx, packet, PV_C_TCP_NO_CONNECTION);
	return pv_cookie_segment(ctx, packet, listener);
}

static enum pv_counter
unknown_segment(struct pv_ctx *ctx, struct pv_packet *packet)
{
	struct pv_listener *listener =
			pv_listener_find(&ctx->tcp->listeners, &packet->tuple, packet->is_v4);

	if (listener != NULL)
		return listen_segment(ctx, packet, listener);
	if ((packet->flags & (PV_TCP_SYN | PV_TCP_ACK)) == PV_TCP_SYN)
		return pv_reset_closed(ctx, packet, PV_C_TCP_NO_LISTENER);
	return pv_reset_closed(ctx, packet, PV_C_TCP_NO_CONNECTION);
}

/* What is none of the request's is looked at once more, now that this is gone. */
static pv_cold enum pv_counter
held_segment(struct pv_ctx *ctx, struct pv_packet *packet, uint32_t index,
		const struct pv_flow_place *place)
{
	struct pv_held *held = (struct pv_held *)(void *)ctx->tcp->held.pool.base + index;
	enum pv_counter outcome = pv_held_segment(ctx, packet, held, place);

	return outcome != 0 ? outcome : unknown_segment(ctx, packet);
}

static inline enum pv_counter
dispatch(struct pv_ctx *ctx, struct pv_packet *packet)
{
	struct pv_tcp *tcp = ctx->tcp;
	struct pv_flow_place place;
	uint32_t entry = pv_flow_find_from(
			&tcp->flows, packet->home, packet->hash, &packet->tuple, &place);
	uint32_t index = pv_flow_index(entry);

	if (entry == PV_FLOW_NONE)
		return unknown_segment(ctx, packet);
	switch (pv_flow_kind(entry)) {
	case PV_FLOW_CONNECTION:
		if ((packet->flags & PV_TCP_RST) != 0 && (packet->options & PV_TCP_OPT_HS) == 0 &&
				pv_conn_is_idle(&tcp->pcb[index]))
			return pv_conn_reset_idle(ctx, &tcp->pcb[index], packet, &place);
		pv_conn_segment(ctx, &tcp->pcb[index], packet);
		return packet->outcome;
	case PV_FLOW_HALF_OPEN:
		return pv_half_open_ack(
				ctx, packet, pv_record_at(&tcp->half_open.pool, index), &place);
	case PV_FLOW_TIME_WAIT:
		return pv_time_wait_segment(
				ctx, packet, pv_record_at(&tcp->time_wait.pool, index), &place);
	case PV_FLOW_HELD:
	default:
		return held_segment(ctx, packet, index, &place);
	}
}

/* How many packets at the front are alike and were done together. */
static inline uint32_t
act_on_run(struct pv_ctx *ctx, struct pv_packet *first, const struct pv_packet *end)
{
	if (first->flags == PV_TCP_SYN && first->options == PV_TCP_OPT_LINUX_SYN)
		return pv_syn_run(ctx, first, (uint32_t)(end - first));
	return 0;
}

static inline void
act(struct pv_ctx *ctx, struct pv_packet *packets, uint32_t n)
{
	struct pv_packet *packet = packets, *end = packets + n;

	while (packet < end) {
		uint32_t done = act_on_run(ctx, packet, end);

		if (done != 0) {
			packet += done;
			continue;
		}
		if (pv_likely(packet->outcome == 0))
			packet->outcome = (uint8_t)dispatch(ctx, packet);
		packet++;
	}
}

/*
 * Whole, nobody else's, in one piece: such a buffer goes back as it is. (That one piece has no next
 * is not looked at: it stands in the buffer's second line.)
 */
static inline bool
is_plain(const struct rte_mbuf *m, const struct rte_mempool *pool)
{
	return m->pool == pool && m->nb_segs == 1 && RTE_MBUF_DIRECT(m) &&
	       rte_mbuf_refcnt_read(m) == 1;
}

/* Outcomes come in runs: one store for each. */
static inline void
count_outcomes(struct pv_counters *counters, const struct pv_packet *packets, uint32_t n)
{
	const struct pv_packet *packet = packets, *end = packets + n;

	while (packet < end) {
		const struct pv_packet *first = packet;
		uint8_t outcome = first->outcome;

		do
			packet++;
		while (packet < end && packet->outcome == outcome);
		pv_count_n(counters, outcome, (uint64_t)(packet - first));
	}
}

/* Counts what became of each, and frees what nobody has taken. */
static inline void
end(struct pv_ctx *ctx, struct pv_packet *packets, uint32_t n)
{
	struct rte_mempool *pool = NULL;
	void *plain[PV_BURST];
	uint32_t n_plain = 0;

	count_outcomes(&ctx->counters, packets, n);
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = packets[i].mbuf;

		if (m == NULL)
			continue;
		if (pv_unlikely(pool == NULL))
			pool = m->pool;
		if (pv_likely(is_plain(m, pool)))
			plain[n_plain++] = m;
		else
			rte_pktmbuf_free(m);
	}
	if (n_plain != 0)
		rte_mempool_put_bulk(pool, plain, n_plain);
}

static void
burst(struct pv_ctx *ctx, struct pv_packet *packets, uint32_t n)
{
	ctx->tcp->bursts++;
	parse(packets, n);
	hash(ctx->tcp, packets, n);
	prf(ctx->tcp, packets, n);
	for (uint32_t i = 0; i < n; i += SPAN) {
		uint32_t some = RTE_MIN(n - i, (uint32_t)SPAN);

		look(ctx, packets + i, some);
		act(ctx, packets + i, some);
	}
	pv_handshake_flush(ctx);
	end(ctx, packets, n);
}

void
pv_tcp_input(struct pv_ctx *ctx, struct pv_packet *packets, uint32_t n)
{
	ctx->tcp->ms = pv_tcp_ms(ctx);
	ctx->tcp->offer = pv_syn_offer(&ctx->tcp_config);
	pv_shed_look(ctx, &ctx->tcp->shed);
	for (; n > PV_BURST; n -= PV_BURST, packets += PV_BURST)
		burst(ctx, packets, PV_BURST);
	if (n != 0)
		burst(ctx, packets, n);
}
