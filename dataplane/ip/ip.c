/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip/ip.h"

#include <errno.h>
#include <stdlib.h>

#include "ip/state.h"

#define ECHO_RATE   10000
#define ERROR_RATE  1000
#define ERROR_BURST 50

static void
init_loopback(struct pv_path *path)
{
	*path = (struct pv_path){ .resolved = 1,
		.port = PV_PORT_LOOPBACK,
		.mtu = UINT16_MAX,
		.tx_ip_checksum = 1,
		.tx_tcp_checksum = 1 };
}

static void
init_port(struct pv_ctx *ctx, uint16_t index)
{
	const struct pv_port_config *config = &ctx->config->port[index];
	struct pv_ip_port *port = &ctx->ip->port[index];

	port->dad = config->dad;
	port->n_vlan = config->n_vlan < PV_MAX_VLANS ? config->n_vlan : PV_MAX_VLANS;
	memcpy(port->vlan, config->vlan, sizeof(port->vlan));
	pv_own_configure(&port->own, (uint8_t)index, config);
}

static void
set_timers(struct pv_wheel *wheel)
{
	pv_wheel_set(wheel, PV_TIMER_NEIGHBOUR, pv_neigh_timer);
	pv_wheel_set(wheel, PV_TIMER_FRAGMENT, pv_fragments_timer);
	pv_wheel_set(wheel, PV_TIMER_ADDRESS, pv_own6_timer);
}

int
pv_ip_init(struct pv_ctx *ctx, const struct pv_config *config)
{
	struct pv_ip *ip = calloc(1, sizeof(*ip));

	if (ip == NULL)
		return -ENOMEM;
	ctx->ip = ip;
	ip->n_port = config->n_port < PV_MAX_PORTS ? config->n_port : PV_MAX_PORTS;
	pv_neigh_init(ctx, &ip->neigh);
	for (uint16_t i = 0; i < ip->n_port; i++)
		init_port(ctx, i);
	pv_routes_init(&ip->routes, config);
	pv_fragments_init(ctx, &ip->fragments);
	init_loopback(&ip->loopback);
	ip->ident = (uint16_t)pv_rng_u64(&ctx->rng);
	ip->flow_key = (uint32_t)pv_rng_u64(&ctx->rng);
	ip->echo_limit = (struct pv_ip_limit){
		.rate = ECHO_RATE, .burst = ECHO_RATE, .credit = UINT32_MAX
	};
	ip->error_limit = (struct pv_ip_limit){
		.rate = ERROR_RATE, .burst = ERROR_BURST, .credit = UINT32_MAX
	};
	set_timers(&ctx->wheel);
	set_timers(&ctx->housekeeping);
	return 0;
}

static void
empty_loopback(struct pv_ip *ip)
{
	for (; ip->looped_n > 0; ip->looped_n--) {
		rte_pktmbuf_free(ip->looped[ip->looped_head]);
		ip->looped_head = (ip->looped_head + 1) % PV_LOOPBACK_FRAMES;
	}
}

void
pv_ip_fini(struct pv_ctx *ctx)
{
	if (ctx->ip == NULL)
		return;
	pv_neigh_reset(ctx);
	pv_fragments_fini(&ctx->ip->fragments);
	empty_loopback(ctx->ip);
	free(ctx->ip);
	ctx->ip = NULL;
}

void
pv_ip_reset(struct pv_ctx *ctx)
{
	struct pv_ip *ip = ctx->ip;

	pv_neigh_reset(ctx);
	pv_fragments_reset(ctx);
	empty_loopback(ip);
	memset(&ip->pmtu, 0, sizeof(ip->pmtu));
	memset(ip->memo, 0, sizeof(ip->memo));
	memset(ip->hint, 0, sizeof(ip->hint));
}

void
pv_ip_port(struct pv_ctx *ctx, uint16_t index, const struct pv_port_facts *facts)
{
	const struct pv_port_config *config = &ctx->config->port[index];
	struct pv_ip_port *port = &ctx->ip->port[index];

	port->facts = *facts;
	pv_own_link_local(&port->own, (uint8_t)index, facts->mac);
	for (uint16_t i = 0; i < config->n_neighbour && i < PV_MAX_NEIGHBOURS; i++)
		pv_neigh_permanent(ctx, index, &config->neighbour[i]);
	if (index == 0)
		ctx->ip->neigh.none = (struct pv_path){ .mtu = facts->mtu };
}

void
pv_ip_probe(struct pv_ctx *ctx, uint16_t index)
{
	struct pv_ip_port *port = &ctx->ip->port[index];

	for (uint16_t i = 0; port->dad && pv_neigh_is_owner(ctx, index) && i < port->own.n6; i++)
		pv_own6_start_dad(ctx, &port->own.v6[i]);
}

void
pv_ip_announce(struct pv_ctx *ctx, uint16_t index)
{
	struct pv_ip_port *port = &ctx->ip->port[index];

	if (!pv_neigh_is_owner(ctx, index))
		return;
	for (uint16_t i = 0; i < port->own.n4; i++)
		pv_arp_announce(ctx, index, port->own.v4[i].addr);
	for (uint16_t i = 0; !port->dad && i < port->own.n6; i++)
		pv_nd_announce(ctx, index, port->own.v6[i].addr);
	pv_ip_probe(ctx, index);
}

void
pv_ip_on_error(struct pv_ctx *ctx, bool (*tcp_error)(struct pv_ctx *, const struct pv_icmp_error *))
{
	ctx->ip->tcp_error = tcp_error;
}

void
pv_ip_owned_by(struct pv_ctx *ctx, uint8_t (*owner)(const struct pv_ctx *, const struct pv_tuple *))
{
	ctx->ip->owner = owner;
}

struct rte_mbuf *
pv_ip_alloc(struct pv_ctx *ctx)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(ctx->mbufs);

	if (m == NULL)
		pv_count(&ctx->counters, PV_C_NO_MBUF);
	return m;
}

struct rte_mbuf *
pv_ip_alloc_frame(struct pv_ctx *ctx, uint16_t port, const uint8_t dst[6], uint16_t tag,
		uint16_t type)
{
	struct pv_eth eth = { .type = type, .n_tags = tag != PV_NO_TAG, .tci = { tag } };
	struct rte_mbuf *m = pv_ip_alloc(ctx);
	uint16_t len = (uint16_t)(PV_ETH_HDR_LEN + eth.n_tags * PV_VLAN_TAG_LEN);

	if (m != NULL)
		pv_eth_build_tagged(pv_ip_append(m, len), dst, ctx->ip->port[port].facts.mac, &eth);
	return m;
}

uint16_t
pv_ip_tags(const struct pv_ip_port *port, uint16_t tags[PV_MAX_VLANS + 1])
{
	tags[0] = PV_NO_TAG;
	memcpy(tags + 1, port->vlan, sizeof(port->vlan));
	return (uint16_t)(port->n_vlan + 1);
}
