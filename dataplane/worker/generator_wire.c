/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/generator_wire.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "tcp/tcp.h"
#include "wire/arp.h"
#include "wire/byteorder.h"
#include "wire/eth.h"

#define TRIES 8
#define SENDS 256 /* frames sorted at a time */

uint32_t
pv_generator_wire_take(struct pv_generator_wire *wire, struct rte_mbuf **frames, uint32_t n)
{
	for (uint16_t i = 0; i < wire->queues; i++) {
		uint16_t queue = (uint16_t)((wire->next + i) % wire->queues);
		uint32_t got = rte_eth_rx_burst(wire->port, queue, frames, (uint16_t)n);

		if (got != 0) {
			wire->next = (uint16_t)((queue + 1) % wire->queues);
			return got;
		}
	}
	return 0;
}

static uint32_t
send_on(const struct pv_generator_wire *wire, uint16_t queue, struct rte_mbuf **frames, uint32_t n)
{
	uint32_t sent = 0;

	for (uint32_t tries = 0; sent < n && tries < TRIES; tries++)
		sent += rte_eth_tx_burst(wire->port, queue, frames + sent, (uint16_t)(n - sent));
	if (pv_unlikely(sent < n && !wire->patient))
		rte_pktmbuf_free_bulk(frames + sent, n - sent);
	else if (pv_unlikely(sent < n && sent != 0))
		memmove(frames, frames + sent, (n - sent) * sizeof(struct rte_mbuf *));
	return n - sent;
}

/* All frames of a generator have no options in their IP header. */
static uint16_t
queue_of(const struct pv_generator_wire *wire, const struct rte_mbuf *frame)
{
	const uint8_t *ip = rte_pktmbuf_mtod_offset(frame, const uint8_t *, PV_ETH_HDR_LEN);
	const uint8_t *ports = ip + 40;
	struct pv_tuple tuple;

	if (ip[0] >> 4 == 4) {
		tuple.peer = pv_addr_from_v4(pv_ld32(ip + 12));
		tuple.local = pv_addr_from_v4(pv_ld32(ip + 16));
		ports = ip + 20;
	} else {
		memcpy(tuple.peer.b, ip + 8, sizeof(tuple.peer.b));
		memcpy(tuple.local.b, ip + 24, sizeof(tuple.local.b));
	}
	tuple.peer_port = pv_ld16be(ports);
	tuple.local_port = pv_ld16be(ports + 2);
	return pv_tcp_owner(wire->ctx, &tuple);
}

static uint32_t
send_sorted(const struct pv_generator_wire *wire, struct rte_mbuf **frames, uint32_t n)
{
	struct rte_mbuf *part[SENDS];
	uint16_t queue[SENDS];
	uint32_t lost = 0;

	for (uint32_t i = 0; i < n; i++)
		queue[i] = queue_of(wire, frames[i]);
	for (uint16_t q = 0; q < wire->queues; q++) {
		uint32_t k = 0;

		for (uint32_t i = 0; i < n; i++) {
			part[k] = frames[i];
			k += queue[i] == q;
		}
		lost += send_on(wire, q, part, k);
	}
	return lost;
}

uint32_t
pv_generator_wire_send(struct pv_generator_wire *wire, struct rte_mbuf **frames, uint32_t n)
{
	uint32_t lost = 0;

	if (wire->queues == 1 || wire->one_queue)
		return send_on(wire, 0, frames, n);
	for (uint32_t i = 0; i < n; i += SENDS)
		lost += send_sorted(wire, frames + i, n - i < SENDS ? n - i : SENDS);
	return lost;
}

bool
pv_generator_wire_arp(const struct pv_generator_wire *wire, const struct pv_addr *server,
		struct rte_mbuf *frame)
{
	uint8_t *p = rte_pktmbuf_mtod(frame, uint8_t *);
	struct pv_arp arp;

	if (frame->data_len < PV_ETH_HDR_LEN || pv_ld16be(p + 12) != PV_ETHERTYPE_ARP ||
			pv_arp_parse(p + PV_ETH_HDR_LEN, frame->data_len - PV_ETH_HDR_LEN, &arp) !=
					PV_ARP_OK)
		return false;
	if (arp.op != PV_ARP_REQUEST || arp.tpa == arp.spa || arp.tpa == pv_addr_v4(server))
		return false;
	memcpy(p, arp.sha, PV_ETH_ADDR_LEN);
	memcpy(p + PV_ETH_ADDR_LEN, wire->mac, PV_ETH_ADDR_LEN);
	p += PV_ETH_HDR_LEN;
	pv_st16be(p + 6, PV_ARP_REPLY);
	memcpy(p + 8, wire->mac, PV_ETH_ADDR_LEN);
	memcpy(p + 14, &arp.tpa, 4);
	memcpy(p + 18, arp.sha, PV_ETH_ADDR_LEN);
	memcpy(p + 24, &arp.spa, 4);
	return true;
}
