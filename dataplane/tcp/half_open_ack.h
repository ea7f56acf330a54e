/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_HALF_OPEN_ACK_H
#define PV_TCP_HALF_OPEN_ACK_H

/* The ACK that a half-open connection waits for, in line: what is anything else is for
 * pv_half_open_segment, which takes this step the same way. */

#include "base/seq.h"
#include "tcp/half_open_table.h"
#include "tcp/handshake_complete.h"

static inline struct pv_listener *
pv_half_open_listener(struct pv_ctx *ctx, const struct pv_record *record)
{
	return &ctx->tcp->listeners.listener[record->listener];
}

/* No RST or SYN; with timestamps where they were agreed on (RFC 7323 3.2). */
static inline bool
pv_half_open_is_ack(const struct pv_packet *packet, const struct pv_record *record)
{
	return (packet->flags & (PV_TCP_RST | PV_TCP_SYN | PV_TCP_ACK)) == PV_TCP_ACK &&
	       ((record->half_open.agreed & PV_AGREED_TIMESTAMPS) == 0 ||
			       (packet->options & PV_TCP_OPT_TS) != 0);
}

/* RFC 9293 3.10.7.4, first: the window; RFC 7323 5.3: the timestamp. */
static inline bool
pv_half_open_acceptable(
		const struct pv_packet *packet, const struct pv_record *record, uint32_t window)
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

/* Out of the flow table, and the record given back. */
static inline void
pv_half_open_end(struct pv_ctx *ctx, const struct pv_flow_place *place)
{
	uint32_t i = pv_flow_index(place->bucket->entry[place->slot]);

	pv_flow_remove(&ctx->tcp->flows, place);
	pv_half_open_drop(ctx, i);
}

static inline enum pv_counter
pv_half_open_complete(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_record *record,
		const struct pv_flow_place *place)
{
	const struct pv_handshake handshake = {
		.listener = pv_half_open_listener(ctx, record),
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

	if (pv_likely(pv_handshake_done(outcome)))
		pv_half_open_drop(ctx, i);
	else
		pv_half_open_end(ctx, place);
	return outcome;
}

/* A segment for a half-open connection, which nearly always is that ACK. */
static inline enum pv_counter
pv_half_open_ack(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_record *record,
		const struct pv_flow_place *place)
{
	if (pv_likely(pv_half_open_is_ack(packet, record) &&
			    pv_half_open_acceptable(packet, record,
					    pv_half_open_listener(ctx, record)->window) &&
			    packet->ack == record->half_open.iss + 1))
		return pv_half_open_complete(ctx, packet, record, place);
	return pv_half_open_segment(ctx, packet, record, place);
}

#endif
