/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments for a half-open connection: RFC 9293 3.10.7.4 in SYN-RECEIVED, with RFC 5961's rules for
 * RST and SYN. A SYN that is not the one we answered is challenged like in a synchronised state,
 * where RFC 9293 would return to LISTEN: a peer that began anew answers the challenge with an exact
 * RST, and a forged SYN does no harm.
 */
#include "tcp/bare.h"
#include "tcp/conn.h"
#include "tcp/half_open_ack.h"
#include "tcp/reset.h"
#include "tcp/state.h"
#include "tcp/syn_ack.h"

/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, as far as the limit on such answers allows. */
static enum pv_counter
challenge(struct pv_ctx *ctx, const struct pv_packet *packet, const struct pv_record *record,
		enum pv_counter outcome)
{
	const struct pv_listener *listener = pv_half_open_listener(ctx, record);
	struct pv_bare ack = {
		.tuple = &packet->tuple,
		.seq = record->half_open.iss + 1,
		.ack = record->half_open.irs + 1,
		.window = listener->window,
		.flags = PV_TCP_ACK,
		.tos = listener->tos,
		.ttl = listener->ttl,
	};

	if (!pv_challenge_allowed(ctx))
		return outcome;
	if (record->half_open.agreed & PV_AGREED_WSCALE)
		ack.window = (uint16_t)(ack.window >> listener->rcv_wscale);
	if (record->half_open.agreed & PV_AGREED_TIMESTAMPS)
		pv_bare_timestamps(&ack, ctx->tcp->ms + packet->ts_offset, record->ts_recent);
	pv_bare_send(ctx, &ack);
	return outcome;
}

/* The SYN we answered came again: so does our answer. */
static enum pv_counter
repeat(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_record *record)
{
	const struct pv_listener *listener = pv_half_open_listener(ctx, record);
	const struct pv_syn_ack s = {
		.tuple = &packet->tuple,
		.listener = listener,
		.iss = record->half_open.iss,
		.ack = record->half_open.irs + 1,
		.tsval = ctx->tcp->ms + packet->ts_offset,
		.tsecr = packet->tsval,
		.agreed = record->half_open.agreed,
	};

	record->ts_recent = packet->tsval;
	pv_syn_ack_reply(ctx, packet, &s);
	return PV_C_TCP_SYN_DUPLICATE;
}

static enum pv_counter
syn(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_record *record)
{
	if (packet->flags & PV_TCP_FIN)
		return PV_C_TCP_SYN_BAD_FLAGS;
	if ((packet->flags & PV_TCP_ACK) == 0 && packet->seq == record->half_open.irs)
		return repeat(ctx, packet, record);
	return challenge(ctx, packet, record, PV_C_TCP_HALF_OPEN_CHALLENGED);
}

static enum pv_counter
rst(struct pv_ctx *ctx, const struct pv_packet *packet, struct pv_record *record,
		const struct pv_flow_place *place)
{
	uint32_t offset = packet->seq - (record->half_open.irs + 1);

	if (offset == 0) {
		pv_half_open_end(ctx, place);
		return PV_C_TCP_HALF_OPEN_RST;
	}
	if (offset < pv_half_open_listener(ctx, record)->window)
		return challenge(ctx, packet, record, PV_C_TCP_HALF_OPEN_CHALLENGED);
	return PV_C_TCP_HALF_OPEN_OTHER;
}

enum pv_counter
pv_half_open_segment(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_record *record,
		const struct pv_flow_place *place)
{
	if (packet->flags & PV_TCP_RST)
		return rst(ctx, packet, record, place);
	if (packet->flags & PV_TCP_SYN)
		return syn(ctx, packet, record);
	if (!pv_half_open_is_ack(packet, record))
		return PV_C_TCP_HALF_OPEN_OTHER;
	if (!pv_half_open_acceptable(packet, record, pv_half_open_listener(ctx, record)->window))
		return challenge(ctx, packet, record, PV_C_TCP_HALF_OPEN_OTHER);
	if (packet->ack != record->half_open.iss + 1)
		return pv_reset_closed(ctx, packet, PV_C_TCP_ACK_BAD);
	return pv_half_open_complete(ctx, packet, record, place);
}
