/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/syn_ack.h"

#include <rte_mbuf.h>

#include "ip/ip.h"
#include "tcp/bare.h"
#include "tcp/state.h"
#include "wire/eth.h"
#include "wire/ip6.h"

enum {
	AGREED_OPTIONS = 0xff & ~PV_AGREED_WSCALE_MASK,
	ALL_AGREED = PV_AGREED_TIMESTAMPS | PV_AGREED_SACK | PV_AGREED_WSCALE,
	OPTIONS_ALL = 20, /* mss, sackOK, TS, nop, wscale */
	FORM_TCP_LEN = PV_TCP_HDR_LEN + OPTIONS_ALL,
	FORM_TSVAL = PV_TCP_HDR_LEN + 8, /* where it stands in Linux's order */
	MTU_DEFAULT = 576,
};

/* RFC 9293 3.7.1, RFC 6691: what fits into one packet without options. */
static inline uint16_t
our_mss(const struct pv_ctx *ctx, const struct pv_path *path, bool is_v4)
{
	uint32_t mtu = path != NULL ? path->mtu : MTU_DEFAULT;
	uint32_t mss = mtu - (is_v4 ? PV_IP4_HDR_LEN : PV_IP6_HDR_LEN) - PV_TCP_HDR_LEN;

	if (ctx->tcp_config.mss_clamp != 0 && mss > ctx->tcp_config.mss_clamp)
		mss = ctx->tcp_config.mss_clamp;
	return (uint16_t)mss;
}

static inline uint8_t
flags_of(const struct pv_syn_ack *s)
{
	return s->agreed & PV_AGREED_ECN ? PV_TCP_SYN | PV_TCP_ACK | PV_TCP_ECE :
					   PV_TCP_SYN | PV_TCP_ACK;
}

static size_t
put_options(const struct pv_ctx *ctx, const struct pv_syn_ack *s, uint16_t mss, uint8_t *p)
{
	struct pv_tcp_opts opts = {
		.present = PV_TCP_OPT_MSS,
		.mss = mss,
		.wscale = s->listener->rcv_wscale,
		.tsval = s->tsval,
		.tsecr = s->tsecr,
	};

	if (s->agreed & PV_AGREED_WSCALE)
		opts.present |= PV_TCP_OPT_WSCALE;
	if (s->agreed & PV_AGREED_SACK)
		opts.present |= PV_TCP_OPT_SACKOK;
	if (s->agreed & PV_AGREED_TIMESTAMPS)
		opts.present |= PV_TCP_OPT_TS;
	if (pv_unlikely(s->hs != 0)) {
		opts.present |= PV_TCP_OPT_HS;
		opts.hs.flags = s->hs;
	}
	return pv_tcp_opt_build_syn(p, &opts,
			ctx->tcp_config.option_order == PV_OPTIONS_FREEBSD ? PV_TCP_ORDER_FREEBSD :
									     PV_TCP_ORDER_LINUX);
}

/* Writes the TCP header. Returns its length; its partial sum goes to *sum. */
static uint32_t
put_tcp(const struct pv_ctx *ctx, const struct pv_syn_ack *s, uint16_t mss, uint8_t *p,
		uint64_t *sum)
{
	uint32_t len = PV_TCP_HDR_LEN + (uint32_t)put_options(ctx, s, mss, p + PV_TCP_HDR_LEN);
	const struct pv_tcp_hdr hdr = {
		.sport = s->tuple->local_port,
		.dport = s->tuple->peer_port,
		.seq = s->iss,
		.ack = s->ack,
		.flags = flags_of(s),
		.wnd = s->listener->window,
		.hdr_len = (uint8_t)len,
	};

	pv_tcp_build(p, &hdr);
	*sum = pv_csum_part(p, len);
	return len;
}

/* The IP header before p. Returns where it begins; adds the pseudo header to *sum. */
static uint8_t *
put_ip4(const struct pv_syn_ack *s, uint8_t *p, uint32_t len, uint64_t *sum)
{
	const struct pv_tuple *tuple = s->tuple;
	const pv_be32 src = pv_addr_v4(&tuple->local), dst = pv_addr_v4(&tuple->peer);
	const struct pv_ip4 ip = {
		.src = src,
		.dst = dst,
		.total_len = (uint16_t)(PV_IP4_HDR_LEN + len),
		.flags = PV_IP4_DF,
		.tos = s->listener->tos,
		.ttl = s->listener->ttl,
		.proto = PV_PROTO_TCP,
	};

	p -= PV_IP4_HDR_LEN;
	pv_ip4_build(p, &ip);
	*sum += pv_csum_pseudo4(src, dst, PV_PROTO_TCP, (uint16_t)len);
	return p;
}

static uint8_t *
put_ip6(struct pv_ctx *ctx, const struct pv_syn_ack *s, uint8_t *p, uint32_t len, uint64_t *sum)
{
	const struct pv_tuple *tuple = s->tuple;
	struct pv_ip6 ip = {
		.payload_len = (uint16_t)len,
		.flow_label = pv_ip_flow_label(ctx, &tuple->local, &tuple->peer, p),
		.tclass = s->listener->tos,
		.hop_limit = s->listener->ttl,
		.next = PV_PROTO_TCP,
	};

	memcpy(ip.src, tuple->local.b, sizeof(ip.src));
	memcpy(ip.dst, tuple->peer.b, sizeof(ip.dst));
	p -= PV_IP6_HDR_LEN;
	pv_ip6_build(p, &ip);
	*sum += pv_csum_pseudo6(tuple->local.b, tuple->peer.b, PV_PROTO_TCP, len);
	return p;
}

/* The link header before p. Returns where it begins. */
static inline uint8_t *
put_link(const struct pv_path *path, uint8_t *p)
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

/* ---- by form --------------------------------------------------------------------------------- */

/* False: the reply is not one of those that have a form. */
static bool
make_form(struct pv_ctx *ctx, struct pv_syn_ack_form *form, const struct pv_syn_ack *s,
		const struct pv_path *path)
{
	/* All that is filled in later is zero. */
	struct pv_tuple tuple = { .local = s->tuple->local };
	const struct pv_syn_ack blank = {
		.tuple = &tuple, .listener = s->listener, .agreed = s->agreed
	};
	bool is_v4 = pv_addr_is_v4(&tuple.local);
	uint32_t ip_len = is_v4 ? PV_IP4_HDR_LEN : PV_IP6_HDR_LEN;
	uint8_t *tcp = form->bytes + ip_len;

	if ((s->agreed & ALL_AGREED) != ALL_AGREED || path->tx_tcp_checksum ||
			ctx->tcp_config.option_order != PV_OPTIONS_LINUX ||
			path->l2_len != PV_ETH_HDR_LEN)
		return false;
	form->listener = s->listener;
	form->path = path;
	form->local = tuple.local;
	form->burst = ctx->tcp->bursts;
	form->mtu = path->mtu;
	form->agreed = s->agreed & AGREED_OPTIONS;
	put_tcp(ctx, &blank, our_mss(ctx, path, is_v4), tcp, &form->tcp_sum);
	if (is_v4)
		put_ip4(&blank, tcp, FORM_TCP_LEN, &form->tcp_sum);
	else
		put_ip6(ctx, &blank, tcp, FORM_TCP_LEN, &form->tcp_sum);
	form->ip_sum = (uint16_t)~pv_ld16(form->bytes + 10);
	return true;
}

static inline bool
fits(const struct pv_ctx *ctx, const struct pv_syn_ack_form *form, const struct pv_syn_ack *s,
		const struct pv_path *path)
{
	return form->burst == ctx->tcp->bursts && form->listener == s->listener &&
	       form->path == path && form->mtu == path->mtu &&
	       form->agreed == (s->agreed & AGREED_OPTIONS) &&
	       pv_addr_equal(&form->local, &s->tuple->local);
}

/* The form for a reply, made if need be; NULL: it has none. */
static inline const struct pv_syn_ack_form *
form_of(struct pv_ctx *ctx, const struct pv_syn_ack *s, const struct pv_path *path, bool is_v4)
{
	uint32_t i = (s->listener->index * 2u + is_v4) % PV_SYN_ACK_FORMS;
	struct pv_syn_ack_form *form = &ctx->tcp->syn_ack_form[i];

	return pv_likely(fits(ctx, form, s, path)) || make_form(ctx, form, s, path) ? form : NULL;
}

/* Writes one word in host order and gives it back as it lies, to be summed. */
static inline uint64_t
put(uint8_t *p, uint32_t word)
{
	pv_st32be(p, word);
	return pv_hton32(word);
}

/* What differs from reply to reply in the TCP header; gives its sum. It is summed as it is written:
 * what was just stored in small pieces is slow to read in large ones. */
static inline uint64_t
fill_tcp(const struct pv_syn_ack *s, uint8_t *p)
{
	const struct pv_tuple *tuple = s->tuple;

	return put(p, (uint32_t)tuple->local_port << 16 | tuple->peer_port) + put(p + 4, s->iss) +
	       put(p + 8, s->ack) + put(p + FORM_TSVAL, s->tsval) +
	       put(p + FORM_TSVAL + 4, s->tsecr);
}

/* The reply whose TCP header begins at p. Returns where its IP header begins. */
static inline uint8_t *
fill4(const struct pv_syn_ack_form *form, const struct pv_syn_ack *s, uint8_t *p)
{
	const pv_be32 dst = pv_addr_v4(&s->tuple->peer);
	uint8_t *ip = p - PV_IP4_HDR_LEN;

	memcpy(ip, form->bytes, PV_IP4_HDR_LEN + FORM_TCP_LEN);
	pv_st16(ip + 10, pv_csum_finish(form->ip_sum + dst));
	pv_st32(ip + 16, dst);
	pv_st16(p + PV_TCP_CSUM_OFFSET, pv_csum_finish(form->tcp_sum + dst + fill_tcp(s, p)));
	return ip;
}

static inline uint8_t *
fill6(const struct pv_ctx *ctx, const struct pv_syn_ack_form *form, const struct pv_syn_ack *s,
		uint8_t *p)
{
	const struct pv_tuple *tuple = s->tuple;
	uint64_t sum = form->tcp_sum + pv_csum_part(tuple->peer.b, sizeof(tuple->peer.b));
	uint8_t *ip = p - PV_IP6_HDR_LEN;

	memcpy(ip, form->bytes, PV_IP6_HDR_LEN + FORM_TCP_LEN);
	sum += fill_tcp(s, p);
	pv_st32be(ip, (pv_ld32be(form->bytes) & 0xfff00000) |
					pv_ip_flow_label(ctx, &tuple->local, &tuple->peer, p));
	memcpy(ip + 24, tuple->peer.b, sizeof(tuple->peer.b));
	pv_st16(p + PV_TCP_CSUM_OFFSET, pv_csum_finish(sum));
	return ip;
}

/* ---- any other way --------------------------------------------------------------------------- */

/* What the device needs to know to put the checksum in itself; the IPv4 header's is always there.
 */
static void
offload(struct rte_mbuf *m, const struct pv_path *path, bool is_v4, uint32_t len)
{
	m->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM | (is_v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
	m->tx_offload = rte_mbuf_tx_offload(
			path->l2_len, is_v4 ? PV_IP4_HDR_LEN : PV_IP6_HDR_LEN, len, 0, 0, 0, 0);
}

/* The same for a reply that has no form; the length of the TCP header goes to *len. */
static pv_cold uint8_t *
write_out(struct pv_ctx *ctx, const struct pv_packet *packet, const struct pv_path *path,
		const struct pv_syn_ack *s, uint8_t *p, uint32_t *len)
{
	bool is_v4 = packet->is_v4 != 0;
	uint64_t sum;
	uint8_t *ip;

	*len = put_tcp(ctx, s, our_mss(ctx, path, is_v4), p, &sum);
	if (path->tx_tcp_checksum) {
		offload(packet->mbuf, path, is_v4, *len);
		sum = 0;
	}
	ip = is_v4 ? put_ip4(s, p, *len, &sum) : put_ip6(ctx, s, p, *len, &sum);
	pv_st16(p + PV_TCP_CSUM_OFFSET,
			path->tx_tcp_checksum ? pv_csum_fold(sum) : pv_csum_finish(sum));
	return ip;
}

/* The link header goes before the IP header, and the frame off. */
static inline void
send_off(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_path *path, uint8_t *ip,
		const uint8_t *end)
{
	struct rte_mbuf *m = packet->mbuf;
	uint8_t *p = put_link(path, ip);

	m->data_off = (uint16_t)(p - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(end - p);
	m->pkt_len = m->data_len;
	packet->mbuf = NULL;
	ctx->transmit(ctx, path->port, m);
}

void
pv_syn_ack_reply(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_syn_ack *s)
{
	const struct pv_path *path = pv_ip_path(ctx, &s->tuple->peer);
	const struct pv_syn_ack_form *form;
	uint32_t len = FORM_TCP_LEN;
	uint8_t *p, *ip;

	if (pv_unlikely(path == NULL || !path->resolved ||
			    !pv_bare_reusable(packet->mbuf, packet->l4_offset))) {
		pv_syn_ack_send(ctx, s);
		return;
	}
	p = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l4_offset);
	form = form_of(ctx, s, path, packet->is_v4 != 0);
	packet->mbuf->ol_flags = 0;
	if (pv_unlikely(form == NULL))
		ip = write_out(ctx, packet, path, s, p, &len);
	else
		ip = packet->is_v4 ? fill4(form, s, p) : fill6(ctx, form, s, p);
	send_off(ctx, packet, path, ip, p + len);
	pv_count(&ctx->counters, PV_C_TCP_SYN_ACK_SENT);
	pv_count(&ctx->counters, PV_C_TCP_SEGMENTS_SENT);
}

void
pv_syn_ack_send(struct pv_ctx *ctx, const struct pv_syn_ack *s)
{
	const struct pv_path *path = pv_ip_path(ctx, &s->tuple->peer);
	struct pv_bare bare = {
		.tuple = s->tuple,
		.seq = s->iss,
		.ack = s->ack,
		.window = s->listener->window,
		.flags = flags_of(s),
		.tos = s->listener->tos,
		.ttl = s->listener->ttl,
	};
	uint16_t mss = our_mss(ctx, path, pv_addr_is_v4(&s->tuple->peer));

	bare.options_len = (uint8_t)put_options(ctx, s, mss, bare.options);
	pv_count(&ctx->counters, PV_C_TCP_SYN_ACK_SENT);
	pv_bare_send(ctx, &bare);
}
