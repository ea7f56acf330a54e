/* SPDX-License-Identifier: BSD-3-Clause */
#include "ip/hint.h"

#include "ip/state.h"
#include "wire/byteorder.h"

/* Keys as numbers, the first bit of the address on top: 64 of them, of IPv4 the upper 32. */
static uint64_t
number(uint64_t key, bool v4)
{
	return v4 ? (uint64_t)pv_ntoh32((uint32_t)key) << 32 : __builtin_bswap64(key);
}

static unsigned int
common_bits(uint64_t a, uint64_t b)
{
	return a == b ? 64 : (unsigned int)__builtin_clzll(a ^ b);
}

/* The block around `peer` of so many bits shall not hold what differs from it: how many bits it
 * takes. */
static unsigned int
keep_out(uint64_t peer, uint64_t other, unsigned int prefix, unsigned int bits)
{
	unsigned int common = common_bits(peer, other);
	/* A network that the peer is in: the block may be as large as that. */
	unsigned int needed = common >= prefix ? prefix : common + 1;

	return needed > bits ? needed : bits;
}

/* Of our own addresses nothing may be in the block, of networks either all of it or nothing. More
 * than 64: there is no such block. */
static unsigned int
block_bits(const struct pv_ip *ip, uint64_t peer, bool v4)
{
	const struct pv_routes *routes = &ip->routes;
	unsigned int bits = 0;

	for (uint16_t i = 0; v4 && i < routes->n4; i++)
		bits = keep_out(peer, number(routes->v4[i].net, true), routes->v4[i].prefix, bits);
	for (uint16_t i = 0; !v4 && i < routes->n6; i++)
		bits = keep_out(peer, number(routes->v6[i].net[0], false), routes->v6[i].prefix,
				bits);
	for (uint16_t i = 0; i < ip->n_port; i++) {
		const struct pv_own_addresses *own = &ip->port[i].own;

		for (uint16_t k = 0; v4 && k < own->n4; k++)
			bits = keep_out(peer, number(own->v4[k].addr, true), 65, bits);
		for (uint16_t k = 0; !v4 && k < own->n6; k++)
			bits = keep_out(peer, number(pv_ld64(own->v6[k].addr), false), 65, bits);
	}
	return keep_out(peer, v4 ? (uint64_t)127 << 56 : 0, v4 ? 8 : 65, bits);
}

void
pv_path_hint_set(struct pv_path_hint *hint, const struct pv_ip *ip, const struct pv_addr *peer,
		struct pv_neighbour *gateway)
{
	bool v4 = pv_addr_is_v4(peer);
	uint64_t key = pv_path_key(peer, v4), mask;
	unsigned int bits = block_bits(ip, number(key, v4), v4);

	if (bits > (v4 ? 32 : 64))
		return;
	mask = bits == 0 ? 0 : UINT64_MAX << (64 - bits);
	hint->block.mask = v4 ? pv_hton32((uint32_t)(mask >> 32)) : __builtin_bswap64(mask);
	hint->block.net = key & hint->block.mask;
	hint->neighbour = gateway;
	hint->generation = ip->neigh.generation;
}
