/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip/address.h"

#include "bridge/bridge.h"
#include "ip/state.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

#define V4_PREFIX 96 /* bits of a v4-mapped address before its four bytes */
#define DAD_WAIT  1000000000ULL

static uint32_t
mask4(unsigned int bits)
{
	return bits == 0 ? 0 : pv_hton32(UINT32_MAX << (32 - bits));
}

static void
add4(struct pv_own_addresses *own, const struct pv_cidr *cidr)
{
	unsigned int bits = cidr->prefix >= V4_PREFIX ? (unsigned int)cidr->prefix - V4_PREFIX : 32;
	struct pv_own4 *a = &own->v4[own->n4++];

	a->addr = pv_addr_v4(&cidr->addr);
	a->mask = mask4(bits);
	a->broadcast = bits >= 31 ? 0 : (a->addr & a->mask) | ~a->mask;
}

static void
add6(struct pv_own_addresses *own, uint8_t port, const uint8_t addr[16], uint8_t prefix)
{
	struct pv_own6 *a = &own->v6[own->n6++];

	*a = (struct pv_own6){ .prefix = prefix, .port = port };
	memcpy(a->addr, addr, 16);
}

void
pv_own_configure(struct pv_own_addresses *own, uint8_t port, const struct pv_port_config *config)
{
	own->n4 = own->n6 = 0;
	for (uint16_t i = 0; i < config->n_address && i < PV_MAX_ADDRESSES; i++) {
		const struct pv_cidr *cidr = &config->address[i];

		if (pv_addr_is_v4(&cidr->addr))
			add4(own, cidr);
		else
			add6(own, port, cidr->addr.b, cidr->prefix);
	}
}

void
pv_own_link_local(struct pv_own_addresses *own, uint8_t port, const uint8_t mac[6])
{
	uint8_t addr[16] = { 0xfe, 0x80, [8] = mac[0] ^ 2, mac[1], mac[2], 0xff, 0xfe, mac[3],
		mac[4], mac[5] };

	if (own->n6 == 0)
		return;
	for (uint16_t i = 0; i < own->n6; i++) {
		if (pv_ip6_is_link_local(own->v6[i].addr))
			return;
	}
	add6(own, port, addr, 64);
}

bool
pv_own4_is_broadcast(const struct pv_ctx *ctx, uint16_t port, uint32_t addr)
{
	const struct pv_own_addresses *own;

	if (pv_ip4_is_broadcast(addr))
		return true;
	if (port >= ctx->ip->n_port)
		return false;
	own = &ctx->ip->port[port].own;
	for (uint16_t i = 0; i < own->n4; i++) {
		if (own->v4[i].broadcast == addr && addr != 0)
			return true;
	}
	return false;
}

static bool
has4(const struct pv_own_addresses *own, uint32_t addr)
{
	for (uint16_t i = 0; i < own->n4; i++) {
		if (own->v4[i].addr == addr)
			return true;
	}
	return false;
}

static const struct pv_own6 *
has6(const struct pv_own_addresses *own, const uint8_t addr[16])
{
	for (uint16_t i = 0; i < own->n6; i++) {
		if (pv_ip6_equal(own->v6[i].addr, addr))
			return &own->v6[i];
	}
	return NULL;
}

enum pv_addr_kind
pv_own4_kind(const struct pv_ctx *ctx, uint16_t port, uint32_t addr)
{
	const struct pv_ip *ip = ctx->ip;

	if (port == PV_PORT_LOOPBACK) {
		for (uint16_t i = 0; i < ip->n_port; i++) {
			if (has4(&ip->port[i].own, addr))
				return PV_ADDR_OURS;
		}
		return pv_ip4_is_loopback(addr) ? PV_ADDR_OURS : PV_ADDR_FOREIGN;
	}
	if (has4(&ip->port[port].own, addr))
		return PV_ADDR_OURS;
	if (pv_ip4_is_multicast(addr))
		return addr == PV_IP4_ADDR(224, 0, 0, 1) ? PV_ADDR_GROUP : PV_ADDR_FOREIGN;
	return pv_own4_is_broadcast(ctx, port, addr) ? PV_ADDR_GROUP : PV_ADDR_FOREIGN;
}

/* The all-nodes groups of node and link, and the solicited-node groups of our addresses. */
static bool
is_our_group(const struct pv_own_addresses *own, const uint8_t addr[16])
{
	if (pv_ip6_is_all_nodes(addr))
		return own->n6 != 0;
	for (uint16_t i = 0; i < own->n6; i++) {
		uint8_t group[16];

		pv_ip6_solicited_node_of(group, own->v6[i].addr);
		if (pv_ip6_equal(group, addr))
			return true;
	}
	return false;
}

enum pv_addr_kind
pv_own6_kind(const struct pv_ctx *ctx, uint16_t port, const uint8_t addr[16])
{
	const struct pv_ip *ip = ctx->ip;
	const struct pv_own6 *own;

	if (port == PV_PORT_LOOPBACK) {
		for (uint16_t i = 0; i < ip->n_port; i++) {
			own = has6(&ip->port[i].own, addr);
			if (own != NULL && own->state == PV_OWN6_VALID)
				return PV_ADDR_OURS;
		}
		return pv_ip6_is_loopback(addr) ? PV_ADDR_OURS : PV_ADDR_FOREIGN;
	}
	if (pv_ip6_is_multicast(addr))
		return is_our_group(&ip->port[port].own, addr) ? PV_ADDR_GROUP : PV_ADDR_FOREIGN;
	own = has6(&ip->port[port].own, addr);
	return own != NULL && own->state == PV_OWN6_VALID ? PV_ADDR_OURS : PV_ADDR_FOREIGN;
}

struct pv_own6 *
pv_own6_find(struct pv_ctx *ctx, uint16_t port, const uint8_t addr[16])
{
	struct pv_own_addresses *own;
	const struct pv_own6 *found;

	if (port >= ctx->ip->n_port)
		return NULL;
	own = &ctx->ip->port[port].own;
	found = has6(own, addr);
	return found == NULL ? NULL : &own->v6[found - own->v6];
}

static void
set_state(struct pv_ctx *ctx, struct pv_own6 *own, enum pv_own6_state state)
{
	uint32_t place = (uint32_t)(own - ctx->ip->port[own->port].own.v6);

	own->state = (uint8_t)state;
	if (ctx->bridge != NULL) /* there is none where only IP is tested */
		pv_bridge_address(ctx->bridge, own->port, place, state == PV_OWN6_VALID);
}

void
pv_own6_start_dad(struct pv_ctx *ctx, struct pv_own6 *own)
{
	set_state(ctx, own, PV_OWN6_TENTATIVE);
	pv_nd_probe(ctx, own->port, own->addr);
	pv_timer_arm(&ctx->wheel, &own->timer, PV_TIMER_ADDRESS, ctx->now + DAD_WAIT);
}

void
pv_own6_timer(struct pv_ctx *ctx, struct pv_timer *timer)
{
	struct pv_own6 *own = pv_container_of(timer, struct pv_own6, timer);

	if (own->state != PV_OWN6_TENTATIVE)
		return;
	set_state(ctx, own, PV_OWN6_VALID);
	pv_nd_announce(ctx, own->port, own->addr);
}

void
pv_own6_duplicate(struct pv_ctx *ctx, struct pv_own6 *own)
{
	pv_count(&ctx->counters, PV_C_ARP_CONFLICT);
	if (own->state != PV_OWN6_TENTATIVE)
		return;
	set_state(ctx, own, PV_OWN6_DUPLICATE);
	pv_timer_cancel(&ctx->wheel, &own->timer);
}

static bool
source4(const struct pv_own_addresses *own, uint32_t next_hop, struct pv_addr *local)
{
	for (uint16_t i = 0; i < own->n4; i++) {
		if (((own->v4[i].addr ^ next_hop) & own->v4[i].mask) == 0) {
			*local = pv_addr_from_v4(own->v4[i].addr);
			return true;
		}
	}
	if (own->n4 == 0)
		return false;
	*local = pv_addr_from_v4(own->v4[0].addr);
	return true;
}

static unsigned int
common_bits(const uint8_t a[16], const uint8_t b[16])
{
	for (unsigned int i = 0; i < 16; i++) {
		if (a[i] != b[i])
			return i * 8 + (unsigned int)__builtin_clz((uint32_t)(a[i] ^ b[i])) - 24;
	}
	return 128;
}

/* RFC 6724 5, rules 2 (scope) and 8 (longest prefix). */
static bool
source6(const struct pv_own_addresses *own, const struct pv_addr *peer, struct pv_addr *local)
{
	const struct pv_own6 *best = NULL;
	unsigned int best_bits = 0;

	for (uint16_t i = 0; i < own->n6; i++) {
		const struct pv_own6 *a = &own->v6[i];
		unsigned int bits = common_bits(a->addr, peer->b) + 1;

		if (a->state != PV_OWN6_VALID)
			continue;
		if (pv_ip6_is_link_local(a->addr) == pv_ip6_is_link_local(peer->b))
			bits += 1000;
		if (bits > best_bits) {
			best = a;
			best_bits = bits;
		}
	}
	if (best != NULL)
		memcpy(local->b, best->addr, 16);
	return best != NULL;
}

bool
pv_own_source(const struct pv_ctx *ctx, uint16_t port, const struct pv_addr *next_hop,
		const struct pv_addr *peer, struct pv_addr *local)
{
	const struct pv_own_addresses *own = &ctx->ip->port[port].own;

	return pv_addr_is_v4(peer) ? source4(own, pv_addr_v4(next_hop), local) :
				     source6(own, peer, local);
}
