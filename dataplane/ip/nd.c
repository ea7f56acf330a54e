/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery as a host without router discovery speaks it (RFC 4861, RFC 4862 5.4). */
#include "wire/nd.h"

#include "ip/state.h"

static const uint8_t all_nodes[16] = { 0xff, 0x02, [15] = 1 };

/* Sends one message; mac NULL: to the group that dst is. */
static void
send_nd(struct pv_ctx *ctx, uint16_t port, const uint8_t *mac, uint16_t tag, const struct pv_nd *nd,
		struct pv_ip6 *ip)
{
	uint8_t group[6];
	struct rte_mbuf *m;
	uint8_t *p;

	if (mac == NULL) {
		pv_eth_of_multicast6(group, ip->dst);
		mac = group;
	}
	m = pv_ip_alloc_frame(ctx, port, mac, tag, PV_ETHERTYPE_IP6);
	if (m == NULL)
		return;
	ip->next = PV_PROTO_ICMP6;
	ip->hop_limit = PV_ND_HOP_LIMIT;
	ip->payload_len = nd->has_lladdr ? PV_ND_LEN_MAX : PV_ND_LEN;
	p = pv_ip_append(m, (uint16_t)(PV_IP6_HDR_LEN + ip->payload_len));
	pv_ip6_build(p, ip);
	pv_nd_build(p + PV_IP6_HDR_LEN, nd, ip);
	ctx->transmit(ctx, port, m);
}

static void
send_nd_everywhere(struct pv_ctx *ctx, uint16_t port, const struct pv_nd *nd, struct pv_ip6 *ip)
{
	uint16_t tags[PV_MAX_VLANS + 1];

	for (uint16_t i = pv_ip_tags(&ctx->ip->port[port], tags); i > 0; i--)
		send_nd(ctx, port, NULL, tags[i - 1], nd, ip);
}

static struct pv_nd
ours(const struct pv_ctx *ctx, uint16_t port, uint8_t type, const uint8_t target[16])
{
	struct pv_nd nd = { .type = type, .has_lladdr = true };

	memcpy(nd.target, target, 16);
	memcpy(nd.lladdr, ctx->ip->port[port].facts.mac, sizeof(nd.lladdr));
	return nd;
}

void
pv_nd_ask(struct pv_ctx *ctx, uint16_t port, const struct pv_addr *target,
		const struct pv_path *path)
{
	struct pv_nd nd = ours(ctx, port, PV_ICMP6_NEIGH_SOLICIT, target->b);
	struct pv_ip6 ip = { 0 };
	struct pv_addr source;

	if (!pv_own_source(ctx, port, target, target, &source))
		return;
	memcpy(ip.src, source.b, 16);
	if (path != NULL) {
		memcpy(ip.dst, target->b, 16);
		send_nd(ctx, port, path->l2, pv_path_tag(path), &nd, &ip);
	} else {
		pv_ip6_solicited_node_of(ip.dst, target->b);
		send_nd_everywhere(ctx, port, &nd, &ip);
	}
}

void
pv_nd_probe(struct pv_ctx *ctx, uint16_t port, const uint8_t addr[16])
{
	struct pv_nd nd = ours(ctx, port, PV_ICMP6_NEIGH_SOLICIT, addr);
	struct pv_ip6 ip = { 0 };

	nd.has_lladdr = false;
	pv_ip6_solicited_node_of(ip.dst, addr);
	send_nd_everywhere(ctx, port, &nd, &ip);
}

void
pv_nd_announce(struct pv_ctx *ctx, uint16_t port, const uint8_t addr[16])
{
	struct pv_nd nd = ours(ctx, port, PV_ICMP6_NEIGH_ADVERT, addr);
	struct pv_ip6 ip = { 0 };

	nd.flags = PV_ND_OVERRIDE;
	memcpy(ip.src, addr, 16);
	memcpy(ip.dst, all_nodes, 16);
	send_nd_everywhere(ctx, port, &nd, &ip);
}

static void
learn(struct pv_ctx *ctx, const struct pv_ip_frame *frame, const uint8_t addr[16],
		const struct pv_nd *nd)
{
	struct pv_neigh_news news = {
		.port = frame->port,
		.tag = frame->tag,
		.create = nd->type == PV_ICMP6_NEIGH_SOLICIT,
		.confirms = (nd->flags & PV_ND_SOLICITED) != 0,
		.keep_address = nd->type == PV_ICMP6_NEIGH_ADVERT &&
				(nd->flags & PV_ND_OVERRIDE) == 0,
	};

	memcpy(news.addr.b, addr, 16);
	memcpy(news.mac, nd->lladdr, sizeof(news.mac));
	pv_neigh_learn(ctx, &news);
}

static void
answer(struct pv_ctx *ctx, const struct pv_ip_frame *frame, const struct pv_nd *asked,
		const struct pv_ip6 *from)
{
	struct pv_nd nd = ours(ctx, frame->port, PV_ICMP6_NEIGH_ADVERT, asked->target);
	const uint8_t *mac = frame->packet - frame->offset + PV_ETH_ADDR_LEN;
	struct pv_ip6 ip = { 0 };

	nd.flags = PV_ND_OVERRIDE;
	memcpy(ip.src, asked->target, 16);
	if (pv_ip6_is_unspecified(from->src)) {
		memcpy(ip.dst, all_nodes, 16);
		send_nd(ctx, frame->port, NULL, frame->tag, &nd, &ip);
		return;
	}
	nd.flags |= PV_ND_SOLICITED;
	memcpy(ip.dst, from->src, 16);
	if (asked->has_lladdr) {
		learn(ctx, frame, from->src, asked);
		mac = asked->lladdr;
	}
	send_nd(ctx, frame->port, mac, frame->tag, &nd, &ip);
}

/* While an address is tentative nobody is answered; another probe for it means that it is taken. */
static enum pv_counter
solicited(struct pv_ctx *ctx, const struct pv_ip_frame *frame, const struct pv_nd *nd,
		const struct pv_ip6 *ip)
{
	struct pv_own6 *own = pv_own6_find(ctx, frame->port, nd->target);

	if (own == NULL)
		return PV_C_ND_OTHER;
	if (own->state == PV_OWN6_VALID) {
		answer(ctx, frame, nd, ip);
		return PV_C_ND_SOLICITATION;
	}
	if (own->state == PV_OWN6_TENTATIVE && pv_ip6_is_unspecified(ip->src))
		pv_own6_duplicate(ctx, own);
	return PV_C_ND_OTHER;
}

static enum pv_counter
advertised(struct pv_ctx *ctx, const struct pv_ip_frame *frame, const struct pv_nd *nd)
{
	struct pv_own6 *own = pv_own6_find(ctx, frame->port, nd->target);
	struct pv_neighbour *n;
	struct pv_addr target;

	if (own != NULL) {
		pv_own6_duplicate(ctx, own);
		return PV_C_ND_OTHER;
	}
	memcpy(target.b, nd->target, 16);
	n = pv_neigh_find(ctx, frame->port, &target);
	if (n == NULL)
		return PV_C_ND_OTHER;
	if (nd->has_lladdr)
		learn(ctx, frame, nd->target, nd);
	else if (n->path.resolved && (nd->flags & PV_ND_SOLICITED) != 0)
		pv_neigh_confirm(ctx, n);
	return PV_C_ND_ADVERTISEMENT;
}

void
pv_nd_input(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip6 *ip,
		const struct pv_ip6_upper *upper)
{
	size_t n = (size_t)PV_IP6_HDR_LEN + ip->payload_len - upper->off;
	enum pv_counter outcome;
	struct pv_nd nd;

	switch (pv_nd_parse(frame->packet + upper->off, n, ip, &nd)) {
	case PV_ND_OK:
		outcome = nd.type == PV_ICMP6_NEIGH_SOLICIT ? solicited(ctx, frame, &nd, ip) :
							      advertised(ctx, frame, &nd);
		break;
	case PV_ND_TYPE:
		outcome = PV_C_ND_OTHER;
		break;
	case PV_ND_TRUNCATED:
	case PV_ND_CODE:
	case PV_ND_HOPS:
	case PV_ND_TARGET:
	case PV_ND_OPTION:
	case PV_ND_SOURCE:
	case PV_ND_DESTINATION:
	default:
		outcome = PV_C_ND_MALFORMED;
	}
	pv_ip_end(ctx, frame, outcome);
}
