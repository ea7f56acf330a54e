/* SPDX-License-Identifier: BSD-3-Clause */
/* From a transport segment to a frame. */
#include "ip/state.h"
#include "wire/csum.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp_hdr.h"

/* ---- the way to a peer ----------------------------------------------------------------------- */

static struct pv_path_memo *
memo_of(struct pv_ip *ip, const struct pv_addr *peer)
{
	uint64_t tail;

	memcpy(&tail, peer->b + 8, 8);
	return &ip->memo[(tail * 0x9e3779b97f4a7c15) >> 58];
}

static_assert(PV_PATH_MEMO == 1 << 6, "memo_of takes six bits");

/* NULL: no route (*local false), ourselves (*local true), or no room for another neighbour. */
static struct pv_neighbour *
next_hop(struct pv_ctx *ctx, const struct pv_addr *peer, bool *local, bool *routed)
{
	struct pv_ip *ip = ctx->ip;
	bool v4 = pv_addr_is_v4(peer);
	struct pv_neighbour *n = pv_path_hint_get(&ip->hint[v4], peer, v4, ip->neigh.generation);
	struct pv_path_memo *memo;
	struct pv_addr via;
	uint16_t port;

	if (pv_likely(n != NULL)) {
		n->used = ctx->now;
		*routed = true;
		return n;
	}
	memo = memo_of(ip, peer);
	n = memo->neighbour;
	if (pv_likely(memo->generation == ip->neigh.generation &&
			    pv_addr_equal(&memo->peer, peer) && n->state != PV_NEIGH_STALE)) {
		n->used = ctx->now;
		*routed = true;
		return n;
	}
	*local = pv_ip_is_local(ctx, peer);
	*routed = *local || pv_route_find(&ip->routes, peer, &via, &port);
	if (*local || !*routed)
		return NULL;
	n = pv_neigh_use(ctx, port, &via);
	if (n == NULL)
		return NULL;
	*memo = (struct pv_path_memo){ *peer, n, ip->neigh.generation };
	if (!pv_addr_equal(&via, peer))
		pv_path_hint_set(&ip->hint[v4], ip, peer, n);
	return n;
}

const struct pv_path *
pv_ip_path(struct pv_ctx *ctx, const struct pv_addr *peer)
{
	bool local = false, routed = false;
	const struct pv_neighbour *n = next_hop(ctx, peer, &local, &routed);

	if (pv_likely(n != NULL))
		return &n->path;
	if (!routed)
		return NULL;
	return local ? &ctx->ip->loopback : &ctx->ip->neigh.none;
}

const struct pv_path *
pv_ip_path_around(struct pv_ctx *ctx, const struct pv_addr *peer, struct pv_path_block *block)
{
	const struct pv_path *path = pv_ip_path(ctx, peer);
	bool v4 = pv_addr_is_v4(peer);
	const struct pv_path_hint *hint = &ctx->ip->hint[v4];

	if (pv_path_hint_is_for(hint, peer, v4, ctx->ip->neigh.generation) &&
			path == &hint->neighbour->path)
		*block = hint->block;
	else
		*block = (struct pv_path_block){ .net = 1 }; /* nobody's */
	return path;
}

struct pv_neighbour *
pv_ip_neighbour(struct pv_ctx *ctx, const struct pv_addr *peer)
{
	bool local = false, routed = false;

	return next_hop(ctx, peer, &local, &routed);
}

const struct pv_path *
pv_ip_resolve(struct pv_ctx *ctx, const struct pv_addr *peer)
{
	struct pv_neighbour *n = pv_ip_neighbour(ctx, peer);

	if (n == NULL)
		return NULL;
	if (n->state == PV_NEIGH_NEW)
		pv_neigh_ask(ctx, n);
	return &n->path;
}

bool
pv_ip_source(struct pv_ctx *ctx, const struct pv_addr *peer, struct pv_addr *local)
{
	struct pv_addr via;
	uint16_t port;

	if (pv_ip_is_local(ctx, peer)) {
		*local = *peer;
		return true;
	}
	return pv_route_find(&ctx->ip->routes, peer, &via, &port) &&
	       pv_own_source(ctx, port, &via, peer, local);
}

bool
pv_ip_is_local(struct pv_ctx *ctx, const struct pv_addr *addr)
{
	return pv_addr_is_v4(addr) ? pv_own4_kind(ctx, PV_PORT_LOOPBACK, pv_addr_v4(addr)) ==
						     PV_ADDR_OURS :
				     pv_own6_kind(ctx, PV_PORT_LOOPBACK, addr->b) == PV_ADDR_OURS;
}

bool
pv_ip_is_unicast(struct pv_ctx *ctx, const struct pv_addr *addr)
{
	if (!pv_addr_is_v4(addr))
		return pv_ip6_valid_unicast(addr->b);
	if (!pv_ip4_valid_unicast(pv_addr_v4(addr)))
		return false;
	for (uint16_t i = 0; i < ctx->ip->n_port; i++) {
		if (pv_own4_is_broadcast(ctx, i, pv_addr_v4(addr)))
			return false;
	}
	return true;
}

uint16_t
pv_ip_mtu(struct pv_ctx *ctx, const struct pv_addr *peer)
{
	const struct pv_path *path = pv_ip_path(ctx, peer);

	return path == NULL ? PV_PMTU_MIN4 : pv_pmtu_get(&ctx->ip->pmtu, peer, path->mtu, ctx->now);
}

void
pv_ip_mtu_lower(struct pv_ctx *ctx, const struct pv_addr *peer, uint16_t mtu)
{
	const struct pv_path *path = pv_ip_path(ctx, peer);

	if (path != NULL && pv_pmtu_lower(&ctx->ip->pmtu, peer, path->mtu, mtu, ctx->now))
		pv_count(&ctx->counters, PV_C_MTU_LOWERED);
}

void
pv_ip_mtu_raise(struct pv_ctx *ctx, const struct pv_addr *peer, uint16_t mtu)
{
	pv_pmtu_raise(&ctx->ip->pmtu, peer, mtu);
	pv_count(&ctx->counters, PV_C_MTU_RAISED);
}

void
pv_ip_confirm(struct pv_ctx *ctx, const struct pv_addr *peer)
{
	struct pv_path_memo *memo = memo_of(ctx->ip, peer);
	bool v4 = pv_addr_is_v4(peer);
	struct pv_path_hint *hint = &ctx->ip->hint[v4];

	if (pv_path_hint_is_for(hint, peer, v4, ctx->ip->neigh.generation))
		pv_neigh_confirm(ctx, hint->neighbour);
	else if (memo->generation == ctx->ip->neigh.generation && pv_addr_equal(&memo->peer, peer))
		pv_neigh_confirm(ctx, memo->neighbour);
}

void
pv_ip_doubt(struct pv_ctx *ctx, const struct pv_addr *peer)
{
	struct pv_neighbour *n = pv_ip_neighbour(ctx, peer);

	if (n != NULL)
		pv_neigh_doubt(ctx, n);
}

/* ---- checksums ------------------------------------------------------------------------------- */

/* Over all segments of m. */
static uint64_t
sum_chain(const struct rte_mbuf *m)
{
	uint64_t sum = 0;
	size_t len = 0;

	for (; m != NULL; m = m->next) {
		uint64_t part = pv_csum_part(rte_pktmbuf_mtod(m, const void *), m->data_len);

		sum = pv_csum_join(sum, len, part);
		len += m->data_len;
	}
	return sum;
}

/* m begins with the TCP header. */
static void
tcp_checksum(struct rte_mbuf *m, const struct pv_ip_send *how, const struct pv_path *path, bool v4)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	bool offload = path->tx_tcp_checksum != 0;
	uint32_t len = how->tso_mss != 0 && offload ? 0 : m->pkt_len;
	uint64_t sum = v4 ? pv_csum_pseudo4(pv_addr_v4(&how->local), pv_addr_v4(&how->peer),
					    PV_PROTO_TCP, (uint16_t)len) :
			    pv_csum_pseudo6(how->local.b, how->peer.b, PV_PROTO_TCP, len);

	if (offload) {
		pv_st16(p + PV_TCP_CSUM_OFFSET, pv_csum_fold(sum));
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		m->l4_len = (p[12] >> 4) * 4U;
		if (how->tso_mss != 0) {
			m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
			m->tso_segsz = how->tso_mss;
		}
		return;
	}
	pv_st16(p + PV_TCP_CSUM_OFFSET, 0);
	pv_st16(p + PV_TCP_CSUM_OFFSET, pv_csum_finish(sum + sum_chain(m)));
}

/* For the device's offloads; l4_len and tso_segsz stand already. */
static void
set_lengths(struct rte_mbuf *m, uint64_t link, uint64_t header)
{
	m->tx_offload |= link | header << RTE_MBUF_L2_LEN_BITS;
}

/* ---- headers --------------------------------------------------------------------------------- */

static void
prepend_ip4(struct pv_ctx *ctx, struct rte_mbuf *m, const struct pv_ip_send *how,
		const struct pv_path *path)
{
	struct pv_ip4 ip = {
		.src = pv_addr_v4(&how->local),
		.dst = pv_addr_v4(&how->peer),
		.total_len = (uint16_t)(m->pkt_len + PV_IP4_HDR_LEN),
		.flags = how->no_df ? 0 : PV_IP4_DF,
		.ident = how->no_df ? ctx->ip->ident++ : 0,
		.tos = how->tos,
		.ttl = how->ttl,
		.proto = how->protocol,
	};
	uint8_t *p = pv_ip_prepend(m, PV_IP4_HDR_LEN);

	pv_ip4_build(p, &ip);
	set_lengths(m, path->l2_len, PV_IP4_HDR_LEN);
	m->ol_flags |= RTE_MBUF_F_TX_IPV4;
	if (path->tx_ip_checksum) {
		pv_st16(p + 10, 0);
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	}
}

/* RFC 6437 3: the same for all packets of a connection, and no telling which connections belong
 * together. */
uint32_t
pv_ip_flow_label(const struct pv_ctx *ctx, const struct pv_addr *local, const struct pv_addr *peer,
		const uint8_t *tcp)
{
	uint64_t a = pv_ld64(peer->b) ^ pv_ld64(local->b + 8);
	uint64_t b = pv_ld64(peer->b + 8) ^ ctx->ip->flow_key;

	a ^= pv_ld32(tcp); /* both ports */
	a = (a * 0x9e3779b97f4a7c15) ^ b;
	a = (a ^ (a >> 32)) * 0xff51afd7ed558ccd;
	return (uint32_t)(a >> 44);
}

static void
prepend_ip6(struct pv_ctx *ctx, struct rte_mbuf *m, const struct pv_ip_send *how,
		const struct pv_path *path)
{
	struct pv_ip6 ip = {
		.payload_len = (uint16_t)m->pkt_len,
		.tclass = how->tos,
		.hop_limit = how->ttl,
		.next = how->protocol,
	};

	if (how->protocol == PV_PROTO_TCP)
		ip.flow_label = pv_ip_flow_label(
				ctx, &how->local, &how->peer, rte_pktmbuf_mtod(m, const uint8_t *));
	memcpy(ip.src, how->local.b, 16);
	memcpy(ip.dst, how->peer.b, 16);
	pv_ip6_build(pv_ip_prepend(m, PV_IP6_HDR_LEN), &ip);
	set_lengths(m, path->l2_len, PV_IP6_HDR_LEN);
	m->ol_flags |= RTE_MBUF_F_TX_IPV6;
}

void
pv_ip_send(struct pv_ctx *ctx, struct rte_mbuf *m, const struct pv_ip_send *how)
{
	bool v4 = pv_addr_is_v4(&how->peer), local = false, routed = false;
	struct pv_neighbour *n = next_hop(ctx, &how->peer, &local, &routed);
	const struct pv_path *path;

	if (pv_unlikely(n == NULL && !local)) {
		pv_count(&ctx->counters, routed ? PV_C_NEIGHBOUR_FULL : PV_C_NO_ROUTE);
		rte_pktmbuf_free(m);
		return;
	}
	path = local ? &ctx->ip->loopback : &n->path;
	m->tx_offload = 0;
	m->ol_flags &= ~(uint64_t)RTE_MBUF_F_TX_OFFLOAD_MASK;
	if (how->protocol == PV_PROTO_TCP)
		tcp_checksum(m, how, path, v4);
	else if (pv_unlikely(m->pkt_len > (uint32_t)path->mtu - PV_IP6_HDR_LEN)) {
		pv_ip_send_pieces(ctx, m, how, path->mtu);
		return;
	}
	if (v4)
		prepend_ip4(ctx, m, how, path);
	else
		prepend_ip6(ctx, m, how, path);
	if (local)
		pv_ip_loopback(ctx, m);
	else
		pv_neigh_send(ctx, n, m);
}
