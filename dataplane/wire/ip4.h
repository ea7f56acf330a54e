/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_IP4_H
#define PV_WIRE_IP4_H

/*
 * The IPv4 header (RFC 791) and which addresses may stand in it (RFC 1122 3.2.1.3, RFC 6890).
 *
 * A packet is p[0..n) from the version field on; n may be more than the packet (link padding).
 * Lengths and offsets are bytes, fields in host order, addresses pv_be32 in network order.
 * Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/byteorder.h"
#include "wire/csum.h"

enum {
	PV_IP4_HDR_LEN = 20, /* without options */
	PV_IP4_HDR_MAX = 60,
	PV_IP4_DF = 0x4000, /* bits of pv_ip4.flags, as in the header */
	PV_IP4_MF = 0x2000,
	PV_IP4_EVIL = 0x8000, /* reserved (RFC 791 3.1); ignored on receipt */
};

/* Protocol numbers, and next headers of IPv6. */
enum pv_ip_proto {
	PV_PROTO_ICMP = 1,
	PV_PROTO_TCP = 6,
	PV_PROTO_UDP = 17,
	PV_PROTO_ICMP6 = 58,
};

enum pv_ip4_error {
	PV_IP4_OK,
	PV_IP4_TRUNCATED,   /* fewer bytes than the header has */
	PV_IP4_VERSION,     /* not 4 */
	PV_IP4_IHL,         /* header length below 20 */
	PV_IP4_LENGTH,      /* total length below the header's, or beyond the frame */
	PV_IP4_CHECKSUM,    /* header checksum wrong */
	PV_IP4_FRAG_BOUNDS, /* fragment would end beyond 65,535 or has no whole number of units */
};

/* Parsed header, and input of pv_ip4_build. */
struct pv_ip4 {
	pv_be32 src;
	pv_be32 dst;
	uint16_t total_len; /* header and payload */
	uint16_t ident;
	uint16_t flags;    /* PV_IP4_DF, PV_IP4_MF, PV_IP4_EVIL */
	uint16_t frag_off; /* in bytes */
	uint8_t hdr_len;   /* 20 to 60; more than 20: there are options */
	uint8_t tos;       /* DSCP and ECN */
	uint8_t ttl;
	uint8_t proto;
};

/* A constant address in network order. */
#define PV_IP4_ADDR(a, b, c, d)                                                                    \
	PV_HTON32(((uint32_t)(a) << 24) | ((uint32_t)(b) << 16) | ((uint32_t)(c) << 8) |           \
			(uint32_t)(d))

static inline bool
pv_ip4_is_fragment(const struct pv_ip4 *ip)
{
	return (ip->flags & PV_IP4_MF) != 0 || ip->frag_off != 0;
}

static inline uint16_t
pv_ip4_payload_len(const struct pv_ip4 *ip)
{
	return (uint16_t)(ip->total_len - ip->hdr_len);
}

static inline bool
pv_ip4_frag_in_bounds(const struct pv_ip4 *ip)
{
	unsigned int len = pv_ip4_payload_len(ip);

	if (ip->frag_off + len > UINT16_MAX - PV_IP4_HDR_LEN)
		return false;
	return (ip->flags & PV_IP4_MF) == 0 || (len != 0 && len % 8 == 0);
}

/*
 * Checks and reads a header. With verify the header checksum is checked too (not needed where the
 * device has done it). Addresses are not judged here: see pv_ip4_valid_source. On an error *out is
 * undefined.
 */
static inline enum pv_ip4_error
pv_ip4_parse(const uint8_t *p, size_t n, bool verify, struct pv_ip4 *out)
{
	uint16_t frag;

	if (n < PV_IP4_HDR_LEN)
		return PV_IP4_TRUNCATED;
	if (p[0] >> 4 != 4)
		return PV_IP4_VERSION;
	out->hdr_len = (uint8_t)((p[0] & 0x0f) * 4);
	if (out->hdr_len < PV_IP4_HDR_LEN)
		return PV_IP4_IHL;
	if (n < out->hdr_len)
		return PV_IP4_TRUNCATED;
	out->total_len = pv_ld16be(p + 2);
	if (out->total_len < out->hdr_len || out->total_len > n)
		return PV_IP4_LENGTH;
	if (verify && !pv_csum_ok(pv_csum_part(p, out->hdr_len)))
		return PV_IP4_CHECKSUM;
	frag = pv_ld16be(p + 6);
	out->flags = frag & 0xe000;
	out->frag_off = (uint16_t)((frag & 0x1fff) * 8);
	if (pv_ip4_is_fragment(out) && !pv_ip4_frag_in_bounds(out))
		return PV_IP4_FRAG_BOUNDS;
	out->tos = p[1];
	out->ident = pv_ld16be(p + 4);
	out->ttl = p[8];
	out->proto = p[9];
	out->src = pv_ld32(p + 12);
	out->dst = pv_ld32(p + 16);
	return PV_IP4_OK;
}

/*
 * Writes a header of 20 bytes with its checksum. ip->hdr_len is taken as 20 whatever it says;
 * total_len counts it.
 */
static inline void
pv_ip4_build(uint8_t *p, const struct pv_ip4 *ip)
{
	p[0] = 0x45;
	p[1] = ip->tos;
	pv_st16be(p + 2, ip->total_len);
	pv_st16be(p + 4, ip->ident);
	pv_st16be(p + 6, (uint16_t)(ip->flags | ip->frag_off / 8));
	p[8] = ip->ttl;
	p[9] = ip->proto;
	pv_st16(p + 10, 0);
	pv_st32(p + 12, ip->src);
	pv_st32(p + 16, ip->dst);
	pv_st16(p + 10, pv_csum(p, PV_IP4_HDR_LEN));
}

static inline bool
pv_ip4_is_loopback(pv_be32 a)
{
	return pv_ntoh32(a) >> 24 == 127;
}

static inline bool
pv_ip4_is_multicast(pv_be32 a)
{
	return pv_ntoh32(a) >> 28 == 0xe;
}

/* Limited broadcast. That of a subnet is known to the route table only. */
static inline bool
pv_ip4_is_broadcast(pv_be32 a)
{
	return a == UINT32_MAX;
}

/*
 * May stand as the source of a packet from a device: one host, not this network, not loopback, not
 * a group, not reserved. Subnet broadcasts must be looked up besides.
 */
static inline bool
pv_ip4_valid_source(pv_be32 a)
{
	uint32_t host = pv_ntoh32(a);

	/* As numbers: whole ones, since parts of them are slow to get at. */
	return host - 0x01000000 < 0xdf000000 && host - 0x7f000000 >= 0x01000000;
}

/* May be connected to: as above, but loopback is one's own affair. */
static inline bool
pv_ip4_valid_unicast(pv_be32 a)
{
	return (pv_ntoh32(a) >> 24) - 1 < 223;
}

#endif
