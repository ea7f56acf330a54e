/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP as a host speaks it: RFC 826 with the checks and the defence of RFC 5227. */
#include "ip/state.h"
#include "wire/arp.h"

#define DEFEND_INTERVAL 10000000000ULL /* RFC 5227 2.4, ns */

static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t unknown[6];

static void
send_arp(struct pv_ctx *ctx, uint16_t port, const uint8_t dst[6], uint16_t tag,
		const struct pv_arp *arp)
{
	struct rte_mbuf *m = pv_ip_alloc_frame(ctx, port, dst, tag, PV_ETHERTYPE_ARP);

	if (m == NULL)
		return;
	pv_arp_build(pv_ip_append(m, PV_ARP_LEN), arp);
	ctx->transmit(ctx, port, m);
}

static struct pv_arp
ours(const struct pv_ctx *ctx, uint16_t port, uint16_t op, pv_be32 spa, pv_be32 tpa,
		const uint8_t tha[6])
{
	struct pv_arp arp = { .op = op, .spa = spa, .tpa = tpa };

	memcpy(arp.sha, ctx->ip->port[port].facts.mac, sizeof(arp.sha));
	memcpy(arp.tha, tha, sizeof(arp.tha));
	return arp;
}

void
pv_arp_ask(struct pv_ctx *ctx, uint16_t port, const struct pv_addr *target,
		const struct pv_path *path)
{
	uint16_t tags[PV_MAX_VLANS + 1];
	struct pv_addr source;
	struct pv_arp arp;

	if (!pv_own_source(ctx, port, target, target, &source))
		return;
	arp = ours(ctx, port, PV_ARP_REQUEST, pv_addr_v4(&source), pv_addr_v4(target), unknown);
	if (path != NULL) {
		send_arp(ctx, port, path->l2, pv_path_tag(path), &arp);
		return;
	}
	for (uint16_t i = pv_ip_tags(&ctx->ip->port[port], tags); i > 0; i--)
		send_arp(ctx, port, everybody, tags[i - 1], &arp);
}

void
pv_arp_announce(struct pv_ctx *ctx, uint16_t port, uint32_t addr)
{
	struct pv_arp arp = ours(ctx, port, PV_ARP_REQUEST, addr, addr, unknown);
	uint16_t tags[PV_MAX_VLANS + 1];

	for (uint16_t i = pv_ip_tags(&ctx->ip->port[port], tags); i > 0; i--)
		send_arp(ctx, port, everybody, tags[i - 1], &arp);
}

static struct pv_own4 *
find_own(struct pv_ctx *ctx, uint16_t port, pv_be32 addr)
{
	struct pv_own_addresses *own = &ctx->ip->port[port].own;

	for (uint16_t i = 0; i < own->n4; i++) {
		if (own->v4[i].addr == addr)
			return &own->v4[i];
	}
	return NULL;
}

/* Somebody else says that he is us: say once in a while that we are. */
static void
conflict(struct pv_ctx *ctx, uint16_t port, struct pv_own4 *own)
{
	pv_count(&ctx->counters, PV_C_ARP_CONFLICT);
	if (own->defended != 0 && ctx->now - own->defended < DEFEND_INTERVAL)
		return;
	own->defended = ctx->now;
	pv_arp_announce(ctx, port, own->addr);
}

static void
learn(struct pv_ctx *ctx, const struct pv_ip_frame *frame, const struct pv_arp *arp, bool create,
		bool confirms)
{
	struct pv_neigh_news news = { .addr = pv_addr_from_v4(arp->spa),
		.port = frame->port,
		.tag = frame->tag,
		.create = create,
		.confirms = confirms };

	memcpy(news.mac, arp->sha, sizeof(news.mac));
	pv_neigh_learn(ctx, &news);
}

static void
answer(struct pv_ctx *ctx, const struct pv_ip_frame *frame, const struct pv_arp *asked)
{
	struct pv_arp arp =
			ours(ctx, frame->port, PV_ARP_REPLY, asked->tpa, asked->spa, asked->sha);

	if (!pv_arp_is_probe(asked))
		learn(ctx, frame, asked, true, false);
	send_arp(ctx, frame->port, asked->sha, frame->tag, &arp);
}

/* RFC 826: a known sender is updated whatever he says; a new one is noted when he asks for us. */
void
pv_arp_input(struct pv_ctx *ctx, struct pv_ip_frame *frame)
{
	struct pv_addr sender;
	struct pv_arp arp;
	struct pv_own4 *own;
	bool for_us, known;

	if (pv_arp_parse(frame->packet, frame->len, &arp) != PV_ARP_OK ||
			pv_own4_is_broadcast(ctx, frame->port, arp.spa)) {
		pv_ip_end(ctx, frame, PV_C_ARP_MALFORMED);
		return;
	}
	own = find_own(ctx, frame->port, arp.spa);
	if (own != NULL) {
		if (!pv_eth_equal(arp.sha, ctx->ip->port[frame->port].facts.mac))
			conflict(ctx, frame->port, own);
		pv_ip_end(ctx, frame, PV_C_ARP_OTHER);
		return;
	}
	for_us = find_own(ctx, frame->port, arp.tpa) != NULL;
	if (arp.op == PV_ARP_REQUEST && for_us) {
		answer(ctx, frame, &arp);
		pv_ip_end(ctx, frame, PV_C_ARP_REQUEST);
		return;
	}
	sender = pv_addr_from_v4(arp.spa);
	known = !pv_arp_is_probe(&arp) && pv_neigh_find(ctx, frame->port, &sender) != NULL;
	if (known)
		learn(ctx, frame, &arp, false, arp.op == PV_ARP_REPLY && for_us && !frame->group);
	pv_ip_end(ctx, frame, known && arp.op == PV_ARP_REPLY ? PV_C_ARP_REPLY : PV_C_ARP_OTHER);
}
