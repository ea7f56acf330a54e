/* SPDX-License-Identifier: BSD-3-Clause */
/* A message that is larger than the MTU (a large echo reply) leaves in fragments. TCP never does.
 */
#include "ip/state.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

static void
piece4(struct rte_mbuf *m, const struct pv_ip_send *how, uint16_t ident, uint16_t off, uint16_t len,
		bool more)
{
	struct pv_ip4 ip = {
		.src = pv_addr_v4(&how->local),
		.dst = pv_addr_v4(&how->peer),
		.total_len = (uint16_t)(len + PV_IP4_HDR_LEN),
		.flags = more ? PV_IP4_MF : 0,
		.frag_off = off,
		.ident = ident,
		.tos = how->tos,
		.ttl = how->ttl,
		.proto = how->protocol,
	};

	pv_ip4_build(pv_ip_append(m, PV_IP4_HDR_LEN), &ip);
}

static void
piece6(struct rte_mbuf *m, const struct pv_ip_send *how, uint16_t ident, uint16_t off, uint16_t len,
		bool more)
{
	struct pv_ip6 ip = {
		.payload_len = (uint16_t)(len + PV_IP6_FRAG_LEN),
		.tclass = how->tos,
		.hop_limit = how->ttl,
		.next = PV_IP6_FRAGMENT,
	};
	uint8_t *p = pv_ip_append(m, PV_IP6_HDR_LEN + PV_IP6_FRAG_LEN);

	memcpy(ip.src, how->local.b, 16);
	memcpy(ip.dst, how->peer.b, 16);
	pv_ip6_build(p, &ip);
	p += PV_IP6_HDR_LEN;
	p[0] = how->protocol;
	p[1] = 0;
	pv_st16be(p + 2, (uint16_t)(off | more));
	pv_st32be(p + 4, ident);
}

void
pv_ip_send_pieces(struct pv_ctx *ctx, struct rte_mbuf *message, const struct pv_ip_send *how,
		uint16_t mtu)
{
	bool v4 = pv_addr_is_v4(&how->peer);
	uint16_t header = v4 ? PV_IP4_HDR_LEN : PV_IP6_HDR_LEN + PV_IP6_FRAG_LEN;
	uint16_t step = (uint16_t)((mtu - header) & ~7), ident = ctx->ip->ident++;
	const uint8_t *data = rte_pktmbuf_mtod(message, const uint8_t *);

	for (uint16_t off = 0; off < message->data_len; off = (uint16_t)(off + step)) {
		uint16_t left = (uint16_t)(message->data_len - off),
			 len = left < step ? left : step;
		struct pv_neighbour *n = pv_ip_neighbour(ctx, &how->peer);
		struct rte_mbuf *m = n == NULL ? NULL : pv_ip_alloc(ctx);

		if (m == NULL)
			break;
		if (v4)
			piece4(m, how, ident, off, len, len < left);
		else
			piece6(m, how, ident, off, len, len < left);
		memcpy(pv_ip_append(m, len), data + off, len);
		pv_neigh_send(ctx, n, m);
	}
	rte_pktmbuf_free(message);
}
