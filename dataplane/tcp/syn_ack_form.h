/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_SYN_ACK_FORM_H
#define PV_TCP_SYN_ACK_FORM_H

/* How a SYN-ACK with all options is filled into its form: in line, for those that answer many SYNs
 * alike. */

#include <rte_mbuf.h>

#include "ip/ip.h"
#include "tcp/record.h"
#include "tcp/state.h"
#include "wire/csum.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp_hdr.h"

enum {
	PV_FORM_AGREED = PV_AGREED_TIMESTAMPS | PV_AGREED_SACK | PV_AGREED_WSCALE,
	PV_FORM_OPTIONS = 20, /* mss, sackOK, TS, nop, wscale */
	PV_FORM_TCP_LEN = PV_TCP_HDR_LEN + PV_FORM_OPTIONS,
	PV_FORM_TSVAL = PV_TCP_HDR_LEN + 8, /* where it stands in Linux's order */
};

/* syn_ack.c. False: the reply is not one of those that have a form. */
bool pv_syn_ack_make_form(struct pv_ctx *ctx, struct pv_syn_ack_form *form,
		const struct pv_syn_ack *s, const struct pv_path *path);

static inline bool
pv_syn_ack_fits(const struct pv_ctx *ctx, const struct pv_syn_ack_form *form,
		const struct pv_syn_ack *s, const struct pv_path *path)
{
	return form->burst == ctx->tcp->bursts && form->listener == s->listener &&
	       form->path == path && form->mtu == path->mtu &&
	       form->agreed == (s->agreed & ~PV_AGREED_WSCALE_MASK) &&
	       pv_addr_equal(&form->local, &s->tuple->local);
}

/* The form for a reply, made if need be; NULL: it has none. */
static inline const struct pv_syn_ack_form *
pv_syn_ack_form_of(struct pv_ctx *ctx, const struct pv_syn_ack *s, const struct pv_path *path,
		bool is_v4)
{
	uint32_t i = (s->listener->index * 2u + is_v4) % PV_SYN_ACK_FORMS;
	struct pv_syn_ack_form *form = &ctx->tcp->syn_ack_form[i];

	return pv_likely(pv_syn_ack_fits(ctx, form, s, path)) ||
					       pv_syn_ack_make_form(ctx, form, s, path) ?
			       form :
			       NULL;
}

/* Writes one word in host order and gives it back as it lies, to be summed. */
static inline uint64_t
pv_syn_ack_put(uint8_t *p, uint32_t word)
{
	pv_st32be(p, word);
	return pv_hton32(word);
}

/* What differs from reply to reply in the TCP header; gives its sum. It is summed as it is written:
 * what was just stored in small pieces is slow to read in large ones. */
static inline uint64_t
pv_syn_ack_fill_tcp(const struct pv_syn_ack *s, uint8_t *p)
{
	const struct pv_tuple *tuple = s->tuple;

	return pv_syn_ack_put(p, (uint32_t)tuple->local_port << 16 | tuple->peer_port) +
	       pv_syn_ack_put(p + 4, s->iss) + pv_syn_ack_put(p + 8, s->ack) +
	       pv_syn_ack_put(p + PV_FORM_TSVAL, s->tsval) +
	       pv_syn_ack_put(p + PV_FORM_TSVAL + 4, s->tsecr);
}

/* The reply whose TCP header begins at p. Returns where its IP header begins. */
static inline uint8_t *
pv_syn_ack_fill4(const struct pv_syn_ack_form *form, const struct pv_syn_ack *s, uint8_t *p)
{
	const pv_be32 dst = pv_addr_v4(&s->tuple->peer);
	uint8_t *ip = p - PV_IP4_HDR_LEN;

	memcpy(ip, form->bytes, PV_IP4_HDR_LEN + PV_FORM_TCP_LEN);
	pv_st16(ip + 10, pv_csum_finish(form->ip_sum + dst));
	pv_st32(ip + 16, dst);
	pv_st16(p + PV_TCP_CSUM_OFFSET,
			pv_csum_finish(form->tcp_sum + dst + pv_syn_ack_fill_tcp(s, p)));
	return ip;
}

static inline uint8_t *
pv_syn_ack_fill6(const struct pv_ctx *ctx, const struct pv_syn_ack_form *form,
		const struct pv_syn_ack *s, uint8_t *p)
{
	const struct pv_tuple *tuple = s->tuple;
	uint64_t sum = form->tcp_sum + pv_csum_part(tuple->peer.b, sizeof(tuple->peer.b));
	uint8_t *ip = p - PV_IP6_HDR_LEN;

	memcpy(ip, form->bytes, PV_IP6_HDR_LEN + PV_FORM_TCP_LEN);
	sum += pv_syn_ack_fill_tcp(s, p);
	pv_st32be(ip, (pv_ld32be(form->bytes) & 0xfff00000) |
					pv_ip_flow_label(ctx, &tuple->local, &tuple->peer, p));
	memcpy(ip + 24, tuple->peer.b, sizeof(tuple->peer.b));
	pv_st16(p + PV_TCP_CSUM_OFFSET, pv_csum_finish(sum));
	return ip;
}

/* The link header before p. Returns where it begins. */
static inline uint8_t *
pv_syn_ack_put_link(const struct pv_path *path, uint8_t *p)
{
	p -= path->l2_len;
	if (pv_likely(path->l2_len == PV_ETH_HDR_LEN)) {
		pv_st64(p, pv_ld64(path->l2));
		pv_st64(p + 6, pv_ld64(path->l2 + 6));
	} else {
		memcpy(p, path->l2, path->l2_len);
	}
	return p;
}

/* The link header goes before the IP header, and the frame off. */
static inline void
pv_syn_ack_send_off(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_path *path,
		uint8_t *ip, const uint8_t *end)
{
	struct rte_mbuf *m = packet->mbuf;
	uint8_t *p = pv_syn_ack_put_link(path, ip);

	m->data_off = (uint16_t)(p - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(end - p);
	m->pkt_len = m->data_len;
	packet->mbuf = NULL;
	ctx->transmit(ctx, path->port, m);
}

/* The reply by form in the mbuf of its SYN, which can be used; not counted yet. */
static inline void
pv_syn_ack_answer(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_path *path,
		const struct pv_syn_ack_form *form, const struct pv_syn_ack *s)
{
	uint8_t *p = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l4_offset);
	uint8_t *ip = packet->is_v4 ? pv_syn_ack_fill4(form, s, p) :
				      pv_syn_ack_fill6(ctx, form, s, p);

	packet->mbuf->ol_flags = 0;
	pv_syn_ack_send_off(ctx, packet, path, ip, p + PV_FORM_TCP_LEN);
}

/* So many were sent. */
static inline void
pv_syn_ack_count(struct pv_ctx *ctx, uint32_t n)
{
	pv_count_n(&ctx->counters, PV_C_TCP_SYN_ACK_SENT, n);
	pv_count_n(&ctx->counters, PV_C_TCP_SEGMENTS_SENT, n);
}

#endif
