/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_SYN_ACK_H
#define PV_TCP_SYN_ACK_H

/* The SYN-ACK of a passive open: built in the SYN's own mbuf, or in a new one when it is sent
 * again. */

#include <stdint.h>

#include "base/check.h"
#include "base/ctx.h"
#include "base/packet.h"

struct pv_listener;
struct pv_path;

struct pv_syn_ack {
	const struct pv_tuple *tuple;
	const struct pv_listener *listener; /* its window, never scaled (RFC 7323 2.2), and shift */
	uint32_t iss, ack;                  /* ack: the peer's ISS + 1 */
	uint32_t tsval, tsecr;              /* where timestamps were agreed on */
	uint8_t agreed;                     /* enum pv_agreed; the low bits are not looked at */
	uint8_t hs; /* PV_HS_* of the handshake option, 0: without; not for a reply */
};

/*
 * A reply with all options from the IP header on, and the sums of its two headers, without what
 * differs from one peer to the next. Made for the first SYN of a burst that needs it and good until
 * that burst ends, so that it never outlives what it was made from.
 */
struct pv_syn_ack_form {
	const struct pv_listener *listener;
	const struct pv_path *path;
	struct pv_addr local;
	uint64_t burst;   /* pv_tcp.bursts */
	uint64_t ip_sum;  /* IPv4 only */
	uint64_t tcp_sum; /* pseudo header included */
	uint16_t mtu;
	uint8_t agreed; /* without the peer's shift */
	uint8_t bytes[80];
} pv_cache_aligned;

/* As many as there are listeners that get SYNs in the same burst, most often. */
#define PV_SYN_ACK_FORMS 8

/* Takes the mbuf. */
void pv_syn_ack_reply(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_syn_ack *s);
void pv_syn_ack_send(struct pv_ctx *ctx, const struct pv_syn_ack *s);

#endif
