/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments of a request that is held, awaits its ACK, or was rejected; SYNs that make one. */
#include <errno.h>

#include "base/seq.h"
#include "bridge/backlog.h"
#include "tcp/conn.h"
#include "tcp/handshake.h"
#include "tcp/held.h"
#include "tcp/reset.h"
#include "tcp/source.h"
#include "tcp/state.h"
#include "wire/tcp_hdr.h"
#include "wire/tcp_opt.h"

static struct pv_listener *
listener_of(struct pv_ctx *ctx, const struct pv_held *held)
{
	return &ctx->tcp->listeners.listener[held->listener];
}

/* What the peer sends next. */
static uint32_t
next_seq(const struct pv_held *held)
{
	return held->irs + 1 + held->block_len;
}

/* ---- WAITS ---- */

/* A SYN that was overtaken by one without the option brings the block after all. */
static void
adopt_block(struct pv_ctx *ctx, struct pv_held *held, const struct pv_packet *packet)
{
	struct pv_hs_option hs;
	struct pv_block *block;
	struct pv_exchange *x;

	if ((packet->options & PV_TCP_OPT_HS) == 0 || held->speaks || !pv_hs_of(packet, &hs) ||
			pv_block_of(ctx, packet, &hs, &block) != 0)
		return;
	x = pv_exchange_make(ctx, pv_handle_index(held->handle));
	if (x == NULL) {
		pv_block_free(ctx, block);
		return;
	}
	x->facts = held->facts;
	x->flags = PV_EXCHANGE_SPEAKS | PV_EXCHANGE_UNDECIDED;
	held->speaks = 1;
	if (block != NULL) {
		held->block_len = block->len;
		pv_exchange_keep(ctx, x, PV_OFFER_REQUEST, block);
	}
}

static enum pv_counter
waits(struct pv_ctx *ctx, const struct pv_packet *packet, struct pv_held *held)
{
	uint32_t now = pv_tcp_ms(ctx);

	if (packet->flags & PV_TCP_RST) {
		if (packet->seq != next_seq(held))
			return PV_C_TCP_HELD_OTHER;
		pv_held_end(ctx, held, -ECONNRESET);
		return PV_C_TCP_HELD_WITHDRAWN;
	}
	if ((packet->flags & (PV_TCP_SYN | PV_TCP_ACK | PV_TCP_FIN)) != PV_TCP_SYN) {
		if (packet->flags & PV_TCP_ACK)
			return pv_reset_closed(ctx, packet, PV_C_TCP_ACK_BAD);
		return PV_C_TCP_HELD_OTHER;
	}
	/* Another number is another connection's: either this one is forged, or the old one will
	 * not come again and goes by itself. */
	if (packet->seq != held->irs)
		return PV_C_TCP_HELD_OTHER;
	adopt_block(ctx, held, packet);
	held->ts_recent = packet->tsval;
	pv_held_expect_syn(ctx, held, 2 * (uint64_t)(now - held->last_ms));
	held->last_ms = now;
	return PV_C_TCP_SYN_HELD_AGAIN;
}

/* ---- PENDED: SYN-RECEIVED (RFC 9293 3.10.7.4), as in half_open_segment.c ---- */

static bool
acceptable(const struct pv_packet *packet, const struct pv_held *held, uint32_t window)
{
	uint32_t nxt = next_seq(held), len = pv_tcp_seg_len(packet->flags, packet->payload_len);

	if ((held->agreed & PV_AGREED_TIMESTAMPS) != 0 &&
			((packet->options & PV_TCP_OPT_TS) == 0 ||
					pv_seq_lt(packet->tsval, held->ts_recent)))
		return false;
	/* A probe of a peer whose ACK was lost is as good as that. */
	if (len == 0)
		return packet->seq - nxt < window || packet->seq == nxt - 1;
	return pv_seq_lt(packet->seq, nxt + window) && pv_seq_gt(packet->seq + len, nxt);
}

static enum pv_counter
complete(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_held *held,
		const struct pv_flow_place *place)
{
	const struct pv_exchange *x = pv_exchange_of(ctx, pv_handle_index(held->handle));
	const struct pv_handshake handshake = {
		.listener = listener_of(ctx, held),
		.syn_ns = held->facts.when_ns,
		.handle = held->handle,
		.irs = held->irs,
		.iss = held->iss,
		.ts_recent = held->ts_recent,
		.offer = x != NULL ? pv_block_present(x->got[PV_OFFER_REQUEST]) : 0,
		.mss = held->mss,
		.block_len = held->block_len,
		.agreed = held->agreed,
		.syn_ack_again = held->level,
		.speaks = 1,
		.decided = held->decided,
	};
	enum pv_counter outcome = pv_handshake_complete(ctx, packet, &handshake, place);

	if (pv_handshake_done(outcome))
		pv_held_leave(ctx, held);
	else
		pv_held_end(ctx, held, 0);
	return outcome;
}

static enum pv_counter
pended(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_held *held,
		const struct pv_flow_place *place)
{
	if (packet->flags & PV_TCP_RST) {
		if (packet->seq != next_seq(held))
			return PV_C_TCP_HELD_OTHER;
		pv_held_end(ctx, held, 0);
		return PV_C_TCP_HALF_OPEN_RST;
	}
	if ((packet->flags & (PV_TCP_SYN | PV_TCP_ACK)) == PV_TCP_SYN && packet->seq == held->irs) {
		held->ts_recent = packet->tsval;
		pv_held_answer(ctx, held);
		return PV_C_TCP_SYN_DUPLICATE;
	}
	if ((packet->flags & (PV_TCP_SYN | PV_TCP_ACK)) != PV_TCP_ACK)
		return PV_C_TCP_HELD_OTHER;
	if (!acceptable(packet, held, listener_of(ctx, held)->window))
		return PV_C_TCP_HELD_OTHER;
	if (packet->ack != held->iss + 1)
		return pv_reset_closed(ctx, packet, PV_C_TCP_ACK_BAD);
	return complete(ctx, packet, held, place);
}

/* ---- REJECTED ---- */

static enum pv_counter
rejected(struct pv_ctx *ctx, const struct pv_packet *packet, struct pv_held *held)
{
	if (packet->flags & PV_TCP_RST)
		return PV_C_TCP_HELD_OTHER;
	if ((packet->flags & (PV_TCP_SYN | PV_TCP_ACK)) == PV_TCP_SYN && packet->seq != held->irs) {
		pv_held_end(ctx, held, 0);
		return 0;
	}
	if (pv_rate_take(&ctx->tcp->resets, ctx->now, ctx->tcp_config.reset_limit))
		pv_held_refuse(ctx, held, packet);
	return PV_C_TCP_VERDICT_AGAIN;
}

enum pv_counter
pv_held_segment(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_held *held,
		const struct pv_flow_place *place)
{
	switch ((enum pv_held_state)held->state) {
	case PV_HELD_WAITS:
		return waits(ctx, packet, held);
	case PV_HELD_PENDED:
		return pended(ctx, packet, held, place);
	case PV_HELD_REJECTED:
		return rejected(ctx, packet, held);
	case PV_HELD_STATES:
	default:
		return PV_C_TCP_HELD_OTHER;
	}
}
