/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/reset.h"

#include "tcp/bare.h"
#include "tcp/conn.h"
#include "tcp/state.h"

void
pv_reset_send(struct pv_ctx *ctx, const struct pv_packet *packet)
{
	struct pv_bare rst = { .tuple = &packet->tuple };

	if (packet->flags & PV_TCP_ACK) {
		rst.flags = PV_TCP_RST;
		rst.seq = packet->ack;
	} else {
		rst.flags = PV_TCP_RST | PV_TCP_ACK;
		rst.ack = packet->seq + pv_tcp_seg_len(packet->flags, packet->payload_len);
	}
	/* RFC 7323 3.2: timestamps where the segment had them; TSecr counts only beside an ACK. */
	if (packet->options & PV_TCP_OPT_TS)
		pv_bare_timestamps(&rst, pv_tcp_ms(ctx) + packet->ts_offset,
				rst.flags & PV_TCP_ACK ? packet->tsval : 0);
	pv_count(&ctx->counters, PV_C_TCP_RST_SENT);
	pv_bare_send(ctx, &rst);
}

void
pv_reset_refuse(struct pv_ctx *ctx, const struct pv_packet *packet)
{
	if (pv_rate_take(&ctx->tcp->refusals, ctx->now, ctx->tcp_config.reset_limit))
		pv_reset_send(ctx, packet);
	else
		pv_count(&ctx->counters, PV_C_TCP_RST_LIMITED);
}

enum pv_counter
pv_reset_closed(struct pv_ctx *ctx, const struct pv_packet *packet, enum pv_counter outcome)
{
	if (packet->flags & PV_TCP_RST)
		return PV_C_TCP_NO_CONNECTION_RST;
	if (!pv_rate_take(&ctx->tcp->resets, ctx->now, ctx->tcp_config.reset_limit))
		return PV_C_TCP_NO_CONNECTION_LIMITED;
	pv_reset_send(ctx, packet);
	return outcome;
}

void
pv_reset_reply(struct pv_ctx *ctx, const struct pv_packet *packet)
{
	pv_reset_closed(ctx, packet, PV_C_TCP_NO_CONNECTION);
}

bool
pv_challenge_allowed(struct pv_ctx *ctx)
{
	uint32_t limit = ctx->tcp_config.challenge_ack_limit;

	/* Drawn anew each second, so that nobody can tell from what is missing how much others
	 * used. */
	limit = limit / 2 + pv_rng_below(&ctx->rng, limit / 2 + limit % 2 + 1);
	if (pv_rate_take(&ctx->tcp->challenges, ctx->now, limit)) {
		pv_count(&ctx->counters, PV_C_TCP_CHALLENGE_ACK);
		return true;
	}
	pv_count(&ctx->counters, PV_C_TCP_CHALLENGE_LIMITED);
	return false;
}
