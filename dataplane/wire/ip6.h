/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_IP6_H
#define PV_WIRE_IP6_H

/*
 * The IPv6 header and its extension headers as a host meets them (RFC 8200, RFC 5095, RFC 6946),
 * and the kinds of addresses (RFC 4291).
 *
 * A packet is p[0..n) from the version field on; n may be more than the packet (link padding).
 * Lengths and offsets are bytes from the start of the IPv6 header, fields in host order, addresses
 * 16 bytes. Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/byteorder.h"
#include "wire/ip4.h"

enum {
	PV_IP6_HDR_LEN = 40,
	PV_IP6_FRAG_LEN = 8,
	PV_IP6_EXT_MAX = 8, /* more extension headers than this are refused */
	PV_IP6_MTU_MIN = 1280,
};

/* Next headers beside enum pv_ip_proto. */
enum pv_ip6_next {
	PV_IP6_HOP_BY_HOP = 0,
	PV_IP6_ROUTING = 43,
	PV_IP6_FRAGMENT = 44,
	PV_IP6_NO_NEXT = 59,
	PV_IP6_DEST_OPTS = 60,
};

enum pv_ip6_error {
	PV_IP6_OK,
	PV_IP6_TRUNCATED, /* fewer than 40 bytes */
	PV_IP6_VERSION,   /* not 6 */
	PV_IP6_LENGTH,    /* payload length beyond the frame */
	/* From the walk. pv_ip6_upper.at is where the fault lies. */
	PV_IP6_EXT_TRUNCATED,  /* extension header beyond the packet */
	PV_IP6_EXT_COUNT,      /* more than PV_IP6_EXT_MAX of them */
	PV_IP6_HOP_PLACE,      /* hop-by-hop header that is not the first */
	PV_IP6_OPT_LENGTH,     /* option beyond its header */
	PV_IP6_OPT_DISCARD,    /* unknown option, action 01: silently */
	PV_IP6_OPT_REPORT,     /* action 10: send Parameter Problem, code 2 */
	PV_IP6_OPT_REPORT_UNI, /* action 11: the same, unless sent to a group */
	PV_IP6_ROUTING_0,      /* type 0 with segments left (RFC 5095) */
	PV_IP6_ROUTING_OTHER,  /* another type with segments left: Parameter Problem, code 0 */
	PV_IP6_FRAG_BOUNDS,    /* fragment beyond 65,535, or length no whole number of units */
};

/* Parsed fixed header, and input of pv_ip6_build. */
struct pv_ip6 {
	uint8_t src[16];
	uint8_t dst[16];
	uint32_t flow_label; /* 20 bits */
	uint16_t payload_len;
	uint8_t tclass; /* DSCP and ECN */
	uint8_t hop_limit;
	uint8_t next; /* first next header */
};

/* Where the extension headers end. */
struct pv_ip6_upper {
	uint32_t frag_ident;
	uint16_t frag_off; /* in bytes */
	uint16_t off;      /* of the upper-layer header, or of what the fragment holds */
	uint16_t next_at; /* of the byte that names proto (and, of a fragment, the header itself) */
	uint16_t at;      /* after an error: of the byte at fault */
	uint8_t proto;    /* upper-layer protocol, known or not */
	bool fragment;    /* a part of a packet: next_at names 44, proto is that of the whole */
	bool more;        /* more fragments follow */
};

/* Checks and reads the fixed header. On an error *out is undefined. */
static inline enum pv_ip6_error
pv_ip6_parse(const uint8_t *p, size_t n, struct pv_ip6 *out)
{
	uint32_t word;

	if (n < PV_IP6_HDR_LEN)
		return PV_IP6_TRUNCATED;
	word = pv_ld32be(p);
	if (word >> 28 != 6)
		return PV_IP6_VERSION;
	out->payload_len = pv_ld16be(p + 4);
	if (out->payload_len > n - PV_IP6_HDR_LEN)
		return PV_IP6_LENGTH;
	out->tclass = (uint8_t)(word >> 20);
	out->flow_label = word & 0xfffff;
	out->next = p[6];
	out->hop_limit = p[7];
	memcpy(out->src, p + 8, 16);
	memcpy(out->dst, p + 24, 16);
	return PV_IP6_OK;
}

/* The walk itself, for packets that have extension headers. */
enum pv_ip6_error pv_ip6_walk_ext(const uint8_t *p, size_t n, struct pv_ip6_upper *out);

/*
 * Finds the upper-layer protocol of a packet of n bytes, n being PV_IP6_HDR_LEN + payload_len of
 * a header that pv_ip6_parse took. A real fragment (not an atomic one) ends the walk. Bounded by
 * PV_IP6_EXT_MAX headers. On an error only *out.at is defined.
 */
static inline enum pv_ip6_error
pv_ip6_walk(const uint8_t *p, size_t n, struct pv_ip6_upper *out)
{
	if (p[6] == PV_PROTO_TCP || p[6] == PV_PROTO_ICMP6) {
		*out = (struct pv_ip6_upper){ .proto = p[6], .off = PV_IP6_HDR_LEN, .next_at = 6 };
		return PV_IP6_OK;
	}
	return pv_ip6_walk_ext(p, n, out);
}

/* Writes the 40 bytes of the fixed header. */
static inline void
pv_ip6_build(uint8_t *p, const struct pv_ip6 *ip)
{
	pv_st32be(p, (uint32_t)6 << 28 | (uint32_t)ip->tclass << 20 | (ip->flow_label & 0xfffff));
	pv_st16be(p + 4, ip->payload_len);
	p[6] = ip->next;
	p[7] = ip->hop_limit;
	memcpy(p + 8, ip->src, 16);
	memcpy(p + 24, ip->dst, 16);
}

static inline bool
pv_ip6_equal(const uint8_t a[16], const uint8_t b[16])
{
	return ((pv_ld64(a) ^ pv_ld64(b)) | (pv_ld64(a + 8) ^ pv_ld64(b + 8))) == 0;
}

/* :: */
static inline bool
pv_ip6_is_unspecified(const uint8_t a[16])
{
	return (pv_ld64(a) | pv_ld64(a + 8)) == 0;
}

/* ::1 */
static inline bool
pv_ip6_is_loopback(const uint8_t a[16])
{
	return pv_ld64(a) == 0 && pv_ld32(a + 8) == 0 && pv_ld32be(a + 12) == 1;
}

/* ff00::/8 */
static inline bool
pv_ip6_is_multicast(const uint8_t a[16])
{
	return a[0] == 0xff;
}

/* fe80::/10 */
static inline bool
pv_ip6_is_link_local(const uint8_t a[16])
{
	return (pv_ld16be(a) & 0xffc0) == 0xfe80;
}

/* ff02::1 */
static inline bool
pv_ip6_is_all_nodes(const uint8_t a[16])
{
	return pv_ld32be(a) == 0xff020000 && pv_ld32(a + 4) == 0 && pv_ld32(a + 8) == 0 &&
	       pv_ld32be(a + 12) == 1;
}

/* ff02::1:ff00:0/104 */
static inline bool
pv_ip6_is_solicited_node(const uint8_t a[16])
{
	return pv_ld32be(a) == 0xff020000 && pv_ld32(a + 4) == 0 && pv_ld32be(a + 8) == 1 &&
	       a[12] == 0xff;
}

/* ::ffff:0:0/96; never on the wire (RFC 4291 2.5.5.2, RFC 4942 2.2). */
static inline bool
pv_ip6_is_v4_mapped(const uint8_t a[16])
{
	return pv_ld64(a) == 0 && pv_ld32be(a + 8) == 0x0000ffff;
}

/* The group in which the owner of an address hears solicitations for it (RFC 4291 2.7.1). */
static inline void
pv_ip6_solicited_node_of(uint8_t group[16], const uint8_t addr[16])
{
	memset(group, 0, 16);
	pv_st16be(group, 0xff02);
	group[11] = 1;
	group[12] = 0xff;
	memcpy(group + 13, addr + 13, 3);
}

/* Global unicast as it is given out (2000::/3), or unique local (fc00::/7, RFC 4193). */
static inline bool
pv_ip6_is_routed(const uint8_t a[16])
{
	return (a[0] & 0xe0) == 0x20 || (a[0] & 0xfe) == 0xfc;
}

/* May stand as the source of a TCP segment from a device: one host's address. */
static inline bool
pv_ip6_valid_source(const uint8_t a[16])
{
	return !pv_ip6_is_multicast(a) && !pv_ip6_is_unspecified(a) && !pv_ip6_is_loopback(a) &&
	       !pv_ip6_is_v4_mapped(a);
}

/* May be connected to over IPv6: as above, but loopback is one's own affair. */
static inline bool
pv_ip6_valid_unicast(const uint8_t a[16])
{
	return !pv_ip6_is_multicast(a) && !pv_ip6_is_unspecified(a) && !pv_ip6_is_v4_mapped(a);
}

#endif
