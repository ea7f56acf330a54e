/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/bare.h"
#include "tcp/syn_ack_form.h"

enum { MTU_DEFAULT = 576 };

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

/* ---- by form --------------------------------------------------------------------------------- */

bool
pv_syn_ack_make_form(struct pv_ctx *ctx, struct pv_syn_ack_form *form, const struct pv_syn_ack *s,
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

	if ((s->agreed & PV_FORM_AGREED) != PV_FORM_AGREED || path->tx_tcp_checksum ||
			ctx->tcp_config.option_order != PV_OPTIONS_LINUX ||
			path->l2_len != PV_ETH_HDR_LEN)
		return false;
	form->listener = s->listener;
	form->path = path;
	form->local = tuple.local;
	form->burst = ctx->tcp->bursts;
	form->mtu = path->mtu;
	form->agreed = s->agreed & (uint8_t)~PV_AGREED_WSCALE_MASK;
	put_tcp(ctx, &blank, our_mss(ctx, path, is_v4), tcp, &form->tcp_sum);
	if (is_v4)
		put_ip4(&blank, tcp, PV_FORM_TCP_LEN, &form->tcp_sum);
	else
		put_ip6(ctx, &blank, tcp, PV_FORM_TCP_LEN, &form->tcp_sum);
	form->ip_sum = (uint16_t)~pv_ld16(form->bytes + 10);
	return true;
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

void
pv_syn_ack_reply(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_syn_ack *s)
{
	const struct pv_path *path = pv_ip_path(ctx, &s->tuple->peer);
	const struct pv_syn_ack_form *form;
	uint32_t len;
	uint8_t *p, *ip;

	if (pv_unlikely(path == NULL || !path->resolved ||
			    !pv_bare_reusable(packet->mbuf, packet->l4_offset))) {
		pv_syn_ack_send(ctx, s);
		return;
	}
	form = pv_syn_ack_form_of(ctx, s, path, packet->is_v4 != 0);
	if (pv_likely(form != NULL)) {
		pv_syn_ack_answer(ctx, packet, path, form, s);
	} else {
		p = rte_pktmbuf_mtod_offset(packet->mbuf, uint8_t *, packet->l4_offset);
		packet->mbuf->ol_flags = 0;
		ip = write_out(ctx, packet, path, s, p, &len);
		pv_syn_ack_send_off(ctx, packet, path, ip, p + len);
	}
	pv_syn_ack_count(ctx, 1);
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
