/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/generator_private.h"

#include "wire/eth.h"
#include "wire/ip4.h"
#include "worker/worker.h"

/* What a server says to the generator's clients, and what they say to that. */

/* The latest client of that address and port. */
static uint64_t
client_of(const struct pv_generator *g, uint32_t host, uint16_t port)
{
	uint64_t name = (host & ((1u << PV_GENERATOR_HOST_BITS) - 1)) |
			(uint64_t)(uint16_t)(port - PV_GENERATOR_FIRST_PORT)
					<< PV_GENERATOR_HOST_BITS;

	return g->next - 1 - ((g->next - 1 - name) & g->client_mask);
}

static void
keep_alive(struct pv_generator *g, uint64_t client, uint32_t ack, uint32_t tsecr)
{
	if (g->params.close == PV_GENERATOR_CLOSE_SERVER)
		return;
	if (pv_unlikely(g->alive_end - g->alive_first > g->alive_mask))
		g->alive_first++; /* the server keeps it */
	g->alive[g->alive_end++ & g->alive_mask] =
			(struct pv_generator_alive){ .client = client, .ack = ack, .tsecr = tsecr };
	pv_prefetch(&g->alive[(g->alive_first + 8) & g->alive_mask]);
}

/* RFC 9293 3.10.7.3, first step: the server means an older connection of this client's. */
static void
refuse(struct pv_generator *g, struct rte_mbuf *m, const uint8_t *p, uint64_t client)
{
	struct pv_frame_fields f = pv_generator_fields(g, client);

	f.seq = pv_ld32be(p + g->syn.l4 + 8);
	f.flags = PV_TCP_RST;
	g->stats.bad++;
	pv_generator_put(g, m, &g->ack, &f);
}

/* RFC 9293 3.10.7.3, third and fourth step: is this the SYN-ACK of a client of ours that still
 * waits? */
static void
take_syn_ack(struct pv_generator *g, struct rte_mbuf *m, const uint8_t *p, uint64_t client)
{
	const uint8_t *tcp = p + g->syn.l4;
	struct pv_generator_flight *flight = &g->flight[client & g->flight_mask];
	struct pv_frame_fields f = pv_generator_fields(g, client);

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
	pv_generator_put(g, m, &g->ack, &f);
}

static void
take_reset(struct pv_generator *g, uint64_t client)
{
	struct pv_generator_flight *flight = &g->flight[client & g->flight_mask];

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
	struct pv_frame_fields f = pv_generator_fields(g, client);

	f.seq = pv_ld32be(tcp + 8);
	f.ack = pv_ld32be(tcp + 4) + 1;
	f.flags = PV_TCP_ACK;
	if (g->params.close == PV_GENERATOR_CLOSE_SERVER) {
		f.flags |= PV_TCP_FIN;
		g->stats.resets++;
	}
	pv_generator_put(g, m, &g->ack, &f);
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

uint32_t
pv_generator_take(struct pv_generator *g)
{
	struct rte_mbuf *rx[PV_GENERATOR_BURST];
	uint32_t n = pv_generator_wire_take(&g->wire, rx, PV_GENERATOR_BURST);

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
