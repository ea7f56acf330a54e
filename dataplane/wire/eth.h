/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_ETH_H
#define PV_WIRE_ETH_H

/*
 * Ethernet II and its VLAN tags (IEEE 802.3, 802.1Q, 802.1ad).
 *
 * A frame is p[0..n) from the destination address on, without preamble and check sequence.
 * Lengths and offsets are bytes, fields are in host order. Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/byteorder.h"

enum {
	PV_ETH_ADDR_LEN = 6,
	PV_ETH_HDR_LEN = 14,
	PV_VLAN_TAG_LEN = 4,
	PV_VLAN_TAGS_MAX = 2,
	PV_VLAN_ID_MASK = 0x0fff,
	PV_ETH_FRAME_MIN = 60,     /* shorter ones are padded on a real wire */
	PV_ETHERTYPE_MIN = 0x0600, /* below: an 802.3 length */
};

enum pv_ethertype {
	PV_ETHERTYPE_IP4 = 0x0800,
	PV_ETHERTYPE_ARP = 0x0806,
	PV_ETHERTYPE_VLAN = 0x8100,
	PV_ETHERTYPE_IP6 = 0x86dd,
	PV_ETHERTYPE_QINQ = 0x88a8,
};

enum pv_eth_error {
	PV_ETH_OK,
	PV_ETH_TRUNCATED, /* ends within the header or a tag */
	PV_ETH_TAGS,      /* more than PV_VLAN_TAGS_MAX tags */
	PV_ETH_LLC,       /* 802.3 length instead of a type */
};

/* What the header says. The addresses are read in place: pv_eth_dst(p), pv_eth_src(p). */
struct pv_eth {
	uint16_t type;                  /* of the payload, behind all tags */
	uint16_t hdr_len;               /* offset of the payload */
	uint16_t tci[PV_VLAN_TAGS_MAX]; /* tag control, outermost first; 0 where there is none */
	uint8_t n_tags;
};

static inline const uint8_t *
pv_eth_dst(const uint8_t *p)
{
	return p;
}

static inline const uint8_t *
pv_eth_src(const uint8_t *p)
{
	return p + PV_ETH_ADDR_LEN;
}

static inline bool
pv_eth_is_tag(uint16_t type)
{
	return type == PV_ETHERTYPE_VLAN || type == PV_ETHERTYPE_QINQ;
}

/* Reads the header and up to two tags. On an error *out is undefined. */
static inline enum pv_eth_error
pv_eth_parse(const uint8_t *p, size_t n, struct pv_eth *out)
{
	if (n < PV_ETH_HDR_LEN)
		return PV_ETH_TRUNCATED;
	*out = (struct pv_eth){ .type = pv_ld16be(p + 12), .hdr_len = PV_ETH_HDR_LEN };
	while (pv_eth_is_tag(out->type)) {
		if (out->n_tags == PV_VLAN_TAGS_MAX)
			return PV_ETH_TAGS;
		if (n < (size_t)out->hdr_len + PV_VLAN_TAG_LEN)
			return PV_ETH_TRUNCATED;
		out->tci[out->n_tags++] = pv_ld16be(p + out->hdr_len);
		out->type = pv_ld16be(p + out->hdr_len + 2);
		out->hdr_len = (uint16_t)(out->hdr_len + PV_VLAN_TAG_LEN);
	}
	return out->type < PV_ETHERTYPE_MIN ? PV_ETH_LLC : PV_ETH_OK;
}

/* Writes an untagged header of PV_ETH_HDR_LEN bytes. */
static inline void
pv_eth_build(uint8_t *p, const uint8_t dst[6], const uint8_t src[6], uint16_t type)
{
	memcpy(p, dst, PV_ETH_ADDR_LEN);
	memcpy(p + PV_ETH_ADDR_LEN, src, PV_ETH_ADDR_LEN);
	pv_st16be(p + 12, type);
}

/*
 * Writes a header with the tags of e (n_tags of them, the outer one of two as 802.1ad) and returns
 * its length, at most PV_ETH_HDR_LEN + 2 * PV_VLAN_TAG_LEN; e->hdr_len is not looked at.
 */
static inline size_t
pv_eth_build_tagged(uint8_t *p, const uint8_t dst[6], const uint8_t src[6], const struct pv_eth *e)
{
	size_t off = 12;

	pv_eth_build(p, dst, src, e->type);
	for (unsigned int i = 0; i < e->n_tags && i < PV_VLAN_TAGS_MAX; i++) {
		bool outer_of_two = i + 1 < e->n_tags;

		pv_st16be(p + off, outer_of_two ? PV_ETHERTYPE_QINQ : PV_ETHERTYPE_VLAN);
		pv_st16be(p + off + 2, e->tci[i]);
		off += PV_VLAN_TAG_LEN;
	}
	pv_st16be(p + off, e->type);
	return off + 2;
}

/* Group address: multicast or broadcast. */
static inline bool
pv_eth_is_multicast(const uint8_t a[6])
{
	return (a[0] & 1) != 0;
}

static inline bool
pv_eth_is_zero(const uint8_t a[6])
{
	return pv_ld32(a) == 0 && pv_ld16(a + 4) == 0;
}

static inline bool
pv_eth_equal(const uint8_t a[6], const uint8_t b[6])
{
	return pv_ld32(a) == pv_ld32(b) && pv_ld16(a + 4) == pv_ld16(b + 4);
}

/* The group address of an IPv6 multicast destination (RFC 2464 7). */
static inline void
pv_eth_of_multicast6(uint8_t a[6], const uint8_t group[16])
{
	pv_st16be(a, 0x3333);
	memcpy(a + 2, group + 12, 4);
}

#endif
