/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IP_ROUTE_H
#define PV_IP_ROUTE_H

/*
 * Where a packet goes: the longest matching prefix among the networks of our own addresses, static
 * routes and gateways. There are so few that a walk over them, longest first, beats any tree.
 * Constant after start.
 */

#include <stdint.h>

#include "base/ctx.h"
#include "base/types.h"

#define PV_ROUTES_MAX (PV_MAX_PORTS * (PV_MAX_ADDRESSES + PV_MAX_ROUTES + 3))

struct pv_route4 {
	uint32_t net, mask; /* network order */
	struct pv_addr via; /* zero: on the link */
	uint16_t port;
	uint8_t prefix; /* bits of the 32 */
	uint8_t on_link;
};

struct pv_route6 {
	uint64_t net[2], mask[2]; /* network order */
	struct pv_addr via;
	uint16_t port;
	uint8_t prefix; /* bits of the 128 */
	uint8_t on_link;
	uint8_t pad[4];
};

struct pv_routes {
	uint16_t n4, n6;
	uint32_t pad;
	struct pv_route4 v4[PV_ROUTES_MAX];
	struct pv_route6 v6[PV_ROUTES_MAX];
};

void pv_routes_init(struct pv_routes *routes, const struct pv_config *config);

/* The next hop and port for a peer. False: no route. */
bool pv_route_find(const struct pv_routes *routes, const struct pv_addr *peer,
		struct pv_addr *next_hop, uint16_t *port);

#endif
