/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_ICMP_H
#define PV_WIRE_ICMP_H

/*
 * ICMP for IPv4 (RFC 792, RFC 1122 3.2.2, RFC 1191 4).
 *
 * A message is p[0..n) behind the IPv4 header, n taken from that header. An error quotes the header
 * and first bytes of the packet it is about; what they say is read by pv_icmp_parse_quote. Fields
 * are in host order, addresses pv_be32. Pure functions; any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/byteorder.h"

enum {
	PV_ICMP_HDR_LEN = 8,
	PV_ICMP_QUOTE_MAX = 576 - 20 -
			8, /* so that an error never exceeds 576 (RFC 1812 4.3.2.3) */
};

enum pv_icmp_type {
	PV_ICMP_ECHO_REPLY = 0,
	PV_ICMP_UNREACH = 3,
	PV_ICMP_QUENCH = 4, /* to be ignored (RFC 6633) */
	PV_ICMP_REDIRECT = 5,
	PV_ICMP_ECHO = 8,
	PV_ICMP_TIME_EXCEEDED = 11,
	PV_ICMP_PARAM_PROBLEM = 12,
};

/* Codes of PV_ICMP_UNREACH. */
enum pv_icmp_unreach {
	PV_ICMP_NET_UNREACH = 0,
	PV_ICMP_HOST_UNREACH = 1,
	PV_ICMP_PROTO_UNREACH = 2,
	PV_ICMP_PORT_UNREACH = 3,
	PV_ICMP_FRAG_NEEDED = 4,
	PV_ICMP_SOURCE_ROUTE_FAILED = 5,
	PV_ICMP_NET_PROHIBITED = 9,
	PV_ICMP_HOST_PROHIBITED = 10,
	PV_ICMP_ADMIN_PROHIBITED = 13,
};

/* Code of PV_ICMP_TIME_EXCEEDED, and of PV_ICMP6_TIME_EXCEEDED. */
#define PV_ICMP_TIME_REASSEMBLY 1

enum pv_icmp_fault {
	PV_ICMP_OK,
	PV_ICMP_TRUNCATED,    /* fewer than 8 bytes */
	PV_ICMP_CHECKSUM,     /* wrong */
	PV_ICMP_QUOTE_SHORT,  /* quotes less than an IP header and 8 bytes */
	PV_ICMP_QUOTE_HEADER, /* quotes something that is no IP header */
	PV_ICMP_QUOTE_FRAG,   /* quotes a later fragment: no ports in it */
};

/* Parsed message, and input of pv_icmp_build. */
struct pv_icmp {
	const uint8_t *data; /* behind the 8 bytes: echo data, or the quoted packet */
	size_t data_len;
	uint16_t id;  /* echo */
	uint16_t seq; /* echo */
	uint16_t mtu; /* fragmentation needed: of the next hop; 0 from old routers */
	uint8_t type;
	uint8_t code;
	uint8_t pointer; /* parameter problem: offset of the byte at fault */
};

/* What an error is about: a packet that we are said to have sent. */
struct pv_icmp_quote {
	pv_be32 src; /* ours */
	pv_be32 dst;
	uint32_t seq;       /* TCP's sequence number; meaningless for other protocols */
	uint16_t total_len; /* of the packet that was quoted, for the plateaus of RFC 1191 7 */
	uint16_t sport;
	uint16_t dport;
	uint8_t proto;
};

/* Whether a type is an error (which never provokes another one). Unknown types are none. */
static inline bool
pv_icmp_is_error(uint8_t type)
{
	return type == PV_ICMP_UNREACH || type == PV_ICMP_QUENCH || type == PV_ICMP_REDIRECT ||
	       type == PV_ICMP_TIME_EXCEEDED || type == PV_ICMP_PARAM_PROBLEM;
}

/*
 * Checks length and checksum and reads a message of any type; the fields that its type does not
 * have are 0. out->data points into p. On an error *out is undefined.
 */
enum pv_icmp_fault pv_icmp_parse(const uint8_t *p, size_t n, struct pv_icmp *out);

/*
 * Reads the packet that an error quotes: q[0..n) is data of a parsed error. The quoted checksum and
 * total length are not judged, since routers cut and change what they quote.
 */
enum pv_icmp_fault pv_icmp_parse_quote(const uint8_t *q, size_t n, struct pv_icmp_quote *out);

/*
 * Writes a message with its checksum and returns its length; 0 if cap bytes do not hold it. The
 * quote of an error is cut to PV_ICMP_QUOTE_MAX. m->data may lie where it is to be.
 */
size_t pv_icmp_build(uint8_t *p, size_t cap, const struct pv_icmp *m);

/* Turns an echo request that pv_icmp_parse took into its reply, in place. */
void pv_icmp_echo_reply(uint8_t *p);

#endif
