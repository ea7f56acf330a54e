/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_ICMP6_H
#define PV_WIRE_ICMP6_H

/*
 * ICMP for IPv6 (RFC 4443), without neighbour discovery, which is nd.h's.
 *
 * A message is p[0..n) behind the IPv6 headers, n taken from them. Fields are in host order,
 * addresses 16 bytes. Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/byteorder.h"
#include "wire/ip6.h"

enum {
	PV_ICMP6_HDR_LEN = 8,
	PV_ICMP6_QUOTE_MAX = 1280 - 40 - 8, /* an error never exceeds the minimum MTU */
};

enum pv_icmp6_type {
	PV_ICMP6_UNREACH = 1,
	PV_ICMP6_TOO_BIG = 2,
	PV_ICMP6_TIME_EXCEEDED = 3,
	PV_ICMP6_PARAM_PROBLEM = 4,
	PV_ICMP6_ECHO = 128,
	PV_ICMP6_ECHO_REPLY = 129,
	PV_ICMP6_ROUTER_SOLICIT = 133,
	PV_ICMP6_ROUTER_ADVERT = 134,
	PV_ICMP6_NEIGH_SOLICIT = 135,
	PV_ICMP6_NEIGH_ADVERT = 136,
	PV_ICMP6_REDIRECT = 137,
};

/* Codes of PV_ICMP6_UNREACH. */
enum pv_icmp6_unreach {
	PV_ICMP6_NO_ROUTE = 0,
	PV_ICMP6_ADMIN_PROHIBITED = 1,
	PV_ICMP6_BEYOND_SCOPE = 2,
	PV_ICMP6_ADDR_UNREACH = 3,
	PV_ICMP6_PORT_UNREACH = 4,
	PV_ICMP6_POLICY = 5,
	PV_ICMP6_REJECT_ROUTE = 6,
};

/* Codes of PV_ICMP6_PARAM_PROBLEM. */
enum pv_icmp6_param {
	PV_ICMP6_PARAM_FIELD = 0,
	PV_ICMP6_PARAM_NEXT_HEADER = 1,
	PV_ICMP6_PARAM_OPTION = 2,
	PV_ICMP6_PARAM_CHAIN = 3, /* a first fragment without all headers (RFC 7112) */
};

enum pv_icmp6_error {
	PV_ICMP6_OK,
	PV_ICMP6_TRUNCATED,    /* fewer than 8 bytes */
	PV_ICMP6_CHECKSUM,     /* wrong */
	PV_ICMP6_QUOTE_SHORT,  /* quotes less than the headers and 8 bytes */
	PV_ICMP6_QUOTE_HEADER, /* quotes something that is no IPv6 header chain */
	PV_ICMP6_QUOTE_FRAG,   /* quotes a later fragment: no ports in it */
};

/* Parsed message, and input of pv_icmp6_build. */
struct pv_icmp6 {
	const uint8_t *data; /* behind the 8 bytes: echo data, or the quoted packet */
	size_t data_len;
	uint32_t mtu;     /* packet too big */
	uint32_t pointer; /* parameter problem */
	uint16_t id;      /* echo */
	uint16_t seq;     /* echo */
	uint8_t type;
	uint8_t code;
};

/* What an error is about: a packet that we are said to have sent. */
struct pv_icmp6_quote {
	uint8_t src[16]; /* ours */
	uint8_t dst[16];
	uint32_t seq; /* TCP's sequence number; meaningless for other protocols */
	uint16_t sport;
	uint16_t dport;
	uint8_t proto;
};

/* Errors are the types below 128, known or not (RFC 4443 2.1). */
static inline bool
pv_icmp6_is_error(uint8_t type)
{
	return type < 128;
}

/*
 * Checks length and checksum and reads a message of any type, also of neighbour discovery; the
 * fields that its type does not have are 0. src and dst are those of the IPv6 header. out->data
 * points into p. On an error *out is undefined.
 */
enum pv_icmp6_error pv_icmp6_parse(const uint8_t *p, size_t n, const uint8_t src[16],
		const uint8_t dst[16], struct pv_icmp6 *out);

/* Reads the packet that an error quotes: q[0..n) is data of a parsed error. */
enum pv_icmp6_error pv_icmp6_parse_quote(const uint8_t *q, size_t n, struct pv_icmp6_quote *out);

/*
 * Writes a message with its checksum and returns its length; 0 if cap bytes do not hold it. The
 * quote of an error is cut to PV_ICMP6_QUOTE_MAX. m->data may lie where it is to be. ip gives
 * source and destination.
 */
size_t pv_icmp6_build(uint8_t *p, size_t cap, const struct pv_icmp6 *m, const struct pv_ip6 *ip);

/*
 * Stores the checksum of a finished message of n bytes, whatever the field holds.
 */
void pv_icmp6_csum_set(uint8_t *p, size_t n, const uint8_t src[16], const uint8_t dst[16]);

#endif
