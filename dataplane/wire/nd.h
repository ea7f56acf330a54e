/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_ND_H
#define PV_WIRE_ND_H

/*
 * Neighbour solicitation and advertisement (RFC 4861 4.3, 4.4, 7.1), over Ethernet (RFC 2464).
 *
 * A message is p[0..n) behind the IPv6 headers; its checksum has been verified by pv_icmp6_parse.
 * Other ND messages need a router and are not read. Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/eth.h"
#include "wire/icmp6.h"
#include "wire/ip6.h"

enum {
	PV_ND_LEN = 24,     /* without options */
	PV_ND_LEN_MAX = 32, /* as built, with a link-layer address */
	PV_ND_HOP_LIMIT = 255,
	/* Flags of an advertisement. */
	PV_ND_ROUTER = 0x80,
	PV_ND_SOLICITED = 0x40,
	PV_ND_OVERRIDE = 0x20,
};

enum pv_nd_error {
	PV_ND_OK,
	PV_ND_TRUNCATED,
	PV_ND_TYPE,        /* neither solicitation nor advertisement */
	PV_ND_CODE,        /* not 0 */
	PV_ND_HOPS,        /* hop limit not 255: came from another link */
	PV_ND_TARGET,      /* target is no unicast address */
	PV_ND_OPTION,      /* option of length 0, past the end, or an address of wrong length */
	PV_ND_SOURCE,      /* source is a group, or unspecified where it must not be */
	PV_ND_DESTINATION, /* destination that does not go with the source or the flags */
};

/* Parsed message, and input of pv_nd_build. */
struct pv_nd {
	uint8_t target[16];
	uint8_t lladdr[PV_ETH_ADDR_LEN]; /* source's (solicit) or target's (advert), if has_lladdr
					  */
	bool has_lladdr;
	uint8_t type;  /* PV_ICMP6_NEIGH_SOLICIT or PV_ICMP6_NEIGH_ADVERT */
	uint8_t flags; /* PV_ND_*, of an advertisement */
};

/* Does all checks of RFC 4861 7.1 but the checksum. On an error *out is undefined. */
enum pv_nd_error pv_nd_parse(
		const uint8_t *p, size_t n, const struct pv_ip6 *ip, struct pv_nd *out);

/*
 * Writes a message with its checksum and returns its length, PV_ND_LEN or PV_ND_LEN_MAX; ip gives
 * source and destination, its hop limit must be sent as PV_ND_HOP_LIMIT.
 */
size_t pv_nd_build(uint8_t *p, const struct pv_nd *nd, const struct pv_ip6 *ip);

#endif
