/* SPDX-License-Identifier: BSD-3-Clause */
/* The making of a segment: header, options in Linux's order, payload from the tx stream. */
#include <errno.h>
#include <rte_mbuf.h>

#include "ip/ip.h"
#include "tcp/offer.h"

/* SACK blocks, as many as fit into `space` bytes; the duplicate first (RFC 2883 4). */
static void
add_sack(const struct pv_pcb *pcb, struct pv_tcp_opts *o, uint32_t space)
{
	const struct pv_conn_data *d = pcb->data;
	uint32_t room = pv_tcp_opt_sack_room(o->present);

	if (space < PV_TCP_SPACE_SACK + 8)
		return;
	if (room > (space - PV_TCP_SPACE_SACK) / 8)
		room = (space - PV_TCP_SPACE_SACK) / 8;
	o->present |= PV_TCP_OPT_SACK;
	if ((d->flags & PV_DATA_DSACK) != 0)
		o->sack[o->n_sack++] = (struct pv_tcp_sack){ d->dsack.left, d->dsack.right };
	o->n_sack += (uint8_t)pv_reassembly_sack(&d->ooo, &o->sack[o->n_sack], room - o->n_sack);
}

static bool
has_sack(const struct pv_pcb *pcb)
{
	return pcb->data != NULL && (pcb->flags & PV_PCB_SACK) != 0 &&
	       (pcb->data->ooo.first != NULL || (pcb->data->flags & PV_DATA_DSACK) != 0);
}

/* nop, nop, timestamps [, nop, nop, SACK]; returns the length. */
static uint32_t
write_options(const struct pv_ctx *ctx, const struct pv_pcb *pcb, uint8_t *p,
		const struct pv_segment_out *out)
{
	struct pv_tcp_opts o = { 0 };

	if ((pcb->flags & PV_PCB_TIMESTAMPS) != 0) {
		o.present = PV_TCP_OPT_TS;
		o.tsval = pv_conn_tsval(ctx, pcb);
		o.tsecr = pcb->ts_recent;
	}
	if (pv_unlikely((pcb->flags & PV_PCB_EXCHANGE) != 0) && out->len != 0)
		pv_offer_option(pcb->data->exchange, out->pos, out->len, &o);
	if (pv_unlikely(has_sack(pcb)) && (out->flags & PV_TCP_RST) == 0 &&
			(o.present & PV_TCP_OPT_HS) == 0)
		add_sack(pcb, &o, out->len == 0 ? PV_TCP_OPTIONS_MAX : pcb->snd_mss - out->len);
	return (uint32_t)pv_tcp_opt_build(p, &o);
}

static void
write_payload(struct pv_conn_data *d, uint64_t pos, uint8_t *p, uint32_t len)
{
	struct pv_stream_cursor *cursor;

	if (pv_unlikely(d->exchange != NULL)) {
		const struct pv_block *block = pv_offer_at(d->exchange, pos);

		if (block != NULL) {
			memcpy(p, block->bytes + (pos - block->pos), len);
			return;
		}
		pos -= pv_offer_before(d->exchange, pos);
	}
	/* New data and retransmissions each go forward, by a cursor of their own. */
	cursor = pos >= d->cursor.pos ? &d->cursor : &d->resend_cursor;

	pv_stream_read(&d->shared->tx, cursor, pos, p, len);
}

/* RFC 6093 3.1, RFC 9293 3.8.5: as long as the urgent octet is not acknowledged. */
static void
point_at_urgent(const struct pv_pcb *pcb, struct pv_tcp_hdr *h)
{
	struct pv_conn_data *d = pcb->data;

	if (pv_seq_le(d->snd_up, pcb->snd_una)) {
		d->flags &= ~(uint32_t)PV_DATA_SND_URGENT;
	} else if (pv_seq_gt(d->snd_up, h->seq) && d->snd_up - h->seq <= UINT16_MAX) {
		h->flags |= PV_TCP_URG;
		h->urg = (uint16_t)(d->snd_up - h->seq);
	}
}

/* The rest of a payload goes into further buffers. False: there are none. */
static bool
chain_payload(struct pv_ctx *ctx, struct pv_conn_data *d, struct rte_mbuf *first,
		const struct pv_segment_out *out, uint32_t done)
{
	struct rte_mbuf *last = first;

	while (done < out->len) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(ctx->mbufs);
		uint32_t left = out->len - done, part;

		if (m == NULL)
			return false;
		part = left < rte_pktmbuf_tailroom(m) ? left : rte_pktmbuf_tailroom(m);
		write_payload(d, out->pos + done, rte_pktmbuf_mtod(m, uint8_t *), part);
		m->data_len = (uint16_t)part;
		first->pkt_len += part;
		first->nb_segs++;
		last->next = m;
		last = m;
		done += part;
	}
	return true;
}

/* The payload behind the header of `hdr_len` bytes. */
static bool
add_payload(struct pv_ctx *ctx, struct pv_pcb *pcb, struct rte_mbuf *m,
		const struct pv_segment_out *out, uint32_t hdr_len)
{
	uint32_t room = (uint32_t)rte_pktmbuf_tailroom(m) - hdr_len;
	uint32_t len = out->mss != 0 && out->len > room ? room : out->len;

	if (len != 0)
		write_payload(pcb->data, out->pos, rte_pktmbuf_mtod_offset(m, uint8_t *, hdr_len),
				len);
	m->data_len = (uint16_t)(hdr_len + len);
	m->pkt_len = m->data_len;
	return pv_likely(len == out->len) || chain_payload(ctx, pcb->data, m, out, len);
}

int
pv_segment_send(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_segment_out *out)
{
	struct pv_ip_send how = {
		.local = pcb->tuple.local,
		.peer = pcb->tuple.peer,
		.protocol = PV_PROTO_TCP,
		.tos = pcb->tos | (out->ect ? 2 : 0),
		.ttl = pcb->ttl,
		.tso_mss = out->mss,
	};
	struct pv_tcp_hdr h = {
		.sport = pcb->tuple.local_port,
		.dport = pcb->tuple.peer_port,
		.seq = out->seq,
		.ack = pcb->rcv_nxt,
		.flags = out->flags,
	};
	struct rte_mbuf *m = rte_pktmbuf_alloc(ctx->mbufs);
	uint8_t *p;

	if (pv_unlikely(m == NULL)) {
		pv_count(&ctx->counters, PV_C_NO_MBUF);
		return -ENOBUFS;
	}
	if (pv_unlikely(pcb->data != NULL && (pcb->data->flags & PV_DATA_SND_URGENT) != 0))
		point_at_urgent(pcb, &h);
	p = rte_pktmbuf_mtod(m, uint8_t *);
	h.hdr_len = (uint8_t)(PV_TCP_HDR_LEN + write_options(ctx, pcb, p + PV_TCP_HDR_LEN, out));
	if (pv_likely((out->flags & PV_TCP_RST) == 0))
		h.wnd = pv_window_field(pcb);
	if (pv_unlikely((pcb->flags & PV_PCB_ECN) != 0) && pcb->data != NULL &&
			(pcb->data->flags & PV_DATA_ECE) != 0)
		h.flags |= PV_TCP_ECE;
	pv_tcp_build(p, &h);
	if (pv_unlikely(!add_payload(ctx, pcb, m, out, h.hdr_len))) {
		rte_pktmbuf_free(m);
		pv_count(&ctx->counters, PV_C_NO_MBUF);
		return -ENOBUFS;
	}
	pv_ip_send(ctx, m, &how);
	pv_count(&ctx->counters, PV_C_TCP_SEGMENTS_SENT);
	/* A full segment sent again has no room for SACK blocks: they follow on an ACK of their
	 * own. */
	if (pv_likely(out->len < pcb->snd_mss || !has_sack(pcb)))
		pv_ack_sent(pcb);
	if (pcb->data != NULL) {
		pcb->data->stats.segs_out++;
		pv_window_watch(ctx, pcb);
	}
	return 0;
}
