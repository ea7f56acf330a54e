/* SPDX-License-Identifier: BSD-3-Clause */
/* A burst of frames: the usual TCP packet is looked at here in one go, everything else goes through
 * the layers one by one. */
#include "ip/state.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp_hdr.h"

#define PREFETCH_AHEAD 4

bool
pv_ip_give(struct pv_ctx *ctx, struct pv_ip_frame *frame, uint8_t worker)
{
	if (pv_likely(worker == ctx->worker))
		return false;
	if (ctx->hand_over(ctx, worker, frame->port, frame->mbuf))
		pv_count(&ctx->counters, PV_C_HANDED_OVER);
	else
		pv_ip_end(ctx, frame, PV_C_HANDOVER_FULL);
	return true;
}

/* Tags: none, priority only (VLAN 0), or one of the port's; never two. */
static bool
accept_tag(const struct pv_ip_port *port, const struct pv_eth *eth, uint16_t *tag)
{
	uint16_t vlan = eth->tci[0] & PV_VLAN_ID_MASK;

	*tag = PV_NO_TAG;
	if (eth->n_tags == 0)
		return true;
	if (eth->n_tags > 1)
		return false;
	if (vlan == 0)
		return true;
	*tag = vlan;
	for (uint16_t i = 0; i < port->n_vlan; i++) {
		if (port->vlan[i] == vlan)
			return true;
	}
	return false;
}

static enum pv_counter
link_fault(enum pv_eth_error error)
{
	return error == PV_ETH_TRUNCATED ? PV_C_ETH_TRUNCATED :
	       error == PV_ETH_TAGS      ? PV_C_ETH_VLAN :
					   PV_C_ETH_TYPE;
}

/* One frame from its Ethernet header on. True: a TCP packet. */
static bool
take_ethernet(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_packet *out)
{
	struct pv_ip_port *port = &ctx->ip->port[frame->port];
	const uint8_t *p = frame->packet;
	enum pv_eth_error error;
	struct pv_eth eth;

	error = pv_eth_parse(p, frame->len, &eth);
	if (error != PV_ETH_OK) {
		pv_ip_end(ctx, frame, link_fault(error));
		return false;
	}
	frame->group = pv_eth_is_multicast(p);
	if (!frame->group && !pv_eth_equal(p, port->facts.mac)) {
		pv_ip_end(ctx, frame, PV_C_ETH_NOT_OURS);
		return false;
	}
	if (!accept_tag(port, &eth, &frame->tag)) {
		pv_ip_end(ctx, frame, PV_C_ETH_VLAN);
		return false;
	}
	frame->packet += eth.hdr_len;
	frame->offset = (uint16_t)(frame->offset + eth.hdr_len);
	frame->len = (uint16_t)(frame->len - eth.hdr_len);
	if (eth.type == PV_ETHERTYPE_IP4)
		return pv_ip4_input(ctx, frame, out);
	if (eth.type == PV_ETHERTYPE_IP6)
		return pv_ip6_input(ctx, frame, out);
	if (eth.type != PV_ETHERTYPE_ARP)
		pv_ip_end(ctx, frame, PV_C_ETH_TYPE);
	else if (!pv_ip_give(ctx, frame, port->facts.owner))
		pv_arp_input(ctx, frame);
	return false;
}

static bool
take_loopback(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_packet *out)
{
	if (frame->len > 0 && frame->packet[0] >> 4 == 6)
		return pv_ip6_input(ctx, frame, out);
	return pv_ip4_input(ctx, frame, out);
}

/* Is it whole TCP headers, with payload that may lie anywhere? (Untagged, nothing before TCP.) */
static bool
has_headers_in_front(const struct rte_mbuf *m)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t tcp = PV_ETH_HDR_LEN;

	if (m->data_len < PV_ETH_HDR_LEN + PV_IP4_HDR_LEN)
		return false;
	if (pv_ld16be(p + 12) == PV_ETHERTYPE_IP4 && p[tcp + 9] == PV_PROTO_TCP &&
			(pv_ld16(p + tcp + 6) & PV_HTON16(0x3fff)) == 0)
		tcp += (p[tcp] & 0xfu) * 4;
	else if (pv_ld16be(p + 12) == PV_ETHERTYPE_IP6 && p[tcp + 6] == PV_PROTO_TCP)
		tcp += PV_IP6_HDR_LEN;
	else
		return false;
	return m->data_len >= tcp + PV_TCP_HDR_LEN && m->data_len >= tcp + (p[tcp + 12] >> 4) * 4u;
}

static bool
take_one(struct pv_ctx *ctx, uint16_t port, struct rte_mbuf *m, struct pv_packet *out)
{
	struct pv_ip_frame frame = { .mbuf = m,
		.packet = rte_pktmbuf_mtod(m, const uint8_t *),
		.port = port,
		.len = m->data_len,
		.tag = PV_NO_TAG };

	if (pv_unlikely(port == PV_PORT_MESSAGE)) {
		pv_neigh_message(ctx, m);
		return false;
	}
	if (m->nb_segs > 1 && ((port != PV_PORT_LOOPBACK && has_headers_in_front(m)) ||
					      rte_pktmbuf_linearize(m) == 0))
		frame.len = (uint16_t)RTE_MIN(m->pkt_len, (uint32_t)UINT16_MAX);
	if (port == PV_PORT_LOOPBACK)
		return take_loopback(ctx, &frame, out);
	return take_ethernet(ctx, &frame, out);
}

/* Sixteen bytes of a frame as they shall be, where `mask` has ones. */
struct piece {
	uint8_t want[16], mask[16];
};

static void
want(struct piece *piece, uint32_t at, uint8_t byte, uint8_t mask)
{
	piece->want[at] = byte & mask;
	piece->mask[at] = mask;
}

/* From the link header's first byte on: to us, untagged, this type, and of the IP header its first
 * byte. */
static struct piece
front_of(const struct pv_ip_port *port, uint16_t type, uint8_t version, uint8_t version_mask)
{
	struct piece front = { 0 };

	for (uint32_t i = 0; i < PV_ETH_ADDR_LEN; i++)
		want(&front, i, port->facts.mac[i], 0xff);
	want(&front, 12, (uint8_t)(type >> 8), 0xff);
	want(&front, 13, (uint8_t)type, 0xff);
	want(&front, 14, version, version_mask);
	return front;
}

/* Is one piece as it shall be at p, and the other at q? One question for all. */
static inline bool
are(const struct piece *one, const uint8_t *p, const struct piece *other, const uint8_t *q)
{
	typedef uint64_t pair __attribute__((vector_size(16)));
	pair a, b, want_a, want_b, mask_a, mask_b;

	memcpy(&a, p, sizeof(a));
	memcpy(&b, q, sizeof(b));
	memcpy(&want_a, one->want, sizeof(a));
	memcpy(&want_b, other->want, sizeof(b));
	memcpy(&mask_a, one->mask, sizeof(a));
	memcpy(&mask_b, other->mask, sizeof(b));
	a = ((a ^ want_a) & mask_a) | ((b ^ want_b) & mask_b);
	return (a[0] | a[1]) == 0;
}

/* The device has verified it, or will not have it verified. */
static inline bool
l4_good(uint64_t rx)
{
	rx &= RTE_MBUF_F_RX_L4_CKSUM_MASK;
	return rx == RTE_MBUF_F_RX_L4_CKSUM_GOOD || rx == RTE_MBUF_F_RX_L4_CKSUM_NONE;
}

/* What the packets that nearly all are have in common: made once a burst. */
struct usual {
	struct piece front, back;
	uint32_t addr, broadcast;
	struct pv_packet packet;
};

enum { BACK = 18 }; /* bytes before `back`, which ends with the destination */

static struct usual
usual_of(const struct pv_ip_port *port, uint16_t index)
{
	const struct pv_own4 *own = &port->own.v4[0];
	struct usual u = { .front = front_of(port, PV_ETHERTYPE_IP4, 0x45, 0xff),
		.addr = own->addr,
		.broadcast = own->broadcast };

	want(&u.back, 2, 0, 0x3f); /* no fragment */
	want(&u.back, 3, 0, 0xff);
	want(&u.back, 5, PV_PROTO_TCP, 0xff);
	for (uint32_t i = 0; i < sizeof(own->addr); i++)
		want(&u.back, 12 + i, ((const uint8_t *)&own->addr)[i], 0xff);
	u.packet.tuple.local = u.packet.tuple.peer = pv_addr_from_v4(own->addr);
	u.packet.l4_offset = PV_ETH_HDR_LEN + PV_IP4_HDR_LEN;
	u.packet.port = index;
	u.packet.is_v4 = 1;
	u.packet.protocol = PV_PROTO_TCP;
	return u;
}

/*
 * The packet that nearly all are: untagged, to our MAC and only address, without IP options, whole,
 * TCP. False: anything else, and whatever is wrong with it is found elsewhere.
 */
static inline bool
take_usual(const struct usual *usual, struct rte_mbuf *m, struct pv_packet *out)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *ip = p + PV_ETH_HDR_LEN;
	uint32_t src, len, room = (uint32_t)m->data_len - PV_ETH_HDR_LEN - PV_IP4_HDR_LEN;
	uint64_t rx = m->ol_flags;

	if (room > UINT16_MAX || m->nb_segs != 1 || !are(&usual->front, p, &usual->back, p + BACK))
		return false;
	src = pv_ld32(ip + 12);
	len = (uint32_t)pv_ld16be(ip + 2) - PV_IP4_HDR_LEN;
	if (len > room || !pv_ip4_valid_source(src) || src == usual->addr ||
			src == usual->broadcast)
		return false;
	if ((rx & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD &&
			!pv_csum_ok(pv_csum_through(0, ip, PV_IP4_HDR_LEN)))
		return false;
	memcpy(out, &usual->packet, offsetof(struct pv_packet, home));
	out->mbuf = m;
	pv_st32(out->tuple.peer.b + 12, src);
	out->l4_len = (uint16_t)len;
	out->tos = ip[1];
	out->ttl = ip[8];
	out->l4_checksum_good = l4_good(rx);
	return true;
}

/* False: there is no address that is not of the link, or more than one. */
static bool
usual6_of(const struct pv_ip_port *port, uint16_t index, struct usual *u)
{
	const struct pv_own6 *own = NULL;

	for (uint16_t i = 0; i < port->own.n6; i++) {
		if (pv_ip6_is_link_local(port->own.v6[i].addr))
			continue;
		if (own != NULL || port->own.v6[i].state != PV_OWN6_VALID)
			return false;
		own = &port->own.v6[i];
	}
	if (own == NULL)
		return false;
	*u = (struct usual){
		.front = front_of(port, PV_ETHERTYPE_IP6, 0x60, 0xf0),
		.packet = { .l4_offset = PV_ETH_HDR_LEN + PV_IP6_HDR_LEN,
				.port = index,
				.protocol = PV_PROTO_TCP },
	};
	for (uint32_t i = 0; i < sizeof(own->addr); i++)
		want(&u->back, i, own->addr[i], 0xff);
	memcpy(u->packet.tuple.local.b, own->addr, 16);
	return true;
}

/* From anywhere but a link, to our one address of that kind; without extension headers, TCP. */
static inline bool
take_usual6(const struct usual *usual, struct rte_mbuf *m, struct pv_packet *out)
{
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *), *ip = p + PV_ETH_HDR_LEN;
	uint32_t len, room = (uint32_t)m->data_len - PV_ETH_HDR_LEN - PV_IP6_HDR_LEN;

	if (room > UINT16_MAX || m->nb_segs != 1 || ip[6] != PV_PROTO_TCP ||
			!are(&usual->front, p, &usual->back, ip + 24))
		return false;
	len = pv_ld16be(ip + 4);
	if (len > room || !pv_ip6_is_routed(ip + 8) ||
			pv_ip6_equal(ip + 8, usual->packet.tuple.local.b))
		return false;
	memcpy(out, &usual->packet, offsetof(struct pv_packet, home));
	out->mbuf = m;
	memcpy(out->tuple.peer.b, ip + 8, 16);
	out->l4_len = (uint16_t)len;
	out->tos = (uint8_t)(pv_ld16be(ip) >> 4);
	out->ttl = ip[7];
	out->l4_checksum_good = l4_good(m->ol_flags);
	return true;
}

uint32_t
pv_ip_input(struct pv_ctx *ctx, uint16_t port, struct rte_mbuf **frames, uint32_t n,
		struct pv_packet *out)
{
	const struct pv_ip_port *from = port < PV_MAX_PORTS ? &ctx->ip->port[port] : NULL;
	bool simple = from != NULL && from->own.n4 == 1;
	struct usual usual, usual6 = { 0 };
	bool simple6 = from != NULL && usual6_of(from, port, &usual6);
	uint32_t taken = 0;

	if (pv_likely(simple))
		usual = usual_of(from, port);

	for (uint32_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
		pv_prefetch(rte_pktmbuf_mtod(frames[i], const void *));
	for (uint32_t i = 0; i < n; i++) {
		if (i + PREFETCH_AHEAD < n)
			pv_prefetch(rte_pktmbuf_mtod(frames[i + PREFETCH_AHEAD], const void *));
		if (pv_likely(simple && take_usual(&usual, frames[i], &out[taken])) ||
				(simple6 && take_usual6(&usual6, frames[i], &out[taken])) ||
				take_one(ctx, port, frames[i], &out[taken]))
			taken++;
	}
	return taken;
}
