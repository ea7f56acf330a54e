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
#include "tcp/conn.h"
#include "tcp/handshake.h"
#include "tcp/parse.h"
#include "tcp/reset.h"
#include "tcp/state.h"

/* Bits of pv_packet.entry while a burst is under way. */
enum { ENTRY_HAS_PRF = 1 };

static inline void
parse(struct pv_packet *packets, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		packets[i].entry = 0;
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
	for (uint32_t i = 0; i < n; i++)
		pv_prefetch_write(pv_flow_home(&tcp->flows, packets[i].hash));
}

static inline void
fetch_record(const struct pv_tcp *tcp, uint32_t entry)
{
	const char *record = pv_flow_record(&tcp->flows, entry);

	pv_prefetch_write(record);
	if (pv_flow_kind(entry) == PV_FLOW_CONNECTION)
		pv_prefetch_write(record + PV_CACHE_LINE);
}

/* Lists the packets that need the PRF; returns how many. */
static inline uint32_t
look(struct pv_tcp *tcp, struct pv_packet *packets, uint32_t n, uint8_t *which)
{
	uint32_t n_prf = 0, n_syn = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct pv_flow_bucket *home = pv_flow_home(&tcp->flows, packets[i].hash);
		uint64_t match = pv_flow_match(home, pv_flow_signature(packets[i].hash));

		if (match != 0) {
			fetch_record(tcp, home->entry[pv_flow_first(match)]);
			continue;
		}
		if (packets[i].flags & PV_TCP_SYN)
			pv_prefetch_write(pv_record_ahead(&tcp->half_open.pool, n_syn++));
		packets[i].entry = ENTRY_HAS_PRF;
		which[n_prf++] = (uint8_t)i;
	}
	return n_prf;
}

static inline void
need_prf(const struct pv_tcp *tcp, struct pv_packet *packet)
{
	uint32_t peer_iss = packet->seq - ((packet->flags & PV_TCP_SYN) == 0);

	if (pv_unlikely(packet->entry != ENTRY_HAS_PRF))
		packet->isn = pv_isn_prf_one(&tcp->isn.now, &packet->tuple, peer_iss);
}

/* RFC 9293 3.10.7.2, in its order: RST, ACK, SYN, anything else. */
static enum pv_counter
listen_segment(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener)
{
	if (packet->flags & PV_TCP_RST)
		return packet->flags & PV_TCP_SYN ? PV_C_TCP_SYN_BAD_FLAGS :
						    PV_C_TCP_LISTEN_IGNORED;
	if (packet->flags & PV_TCP_SYN && (packet->flags & PV_TCP_ACK) == 0) {
		need_prf(ctx->tcp, packet);
		return pv_syn_segment(ctx, packet, listener);
	}
	if ((packet->flags & PV_TCP_ACK) == 0)
		return PV_C_TCP_LISTEN_IGNORED;
	if (packet->flags & PV_TCP_SYN)
		return pv_reset_closed(ctx, packet, PV_C_TCP_NO_CONNECTION);
	need_prf(ctx->tcp, packet);
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

static inline enum pv_counter
dispatch(struct pv_ctx *ctx, struct pv_packet *packet)
{
	struct pv_tcp *tcp = ctx->tcp;
	struct pv_flow_place place;
	uint32_t entry = pv_flow_find(&tcp->flows, packet->hash, &packet->tuple, &place);
	uint32_t index = pv_flow_index(entry);

	if (entry == PV_FLOW_NONE)
		return unknown_segment(ctx, packet);
	switch (pv_flow_kind(entry)) {
	case PV_FLOW_CONNECTION:
		pv_conn_segment(ctx, &tcp->pcb[index], packet);
		return packet->outcome;
	case PV_FLOW_HALF_OPEN:
		return pv_half_open_segment(
				ctx, packet, &tcp->half_open.pool.record[index], &place);
	case PV_FLOW_TIME_WAIT:
		return pv_time_wait_segment(
				ctx, packet, &tcp->time_wait.pool.record[index], &place);
	case PV_FLOW_HELD:
	default:
		pv_count(&ctx->counters, PV_C_NEVER);
		return PV_C_TCP_HALF_OPEN_OTHER;
	}
}

static inline void
act(struct pv_ctx *ctx, struct pv_packet *packets, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (pv_likely(packets[i].outcome == 0))
			packets[i].outcome = (uint8_t)dispatch(ctx, &packets[i]);
	}
}

/* Equal outcomes mostly come in a row. */
static inline void
count(struct pv_ctx *ctx, const struct pv_packet *packets, uint32_t n)
{
	uint32_t same = 0;

	for (uint32_t i = 0; i < n; i++) {
		same++;
		if (i + 1 == n || packets[i + 1].outcome != packets[i].outcome) {
			pv_count_n(&ctx->counters, packets[i].outcome, same);
			same = 0;
		}
	}
}

static inline void
free_mbufs(struct pv_packet *packets, uint32_t n)
{
	struct rte_mbuf *mbufs[PV_BURST];
	uint32_t left = 0;

	for (uint32_t i = 0; i < n; i++) {
		mbufs[left] = packets[i].mbuf;
		left += packets[i].mbuf != NULL;
	}
	rte_pktmbuf_free_bulk(mbufs, left);
}

static void
burst(struct pv_ctx *ctx, struct pv_packet *packets, uint32_t n)
{
	struct pv_tcp *tcp = ctx->tcp;
	uint8_t which[PV_BURST];

	parse(packets, n);
	hash(tcp, packets, n);
	pv_isn_prf(&tcp->isn, packets, which, look(tcp, packets, n, which));
	act(ctx, packets, n);
	pv_handshake_flush(ctx);
	count(ctx, packets, n);
	free_mbufs(packets, n);
}

void
pv_tcp_input(struct pv_ctx *ctx, struct pv_packet *packets, uint32_t n)
{
	ctx->tcp->ms = pv_tcp_ms(ctx);
	for (; n > PV_BURST; n -= PV_BURST, packets += PV_BURST)
		burst(ctx, packets, PV_BURST);
	if (n != 0)
		burst(ctx, packets, n);
}
