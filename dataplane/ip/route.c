/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip/route.h"

#include "wire/byteorder.h"

#define V4_PREFIX 96

static void
mask_bits(uint64_t mask[2], unsigned int bits)
{
	uint8_t bytes[16] = { 0 };

	for (unsigned int i = 0; i < 16 && bits > 0; i++) {
		bytes[i] = bits >= 8 ? 0xff : (uint8_t)(0xff << (8 - bits));
		bits -= bits >= 8 ? 8 : bits;
	}
	memcpy(mask, bytes, 16);
}

/* Longest prefix first; among equals the one that came first. */
static void
add4(struct pv_routes *routes, const struct pv_route4 *route)
{
	uint16_t i = routes->n4++;

	for (; i > 0 && routes->v4[i - 1].prefix < route->prefix; i--)
		routes->v4[i] = routes->v4[i - 1];
	routes->v4[i] = *route;
}

static void
add6(struct pv_routes *routes, const struct pv_route6 *route)
{
	uint16_t i = routes->n6++;

	for (; i > 0 && routes->v6[i - 1].prefix < route->prefix; i--)
		routes->v6[i] = routes->v6[i - 1];
	routes->v6[i] = *route;
}

static void
add(struct pv_routes *routes, const struct pv_addr *to, unsigned int prefix, bool v4,
		const struct pv_addr *via, uint16_t port)
{
	bool on_link = pv_addr_is_any(via);

	if (v4) {
		uint32_t mask = prefix == 0 ? 0 : pv_hton32(UINT32_MAX << (32 - prefix));

		add4(routes, &(struct pv_route4){ .net = pv_addr_v4(to) & mask,
					     .mask = mask,
					     .via = *via,
					     .port = port,
					     .prefix = (uint8_t)prefix,
					     .on_link = on_link });
	} else {
		struct pv_route6 route = {
			.via = *via, .port = port, .prefix = (uint8_t)prefix, .on_link = on_link
		};

		mask_bits(route.mask, prefix);
		memcpy(route.net, to->b, 16);
		route.net[0] &= route.mask[0];
		route.net[1] &= route.mask[1];
		add6(routes, &route);
	}
}

static void
add_cidr(struct pv_routes *routes, const struct pv_cidr *to, const struct pv_addr *via,
		uint16_t port)
{
	bool v4 = pv_addr_is_v4(&to->addr);
	unsigned int prefix = to->prefix;

	if (v4)
		prefix = prefix >= V4_PREFIX ? prefix - V4_PREFIX : 0;
	add(routes, &to->addr, prefix, v4, via, port);
}

static void
add_port(struct pv_routes *routes, const struct pv_port_config *config, uint16_t port)
{
	static const struct pv_addr none;
	static const struct pv_addr link_local = { .b = { 0xfe, 0x80 } };
	bool has6 = false;

	for (uint16_t i = 0; i < config->n_address && i < PV_MAX_ADDRESSES; i++) {
		add_cidr(routes, &config->address[i], &none, port);
		has6 |= !pv_addr_is_v4(&config->address[i].addr);
	}
	if (has6 && routes->n6 < PV_ROUTES_MAX)
		add(routes, &link_local, 10, false, &none, port);
	for (uint16_t i = 0; i < config->n_route && i < PV_MAX_ROUTES; i++)
		add_cidr(routes, &config->route[i].to, &config->route[i].via, port);
	if (!pv_addr_is_any(&config->gateway4))
		add(routes, &none, 0, true, &config->gateway4, port);
	if (!pv_addr_is_any(&config->gateway6))
		add(routes, &none, 0, false, &config->gateway6, port);
}

void
pv_routes_init(struct pv_routes *routes, const struct pv_config *config)
{
	routes->n4 = routes->n6 = 0;
	for (uint16_t i = 0; i < config->n_port && i < PV_MAX_PORTS; i++)
		add_port(routes, &config->port[i], i);
}

static bool
find4(const struct pv_routes *routes, const struct pv_addr *peer, struct pv_addr *next_hop,
		uint16_t *port)
{
	uint32_t addr = pv_addr_v4(peer);

	for (uint16_t i = 0; i < routes->n4; i++) {
		const struct pv_route4 *route = &routes->v4[i];

		if ((addr & route->mask) == route->net) {
			*next_hop = route->on_link ? *peer : route->via;
			*port = route->port;
			return true;
		}
	}
	return false;
}

bool
pv_route_find(const struct pv_routes *routes, const struct pv_addr *peer, struct pv_addr *next_hop,
		uint16_t *port)
{
	uint64_t addr[2];

	if (pv_addr_is_v4(peer))
		return find4(routes, peer, next_hop, port);
	memcpy(addr, peer->b, 16);
	for (uint16_t i = 0; i < routes->n6; i++) {
		const struct pv_route6 *route = &routes->v6[i];

		if ((addr[0] & route->mask[0]) == route->net[0] &&
				(addr[1] & route->mask[1]) == route->net[1]) {
			*next_hop = route->on_link ? *peer : route->via;
			*port = route->port;
			return true;
		}
	}
	return false;
}
