/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_SYN_ACK_H
#define PV_TCP_SYN_ACK_H

/* The SYN-ACK of a passive open: built in the SYN's own mbuf, or in a new one when it is sent
 * again. */

#include <stdint.h>

#include "base/ctx.h"
#include "base/packet.h"

struct pv_syn_ack {
	const struct pv_tuple *tuple;
	uint32_t iss, ack;     /* ack: the peer's ISS + 1 */
	uint32_t tsval, tsecr; /* where timestamps were agreed on */
	uint16_t window;       /* never scaled (RFC 7323 2.2) */
	uint8_t agreed;        /* enum pv_agreed; the low bits are not looked at */
	uint8_t rcv_wscale;    /* the shift we offer */
	uint8_t hs;            /* PV_HS_* of the handshake option, 0: without; not for a reply */
};

/* Takes the mbuf. */
void pv_syn_ack_reply(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_syn_ack *s);
void pv_syn_ack_send(struct pv_ctx *ctx, const struct pv_syn_ack *s);

#endif
