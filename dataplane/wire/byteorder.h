/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_BYTEORDER_H
#define PV_WIRE_BYTEORDER_H

/*
 * Loads and stores at any alignment, and conversion to and from network byte order.
 *
 * pv_ld16be(p) and its kin give values in host order. pv_ld16(p) and its kin move the bytes as they
 * lie in memory. A value that stays in network order has the type pv_be16 or pv_be32; in all of
 * wire/ these are IPv4 addresses and checksums, everything else is in host order.
 *
 * Pure functions; any thread.
 */

#include <stdint.h>
#include <string.h>

/* Two or four bytes exactly as they lie on the wire. */
typedef uint16_t pv_be16;
typedef uint32_t pv_be32;

/* True where the most significant byte comes first in memory. */
#define PV_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

/* Usable in constant expressions. */
#define PV_HTON16(v) ((uint16_t)(PV_BIG_ENDIAN ? (uint16_t)(v) : __builtin_bswap16((uint16_t)(v))))
#define PV_HTON32(v) ((uint32_t)(PV_BIG_ENDIAN ? (uint32_t)(v) : __builtin_bswap32((uint32_t)(v))))

static inline pv_be16
pv_hton16(uint16_t v)
{
	return PV_HTON16(v);
}

static inline pv_be32
pv_hton32(uint32_t v)
{
	return PV_HTON32(v);
}

static inline uint16_t
pv_ntoh16(pv_be16 v)
{
	return PV_HTON16(v);
}

static inline uint32_t
pv_ntoh32(pv_be32 v)
{
	return PV_HTON32(v);
}

static inline uint16_t
pv_ld16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t
pv_ld32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t
pv_ld64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void
pv_st16(void *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void
pv_st32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void
pv_st64(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline uint16_t
pv_ld16be(const void *p)
{
	return pv_ntoh16(pv_ld16(p));
}

static inline uint32_t
pv_ld32be(const void *p)
{
	return pv_ntoh32(pv_ld32(p));
}

static inline uint64_t
pv_ld64be(const void *p)
{
	return (uint64_t)pv_ld32be(p) << 32 | pv_ld32be((const uint8_t *)p + 4);
}

static inline void
pv_st16be(void *p, uint16_t v)
{
	pv_st16(p, pv_hton16(v));
}

static inline void
pv_st32be(void *p, uint32_t v)
{
	pv_st32(p, pv_hton32(v));
}

#endif
