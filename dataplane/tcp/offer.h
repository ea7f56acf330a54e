/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_OFFER_H
#define PV_TCP_OFFER_H

/*
 * Blocks among the bytes that a connection sends and receives, and what they do to it: the verdict
 * that a connect waits for, changes of the QoS, disconnect data. For connections with
 * PV_PCB_EXCHANGE only; see exchange.h. `alive` as in established.h.
 */

#include "tcp/established.h"
#include "tcp/exchange.h"

/* ---- sending (offer.c) ---- */

/* Bytes of blocks before a position. */
uint64_t pv_offer_before(const struct pv_exchange *x, uint64_t pos);
/* The block that has this position; NULL: the stream has. */
const struct pv_block *pv_offer_at(const struct pv_exchange *x, uint64_t pos);
/* How much of len bytes at pos one segment may carry: it ends where a block begins or ends, and
 * leaves room for the option. *cut: more would have fitted. 0: the window is too small for the end
 * of a block that must come with the FIN. */
uint32_t pv_offer_cut(
		const struct pv_pcb *pcb, uint64_t pos, uint32_t len, uint32_t room, bool *cut);
/* The option of a segment of len bytes at pos; nothing where it carries stream bytes. */
void pv_offer_option(
		const struct pv_exchange *x, uint64_t pos, uint32_t len, struct pv_tcp_opts *opts);
/* Everything before the position is acknowledged. */
void pv_offer_acked(struct pv_ctx *ctx, struct pv_exchange *x, uint64_t pos);
/* Behind all that was written so far. Owns the block. */
void pv_offer_append(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_block *block);
/* Before anything that was written; nothing has been sent yet. */
void pv_offer_prepend(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_block *block);
/* The last byte was written: what is to be said with the FIN. */
void pv_offer_part(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* Must what waits to be sent go on waiting? */
static inline bool
pv_offer_holds_back(const struct pv_conn_data *d)
{
	return d->exchange != NULL && (d->exchange->flags & PV_EXCHANGE_UNDECIDED) != 0;
}

/* ---- receiving (offer_input.c) ---- */

/* A segment with the option that a connection takes: in its turn, or dropped. */
enum pv_counter pv_offer_text(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet);
/* Stream bytes came where a block had to: the end. */
bool pv_offer_missing(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet);
/* An exact RST ends the connection: what it says. The -errno of a pending connect, or `error`. */
int pv_offer_reset(
		struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet, int error);
/* A connection by a cookie whose block comes now. False: no room. */
bool pv_offer_expect(struct pv_ctx *ctx, struct pv_pcb *pcb);

/* ---- connecting (offer_connect.c) ---- */

/* Makes the exchange of an active open. -EMSGSIZE, -ENOBUFS. */
int pv_offer_connect(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_offer *offer);
/* What goes with the SYN or SYN-ACK that is about to be sent; its block follows the header. NULL:
 * nothing. */
const struct pv_block *pv_offer_syn(const struct pv_pcb *pcb, struct pv_tcp_opts *opts);
/* An answer to a SYN that had a block, in SYN-SENT. */
enum pv_counter pv_offer_answered(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet);
/* The timer of a connect that waits for a verdict; alive. */
bool pv_offer_fired(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* We give up a connect whose SYN was not answered. */
void pv_offer_withdraw(struct pv_ctx *ctx, struct pv_pcb *pcb);

#endif
