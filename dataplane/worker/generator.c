/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/generator_private.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/rng.h"
#include "wire/eth.h"
#include "worker/worker.h"

/* Frames that are made up for after a pause that nobody asked for; more would be a burst that no
 * wire holds. */
#define ARREARS 1024u
/* Clients before one comes again: what the server still has of its last connection is gone by then.
 */
#define CLIENTS_MIN (1u << 26)
/* Handshakes that may be in flight. */
#define FLIGHTS_MIN ((uint64_t)1 << 16)
#define FLIGHTS_MAX ((uint64_t)1 << 23)

uint32_t
pv_generator_send_staged(struct pv_generator *g)
{
	uint32_t rest = pv_generator_wire_send(&g->wire, g->tx, g->n_tx);

	if (!g->wire.patient)
		g->stats.tx_full += rest;
	g->n_tx = g->wire.patient ? rest : 0;
	return rest;
}

static void
close_oldest(struct pv_generator *g, struct rte_mbuf *m)
{
	const struct pv_generator_alive *a = &g->alive[g->alive_first++ & g->alive_mask];
	struct pv_frame_fields f = pv_generator_fields(g, a->client);

	f.seq += 1;
	f.ack = a->ack;
	f.tsecr = a->tsecr;
	f.flags = g->params.close == PV_GENERATOR_CLOSE_RST ? PV_TCP_RST : PV_TCP_FIN | PV_TCP_ACK;
	if (g->params.close == PV_GENERATOR_CLOSE_RST)
		f.ack = 0;
	pv_generator_put(g, m, &g->ack, &f);
	g->stats.closes++;
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
			(g->params.close == PV_GENERATOR_CLOSE_SERVER && g->params.rate == 0))
		n = busy >= g->params.flows ? 0 : RTE_MIN(n, g->params.flows - busy);
	if (g->params.rate == 0)
		return (uint32_t)(g->stats.in_flight >= g->params.window ?
						  0 :
						  RTE_MIN(n, g->params.window - g->stats.in_flight));
	g->credit += (g->tsc - g->credit_tsc) * g->params.rate;
	g->credit_tsc = g->tsc;
	g->credit = RTE_MIN(g->credit, g->tsc_hz * g->arrears);
	return (uint32_t)RTE_MIN(n, g->credit / g->tsc_hz);
}

static void
expire(struct pv_generator *g)
{
	uint64_t patience = g->tsc_hz / 1000 * g->params.timeout_ms;

	for (uint32_t i = 0; i < 2 * PV_GENERATOR_BURST && g->oldest < g->next; i++, g->oldest++) {
		struct pv_generator_flight *flight = &g->flight[g->oldest & g->flight_mask];

		if (flight->client != g->oldest + 1)
			continue;
		if (g->tsc - flight->sent < patience &&
				g->next - g->oldest + PV_GENERATOR_BURST <= g->flight_mask)
			break;
		flight->client = 0;
		g->stats.lost++;
	}
}

static void
open_connections(struct pv_generator *g, uint32_t n)
{
	struct rte_mbuf *m[PV_GENERATOR_BURST];

	if (n == 0 || rte_mempool_get_bulk(g->mbufs, (void **)m, n) != 0)
		return;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t client = g->next++;
		struct pv_frame_fields f = pv_generator_fields(g, client);

		f.flags = PV_TCP_SYN;
		rte_pktmbuf_reset(m[i]);
		pv_generator_put(g, m[i], &g->syn, &f);
		g->flight[client & g->flight_mask] =
				(struct pv_generator_flight){ .client = client + 1,
					.sent = g->tsc };
	}
	g->stats.syns += n;
	g->flood_due += (uint64_t)n * g->params.flood;
	if (g->params.rate != 0)
		g->credit -= n * g->tsc_hz;
}

/* Open loop: what is due now and finds the wire full is lost there, whoever would build it. */
static void
lose_due(struct pv_generator *g)
{
	uint64_t due = g->params.rate == 0 || g->quiet ? 0 : g->credit / g->tsc_hz;

	g->credit -= due * g->tsc_hz;
	g->stats.syns += due;
	g->stats.lost += due;
	g->stats.tx_full += due;
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
	struct rte_mbuf *m[PV_GENERATOR_BURST];

	n = RTE_MIN(n, (uint64_t)PV_GENERATOR_BURST);
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
	for (uint32_t i = 0; i < PV_GENERATOR_BURSTS && rest == 0; i++) {
		uint64_t surplus = g->alive_end - g->alive_first;

		if (surplus <= flows || close_some(g, surplus - flows) == 0)
			break;
		rest = pv_generator_send_staged(g);
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
	struct rte_mbuf *m[PV_GENERATOR_BURST];

	while (g->flood_due >= 16 && g->n_tx == 0) {
		uint32_t n = (uint32_t)RTE_MIN(g->flood_due / 16, (uint64_t)PV_GENERATOR_BURST);

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
			pv_generator_put(g, m[i], &g->flood, &f);
		}
		g->stats.flood_sent += n;
		pv_generator_send_staged(g);
	}
}

static void
count_in_flight(struct pv_generator *g)
{
	g->stats.in_flight = g->stats.syns - g->stats.handshakes - g->stats.refused - g->stats.lost;
	g->stats.alive = g->params.close != PV_GENERATOR_CLOSE_SERVER ?
					 g->alive_end - g->alive_first :
			 g->stats.handshakes < g->stats.resets ? /* a FIN that came again */
					 0 :
					 g->stats.handshakes - g->stats.resets;
}

uint32_t
pv_generator_turn(struct pv_generator *g, uint64_t tsc)
{
	uint32_t n, work = 0;

	g->tsc = tsc;
	if (g->n_tx != 0) {
		pv_generator_send_staged(g);
		if (g->n_tx != 0)
			return 0;
	}
	for (uint32_t i = 0; i < PV_GENERATOR_BURSTS; i++) {
		n = pv_generator_take(g);
		work += n + g->n_tx;
		pv_generator_send_staged(g);
		if (n < PV_GENERATOR_BURST || g->n_tx != 0)
			break;
	}
	if (pv_unlikely(!g->stats.resolved))
		find_server(g);
	expire(g);
	close_surplus(g);
	count_in_flight(g);
	open_connections(g, openings(g));
	work += g->n_tx;
	if (pv_generator_send_staged(g) != 0)
		lose_due(g);
	flood(g);
	count_in_flight(g);
	if (work != 0)
		g->stats.cycles += rte_rdtsc() - tsc;
	return work;
}

/* In an open loop as many as may still be answered, whatever the server does; the oldest are given
 * up early when those are too many. */
static uint64_t
flights_of(const struct pv_generator_params *params)
{
	uint64_t open = params->rate * params->timeout_ms / 1000 + ARREARS;

	return RTE_MIN(RTE_MAX(RTE_MAX(open, 4ull * params->window), FLIGHTS_MIN), FLIGHTS_MAX);
}

/* Memory that was touched: a page that is first met on the way would be time between a SYN and its
 * answer. */
static void *
touched(size_t size)
{
	void *p = pv_mem_map(size, true);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

struct pv_generator *
pv_generator_new(const struct pv_generator_params *params, const struct pv_generator_wire *wire,
		struct rte_mempool *mbufs)
{
	struct pv_generator *g = rte_zmalloc(NULL, sizeof(*g), 64);
	uint64_t flights = rte_align64pow2(flights_of(params));
	uint64_t alive = rte_align64pow2((uint64_t)params->flows + FLIGHTS_MIN);

	if (g == NULL)
		return NULL;
	g->params = *params;
	g->params.burst = (uint16_t)RTE_MIN(RTE_MAX(params->burst, 1), PV_GENERATOR_BURST);
	g->wire = *wire;
	g->mbufs = mbufs;
	g->tsc_hz = rte_get_tsc_hz();
	g->tsc = g->credit_tsc = rte_rdtsc();
	g->arrears = RTE_MAX(ARREARS * 16 / (16 + params->flood), (uint32_t)PV_GENERATOR_BURST);
	g->flight_mask = flights - 1;
	g->alive_mask = alive - 1;
	g->client_mask = rte_align64pow2(RTE_MAX(4 * (alive + flights), CLIENTS_MIN)) - 1;
	g->flight = touched(flights * sizeof(*g->flight));
	g->alive = touched(alive * sizeof(*g->alive));
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
	pv_mem_unmap(g->flight, (g->flight_mask + 1) * sizeof(*g->flight));
	pv_mem_unmap(g->alive, (g->alive_mask + 1) * sizeof(*g->alive));
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
