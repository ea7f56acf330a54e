/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A connect with an offer (wire.md's exchanges, seen from the client): the block on the first two
 * SYNs, what each answer means, and the time between the handshake and the verdict.
 */
#include "tcp/offer.h"

#include <errno.h>

#include "tcp/handshake.h"
#include "tcp/state.h"

enum {
	SYNS_WITH = 2,       /* later ones go without: it may be the option that is dropped */
	ISS_STEP = 1u << 17, /* beyond anything that the last attempt may have numbered */
};

int
pv_offer_connect(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_offer *offer)
{
	struct pv_exchange *x = pv_exchange_make(ctx, pcb->index);
	struct pv_block *block = pv_block_new(ctx);
	int error = x != NULL && block != NULL ? pv_block_write(block, offer, PV_BLOCK_SYN_MAX) :
						 -ENOBUFS;

	if (error != 0) {
		pv_block_free(ctx, block);
		pv_exchange_drop(ctx, pcb->index);
		return error;
	}
	pcb->flags |= PV_PCB_EXCHANGE;
	block->flags = PV_HS_REQ;
	x->syn = block;
	x->syn_len = block->len;
	x->until = ctx->now + pv_syn_schedule(&ctx->tcp_config);
	return 0;
}

const struct pv_block *
pv_offer_syn(const struct pv_pcb *pcb, struct pv_tcp_opts *opts)
{
	const struct pv_exchange *x = pcb->data->exchange;
	bool active = (pcb->flags & PV_PCB_ACTIVE) != 0;

	if ((x->flags & PV_EXCHANGE_WITHDRAWN) != 0 || (active && pcb->data->backoff >= SYNS_WITH))
		return NULL;
	opts->present |= PV_TCP_OPT_HS;
	opts->hs.flags = active ? PV_HS_REQ : x->syn != NULL ? PV_HS_ACC : PV_HS_PEND;
	opts->hs.block_len = x->syn != NULL ? x->syn->len : 0;
	return x->syn;
}

static void
withdraw_block(struct pv_ctx *ctx, struct pv_exchange *x)
{
	x->flags |= PV_EXCHANGE_WITHDRAWN;
	pv_block_free(ctx, x->syn);
	x->syn = NULL;
	x->syn_len = 0;
}

/* The block went into the peer's stream: that connection is to end, and another to begin. */
static enum pv_counter
restart(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet)
{
	pv_reset_reply(ctx, packet);
	withdraw_block(ctx, pcb->data->exchange);
	pcb->iss += ISS_STEP;
	pcb->snd_una = pcb->iss;
	pcb->snd_nxt = pcb->iss + 1;
	pcb->flags |= PV_PCB_SYN_LOST;
	pv_count(&ctx->counters, PV_C_OFFER_RESTARTED);
	pv_connect_send_syn(ctx, pcb);
	return PV_C_TCP_SYN_SENT;
}

/* Established, and the verdict is still to come. */
static enum pv_counter
wait_for_verdict(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet, bool again)
{
	struct pv_exchange *x = pcb->data->exchange;
	struct pv_block *block = x->syn;

	x->syn = NULL;
	x->flags |= PV_EXCHANGE_PENDING | PV_EXCHANGE_SPEAKS;
	pcb->flags |= PV_PCB_CONNECTING;
	pv_connect_answered(ctx, pcb, packet, 0);
	if (again) {
		pv_offer_prepend(ctx, pcb, block);
	} else {
		pv_block_free(ctx, block);
	}
	return PV_C_TCP_SYN_SENT;
}

static enum pv_counter
take_answer(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet,
		const struct pv_hs_option *hs)
{
	struct pv_exchange *x = pcb->data->exchange;
	struct pv_block *block;
	int error = pv_block_of(ctx, packet, hs, &block);

	if (error != 0)
		return error == -EPROTO ? PV_C_TCP_OFFER_BAD : PV_C_TCP_BEYOND_BUFFER;
	pv_exchange_keep(ctx, x, PV_OFFER_ANSWER, block);
	pv_block_free(ctx, x->syn);
	x->syn = NULL;
	x->flags |= PV_EXCHANGE_SPEAKS;
	packet->payload_len = 0;
	return pv_connect_answered(ctx, pcb, packet, hs->block_len);
}

/* A SYN-ACK that acknowledges our SYN, or all of our block with it. */
static enum pv_counter
syn_ack(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet, bool all)
{
	struct pv_hs_option hs;

	if ((packet->options & PV_TCP_OPT_HS) == 0) {
		if (all)
			return restart(ctx, pcb, packet);
		withdraw_block(ctx, pcb->data->exchange);
		return pv_connect_answered(ctx, pcb, packet, 0);
	}
	if (!pv_hs_of(packet, &hs))
		return PV_C_TCP_OFFER_BAD;
	if (all && (hs.flags & PV_HS_ACC) != 0)
		return take_answer(ctx, pcb, packet, &hs);
	if (packet->payload_len == 0 && (packet->flags & PV_TCP_FIN) == 0) {
		if (all && (hs.flags & PV_HS_PEND) != 0)
			return wait_for_verdict(ctx, pcb, packet, false);
		if (!all && (hs.flags & PV_HS_RESEND) != 0)
			return wait_for_verdict(ctx, pcb, packet, true);
	}
	return PV_C_TCP_OFFER_BAD;
}

enum pv_counter
pv_offer_answered(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet)
{
	const struct pv_exchange *x = pcb->data->exchange;
	uint32_t beyond = packet->ack - (pcb->iss + 1);
	bool ack = (packet->flags & PV_TCP_ACK) != 0;

	if (ack && beyond > x->syn_len) {
		if ((packet->flags & PV_TCP_RST) == 0)
			pv_reset_reply(ctx, packet);
		return PV_C_TCP_SYN_SENT_BAD;
	}
	if ((packet->flags & PV_TCP_RST) != 0) {
		if (!ack)
			return PV_C_TCP_SYN_SENT_BAD;
		return pv_connect_refused(ctx, pcb, packet);
	}
	if ((packet->flags & PV_TCP_SYN) == 0)
		return PV_C_TCP_SYN_SENT_BAD;
	if (!ack) {
		withdraw_block(ctx, pcb->data->exchange);
		return pv_connect_crossed(ctx, pcb, packet);
	}
	/* Part of a block is in nobody's plan but a middlebox's. */
	if (beyond != 0 && beyond != x->syn_len)
		return restart(ctx, pcb, packet);
	return syn_ack(ctx, pcb, packet, beyond != 0);
}

bool
pv_offer_fired(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_exchange *x = d->exchange;
	struct pv_segment_out probe = { .seq = pcb->snd_nxt - 1, .flags = PV_TCP_ACK };
	uint64_t next;

	if (ctx->now >= x->until) {
		pv_conn_destroy(ctx, pcb, d->soft_error != 0 ? d->soft_error : -ETIMEDOUT, true);
		return false;
	}
	/* What is not acknowledged is sent again by a timer of its own. */
	if (pcb->snd_una == pcb->snd_nxt && x->probes != 0) {
		pv_count(&ctx->counters, PV_C_TCP_KEEPALIVE);
		pv_segment_send(ctx, pcb, &probe);
	}
	next = ctx->now + ((uint64_t)d->config->rto_initial << x->probes) * PV_MS;
	if (x->probes < 16)
		x->probes++;
	pv_conn_timer_set(ctx, pcb, PV_CONN_KEEPALIVE, next < x->until ? next : x->until);
	return true;
}

void
pv_offer_withdraw(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	const struct pv_exchange *x = pcb->data != NULL ? pcb->data->exchange : NULL;
	struct pv_segment_out rst = { .seq = pcb->iss + 1, .flags = PV_TCP_RST };

	if (x == NULL || (x->flags & PV_EXCHANGE_WITHDRAWN) != 0)
		return;
	rst.seq += x->syn_len;
	pv_count(&ctx->counters, PV_C_TCP_RST_SENT);
	pv_segment_send(ctx, pcb, &rst);
}
