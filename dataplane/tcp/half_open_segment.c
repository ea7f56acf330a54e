/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments for a half-open connection: RFC 9293 3.10.7.4 in SYN-RECEIVED, with RFC 5961's rules for
 * RST and SYN. A SYN that is not the one we answered is challenged like in a synchronised state,
 * where RFC 9293 would return to LISTEN: a peer that began anew answers the challenge with an exact
 * RST, and a forged SYN does no harm.
 */
#include "base/seq.h"
#include "tcp/bare.h"
#include "tcp/conn.h"
#include "tcp/half_open_table.h"
#include "tcp/handshake_complete.h"
#include "tcp/reset.h"
#include "tcp/state.h"
#include "tcp/syn_ack.h"

static inline struct pv_listener *
listener_of(struct pv_ctx *ctx, const struct pv_record *record)
{
	return &ctx->tcp->listeners.listener[record->listener];
}

static enum pv_counter
end(struct pv_ctx *ctx, const struct pv_packet *packet, const struct pv_flow_place *place,
		enum pv_counter outcome)
{
	uint32_t i = pv_flow_index(place->bucket->entry[place->slot]);

	pv_flow_remove(&ctx->tcp->flows, packet->hash, place);
	pv_half_open_drop(ctx, i);
	return outcome;
}

/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, as far as the limit on such answers allows. */
static enum pv_counter
challenge(struct pv_ctx *ctx, const struct pv_packet *packet, const struct pv_record *record,
		enum pv_counter outcome)
{
	const struct pv_listener *listener = listener_of(ctx, record);
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
	const struct pv_listener *listener = listener_of(ctx, record);
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

	if (offset == 0)
		return end(ctx, packet, place, PV_C_TCP_HALF_OPEN_RST);
	if (offset < listener_of(ctx, record)->window)
		return challenge(ctx, packet, record, PV_C_TCP_HALF_OPEN_CHALLENGED);
	return PV_C_TCP_HALF_OPEN_OTHER;
}

/* RFC 9293 3.10.7.4, first: the window; RFC 7323 5.3: the timestamp. */
static bool
acceptable(const struct pv_packet *packet, const struct pv_record *record, uint32_t window)
{
	uint32_t rcv_nxt = record->half_open.irs + 1;
	uint32_t len = pv_tcp_seg_len(packet->flags, packet->payload_len);

	if ((record->half_open.agreed & PV_AGREED_TIMESTAMPS) != 0 &&
			pv_seq_lt(packet->tsval, record->ts_recent))
		return false;
	if (len == 0)
		return packet->seq == rcv_nxt || packet->seq - rcv_nxt < window;
	return pv_seq_lt(packet->seq, rcv_nxt + window) && pv_seq_gt(packet->seq + len, rcv_nxt);
}

static enum pv_counter
complete(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_record *record,
		const struct pv_flow_place *place)
{
	const struct pv_handshake handshake = {
		.listener = listener_of(ctx, record),
		.syn_ns = record->half_open.level == 0 ? pv_half_open_began(ctx, record) : 0,
		.irs = record->half_open.irs,
		.iss = record->half_open.iss,
		.ts_recent = record->ts_recent,
		.mss = record->half_open.mss,
		.agreed = record->half_open.agreed,
		.syn_ack_again = record->half_open.level,
		.decided = record->half_open.decided,
	};
	uint32_t i = pv_flow_index(place->bucket->entry[place->slot]);
	enum pv_counter outcome = pv_handshake_complete_in_line(ctx, packet, &handshake, place);

	if (pv_unlikely(!pv_handshake_done(outcome)))
		return end(ctx, packet, place, outcome);
	pv_half_open_drop(ctx, i);
	return outcome;
}

enum pv_counter
pv_half_open_segment(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_record *record,
		const struct pv_flow_place *place)
{
	if (pv_unlikely((packet->flags & (PV_TCP_RST | PV_TCP_SYN | PV_TCP_ACK)) != PV_TCP_ACK)) {
		if (packet->flags & PV_TCP_RST)
			return rst(ctx, packet, record, place);
		if (packet->flags & PV_TCP_SYN)
			return syn(ctx, packet, record);
		return PV_C_TCP_HALF_OPEN_OTHER;
	}
	/* RFC 7323 3.2: once agreed on, a segment without timestamps is dropped. */
	if ((record->half_open.agreed & PV_AGREED_TIMESTAMPS) != 0 &&
			(packet->options & PV_TCP_OPT_TS) == 0)
		return PV_C_TCP_HALF_OPEN_OTHER;
	if (pv_unlikely(!acceptable(packet, record, listener_of(ctx, record)->window)))
		return challenge(ctx, packet, record, PV_C_TCP_HALF_OPEN_OTHER);
	if (pv_unlikely(packet->ack != record->half_open.iss + 1))
		return pv_reset_closed(ctx, packet, PV_C_TCP_ACK_BAD);
	return complete(ctx, packet, record, place);
}
