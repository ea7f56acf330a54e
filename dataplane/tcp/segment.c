/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A segment for a connection in SYN-RECEIVED or later, in the steps of RFC 9293 3.10.7.4, with RFC
 * 5961 (blind attacks) and RFC 7323 (PAWS). Each step returns 0 to go on, or the outcome that ended
 * the segment.
 */
#include <errno.h>

#include "ip/ip.h"
#include "tcp/last_ack.h"
#include "tcp/offer.h"
#include "tcp/parse.h"

/* Some row that is no outcome; used as "go on". */
#define GO_ON PV_C_RX_FRAMES

static_assert(GO_ON == 0, "outcomes are not 0");

#define PAWS_IDLE_MS                                                                               \
	(24u * 24 * 3600 * 1000) /* TS.Recent older than that says nothing (RFC 7323 5.5) */

#ifdef PV_CHECKS
void
pv_conn_assert_valid(const struct pv_pcb *pcb)
{
	const struct pv_conn_data *d = pcb->data;

	PV_ASSERT(pcb->state >= PV_SYN_SENT && pcb->state <= PV_FIN_WAIT_2);
	PV_ASSERT(pv_seq_le(pcb->snd_una, pcb->snd_nxt));
	if (pcb->state >= PV_ESTABLISHED) {
		PV_ASSERT(pv_seq_le(pcb->rcv_nxt, pcb->rcv_adv) ||
				(pcb->flags & PV_PCB_FIN_RECEIVED));
		PV_ASSERT(pcb->snd_mss > 0 || (pcb->flags & PV_PCB_MSS_SAID) != 0);
	}
	if (pcb->state >= PV_FIN_WAIT_1)
		PV_ASSERT((pcb->flags & PV_PCB_FIN_QUEUED) != 0);
	if (pcb->state == PV_FIN_WAIT_2)
		PV_ASSERT(pcb->snd_una == pcb->snd_nxt);
	if (pcb->state == PV_CLOSE_WAIT || pcb->state == PV_CLOSING || pcb->state == PV_LAST_ACK)
		PV_ASSERT((pcb->flags & PV_PCB_FIN_RECEIVED) != 0);
	if (d == NULL) {
		PV_ASSERT(pcb->state <= PV_CLOSE_WAIT && pcb->snd_una == pcb->snd_nxt);
		return;
	}
	if (pcb->state >= PV_ESTABLISHED) {
		PV_ASSERT(pv_rtx_valid(&d->rtx));
		PV_ASSERT(d->rtx.first == NULL || d->rtx.first->seq == pcb->snd_una);
		PV_ASSERT(d->rtx.last == NULL || d->rtx.last->end == pcb->snd_nxt);
		PV_ASSERT((d->rtx.first == NULL) == (pcb->snd_una == pcb->snd_nxt));
		PV_ASSERT(pcb->snd_una == pcb->snd_nxt || d->deadline[PV_CONN_RETRANSMIT] != 0);
		PV_ASSERT(d->cwnd > 0);
	}
	for (int i = 0; i < PV_CONN_TIMERS; i++)
		PV_ASSERT(d->deadline[i] == 0 ||
				(pv_timer_armed(&pcb->timer) &&
						pcb->timer.deadline <= d->deadline[i]));
}
#endif

static bool
ts_recent_valid(const struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	return pv_ms(ctx->now) - pcb->ts_recent_ms < PAWS_IDLE_MS;
}

/* RFC 7323 5.3, R1: an older timestamp means an old duplicate. RSTs are exempt (5.2). */
static enum pv_counter
check_timestamp(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	if ((pcb->flags & PV_PCB_TIMESTAMPS) == 0 || (p->flags & PV_TCP_RST) != 0)
		return GO_ON;
	/* The SYN of a peer that began anew has timestamps of its own, or none: it is challenged.
	 */
	if ((p->flags & PV_TCP_SYN) != 0 && pcb->state != PV_SYN_RECEIVED)
		return GO_ON;
	if (pv_unlikely((p->options & PV_TCP_OPT_TS) == 0))
		return PV_C_TCP_NO_TIMESTAMP;
	if (pv_unlikely(pv_seq_lt(p->tsval, pcb->ts_recent) && ts_recent_valid(ctx, pcb))) {
		pv_ack_invalid(ctx, pcb, p);
		return PV_C_TCP_PAWS;
	}
	return GO_ON;
}

/*
 * RFC 7323 4.3 (3): the echo is that of the segment that the last ACK asked for, or an earlier one.
 * Only after the ACK was found good: who can't know that number must not make us refuse the peer's
 * timestamps.
 */
static void
update_ts_recent(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p, uint32_t seq)
{
	if ((pcb->flags & PV_PCB_TIMESTAMPS) != 0 && pv_seq_le(seq, pcb->last_ack_sent)) {
		pcb->ts_recent = p->tsval;
		pcb->ts_recent_ms = pv_ms(ctx->now);
	}
}

/*
 * The four cases. The right edge itself is taken when the segment is empty: a peer that has filled
 * our window acknowledges from there. A segment for a closed window is taken without its data, so
 * that its ACK, URG and RST count.
 */
static bool
acceptable(const struct pv_pcb *pcb, const struct pv_packet *p, uint32_t end)
{
	uint32_t edge = pcb->rcv_adv, offset = p->seq - pcb->rcv_nxt;

	if (!pv_seq_lt(pcb->rcv_nxt, edge))
		return offset == 0;
	if (end == p->seq)
		return offset <= edge - pcb->rcv_nxt;
	return pv_seq_lt(p->seq, edge) && pv_seq_lt(pcb->rcv_nxt, end);
}

/* Cuts what lies left and right of the window off. */
static void
trim(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p, uint32_t end)
{
	if (pv_seq_lt(p->seq, pcb->rcv_nxt)) {
		uint32_t old = pcb->rcv_nxt - p->seq;

		pv_ack_duplicate(ctx, pcb, p->seq, pcb->rcv_nxt);
		p->seq += old;
		p->payload_offset = (uint16_t)(p->payload_offset + old);
		p->payload_len = (uint16_t)(p->payload_len - old);
	}
	if (pv_seq_gt(end, pcb->rcv_adv)) {
		uint32_t data_end = p->seq + p->payload_len;

		p->flags &= (uint8_t)~PV_TCP_FIN;
		if (pv_seq_gt(data_end, pcb->rcv_adv))
			p->payload_len = (uint16_t)(p->payload_len - (data_end - pcb->rcv_adv));
		pv_ack_now(ctx, pcb);
	}
}

/* First: the sequence number. */
static enum pv_counter
check_sequence(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	uint32_t end = p->seq + pv_tcp_seg_len(p->flags & PV_TCP_FIN, p->payload_len);

	if (pv_likely(p->seq == pcb->rcv_nxt && end - p->seq <= pcb->rcv_adv - p->seq))
		return GO_ON;
	if ((p->flags & (PV_TCP_RST | PV_TCP_SYN)) != 0)
		return GO_ON;
	/* A probe of a peer whose ACK of our SYN was lost is as good as that. */
	if (pcb->state == PV_SYN_RECEIVED && end == p->seq && p->seq == pcb->rcv_nxt - 1 &&
			p->ack == pcb->snd_nxt)
		return GO_ON;
	if (!acceptable(pcb, p, end)) {
		bool old = p->payload_len != 0 && pv_seq_le(end, pcb->rcv_nxt);

		if (old)
			pv_ack_duplicate(ctx, pcb, p->seq, p->seq + p->payload_len);
		pv_ack_invalid(ctx, pcb, p);
		return old ? PV_C_TCP_DUPLICATE : PV_C_TCP_OUT_OF_WINDOW;
	}
	if ((p->flags & PV_TCP_ACK) == 0)
		return PV_C_TCP_NO_ACK;
	trim(ctx, pcb, p, end);
	return GO_ON;
}

/* Second: RST (RFC 5961 3.2). Exact: the end; elsewhere in the window: a challenge. */
static enum pv_counter
check_rst(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	int error = -ECONNRESET;

	if (pv_likely((p->flags & PV_TCP_RST) == 0))
		return GO_ON;
	if (p->seq != pcb->rcv_nxt) {
		if (!pv_seq_lt(pcb->rcv_nxt, p->seq) || !pv_seq_lt(p->seq, pcb->rcv_adv))
			return PV_C_TCP_RST_IGNORED;
		pv_ack_challenge(ctx, pcb);
		return PV_C_TCP_RST_CHALLENGED;
	}
	if (pcb->state == PV_SYN_RECEIVED && (pcb->flags & PV_PCB_ACTIVE) != 0)
		error = -ECONNREFUSED;
	/* The peer had ended in order, and refuses what is under way to it. */
	if (pcb->state == PV_CLOSE_WAIT && pcb->snd_una != pcb->snd_nxt)
		error = -ECONNABORTED;
	if (pv_unlikely((pcb->flags & PV_PCB_EXCHANGE) != 0))
		error = pv_offer_reset(ctx, pcb, p, error);
	if (pcb->state == PV_CLOSING || pcb->state == PV_LAST_ACK)
		error = 0;
	pv_conn_destroy(ctx, pcb, error, false);
	return PV_C_TCP_RST;
}

enum pv_counter
pv_conn_reset_other(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet)
{
	return check_rst(ctx, pcb, packet);
}

/* Fourth: SYN (RFC 5961 4.2), wherever it lies. After a simultaneous open the peer's SYN may come
 * again, with its ACK. */
static enum pv_counter
check_syn(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	if (pv_likely((p->flags & PV_TCP_SYN) == 0))
		return GO_ON;
	if (pcb->state != PV_SYN_RECEIVED || p->seq != pcb->irs) {
		/* A peer that kept nothing makes nothing of an ACK, but of the block. */
		if ((pcb->flags & PV_PCB_CONNECTING) != 0 && pcb->data->rtx.first != NULL &&
				pv_challenge_allowed(ctx))
			pv_output_resend(ctx, pcb, pcb->data->rtx.first);
		else
			pv_ack_challenge(ctx, pcb);
		return PV_C_TCP_SYN_CHALLENGED;
	}
	if ((p->flags & PV_TCP_ACK) == 0 || p->ack != pcb->snd_nxt) {
		if ((p->flags & PV_TCP_ACK) == 0 && (pcb->flags & PV_PCB_ACTIVE) == 0)
			pcb->ts_recent = p->tsval;
		pv_connect_send_syn(ctx, pcb);
		return PV_C_TCP_SYN_SENT;
	}
	p->seq++;
	p->flags &= (uint8_t)~PV_TCP_SYN;
	p->window = (uint16_t)(p->window >>
			       pcb->snd_wscale); /* the window of a SYN is not scaled */
	return GO_ON;
}

/* Fifth, in SYN-RECEIVED. */
static enum pv_counter
check_ack_of_syn(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	/* Whoever took our SYN without the block behind it has lost it on the way. */
	if (!pv_seq_lt(pcb->snd_una, p->ack) || p->ack != pcb->snd_nxt) {
		pv_reset_reply(ctx, p);
		return PV_C_TCP_ACK_BAD;
	}
	pcb->snd_una = p->ack;
	pcb->snd_wnd = pcb->max_wnd = (uint32_t)p->window << pcb->snd_wscale;
	pcb->snd_wl1 = p->seq;
	pcb->snd_wl2 = p->ack;
	pv_connect_done(ctx, pcb);
	pv_text_let_in(ctx, pcb, p);
	return GO_ON;
}

/* Fifth: ACK. `seq`: where the segment began before it was trimmed. */
static enum pv_counter
check_ack(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p, uint32_t seq)
{
	if (pv_unlikely((p->flags & PV_TCP_ACK) == 0))
		return PV_C_TCP_NO_ACK;
	if (pv_unlikely(pcb->state == PV_SYN_RECEIVED)) {
		enum pv_counter end = check_ack_of_syn(ctx, pcb, p);

		if (end != GO_ON)
			return end;
	}
	if (pv_unlikely(pv_seq_gt(p->ack, pcb->snd_nxt))) {
		pv_ack_invalid(ctx, pcb, p);
		return PV_C_TCP_ACK_TOO_NEW;
	}
	if (pv_unlikely(pv_seq_lt(p->ack, pcb->snd_una - pcb->max_wnd))) {
		pv_ack_challenge(ctx, pcb);
		return PV_C_TCP_ACK_TOO_OLD;
	}
	update_ts_recent(ctx, pcb, p, seq);
	return pv_acked(ctx, pcb, p) ? GO_ON : PV_C_TCP_ACK;
}

/* The seventh step where blocks may stand among the bytes. */
static pv_cold enum pv_counter
take_offer(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	struct pv_hs_option hs = { 0 };

	if (p->options & PV_TCP_OPT_HS)
		pv_hs_of(p, &hs);
	if (hs.block_len != 0)
		return p->payload_len != 0 ? pv_offer_text(ctx, pcb, p) : PV_C_TCP_ACK;
	if (pv_offer_missing(ctx, pcb, p)) {
		p->flags &= (uint8_t)~PV_TCP_FIN;
		return PV_C_TCP_OFFER_MISSING;
	}
	return p->payload_len != 0 ? pv_text(ctx, pcb, p) : PV_C_TCP_ACK;
}

/* The option must be well formed, and what it announces must be for us. */
static pv_cold bool
offer_fits(const struct pv_pcb *pcb, const struct pv_packet *p)
{
	struct pv_hs_option hs;

	return pv_hs_of(p, &hs) && (hs.block_len == 0 || (pcb->flags & PV_PCB_EXCHANGE) != 0);
}

static enum pv_counter
process(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	bool urgent = (p->flags & PV_TCP_URG) != 0;
	uint32_t seq = p->seq, pointer = urgent ? seq + pv_packet_urgent(p) : 0;
	enum pv_counter end;

	end = check_timestamp(ctx, pcb, p);
	if (pv_unlikely(end != GO_ON))
		return end;
	end = check_sequence(ctx, pcb, p);
	if (pv_unlikely(end != GO_ON))
		return end;
	end = check_rst(ctx, pcb, p);
	if (pv_unlikely(end != GO_ON))
		return end;
	/* Third: security, which nobody uses. */
	end = check_syn(ctx, pcb, p);
	if (pv_unlikely(end != GO_ON))
		return end;
	end = check_ack(ctx, pcb, p, seq);
	if (pv_unlikely(end != GO_ON))
		return end;
	if (pv_unlikely(urgent))
		pv_urgent_received(ctx, pcb, pointer);
	if (pv_unlikely((pcb->flags & PV_PCB_EXCHANGE) != 0))
		end = take_offer(ctx, pcb, p);
	else
		end = p->payload_len != 0 ? pv_text(ctx, pcb, p) : PV_C_TCP_ACK;
	if (pv_unlikely((p->flags & PV_TCP_FIN) != 0 && end != PV_C_TCP_AFTER_CLOSE)) {
		pv_text_fin(ctx, pcb, p);
		end = PV_C_TCP_FIN;
	}
	return end;
}

void
pv_conn_segment(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet)
{
	pv_conn_assert_valid(pcb);
	if (pv_unlikely((packet->options & PV_TCP_OPT_HS) != 0) && pcb->state != PV_SYN_SENT &&
			!offer_fits(pcb, packet)) {
		packet->outcome = PV_C_TCP_OFFER_BAD;
		return;
	}
	if (pv_unlikely(pcb->state == PV_SYN_SENT)) {
		packet->outcome = (uint8_t)pv_connect_segment(ctx, pcb, packet);
		return;
	}
	if ((packet->flags & PV_TCP_RST) != 0 && pv_conn_data_of(pcb) == NULL) {
		packet->outcome = (uint8_t)check_rst(ctx, pcb, packet);
		return;
	}
	if ((packet->flags & PV_TCP_FIN) != 0 && pv_last_ack_fin(ctx, pcb, packet)) {
		packet->outcome = PV_C_TCP_FIN;
		return;
	}
	if (pv_unlikely(pv_conn_data_get(ctx, pcb) == NULL)) {
		packet->outcome = PV_C_TCP_BEYOND_BUFFER;
		return;
	}
	pcb->data->stats.segs_in++;
	pcb->data->last_received = ctx->now;
	packet->outcome = (uint8_t)process(ctx, pcb, packet);
}
