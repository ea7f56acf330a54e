/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_ESTABLISHED_H
#define PV_TCP_ESTABLISHED_H

/*
 * What the files of the stream side say to each other. Order of a turn: segments, commands and
 * timers change the control block and put it on the pending list; pv_tcp_output then reports what
 * happened to the application and sends what is due, data before bare ACKs, so that a burst is
 * acknowledged once (RFC 9293 3.8.6.3, MUST-58).
 *
 * A function that returns bool `alive` may have destroyed the connection: false means that the
 * control block is gone.
 */

#include <stdbool.h>

#include "base/packet.h"
#include "base/seq.h"
#include "bridge/slot.h"
#include "tcp/conn.h"
#include "tcp/conn_data.h"
#include "tcp/conns.h"
#include "wire/tcp_hdr.h"
#include "wire/tcp_opt.h"

struct pv_block;

/* What one ACK brought (acked.c, sack.c, rack.c, recovery.c). */
struct pv_delivery {
	uint64_t rtt;          /* of the newest delivered segment that was sent once; 0: none */
	uint32_t una_before;   /* SND.UNA */
	uint32_t delivered;    /* numbers newly acknowledged or SACKed */
	uint32_t resent_acked; /* of these, acknowledged segments that had been sent more than once
				*/
	uint32_t sacked;       /* numbers newly SACKed */
	uint32_t fack_before;  /* behind the highest number delivered so far */
	uint8_t duplicate;     /* a duplicate ACK in the sense of RFC 5681 2 */
	uint8_t original;      /* something sent once, below `recover`, was delivered (RFC 5682) */
	uint8_t dsack;         /* a D-SACK block was there */
	uint8_t window_changed;
};

/* segment.c */
#ifdef PV_CHECKS
void pv_conn_assert_valid(const struct pv_pcb *pcb);
#else
#define pv_conn_assert_valid(pcb) ((void)(pcb))
#endif

/* conn.c: states, reports, the end */
void pv_conn_set_state(struct pv_ctx *ctx, struct pv_pcb *pcb, enum pv_tcp_state state);
void pv_conn_report(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t set, uint32_t clear,
		uint32_t arrived);
/* Tells the application what the turn brought. */
void pv_conn_report_turn(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* RST at SND.NXT (RFC 9293 3.10.5). */
void pv_conn_send_rst(struct pv_ctx *ctx, struct pv_pcb *pcb);

/* close.c */
void pv_conn_fin_queued(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* RCV.NXT stands at the peer's FIN, and moves behind it; the application learns of it. */
void pv_conn_fin_taken(struct pv_ctx *ctx, struct pv_pcb *pcb);
bool pv_conn_fin_received(struct pv_ctx *ctx, struct pv_pcb *pcb); /* alive */
bool pv_conn_fin_acked(struct pv_ctx *ctx, struct pv_pcb *pcb);    /* alive */
bool pv_close_limit_fired(struct pv_ctx *ctx, struct pv_pcb *pcb); /* alive */

/* acked.c: RFC 9293 3.10.7.4, fifth, for ACKs within UNA - MAX.SND.WND .. NXT; alive */
bool pv_acked(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet);
/* The window that the segment offers, by the WL1/WL2 rule; true: changed. */
bool pv_acked_window(struct pv_pcb *pcb, const struct pv_packet *packet);

/* offer_input.c, decide.c: see offer.h */
void pv_tcp_let_go(struct pv_ctx *ctx, uint64_t handle);
void pv_offer_reject(struct pv_ctx *ctx, struct pv_pcb *pcb, uint8_t reason,
		struct pv_block *block); /* the connection is gone; owns the block */

/* text.c: the seventh and eighth step */
enum pv_counter pv_text(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet);
bool pv_text_fin(
		struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet); /* alive */

/* What lies behind a block has come before it. */
void pv_text_catch_up(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet);
/* What came with a SYN that crossed ours waits until the connection is established (RFC 9293
 * 3.10.7.3): kept, and let in before the segment that establishes it. */
void pv_text_hold(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet);
void pv_text_let_in(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet);

/* ack.c */
void pv_ack_now(struct pv_ctx *ctx, struct pv_pcb *pcb); /* at the end of the turn */
void pv_ack_data(struct pv_ctx *ctx, struct pv_pcb *pcb,
		uint32_t len); /* in-order data came: now or delayed */
void pv_ack_invalid(struct pv_ctx *ctx, struct pv_pcb *pcb,
		const struct pv_packet *packet);               /* an unacceptable segment came */
void pv_ack_challenge(struct pv_ctx *ctx, struct pv_pcb *pcb); /* RFC 5961 */
void pv_ack_duplicate(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t left,
		uint32_t right);                          /* D-SACK (RFC 2883) */
void pv_ack_send(struct pv_ctx *ctx, struct pv_pcb *pcb); /* a bare ACK leaves at once */
void pv_ack_sent(struct pv_pcb *pcb);                     /* one went out, by itself or on data */
void pv_ack_delayed_fired(struct pv_ctx *ctx, struct pv_pcb *pcb);

/* window.c */
uint16_t pv_window_field(struct pv_pcb *pcb); /* for a segment that leaves now; moves rcv_adv */
/* While the window is small: an update if the application has made room, else it is asked to tell.
 */
void pv_window_watch(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* At most what the scale can tell. The stream takes a little more: what rounding up may promise. */
void pv_window_set_buffer(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t bytes);
void pv_window_tune(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet);
uint8_t pv_window_scale(const struct pv_tcp_config *config, uint32_t buffer);

/* emit.c */
struct pv_segment_out {
	uint64_t pos; /* stream position of the payload */
	uint32_t seq, len;
	uint16_t mss;  /* the device cuts it into pieces of this; 0: one segment */
	uint8_t flags; /* PV_TCP_* */
	uint8_t ect;   /* mark ECN capable */
};
int pv_segment_send(struct pv_ctx *ctx, struct pv_pcb *pcb,
		const struct pv_segment_out *out); /* -ENOBUFS */

/* output.c */
/* Sends what may be sent; true: a segment with an ACK left. */
bool pv_output(struct pv_ctx *ctx, struct pv_pcb *pcb);
bool pv_output_resend(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_rtx *rtx);
/* One segment of new data whatever cwnd says (tail loss probe, SWS override); false: there is none,
 * or no window. */
bool pv_output_new(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* Bytes of the application that were never sent. */
uint64_t pv_output_waiting(const struct pv_pcb *pcb);

/* timers.c */
void pv_conn_timer_fired(struct pv_ctx *ctx, struct pv_timer *timer);

/* rto.c */
bool pv_rto_fired(struct pv_ctx *ctx, struct pv_pcb *pcb); /* alive */
void pv_rto_start(struct pv_ctx *ctx, struct pv_pcb *pcb); /* (re)starts the retransmission timer */
/* May one go on after so many attempts, the first `since`? Else the connection is gone. */
bool pv_rto_patience(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t attempts);

/* The next attempt, or the end of the user time-out if that comes first. */
void pv_rto_try_after(struct pv_ctx *ctx, struct pv_pcb *pcb, uint64_t wait);

/* persist.c */
void pv_persist_start(struct pv_ctx *ctx, struct pv_pcb *pcb);
bool pv_persist_fired(struct pv_ctx *ctx, struct pv_pcb *pcb); /* alive */

/* keepalive.c */
void pv_keepalive_start(struct pv_ctx *ctx, struct pv_pcb *pcb);
bool pv_keepalive_fired(struct pv_ctx *ctx, struct pv_pcb *pcb); /* alive */

/* sack.c */
void pv_sack_input(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet,
		struct pv_delivery *dlv);
/* RFC 6675 IsLost, where RACK is off. */
void pv_sack_detect(struct pv_ctx *ctx, struct pv_pcb *pcb);

/* rack.c */
void pv_rack_delivered(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_rtx *rtx,
		const struct pv_packet *packet, const struct pv_delivery *dlv);
/* Sent at that time or before, a segment is lost if it is not acknowledged (RFC 8985 6.3). */
uint64_t pv_rack_overdue(const struct pv_ctx *ctx, const struct pv_pcb *pcb);
void pv_rack_dsack(struct pv_pcb *pcb);
void pv_rack_detect(struct pv_ctx *ctx, struct pv_pcb *pcb);
bool pv_rack_in_use(const struct pv_pcb *pcb);
void pv_rack_recovered(struct pv_pcb *pcb); /* a recovery ended: reo_wnd decays */
void pv_loss_fired(struct pv_ctx *ctx, struct pv_pcb *pcb);
void pv_tlp_arm(struct pv_ctx *ctx, struct pv_pcb *pcb);
void pv_tlp_acked(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet,
		const struct pv_delivery *dlv);

/* recovery.c */
void pv_recovery_acked(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet,
		struct pv_delivery *dlv);
void pv_recovery_reordered(struct pv_ctx *ctx, struct pv_pcb *pcb);
void pv_recovery_timeout(struct pv_ctx *ctx, struct pv_pcb *pcb);
void pv_recovery_reduce(struct pv_ctx *ctx, struct pv_pcb *pcb,
		uint8_t ecn); /* ssthresh, and what undo needs */
/* Before the ACK is taken: what it acknowledges belongs to the flight that was marked. */
void pv_recovery_ece(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet);

/* pmtu.c */
void pv_pmtu_timeout(struct pv_ctx *ctx,
		struct pv_pcb *pcb); /* the retransmission timer fired: too big? */
void pv_pmtu_look(struct pv_ctx *ctx,
		struct pv_pcb *pcb); /* now and then: has the path MTU changed? */
/* The size of a segment larger than the others that shall be the next one; 0: none. */
uint32_t pv_pmtu_probe(const struct pv_ctx *ctx, const struct pv_pcb *pcb, uint64_t waiting);
void pv_pmtu_probe_acked(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* Something is lost: that segment alone? Then it was too big, and is sent again. */
bool pv_pmtu_probe_lost(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* More than that was lost: nothing is known. */
void pv_pmtu_probe_void(const struct pv_ctx *ctx, struct pv_pcb *pcb);
/* Payload that one of our packet buffers has room for. */
uint32_t pv_pmtu_room(const struct pv_ctx *ctx);
/* Nobody asks for the MSS of a connection that carries nothing, so a passive open keeps what the
 * peer said; here both become what the path allows (RFC 6691). */
void pv_pmtu_settle(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* Payload of a full segment: the peer's MSS, the path's and our buffers', our options taken off
 * (RFC 6691). */
uint32_t pv_pmtu_snd_mss(struct pv_ctx *ctx, const struct pv_pcb *pcb, uint32_t peer_mss);

/* urgent.c */
void pv_urgent_received(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t pointer);
/* The octet at RCV.NXT, which is the next urgent one. True: it was taken out of the stream. */
bool pv_urgent_octet(struct pv_ctx *ctx, struct pv_pcb *pcb, uint8_t octet);
/* Has the application written something urgent? */
void pv_urgent_look(struct pv_ctx *ctx, struct pv_pcb *pcb);

/* connect.c */
enum pv_counter pv_connect_segment(
		struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet);
/* Both SYNs are acknowledged: the application is told. */
void pv_connect_done(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* The application is told of the connection. */
void pv_connect_report(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* Parts for an answer to a SYN with a block (offer_connect.c): a good SYN-ACK, block_len bytes of
 * which were a block; a RST; a SYN without ACK. */
enum pv_counter pv_connect_answered(struct pv_ctx *ctx, struct pv_pcb *pcb,
		struct pv_packet *packet, uint32_t block_len);
enum pv_counter pv_connect_refused(
		struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet);
enum pv_counter pv_connect_crossed(
		struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet);
/* Starts what an established connection has; also when an idle one gets its data. */
void pv_connect_established(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* What the handshake says of the path; `out` has no sample yet. */
void pv_connect_first_rtt(const struct pv_pcb *pcb, const struct pv_tcp_config *config,
		uint64_t now, struct pv_rtt *out);
bool pv_connect_fired(struct pv_ctx *ctx, struct pv_pcb *pcb); /* alive */
void pv_connect_send_syn(struct pv_ctx *ctx, struct pv_pcb *pcb);

/* One orphan less. */
static inline void
pv_close_no_orphan(struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	if ((pcb->flags & PV_PCB_DETACHED) == 0)
		ctx->conns->orphans--;
}

/* timers, inline: */
static inline void
pv_conn_timer_set(struct pv_ctx *ctx, struct pv_pcb *pcb, enum pv_conn_timer which, uint64_t when)
{
	pcb->data->deadline[which] = when;
	if (!pv_timer_armed(&pcb->timer) || when < pcb->timer.deadline)
		pv_timer_arm(&ctx->wheel, &pcb->timer, PV_TIMER_CONNECTION, when);
}

static inline void
pv_conn_timer_clear(struct pv_conn_data *d, enum pv_conn_timer which)
{
	d->deadline[which] = 0;
}

static inline uint32_t
pv_ms(uint64_t ns)
{
	return (uint32_t)(ns / PV_MS);
}

/* Where nothing wrote that down (see struct pv_pcb), nothing came since that would have set the
 * time of TS.Recent anew. */
static inline uint64_t
pv_conn_established_ns(const struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	if (pcb->established_ns != 0)
		return pcb->established_ns;
	return ctx->now - (pv_ms(ctx->now) - pcb->ts_recent_ms) * PV_MS;
}

/* Our timestamp (RFC 7323 5.4: one tick a millisecond). */
static inline uint32_t
pv_conn_tsval(const struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	return pv_ms(ctx->now) + pcb->ts_offset;
}

/* Data and a FIN can still be sent, or sent again. */
static inline bool
pv_conn_sends(const struct pv_pcb *pcb)
{
	return pcb->state >= PV_ESTABLISHED && pcb->state <= PV_LAST_ACK;
}

#endif
