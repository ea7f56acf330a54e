/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/syn_ack.h"

#include <rte_mbuf.h>

#include "ip/ip.h"
#include "tcp/bare.h"
#include "tcp/record.h"
#include "wire/eth.h"
#include "wire/ip6.h"

enum {
	ALL_AGREED = PV_AGREED_TIMESTAMPS | PV_AGREED_SACK | PV_AGREED_WSCALE,
	OPTIONS_ALL = 20, /* mss, sackOK, TS, nop, wscale */
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
		.wscale = s->rcv_wscale,
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

/* Writes one word in host order and gives it back as it lies, to be summed. */
static inline uint64_t
put(uint8_t *p, uint32_t word)
{
	pv_st32be(p, word);
	return pv_hton32(word);
}

/* The usual case, summed while it is written: all options, in Linux's order. */
static inline uint64_t
put_tcp_all(const struct pv_syn_ack *s, uint16_t mss, uint8_t *p)
{
	const struct pv_tuple *tuple = s->tuple;
	const uint32_t hdr_len = PV_TCP_HDR_LEN + OPTIONS_ALL;
	uint64_t sum;

	sum = put(p, (uint32_t)tuple->local_port << 16 | tuple->peer_port);
	sum += put(p + 4, s->iss);
	sum += put(p + 8, s->ack);
	sum += put(p + 12, hdr_len << 26 | (uint32_t)flags_of(s) << 16 | s->window);
	pv_st32(p + 16, 0);
	sum += put(p + 20, PV_TCP_KIND_MSS << 24 | 4 << 16 | mss);
	sum += put(p + 24, PV_TCP_KIND_SACKOK << 24 | 2 << 16 | PV_TCP_KIND_TS << 8 | 10);
	sum += put(p + 28, s->tsval);
	sum += put(p + 32, s->tsecr);
	return sum + put(p + 36, PV_TCP_KIND_NOP << 24 | PV_TCP_KIND_WSCALE << 16 | 3 << 8 |
						     s->rcv_wscale);
}

/* Writes the TCP header. Its length goes to *len; returns its partial sum. */
static inline uint64_t
put_tcp(const struct pv_ctx *ctx, const struct pv_syn_ack *s, uint16_t mss, uint8_t *p,
		uint32_t *len)
{
	struct pv_tcp_hdr hdr;

	if (pv_likely((s->agreed & ALL_AGREED) == ALL_AGREED &&
			    ctx->tcp_config.option_order == PV_OPTIONS_LINUX)) {
		*len = PV_TCP_HDR_LEN + OPTIONS_ALL;
		return put_tcp_all(s, mss, p);
	}
	*len = PV_TCP_HDR_LEN + (uint32_t)put_options(ctx, s, mss, p + PV_TCP_HDR_LEN);
	hdr = (struct pv_tcp_hdr){
		.sport = s->tuple->local_port,
		.dport = s->tuple->peer_port,
		.seq = s->iss,
		.ack = s->ack,
		.flags = flags_of(s),
		.wnd = s->window,
		.hdr_len = (uint8_t)*len,
	};
	pv_tcp_build(p, &hdr);
	return pv_csum_part(p, *len);
}

/*
 * The IP header before p. Returns where it begins; adds the pseudo header to *sum. Summed while it
 * is written: what was just stored in small pieces is slow to read in large ones.
 */
static inline uint8_t *
put_ip4(const struct pv_ctx *ctx, const struct pv_tuple *tuple, uint8_t *p, uint32_t len,
		uint64_t *sum)
{
	const pv_be32 src = pv_addr_v4(&tuple->local), dst = pv_addr_v4(&tuple->peer);
	const uint32_t tos = (uint32_t)ctx->tcp_config.dscp << 2;
	uint64_t header;

	p -= PV_IP4_HDR_LEN;
	header = put(p, 0x45000000 | tos << 16 | (PV_IP4_HDR_LEN + len));
	header += put(p + 4, PV_IP4_DF);
	header += put(p + 8, (uint32_t)ctx->tcp_config.ttl << 24 | PV_PROTO_TCP << 16);
	header += (uint64_t)src + dst;
	pv_st16(p + 10, pv_csum_finish(header));
	pv_st32(p + 12, src);
	pv_st32(p + 16, dst);
	*sum += pv_csum_pseudo4(src, dst, PV_PROTO_TCP, (uint16_t)len);
	return p;
}

static inline uint8_t *
put_ip6(struct pv_ctx *ctx, const struct pv_tuple *tuple, uint8_t *p, uint32_t len, uint64_t *sum)
{
	struct pv_ip6 ip = {
		.payload_len = (uint16_t)len,
		.flow_label = pv_ip_flow_label(ctx, &tuple->local, &tuple->peer, p),
		.tclass = (uint8_t)(ctx->tcp_config.dscp << 2),
		.hop_limit = ctx->tcp_config.ttl,
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

/* What the device needs to know to put the checksum in itself; the IPv4 header's is always there.
 */
static inline void
offload(struct rte_mbuf *m, const struct pv_path *path, bool is_v4, uint32_t len)
{
	m->ol_flags = RTE_MBUF_F_TX_TCP_CKSUM | (is_v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
	m->tx_offload = rte_mbuf_tx_offload(
			path->l2_len, is_v4 ? PV_IP4_HDR_LEN : PV_IP6_HDR_LEN, len, 0, 0, 0, 0);
}

/* The TCP header at p is complete but for its checksum: all that lies before it, and off with it.
 */
static inline void
finish(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_path *path, uint8_t *p,
		uint32_t len, uint64_t sum)
{
	const struct pv_tuple *tuple = &packet->tuple;
	struct rte_mbuf *m = packet->mbuf;
	bool is_v4 = packet->is_v4 != 0;
	uint8_t *tcp = p;

	p = is_v4 ? put_ip4(ctx, tuple, p, len, &sum) : put_ip6(ctx, tuple, p, len, &sum);
	m->ol_flags = 0;
	if (pv_unlikely(path->tx_tcp_checksum)) {
		offload(m, path, is_v4, len);
		sum = is_v4 ? pv_csum_pseudo4(pv_addr_v4(&tuple->local), pv_addr_v4(&tuple->peer),
					      PV_PROTO_TCP, (uint16_t)len) :
			      pv_csum_pseudo6(tuple->local.b, tuple->peer.b, PV_PROTO_TCP, len);
		pv_st16(tcp + PV_TCP_CSUM_OFFSET, pv_csum_fold(sum));
	} else {
		pv_st16(tcp + PV_TCP_CSUM_OFFSET, pv_csum_finish(sum));
	}
	p = put_link(path, p);
	m->data_off = (uint16_t)(p - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)(tcp + len - p);
	m->pkt_len = m->data_len;
	packet->mbuf = NULL;
	ctx->transmit(ctx, path->port, m);
}

/* The SYN's mbuf is ours alone, in one piece, and has room for the longest answer around the place
 * where its TCP header lies. */
static inline bool
reusable(const struct rte_mbuf *m, uint32_t l4_offset)
{
	uint32_t at = m->data_off + l4_offset;

	return m->nb_segs == 1 && RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 &&
	       at >= PV_HEADROOM && at + PV_TCP_HDR_MAX <= m->buf_len;
}

void
pv_syn_ack_reply(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_syn_ack *s)
{
	const struct pv_path *path = pv_ip_path(ctx, &s->tuple->peer);
	uint64_t sum;
	uint32_t len;
	uint8_t *p;

	if (pv_unlikely(path == NULL || !path->resolved ||
			    !reusable(packet->mbuf, packet->l4_offset))) {
		pv_syn_ack_send(ctx, s);
		return;
	}
	p = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l4_offset);
	sum = put_tcp(ctx, s, our_mss(ctx, path, packet->is_v4), p, &len);
	finish(ctx, packet, path, p, len, sum);
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
		.window = s->window,
		.flags = flags_of(s),
		.tos = (uint8_t)(ctx->tcp_config.dscp << 2),
	};
	uint16_t mss = our_mss(ctx, path, pv_addr_is_v4(&s->tuple->peer));

	bare.options_len = (uint8_t)put_options(ctx, s, mss, bare.options);
	pv_count(&ctx->counters, PV_C_TCP_SYN_ACK_SENT);
	pv_bare_send(ctx, &bare);
}
