/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * When we acknowledge (RFC 9293 3.8.6.3, RFC 5681 4.2, RFC 5961): at the end of a turn, in one
 * segment for all that the turn brought, or delayed_ack_time later when less than two full segments
 * came.
 */
#include "ip/ip.h"
#include "tcp/established.h"

void
pv_ack_now(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	pcb->flags |= PV_PCB_ACK_NOW;
	pv_conn_pend(ctx, pcb);
}

void
pv_ack_data(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t len)
{
	struct pv_conn_data *d = pcb->data;
	bool now = pcb->rcv_nxt - pcb->last_ack_sent > d->peer_mss || !d->config->delayed_ack;

	PV_ASSERT(len > 0);
	if (d->quick_acks > 0) {
		d->quick_acks--;
		now = true;
	}
	if (now) {
		pcb->flags |= PV_PCB_ACK_NOW;
	} else if ((pcb->flags & PV_PCB_ACK_DELAYED) == 0) {
		pcb->flags |= PV_PCB_ACK_DELAYED;
		pv_conn_timer_set(ctx, pcb, PV_CONN_DELAYED_ACK,
				ctx->now + d->config->delayed_ack_time * PV_MS);
	}
	pv_conn_pend(ctx, pcb);
}

void
pv_ack_delayed_fired(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	pv_count(&ctx->counters, PV_C_TCP_DELAYED_ACK);
	pv_ack_now(ctx, pcb);
}

/* Answers without data are limited: two stacks that find each other's segments wrong would not
 * stop. */
void
pv_ack_invalid(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	uint32_t now = pv_ms(ctx->now) | 1;

	if (p->payload_len == 0 || (p->flags & PV_TCP_SYN) != 0) {
		if (pcb->invalid_ack_ms != 0 &&
				now - pcb->invalid_ack_ms < ctx->tcp_config.invalid_ack_limit)
			return;
		pcb->invalid_ack_ms = now;
		pcb->flags |= PV_PCB_TOUCHED;
	}
	pv_ack_now(ctx, pcb);
}

void
pv_ack_challenge(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	if (pv_challenge_allowed(ctx))
		pv_ack_now(ctx, pcb);
}

void
pv_ack_duplicate(struct pv_ctx *ctx, struct pv_pcb *pcb, uint32_t left, uint32_t right)
{
	struct pv_conn_data *d = pcb->data;

	if ((pcb->flags & PV_PCB_SACK) != 0) {
		if ((d->flags & PV_DATA_DSACK) != 0)
			pv_ack_send(ctx, pcb); /* each is reported, once */
		d->dsack = (struct pv_range){ left, right };
		d->flags |= PV_DATA_DSACK;
	}
	pv_ack_now(ctx, pcb);
}

void
pv_ack_sent(struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	pcb->flags &= ~(uint32_t)(PV_PCB_ACK_NOW | PV_PCB_ACK_DELAYED);
	pcb->last_ack_sent = pcb->rcv_nxt;
	if (d != NULL) {
		pv_conn_timer_clear(d, PV_CONN_DELAYED_ACK);
		d->flags &= ~(uint32_t)PV_DATA_DSACK;
	}
}

void
pv_ack_send(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_segment_out out = { .seq = pcb->snd_nxt, .flags = PV_TCP_ACK };

	if (pv_segment_send(ctx, pcb, &out) != 0) {
		/* No buffer: what is owed stays owed, and the peer's retransmission asks again. */
		pcb->flags &= ~(uint32_t)PV_PCB_ACK_NOW;
	}
}
