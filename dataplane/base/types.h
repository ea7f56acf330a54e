/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BASE_TYPES_H
#define PV_BASE_TYPES_H

/* Addresses, 4-tuples and handles, as everybody uses them. Ports are host order, addresses are
 * bytes in network order. */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "api/pv_api.h" /* the PODs that cross the border are the PODs used inside */

static inline struct pv_addr
pv_addr_from_v4(uint32_t be)
{
	struct pv_addr a = { .b = { [10] = 0xff, [11] = 0xff } };

	memcpy(a.b + 12, &be, sizeof(be));
	return a;
}

/* The four bytes of a v4-mapped address as they stand on the wire. */
static inline uint32_t
pv_addr_v4(const struct pv_addr *a)
{
	uint32_t be;

	memcpy(&be, a->b + 12, sizeof(be));
	return be;
}

/* Is it this IPv4 address, as it stands on the wire? */
static inline bool
pv_addr_is_this_v4(const struct pv_addr *a, uint32_t be)
{
	uint64_t half[2];

	memcpy(half, a->b, sizeof(half));
	return (half[0] | (half[1] ^ ((uint64_t)be << 32 | 0xffff0000))) == 0;
}

static inline bool
pv_addr_equal(const struct pv_addr *a, const struct pv_addr *b)
{
	return memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

static inline bool
pv_addr_is_zero(const struct pv_addr *a)
{
	static const struct pv_addr zero;

	return pv_addr_equal(a, &zero);
}

static inline bool
pv_addr_is_v4(const struct pv_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

/* Any of IPv4: ::ffff:0.0.0.0; of IPv6: ::. */
static inline bool
pv_addr_is_any(const struct pv_addr *a)
{
	return pv_addr_is_zero(a) || (pv_addr_is_v4(a) && pv_addr_v4(a) == 0);
}

/* A connection's name seen from our side. 36 bytes, compared as bytes. */
struct pv_tuple {
	struct pv_addr local, peer;
	uint16_t local_port, peer_port;
};

static inline bool
pv_tuple_equal(const struct pv_tuple *a, const struct pv_tuple *b)
{
	return memcmp(a, b, 2 * sizeof(a->local)) == 0 &&
	       ((a->local_port ^ b->local_port) | (a->peer_port ^ b->peer_port)) == 0;
}

static inline uint64_t
pv_handle_make(uint8_t worker, uint32_t index, uint32_t generation)
{
	return (uint64_t)worker << 56 | (uint64_t)(index & 0xffffff) << 32 | generation;
}

static inline uint8_t
pv_handle_worker(uint64_t handle)
{
	return (uint8_t)(handle >> 56);
}

static inline uint32_t
pv_handle_index(uint64_t handle)
{
	return (uint32_t)(handle >> 32) & 0xffffff;
}

static inline uint32_t
pv_handle_generation(uint64_t handle)
{
	return (uint32_t)handle;
}

#endif
