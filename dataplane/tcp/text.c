/* SPDX-License-Identifier: BSD-3-Clause */
/* What a segment brings: data in its turn or before, and the FIN (RFC 9293 3.10.7.4, seventh and
 * eighth). */
#include <errno.h>
#include <rte_mbuf.h>

#include "ip/ip.h"
#include "tcp/established.h"

/* Payload of each of the segments that a device made this one of; its own where it is one. */
static uint32_t
unit_of(const struct pv_packet *p)
{
	const struct rte_mbuf *m = p->mbuf;

	if (pv_likely((m->ol_flags & RTE_MBUF_F_RX_LRO) == 0) || m->tso_segsz == 0 ||
			m->tso_segsz > p->payload_len)
		return p->payload_len;
	return m->tso_segsz;
}

/* Congestion marks (RFC 3168 6.1.3): echoed on every ACK until CWR comes. */
static void
take_ecn(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	struct pv_conn_data *d = pcb->data;
	bool ce = (p->tos & 3) == 3;

	if (ce)
		pv_count(&ctx->counters, PV_C_TCP_ECN_CE);
	if (d->cc->ect) {
		/* RFC 8257 3.2: what changes is told before it changes. */
		if (ce != ((d->flags & PV_DATA_ECE) != 0)) {
			if (pcb->flags & (PV_PCB_ACK_DELAYED | PV_PCB_ACK_NOW))
				pv_ack_send(ctx, pcb);
			d->flags ^= PV_DATA_ECE;
		}
		return;
	}
	if (p->flags & PV_TCP_CWR)
		d->flags &= ~(uint32_t)PV_DATA_ECE;
	if (ce && (d->flags & PV_DATA_ECE) == 0) {
		d->flags |= PV_DATA_ECE;
		pv_ack_now(ctx, pcb);
	}
}

/* The sequence number of the next octet that a pointer has named, or one that is far. */
static uint32_t
next_urgent(const struct pv_pcb *pcb)
{
	const struct pv_conn_data *d = pcb->data;

	return pv_likely(d->n_urgent == 0) ? pcb->rcv_nxt + INT32_MAX : d->urgent[0];
}

static void
fill_gap(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pcb->data;

	for (;;) {
		uint32_t until = next_urgent(pcb);
		uint8_t octet;

		pcb->rcv_nxt = pv_reassembly_drain(&ctx->conns->pieces, &d->ooo, ctx->bridge,
				&d->shared->rx, pcb->rcv_nxt, until);
		if (pcb->rcv_nxt != until || !pv_reassembly_octet(&d->ooo, until, &octet))
			break;
		if (pv_urgent_octet(ctx, pcb, octet))
			pcb->rcv_nxt++;
	}
	pv_ack_now(ctx, pcb);
}

/* The octet at RCV.NXT is an urgent one. True: it went past the stream. */
static bool
take_urgent(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p, uint32_t offset)
{
	uint8_t octet;
	const uint8_t *at = rte_pktmbuf_read(p->mbuf, p->payload_offset + offset, 1, &octet);

	if (!pv_urgent_octet(ctx, pcb, *at))
		return false;
	pcb->rcv_nxt++;
	if (pcb->data->ooo.first != NULL)
		fill_gap(ctx, pcb);
	return true;
}

/*
 * Takes a segment that begins at RCV.NXT; where some of it came before its turn, that copy counts.
 * False: the stream is full.
 */
static bool
append(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t end = p->seq + p->payload_len;

	while (pv_seq_lt(pcb->rcv_nxt, end)) {
		uint32_t len = end - pcb->rcv_nxt, done = pcb->rcv_nxt - p->seq, taken;

		if (pv_unlikely(d->ooo.first != NULL))
			len = pv_seq_min(end, d->ooo.first->seq) - pcb->rcv_nxt;
		if (pv_unlikely(d->n_urgent != 0)) {
			if (d->urgent[0] == pcb->rcv_nxt && take_urgent(ctx, pcb, p, done))
				continue;
			len = pv_seq_min(pcb->rcv_nxt + len, next_urgent(pcb)) - pcb->rcv_nxt;
		}
		taken = pv_stream_append_mbuf(ctx->bridge, &d->shared->rx, p->mbuf,
				p->payload_offset + done, len);
		pcb->rcv_nxt += taken;
		if (pv_unlikely(taken < len || len == 0))
			return false;
		if (pv_unlikely(d->ooo.first != NULL))
			fill_gap(ctx, pcb);
	}
	return true;
}

void
pv_text_catch_up(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t before = pcb->rcv_nxt;

	if (d->ooo.first != NULL && d->ooo.first->seq == pcb->rcv_nxt)
		fill_gap(ctx, pcb);
	if (pcb->rcv_nxt != before) {
		d->flags |= PV_DATA_RECEIVED;
		d->stats.bytes_received += pcb->rcv_nxt - before;
	}
	if ((d->flags & PV_DATA_FIN_SEEN) != 0 && d->fin_seq == pcb->rcv_nxt) {
		p->flags &= (uint8_t)~PV_TCP_FIN;
		pv_conn_fin_received(ctx, pcb);
	}
}

void
pv_text_hold(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t len = RTE_MIN(p->payload_len, pcb->rcv_adv - pcb->rcv_nxt);
	struct pv_piece segment = {
		.mbuf = p->mbuf,
		.seq = pcb->rcv_nxt,
		.end = pcb->rcv_nxt + len,
		.offset = p->payload_offset,
	};
	struct pv_range twice;

	if ((p->flags & PV_TCP_FIN) != 0 && len == p->payload_len) {
		d->flags |= PV_DATA_FIN_SEEN;
		d->fin_seq = segment.end;
	}
	if (len != 0 && pv_reassembly_insert(&ctx->conns->pieces, &d->ooo, &segment, &twice) ==
					PV_KEPT)
		p->mbuf = NULL;
}

void
pv_text_let_in(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	struct pv_reassembly *ooo = &pcb->data->ooo;

	if (ooo->first != NULL && p->payload_len != 0 && pv_seq_lt(p->seq, ooo->first->run_end))
		pv_reassembly_clear(&ctx->conns->pieces, ooo); /* it comes again */
	else
		pv_text_catch_up(ctx, pcb, p);
}

static enum pv_counter
in_order(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	struct pv_conn_data *d = pcb->data;
	uint64_t written = d->shared->rx.written;
	uint32_t before = pcb->rcv_nxt;
	struct pv_range twice = { 0 };

	if (pv_unlikely(d->ooo.first != NULL))
		twice = pv_reassembly_held(&d->ooo, p->seq, p->seq + p->payload_len);
	if (pv_unlikely(!append(ctx, pcb, p))) {
		p->flags &= (uint8_t)~PV_TCP_FIN;
		pv_ack_now(ctx, pcb);
		if (pv_stream_room(ctx->bridge, &d->shared->rx) != 0)
			pv_count(&ctx->counters, PV_C_NO_CHUNK);
		if (pcb->rcv_nxt == before)
			return PV_C_TCP_BEYOND_BUFFER;
	}
	if (d->shared->rx.written != written)
		d->flags |= PV_DATA_RECEIVED;
	d->stats.bytes_received += pcb->rcv_nxt - before;
	pv_ack_data(ctx, pcb, pcb->rcv_nxt - before);
	if (pv_unlikely(twice.left != twice.right))
		pv_ack_duplicate(ctx, pcb, twice.left, twice.right);
	if (pv_unlikely(pv_seq_ge(pcb->rcv_nxt, d->tune_seq)))
		pv_window_tune(ctx, pcb, p);
	if (pv_unlikely((d->flags & PV_DATA_FIN_SEEN) != 0 && d->fin_seq == pcb->rcv_nxt)) {
		/* That may have been all: a FIN on this segment is the same one. */
		p->flags &= (uint8_t)~PV_TCP_FIN;
		pv_conn_fin_received(ctx, pcb);
	}
	return PV_C_TCP_IN_ORDER;
}

static enum pv_counter
out_of_order(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p, uint32_t segments)
{
	struct pv_conn_data *d = pcb->data;
	struct pv_piece segment = {
		.mbuf = p->mbuf,
		.seq = p->seq,
		.end = p->seq + p->payload_len,
		.offset = p->payload_offset,
	};
	struct pv_range twice;
	enum pv_kept kept = pv_reassembly_insert(&ctx->conns->pieces, &d->ooo, &segment, &twice);

	if (kept == PV_KEPT) {
		p->mbuf = NULL;
		d->stats.bytes_reordered += p->payload_len;
	}
	if (twice.left != twice.right)
		pv_ack_duplicate(ctx, pcb, twice.left, twice.right);
	/* Who counts duplicate ACKs gets one for each segment (RFC 5681 4.2); that of a FIN
	 * follows.
	 */
	if ((pcb->flags & PV_PCB_SACK) == 0 && (p->flags & PV_TCP_FIN) == 0) {
		for (; segments > 0; segments--)
			pv_ack_send(ctx, pcb);
	} else {
		pv_ack_now(ctx, pcb);
	}
	if (kept == PV_KEPT)
		return PV_C_TCP_OUT_OF_ORDER;
	return kept == PV_KEPT_NONE ? PV_C_TCP_DUPLICATE : PV_C_TCP_BEYOND_BUFFER;
}

enum pv_counter
pv_text(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *p)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t unit, segments;

	if (pv_unlikely((pcb->flags & PV_PCB_FIN_RECEIVED) != 0))
		return PV_C_TCP_AFTER_FIN;
	if (pv_unlikely((pcb->flags & (PV_PCB_ORPHAN | PV_PCB_RECEIVE_SHUT)) != 0)) {
		pv_reset_reply(ctx, p);
		pv_conn_destroy(ctx, pcb, -ECONNABORTED, false);
		return PV_C_TCP_AFTER_CLOSE;
	}
	if (pv_unlikely((d->flags & PV_DATA_FIN_SEEN) != 0)) {
		if (!pv_seq_lt(p->seq, d->fin_seq))
			return PV_C_TCP_AFTER_FIN;
		if (pv_seq_gt(p->seq + p->payload_len, d->fin_seq))
			p->payload_len = (uint16_t)(d->fin_seq - p->seq);
	}
	unit = unit_of(p);
	segments = pv_likely(unit == p->payload_len) ? 1 : (p->payload_len + unit - 1) / unit;
	if (unit > d->peer_mss)
		d->peer_mss = (uint16_t)unit;
	d->last_data = ctx->now;
	d->stats.data_segs_in += segments;
	d->stats.segs_in += segments - 1;
	if (pv_unlikely((pcb->flags & PV_PCB_ECN) != 0))
		take_ecn(ctx, pcb, p);
	if (pv_likely(p->seq == pcb->rcv_nxt))
		return in_order(ctx, pcb, p);
	return out_of_order(ctx, pcb, p, segments);
}

bool
pv_text_fin(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *p)
{
	struct pv_conn_data *d = pcb->data;
	uint32_t fin_seq = p->seq + p->payload_len;

	if ((pcb->flags & PV_PCB_FIN_RECEIVED) != 0)
		return true;
	pv_ack_now(ctx, pcb);
	if ((d->flags & PV_DATA_FIN_SEEN) == 0) {
		d->flags |= PV_DATA_FIN_SEEN;
		d->fin_seq = fin_seq;
		pv_reassembly_cut(&ctx->conns->pieces, &d->ooo, fin_seq);
	}
	return d->fin_seq != pcb->rcv_nxt || pv_conn_fin_received(ctx, pcb);
}
