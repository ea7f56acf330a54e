/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_ARP_H
#define PV_WIRE_ARP_H

/*
 * ARP for IPv4 over Ethernet (RFC 826; probes and announcements RFC 5227).
 *
 * A packet is p[0..n) behind the Ethernet header; padding behind its 28 bytes is ignored.
 * Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wire/byteorder.h"
#include "wire/eth.h"
#include "wire/ip4.h"

enum {
	PV_ARP_LEN = 28,
	PV_ARP_HTYPE_ETH = 1,
	PV_ARP_REQUEST = 1,
	PV_ARP_REPLY = 2,
};

enum pv_arp_error {
	PV_ARP_OK,
	PV_ARP_TRUNCATED,
	PV_ARP_HTYPE,  /* not Ethernet */
	PV_ARP_PTYPE,  /* not IPv4 */
	PV_ARP_HLEN,   /* hardware address length not 6 */
	PV_ARP_PLEN,   /* protocol address length not 4 */
	PV_ARP_OP,     /* neither request nor reply */
	PV_ARP_SENDER, /* sender address that no host can have */
};

/* Parsed packet, and input of pv_arp_build. */
struct pv_arp {
	pv_be32 spa; /* sender's protocol address; zero in a probe */
	pv_be32 tpa; /* target's */
	uint16_t op; /* PV_ARP_REQUEST or PV_ARP_REPLY */
	uint8_t sha[PV_ETH_ADDR_LEN];
	uint8_t tha[PV_ETH_ADDR_LEN];
};

/* One host's Ethernet address, and one host's IPv4 address or none (a probe). */
static inline bool
pv_arp_sender_valid(const struct pv_arp *arp)
{
	if (pv_eth_is_multicast(arp->sha) || pv_eth_is_zero(arp->sha))
		return false;
	return arp->spa == 0 || pv_ip4_valid_source(arp->spa);
}

/* Checks and reads a packet. On an error *out is undefined. */
static inline enum pv_arp_error
pv_arp_parse(const uint8_t *p, size_t n, struct pv_arp *out)
{
	if (n < PV_ARP_LEN)
		return PV_ARP_TRUNCATED;
	if (pv_ld16be(p) != PV_ARP_HTYPE_ETH)
		return PV_ARP_HTYPE;
	if (pv_ld16be(p + 2) != PV_ETHERTYPE_IP4)
		return PV_ARP_PTYPE;
	if (p[4] != PV_ETH_ADDR_LEN)
		return PV_ARP_HLEN;
	if (p[5] != sizeof(pv_be32))
		return PV_ARP_PLEN;
	out->op = pv_ld16be(p + 6);
	if (out->op != PV_ARP_REQUEST && out->op != PV_ARP_REPLY)
		return PV_ARP_OP;
	memcpy(out->sha, p + 8, PV_ETH_ADDR_LEN);
	out->spa = pv_ld32(p + 14);
	memcpy(out->tha, p + 18, PV_ETH_ADDR_LEN);
	out->tpa = pv_ld32(p + 24);
	return pv_arp_sender_valid(out) ? PV_ARP_OK : PV_ARP_SENDER;
}

/* Writes PV_ARP_LEN bytes. */
static inline void
pv_arp_build(uint8_t *p, const struct pv_arp *arp)
{
	pv_st16be(p, PV_ARP_HTYPE_ETH);
	pv_st16be(p + 2, PV_ETHERTYPE_IP4);
	p[4] = PV_ETH_ADDR_LEN;
	p[5] = sizeof(pv_be32);
	pv_st16be(p + 6, arp->op);
	memcpy(p + 8, arp->sha, PV_ETH_ADDR_LEN);
	pv_st32(p + 14, arp->spa);
	memcpy(p + 18, arp->tha, PV_ETH_ADDR_LEN);
	pv_st32(p + 24, arp->tpa);
}

/* Asks whether an address is taken without claiming it (RFC 5227 2.1.1). */
static inline bool
pv_arp_is_probe(const struct pv_arp *arp)
{
	return arp->op == PV_ARP_REQUEST && arp->spa == 0;
}

#endif
