/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks among what a connection receives: put together in their turn, and what they change. */
#include "tcp/offer.h"

#include <errno.h>
#include <rte_mbuf.h>

#include "tcp/handshake.h"
#include "wire/byteorder.h"

static void
keep(struct pv_ctx *ctx, struct pv_exchange *x, enum pv_offer_kind kind, struct pv_block **block)
{
	pv_exchange_keep(ctx, x, kind, *block);
	*block = NULL;
}

/* The request of a connection by a cookie. */
static void
requested(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_exchange *x, struct pv_packet *packet)
{
	x->flags &= ~(uint32_t)PV_EXCHANGE_EXPECTS;
	pv_conn_timer_clear(pcb->data, PV_CONN_LIMIT);
	pv_handshake_late(ctx, pcb, packet, pv_block_present(x->got[PV_OFFER_REQUEST]));
}

static void
accepted(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_exchange *x)
{
	x->flags &= ~(uint32_t)PV_EXCHANGE_PENDING;
	x->flags |= PV_EXCHANGE_SPEAKS;
	pcb->flags &= ~(uint32_t)PV_PCB_CONNECTING;
	pv_conn_timer_clear(pcb->data, PV_CONN_KEEPALIVE);
	if ((pcb->flags & PV_PCB_KEEPALIVE) != 0)
		pv_keepalive_start(ctx, pcb);
	pv_connect_report(ctx, pcb);
}

static void
qos(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_exchange *x, struct pv_block **block)
{
	struct pv_status *status = &pcb->data->shared->status;
	enum pv_offer_kind kind = PV_OFFER_QOS_ASK;

	if ((*block)->flags & PV_HS_ACC)
		kind = PV_OFFER_QOS_AGREE;
	else if ((*block)->flags & PV_HS_REJ)
		kind = PV_OFFER_QOS_REFUSE;
	if (kind != PV_OFFER_QOS_ASK)
		x->flags &= ~(uint32_t)PV_EXCHANGE_ASKING;
	keep(ctx, x, kind, block);
	__atomic_store_n(&status->qos, status->qos + 1, __ATOMIC_RELAXED);
	pv_conn_report(ctx, pcb, PV_READY_QOS, 0, PV_READY_QOS);
}

/* A block is whole. What nobody waits for is taken and forgotten. */
static void
deliver(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_exchange *x, struct pv_packet *packet)
{
	struct pv_block *block = x->coming;

	x->coming = NULL;
	if (block->flags & PV_HS_QOS) {
		qos(ctx, pcb, x, &block);
	} else if (block->flags & PV_HS_DISC) {
		keep(ctx, x, PV_OFFER_DISCONNECT, &block);
	} else if ((block->flags & PV_HS_REQ) != 0 && (x->flags & PV_EXCHANGE_EXPECTS) != 0) {
		keep(ctx, x, PV_OFFER_REQUEST, &block);
		requested(ctx, pcb, x, packet);
	} else if ((block->flags & PV_HS_ACC) != 0 && (x->flags & PV_EXCHANGE_PENDING) != 0) {
		keep(ctx, x, PV_OFFER_ANSWER, &block);
		accepted(ctx, pcb, x);
	}
	pv_block_free(ctx, block);
}

/* Does the end of the block lie in what was not cut off? */
static bool
is_last(const struct pv_packet *packet, const struct pv_hs_option *hs)
{
	const uint8_t *header =
			rte_pktmbuf_mtod_offset(packet->mbuf, const uint8_t *, packet->l4_offset);

	return (hs->flags & PV_HS_MORE) == 0 &&
	       packet->seq + packet->payload_len == pv_ld32be(header + 4) + hs->block_len;
}

/* Adds the segment's bytes to what came before. 0, or why not. */
static enum pv_counter
add(struct pv_ctx *ctx, struct pv_exchange *x, const struct pv_packet *packet,
		const struct pv_hs_option *hs)
{
	struct pv_block *block = x->coming != NULL ? x->coming : pv_block_new(ctx);
	uint16_t before;
	const uint8_t *p;

	if (block == NULL)
		return PV_C_TCP_BEYOND_BUFFER;
	x->coming = block;
	before = block->len;
	if (packet->payload_len > PV_HS_BLOCK_MAX - before)
		return PV_C_TCP_OFFER_BAD;
	p = rte_pktmbuf_read(packet->mbuf, packet->payload_offset, packet->payload_len,
			block->bytes + before);
	if (p != block->bytes + before)
		memcpy(block->bytes + before, p, packet->payload_len);
	block->len = (uint16_t)(before + packet->payload_len);
	block->flags = hs->flags;
	block->reason = hs->reason;
	if (!is_last(packet, hs) || pv_block_read(block, PV_OFFER_REQUEST, NULL))
		return 0;
	block->len = before;
	return PV_C_TCP_OFFER_BAD;
}

enum pv_counter
pv_offer_text(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet)
{
	struct pv_exchange *x = pcb->data->exchange;
	enum pv_counter refused = PV_C_TCP_OFFER_EARLY;
	struct pv_hs_option hs;
	bool last;

	if ((pcb->flags & PV_PCB_FIN_RECEIVED) != 0)
		return PV_C_TCP_AFTER_FIN;
	pv_hs_of(packet, &hs);
	if (packet->seq == pcb->rcv_nxt)
		refused = add(ctx, x, packet, &hs);
	pv_ack_now(ctx, pcb);
	if (refused != 0) {
		packet->flags &= (uint8_t)~PV_TCP_FIN;
		return refused;
	}
	last = is_last(packet, &hs);
	pcb->rcv_nxt += packet->payload_len;
	if (last)
		deliver(ctx, pcb, x, packet);
	pv_text_catch_up(ctx, pcb, packet);
	return PV_C_TCP_OFFER;
}

bool
pv_offer_missing(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet)
{
	const uint32_t waits = PV_EXCHANGE_PENDING | PV_EXCHANGE_EXPECTS;

	if ((pcb->data->exchange->flags & waits) == 0 || packet->seq != pcb->rcv_nxt ||
			(packet->payload_len == 0 && (packet->flags & PV_TCP_FIN) == 0))
		return false;
	pv_conn_destroy(ctx, pcb, -ECONNABORTED, true);
	return true;
}

static int
error_of(uint8_t reason)
{
	switch (reason) {
	case PV_HS_QOS_ADMISSION:
	case PV_HS_QOS_POLICY:
	case PV_HS_QOS_INVALID:
		return -EOPNOTSUPP;
	default:
		return -ECONNREFUSED;
	}
}

int
pv_offer_reset(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet, int error)
{
	bool connecting = pcb->state == PV_SYN_SENT || (pcb->flags & PV_PCB_CONNECTING) != 0;
	struct pv_exchange *x = pv_exchange_of(ctx, pcb->index);
	struct pv_block *block = NULL;
	struct pv_hs_option hs;

	if (connecting)
		error = -ECONNREFUSED;
	if ((packet->options & PV_TCP_OPT_HS) == 0 || !pv_hs_of(packet, &hs))
		return error;
	if (pv_block_of(ctx, packet, &hs, &block) != 0)
		block = NULL;
	if ((hs.flags & PV_HS_REJ) != 0 && connecting) {
		if (block == NULL && hs.reason != 0)
			block = pv_block_new(ctx);
		if (block != NULL)
			block->reason = hs.reason;
		pv_exchange_keep(ctx, x, PV_OFFER_ANSWER, block);
		return error_of(hs.reason);
	}
	if (block != NULL)
		pv_exchange_keep(ctx, x, PV_OFFER_DISCONNECT, block);
	return error;
}

bool
pv_offer_expect(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_exchange *x = pv_exchange_make(ctx, pcb->index);

	if (x == NULL || pv_conn_data_get(ctx, pcb) == NULL) {
		pv_exchange_drop(ctx, pcb->index);
		return false;
	}
	x->flags = PV_EXCHANGE_SPEAKS | PV_EXCHANGE_UNDECIDED | PV_EXCHANGE_EXPECTS;
	pcb->data->exchange = x;
	pv_conn_timer_set(ctx, pcb, PV_CONN_LIMIT, ctx->now + pv_syn_schedule(&ctx->tcp_config));
	return true;
}
