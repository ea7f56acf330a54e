/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IP_ADDRESS_H
#define PV_IP_ADDRESS_H

/*
 * A port's own addresses. A packet is ours if it is sent to an address of the port it came in on
 * (the strong host model of RFC 1122 3.3.4.2). 127.0.0.0/8 and ::1 are ours on the loopback only. A
 * port with an IPv6 address also has the link-local one that follows from its MAC (RFC 4291 2.5.6),
 * unless one is configured.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/types.h"
#include "base/wheel.h"

struct pv_own4 {
	uint32_t addr, mask,
			broadcast; /* network order; broadcast 0: the network has none (/31, /32) */
	uint32_t pad;
	uint64_t defended; /* ns of the last answer to somebody who claims it */
};

enum pv_own6_state { PV_OWN6_VALID, PV_OWN6_TENTATIVE, PV_OWN6_DUPLICATE };

struct pv_own6 {
	uint8_t addr[16];
	uint8_t prefix;
	uint8_t state; /* enum pv_own6_state */
	uint8_t port;
	uint8_t pad[5];
	struct pv_timer timer; /* DAD */
};

struct pv_own_addresses {
	uint16_t n4, n6;
	uint32_t pad;
	struct pv_own4 v4[PV_MAX_ADDRESSES];
	struct pv_own6 v6[PV_MAX_ADDRESSES + 1];
};

enum pv_addr_kind {
	PV_ADDR_FOREIGN,
	PV_ADDR_OURS,
	PV_ADDR_GROUP, /* broadcast or multicast that we listen to */
};

/* What a destination is on a port (PV_PORT_LOOPBACK: on the inside). */
enum pv_addr_kind pv_own4_kind(const struct pv_ctx *ctx, uint16_t port, uint32_t addr);
enum pv_addr_kind pv_own6_kind(const struct pv_ctx *ctx, uint16_t port, const uint8_t addr[16]);
/* The entry of a port's own IPv6 address, whatever its state; NULL: not ours. */
struct pv_own6 *pv_own6_find(struct pv_ctx *ctx, uint16_t port, const uint8_t addr[16]);
/* Broadcast of one of the port's networks (or 255.255.255.255). */
bool pv_own4_is_broadcast(const struct pv_ctx *ctx, uint16_t port, uint32_t addr);

/* Fills in the configured addresses; the link-local one joins in pv_own_link_local when the MAC is
 * known. */
void pv_own_configure(
		struct pv_own_addresses *own, uint8_t port, const struct pv_port_config *config);
void pv_own_link_local(struct pv_own_addresses *own, uint8_t port, const uint8_t mac[6]);

/* DAD (RFC 4862 5.4): one probe, valid a second later if nobody objected. */
void pv_own6_start_dad(struct pv_ctx *ctx, struct pv_own6 *own);
void pv_own6_timer(struct pv_ctx *ctx, struct pv_timer *timer);
void pv_own6_duplicate(struct pv_ctx *ctx, struct pv_own6 *own);

/* The source to use for a next hop on a port: of its prefix if there is one, else the first of the
 * family (IPv6: of a scope that reaches `peer`). */
bool pv_own_source(const struct pv_ctx *ctx, uint16_t port, const struct pv_addr *next_hop,
		const struct pv_addr *peer, struct pv_addr *local);

#endif
