/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/generator.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "base/check.h"
#include "base/rng.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "worker/generator_frames.h"
#include "worker/generator_wire.h"
#include "worker/latency.h"
#include "worker/worker.h"

#define BURST 64
/* Bursts taken a turn: a server may send more than one frame for each of ours. What a wire has no
 * room for is waited for, so that no more is ever staged than a turn makes of one burst. */
#define BURSTS 4
/* Frames that are made up for after a pause that nobody asked for; more would be a burst that no
 * wire holds. */
#define ARREARS    1024u
#define HOST_BITS  17 /* of a client's number; the rest is its port */
#define FIRST_PORT 1024
/* Clients before one comes again: what the server still has of its last connection is gone by then.
 */
#define CLIENTS_MIN (1u << 26)

/* A handshake in flight. */
struct flight {
	uint64_t client; /* 1 + n; 0: free */
	uint64_t sent;   /* TSC */
};

/* A connection kept alive. */
struct alive {
	uint64_t client;
	uint32_t ack; /* what acknowledges the SYN-ACK */
	uint32_t tsecr;
};

struct pv_generator {
	struct pv_generator_params params;
	struct pv_frame syn, ack, flood;
	struct pv_rng rng;
	struct rte_mempool *mbufs;
	struct pv_generator_wire wire;
	bool quiet;
	uint64_t tsc, tsc_hz;
	uint64_t next, oldest; /* clients opened so far; the first that may still be in flight */
	uint64_t client_mask;  /* clients repeat after so many */
	uint64_t credit, credit_tsc; /* open loop: SYNs due, in units of 1/hz */
	uint64_t arrears;            /* so many at most */
	uint64_t flood_due;          /* sixteenths */
	struct flight *flight;
	uint64_t flight_mask;
	struct alive *alive;
	uint64_t alive_mask, alive_first, alive_end;
	struct rte_mbuf *tx[4 * BURST], *drop[BURST], *other[BURST];
	uint32_t n_tx, n_drop, n_other;
	struct pv_generator_stats stats;
	struct pv_latency latency;
};

static uint32_t
client_iss(const struct pv_generator *g, uint64_t client)
{
	uint64_t x = (client + g->params.seed) * 0x9e3779b97f4a7c15;

	return (uint32_t)(x ^ x >> 29);
}

static struct pv_frame_fields
client_fields(const struct pv_generator *g, uint64_t client)
{
	uint64_t name = client & g->client_mask;
	uint32_t host = (uint32_t)name & ((1u << HOST_BITS) - 1);

	return (struct pv_frame_fields){
		.host = pv_hton32(g->syn.is_v4 ? PV_CLIENTS4 | host : host),
		.port = (uint16_t)(FIRST_PORT + (name >> HOST_BITS)),
		.seq = client_iss(g, client),
		.tsval = (uint32_t)(g->tsc >> 21),
	};
}

/* The latest client of that address and port. */
static uint64_t
client_of(const struct pv_generator *g, uint32_t host, uint16_t port)
{
	uint64_t name = (host & ((1u << HOST_BITS) - 1)) | (uint64_t)(uint16_t)(port - FIRST_PORT)
									   << HOST_BITS;

	return g->next - 1 - ((g->next - 1 - name) & g->client_mask);
}

static void
put(struct pv_generator *g, struct rte_mbuf *m, const struct pv_frame *frame,
		const struct pv_frame_fields *fields)
{
	pv_frame_fill(frame, rte_pktmbuf_mtod(m, uint8_t *), fields);
	m->data_len = frame->len;
	m->pkt_len = frame->len;
	m->ol_flags = 0;
	g->tx[g->n_tx++] = m;
}

/* Returns how many found no room; they stay staged where the wire is patient. */
static uint32_t
send_staged(struct pv_generator *g)
{
	uint32_t rest = pv_generator_wire_send(&g->wire, g->tx, g->n_tx);

	if (!g->wire.patient)
		g->stats.tx_full += rest;
	g->n_tx = g->wire.patient ? rest : 0;
	return rest;
}

static void
keep_alive(struct pv_generator *g, uint64_t client, uint32_t ack, uint32_t tsecr)
{
	if (g->params.close == PV_GENERATOR_CLOSE_SERVER)
		return;
	if (pv_unlikely(g->alive_end - g->alive_first > g->alive_mask))
		g->alive_first++; /* the server keeps it */
	g->alive[g->alive_end++ & g->alive_mask] =
			(struct alive){ .client = client, .ack = ack, .tsecr = tsecr };
	pv_prefetch(&g->alive[(g->alive_first + 8) & g->alive_mask]);
}

static void
close_oldest(struct pv_generator *g, struct rte_mbuf *m)
{
	const struct alive *a = &g->alive[g->alive_first++ & g->alive_mask];
	struct pv_frame_fields f = client_fields(g, a->client);

	f.seq += 1;
	f.ack = a->ack;
	f.tsecr = a->tsecr;
	f.flags = g->params.close == PV_GENERATOR_CLOSE_RST ? PV_TCP_RST : PV_TCP_FIN | PV_TCP_ACK;
	if (g->params.close == PV_GENERATOR_CLOSE_RST)
		f.ack = 0;
	put(g, m, &g->ack, &f);
	g->stats.closes++;
}

/* RFC 9293 3.10.7.3, first step: the server means an older connection of this client's. */
static void
refuse(struct pv_generator *g, struct rte_mbuf *m, const uint8_t *p, uint64_t client)
{
	struct pv_frame_fields f = client_fields(g, client);

	f.seq = pv_ld32be(p + g->syn.l4 + 8);
	f.flags = PV_TCP_RST;
	g->stats.bad++;
	put(g, m, &g->ack, &f);
}

/* RFC 9293 3.10.7.3, third and fourth step: is this the SYN-ACK of a client of ours that still
 * waits? */
static void
take_syn_ack(struct pv_generator *g, struct rte_mbuf *m, const uint8_t *p, uint64_t client)
{
	const uint8_t *tcp = p + g->syn.l4;
	struct flight *flight = &g->flight[client & g->flight_mask];
	struct pv_frame_fields f = client_fields(g, client);

	if (pv_unlikely(pv_ld32be(tcp + 8) != f.seq + 1 || m->pkt_len < g->syn.len)) {
		refuse(g, m, p, client);
		return;
	}
	f.seq += 1;
	f.ack = pv_ld32be(tcp + 4) + 1;
	f.tsecr = pv_ld32be(p + g->syn.stamps);
	f.flags = PV_TCP_ACK;
	if (pv_likely(flight->client == client + 1)) {
		flight->client = 0;
		pv_latency_add(&g->latency, g->tsc - flight->sent);
		g->stats.handshakes++;
		keep_alive(g, client, f.ack, f.tsecr);
	} else {
		g->stats.repeated++;
	}
	put(g, m, &g->ack, &f);
}

static void
take_reset(struct pv_generator *g, uint64_t client)
{
	struct flight *flight = &g->flight[client & g->flight_mask];

	if (flight->client == client + 1) {
		flight->client = 0;
		g->stats.refused++;
	} else {
		g->stats.resets++;
	}
}

/* The server's FIN: acknowledged without state, from the numbers it carries; answered by ours where
 * it is the server that closes. */
static void
take_fin(struct pv_generator *g, struct rte_mbuf *m, const uint8_t *p, uint64_t client)
{
	const uint8_t *tcp = p + g->ack.l4;
	struct pv_frame_fields f = client_fields(g, client);

	f.seq = pv_ld32be(tcp + 8);
	f.ack = pv_ld32be(tcp + 4) + 1;
	f.flags = PV_TCP_ACK;
	if (g->params.close == PV_GENERATOR_CLOSE_SERVER) {
		f.flags |= PV_TCP_FIN;
		g->stats.resets++;
	}
	put(g, m, &g->ack, &f);
}

/* One in 64 answers is verified in full: a client that verified all would be slower than the
 * server. */
static bool
checksum_good(const struct pv_generator *g, const struct rte_mbuf *m, const uint8_t *p)
{
	const uint8_t *ip = p + PV_ETH_HDR_LEN, *tcp = p + g->syn.l4;
	uint16_t n = g->syn.is_v4 ? (uint16_t)(pv_ld16be(ip + 2) - PV_IP4_HDR_LEN) :
				    pv_ld16be(ip + 4);

	if ((g->stats.handshakes & 63) != 0)
		return true;
	if (n > m->data_len - g->syn.l4)
		return false;
	if (!g->syn.is_v4)
		return pv_tcp_csum6_ok(tcp, n, ip + 8, ip + 24);
	return pv_csum(ip, PV_IP4_HDR_LEN) == 0 &&
	       pv_tcp_csum4_ok(tcp, n, pv_ld32(ip + 12), pv_ld32(ip + 16));
}

static bool
is_flood(const struct pv_generator *g, const uint8_t *p)
{
	if (g->syn.is_v4)
		return (pv_ld32be(p + g->syn.peer_host) & 0xffc00000) == PV_FLOOD4;
	return p[g->syn.peer_host - 5] == 0x0f;
}

/* TCP, without IP options, to an address that clients or a flood have. */
static bool
is_answer(const struct pv_generator *g, const struct rte_mbuf *m, const uint8_t *p)
{
	uint32_t host = pv_ld32be(p + g->syn.peer_host);

	if (m->data_len < g->syn.l4 + PV_TCP_HDR_LEN ||
			pv_ld16be(p + 12) != pv_ld16be(g->syn.bytes + 12))
		return false;
	if (!g->syn.is_v4)
		return p[20] == PV_PROTO_TCP && pv_ld32be(p + 38) == PV_CLIENTS6;
	return pv_ld16be(p + 14) >> 8 == 0x45 && p[23] == PV_PROTO_TCP &&
	       ((host & 0xfffe0000) == PV_CLIENTS4 || is_flood(g, p));
}

static void
take_other(struct pv_generator *g, struct rte_mbuf *m)
{
	if (g->wire.host != NULL)
		g->other[g->n_other++] = m;
	else if (pv_generator_wire_arp(&g->wire, &g->params.server, m))
		g->tx[g->n_tx++] = m;
	else
		g->drop[g->n_drop++] = m;
}

static void
take_one(struct pv_generator *g, struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint64_t client;
	uint8_t flags;

	if (pv_unlikely(!is_answer(g, m, p))) {
		take_other(g, m);
		return;
	}
	if (is_flood(g, p)) {
		g->stats.flood_answers++;
		g->drop[g->n_drop++] = m;
		return;
	}
	flags = p[g->syn.l4 + 13] & (PV_TCP_SYN | PV_TCP_ACK | PV_TCP_RST | PV_TCP_FIN);
	client = client_of(g, pv_ld32be(p + g->syn.peer_host), pv_ld16be(p + g->syn.l4 + 2));
	if (pv_unlikely(client >= g->next || !checksum_good(g, m, p))) {
		g->stats.bad++;
	} else if (pv_likely(flags == (PV_TCP_SYN | PV_TCP_ACK))) {
		take_syn_ack(g, m, p, client);
		return;
	} else if (flags & PV_TCP_RST) {
		take_reset(g, client);
	} else if (flags & PV_TCP_FIN) {
		take_fin(g, m, p, client);
		return;
	} else if (pv_unlikely(g->flight[client & g->flight_mask].client == client + 1)) {
		refuse(g, m, p, client);
		return;
	}
	g->drop[g->n_drop++] = m;
}

/* How many connections may be opened in this turn. */
static uint32_t
openings(struct pv_generator *g)
{
	uint64_t busy = g->stats.alive + g->stats.in_flight, n = g->params.burst;

	if (g->quiet || !g->stats.resolved ||
			g->flood_due >= 16) /* first the flood for those before */
		return 0;
	if (g->params.close == PV_GENERATOR_CLOSE_NONE ||
			g->params.close == PV_GENERATOR_CLOSE_SERVER)
		n = busy >= g->params.flows ? 0 : RTE_MIN(n, g->params.flows - busy);
	if (g->params.rate == 0)
		return (uint32_t)(g->stats.in_flight >= g->params.window ?
						  0 :
						  RTE_MIN(n, g->params.window - g->stats.in_flight));
	g->credit += (g->tsc - g->credit_tsc) * g->params.rate;
	g->credit_tsc = g->tsc;
	g->credit = RTE_MIN(g->credit, g->tsc_hz * g->arrears);
	n = RTE_MIN(n, g->credit / g->tsc_hz);
	g->credit -= n * g->tsc_hz;
	return (uint32_t)n;
}

static void
expire(struct pv_generator *g)
{
	uint64_t patience = g->tsc_hz / 1000 * g->params.timeout_ms;

	for (uint32_t i = 0; i < 2 * BURST && g->oldest < g->next; i++, g->oldest++) {
		struct flight *flight = &g->flight[g->oldest & g->flight_mask];

		if (flight->client != g->oldest + 1)
			continue;
		if (g->tsc - flight->sent < patience &&
				g->next - g->oldest + BURST <= g->flight_mask)
			break;
		flight->client = 0;
		g->stats.lost++;
	}
}

static void
open_connections(struct pv_generator *g, uint32_t n)
{
	struct rte_mbuf *m[BURST];

	if (n == 0 || rte_mempool_get_bulk(g->mbufs, (void **)m, n) != 0)
		return;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t client = g->next++;
		struct pv_frame_fields f = client_fields(g, client);

		f.flags = PV_TCP_SYN;
		rte_pktmbuf_reset(m[i]);
		put(g, m[i], &g->syn, &f);
		g->flight[client & g->flight_mask] =
				(struct flight){ .client = client + 1, .sent = g->tsc };
	}
	g->stats.syns += n;
	g->flood_due += (uint64_t)n * g->params.flood;
}

/* On a device, as any host does: who is next on the way to the server, and at what address? */
static void
find_server(struct pv_generator *g)
{
	const struct pv_path *path = pv_ip_resolve(&g->wire.host->ctx, &g->params.server);

	if (path == NULL || !path->resolved)
		return;
	memcpy(g->syn.bytes, path->l2, PV_ETH_ADDR_LEN);
	memcpy(g->ack.bytes, path->l2, PV_ETH_ADDR_LEN);
	memcpy(g->flood.bytes, path->l2, PV_ETH_ADDR_LEN);
	g->stats.resolved = 1;
	g->credit_tsc = g->tsc;
}

static uint32_t
close_some(struct pv_generator *g, uint64_t n)
{
	struct rte_mbuf *m[BURST];

	n = RTE_MIN(n, (uint64_t)BURST);
	if (rte_mempool_get_bulk(g->mbufs, (void **)m, (uint32_t)n) != 0)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		rte_pktmbuf_reset(m[i]);
		close_oldest(g, m[i]);
	}
	return (uint32_t)n;
}

/* Those that are too many, or all when no more are wanted: as many as a turn can have opened. One
 * that the wire has no room for is closed later, or the server would keep what nobody has. */
static void
close_surplus(struct pv_generator *g)
{
	uint64_t flows = g->quiet ? 0 : g->params.flows;
	uint32_t rest = 0;

	if (g->params.close != PV_GENERATOR_CLOSE_RST && g->params.close != PV_GENERATOR_CLOSE_FIN)
		return;
	for (uint32_t i = 0; i < BURSTS && rest == 0; i++) {
		uint64_t surplus = g->alive_end - g->alive_first;

		if (surplus <= flows || close_some(g, surplus - flows) == 0)
			break;
		rest = send_staged(g);
	}
	if (rest != 0 && !g->wire.patient) {
		g->alive_first -= rest;
		g->stats.closes -= rest;
		g->stats.tx_full -= rest;
	}
}

static void
flood(struct pv_generator *g)
{
	static const uint8_t flags[] = { PV_TCP_SYN, PV_TCP_ACK, PV_TCP_RST };
	struct rte_mbuf *m[BURST];

	while (g->flood_due >= 16 && g->n_tx == 0) {
		uint32_t n = (uint32_t)RTE_MIN(g->flood_due / 16, (uint64_t)BURST);

		if (rte_mempool_get_bulk(g->mbufs, (void **)m, n) != 0)
			return;
		g->flood_due -= 16ull * n;
		for (uint32_t i = 0; i < n; i++) {
			uint64_t r = pv_rng_u64(&g->rng);
			struct pv_frame_fields f = { .host = pv_hton32(PV_FLOOD4 | (r & 0x3fffff)),
				.port = (uint16_t)(r >> 48 | 1024),
				.seq = (uint32_t)(r >> 22),
				.ack = (uint32_t)(r >> 32),
				.flags = flags[g->params.flood_kind],
				.tsval = (uint32_t)(r >> 13) };

			if (f.flags == PV_TCP_SYN)
				f.ack = 0;
			rte_pktmbuf_reset(m[i]);
			put(g, m[i], &g->flood, &f);
		}
		g->stats.flood_sent += n;
		send_staged(g);
	}
}

static void
count_in_flight(struct pv_generator *g)
{
	g->stats.in_flight = g->stats.syns - g->stats.handshakes - g->stats.refused - g->stats.lost;
	g->stats.alive = g->params.close == PV_GENERATOR_CLOSE_SERVER ?
					 g->stats.handshakes - g->stats.resets :
					 g->alive_end - g->alive_first;
}

static uint32_t
take_burst(struct pv_generator *g)
{
	struct rte_mbuf *rx[BURST];
	uint32_t n = pv_generator_wire_take(&g->wire, rx, BURST);

	for (uint32_t i = 0; i < n; i++)
		pv_prefetch(rte_pktmbuf_mtod(rx[i], void *));
	for (uint32_t i = 0; i < n; i++)
		take_one(g, rx[i]);
	if (g->n_drop != 0) {
		rte_pktmbuf_free_bulk(g->drop, g->n_drop);
		g->n_drop = 0;
	}
	if (g->n_other != 0) {
		pv_worker_take(g->wire.host, g->wire.index, g->other, g->n_other);
		g->n_other = 0;
	}
	return n;
}

uint32_t
pv_generator_turn(struct pv_generator *g, uint64_t tsc)
{
	uint32_t n, work = 0;

	g->tsc = tsc;
	if (g->n_tx != 0) {
		send_staged(g);
		if (g->n_tx != 0)
			return 0;
	}
	for (uint32_t i = 0; i < BURSTS; i++) {
		n = take_burst(g);
		work += n + g->n_tx;
		send_staged(g);
		if (n < BURST || g->n_tx != 0)
			break;
	}
	if (pv_unlikely(!g->stats.resolved))
		find_server(g);
	expire(g);
	close_surplus(g);
	count_in_flight(g);
	open_connections(g, openings(g));
	work += g->n_tx;
	send_staged(g);
	flood(g);
	count_in_flight(g);
	if (work != 0)
		g->stats.cycles += rte_rdtsc() - tsc;
	return work;
}

struct pv_generator *
pv_generator_new(const struct pv_generator_params *params, const struct pv_generator_wire *wire,
		struct rte_mempool *mbufs)
{
	struct pv_generator *g = rte_zmalloc(NULL, sizeof(*g), 64);
	uint64_t flights = rte_align64pow2(RTE_MAX(4ull * params->window, 65536ull));
	uint64_t alive = rte_align64pow2((uint64_t)params->flows + flights);

	if (g == NULL)
		return NULL;
	g->params = *params;
	g->params.burst = (uint16_t)RTE_MIN(RTE_MAX(params->burst, 1), BURST);
	g->wire = *wire;
	g->mbufs = mbufs;
	g->tsc_hz = rte_get_tsc_hz();
	g->tsc = g->credit_tsc = rte_rdtsc();
	g->arrears = RTE_MAX(ARREARS * 16 / (16 + params->flood), (uint32_t)BURST);
	g->flight_mask = flights - 1;
	g->alive_mask = alive - 1;
	g->client_mask = rte_align64pow2(RTE_MAX(4 * (alive + flights), CLIENTS_MIN)) - 1;
	g->flight = rte_zmalloc(NULL, flights * sizeof(*g->flight), 64);
	g->alive = rte_zmalloc(NULL, alive * sizeof(*g->alive), 64);
	pv_rng_seed(&g->rng, params->seed);
	pv_frame_init(&g->syn, params, wire->mac, true, false);
	pv_frame_init(&g->ack, params, wire->mac, false, false);
	pv_frame_init(&g->flood, params, wire->mac, params->flood_kind == PV_GENERATOR_FLOOD_SYN,
			true);
	g->stats.resolved = wire->host == NULL;
	if (g->flight == NULL || g->alive == NULL) {
		pv_generator_free(g);
		return NULL;
	}
	return g;
}

void
pv_generator_free(struct pv_generator *g)
{
	if (g == NULL)
		return;
	rte_free(g->flight);
	rte_free(g->alive);
	rte_free(g);
}

void
pv_generator_quiet(struct pv_generator *g)
{
	g->quiet = true;
}

void
pv_generator_stats(const struct pv_generator *g, struct pv_generator_stats *out)
{
	*out = g->stats;
}

const uint64_t *
pv_generator_latency(const struct pv_generator *g)
{
	return g->latency.count;
}
