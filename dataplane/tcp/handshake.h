/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_HANDSHAKE_H
#define PV_TCP_HANDSHAKE_H

/*
 * The two steps of a passive open (RFC 9293 3.5) at a listener: a SYN gets its SYN-ACK, with a
 * record or a cookie; an ACK gets a control block and a place in the backlog. Each function returns
 * the outcome of its packet.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/counters.h"
#include "base/ctx.h"
#include "base/packet.h"
#include "tcp/flow_table.h"
#include "tcp/listener.h"
#include "tcp/pcb.h"

struct pv_block;

/* What a configuration lets us agree on: enum pv_agreed, without a window scale's value. */
uint8_t pv_syn_offer(const struct pv_tcp_config *config);
/* A SYN without RST for which there is no record. packet->isn is filled. */
enum pv_counter pv_syn_segment(
		struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener);
/* Answers SYNs that follow each other and are alike: to one listener that nobody is asked for, with
 * all options, nothing known of their tuples. Returns how many of n; the next one is for
 * pv_syn_segment, if it is a SYN. */
uint32_t pv_syn_run(struct pv_ctx *ctx, struct pv_packet *packets, uint32_t n);
/* For a SYN that ends TIME-WAIT: refuses it for want of room, or returns 0; then answers it with
 * this ISS, never without a record. */
enum pv_counter pv_syn_refuse(
		struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener);
enum pv_counter pv_syn_reopen(struct pv_ctx *ctx, struct pv_packet *packet,
		struct pv_listener *listener, uint32_t iss);

/* Parts of it for a SYN that is more than that (request.c). unwelcome: refuses it for want of room
 * in the backlog, or returns 0. resend: answers with a cookie that asks for the block again. */
uint8_t pv_syn_negotiate(const struct pv_ctx *ctx, const struct pv_packet *packet);
bool pv_syn_wants_cookie(struct pv_ctx *ctx, struct pv_listener *listener);
/* What the listener's program says of a SYN and its block (NULL: none): 0 (packet->decided: it
 * accepted), or the end of the packet. */
enum pv_counter pv_syn_decide(struct pv_ctx *ctx, struct pv_packet *packet,
		const struct pv_listener *listener, const struct pv_block *block);
/* Answers a plain SYN that was accepted. */
enum pv_counter pv_syn_accept(
		struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener);
enum pv_counter pv_syn_unwelcome(
		struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener);
enum pv_counter pv_syn_resend(struct pv_ctx *ctx, struct pv_packet *packet,
		struct pv_listener *listener, uint8_t agreed);

/* How long a peer may go on trying: all its SYNs, as we would send them; ns. */
uint64_t pv_syn_schedule(const struct pv_tcp_config *config);

/* What the ACK of a SYN-ACK completes. */
struct pv_handshake {
	struct pv_listener *listener;
	uint64_t syn_ns; /* when the SYN came; 0: unknown */
	uint64_t handle; /* of the slot that it has; 0: none yet */
	uint32_t irs, iss;
	uint32_t ts_recent;    /* TSval of the SYN */
	uint32_t offer;        /* PV_OFFER_* of what came with the SYN */
	uint16_t mss;          /* the peer's */
	uint16_t block_len;    /* bytes of block behind its SYN */
	uint8_t agreed;        /* enum pv_agreed */
	uint8_t syn_ack_again; /* SYN-ACKs sent beyond the first */
	uint8_t cookie;
	uint8_t decided; /* by the listener's program: accepted */
	uint8_t speaks;  /* the handshake option was there; with a cookie the block comes now */
};

/*
 * An acceptable ACK. place: where the half-open record stands in the flow table; the control block
 * takes its place over. NULL: there is none. Where there is no room (backlog, control blocks) the
 * peer is reset and the place left as it is; the outcome tells (pv_handshake_done).
 */
enum pv_counter pv_handshake_complete(struct pv_ctx *ctx, struct pv_packet *packet,
		const struct pv_handshake *handshake, const struct pv_flow_place *place);
/* The block that a connection with a cookie had to bring is complete: it enters the backlog. */
void pv_handshake_late(struct pv_ctx *ctx, const struct pv_pcb *pcb, struct pv_packet *packet,
		uint32_t offer);
/* An ACK to a listener without a record: a cookie, or nothing. packet->isn is filled. */
enum pv_counter pv_cookie_segment(
		struct pv_ctx *ctx, struct pv_packet *packet, struct pv_listener *listener);
/* End of a burst: requests that are left go into their backlog; those that find no room there are
 * reset, and the outcome of their packets is changed.
 */
void pv_handshake_flush(struct pv_ctx *ctx);

/* Did the handshake end with a connection? */
static inline bool
pv_handshake_done(enum pv_counter outcome)
{
	return outcome == PV_C_TCP_ACK_ACCEPTED || outcome == PV_C_TCP_ACK_COOKIE;
}

#endif
