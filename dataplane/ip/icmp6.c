/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP for IPv6: echo, errors in and errors out (RFC 4443, RFC 5461). */
#include "wire/icmp6.h"

#include "ip/state.h"

/* The message is built anew over the old one: the addresses in its checksum change places. */
static void
echo(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip6 *ip, uint16_t off,
		struct pv_icmp6 *icmp)
{
	struct pv_ip_send how = {
		.protocol = PV_PROTO_ICMP6, .tos = ip->tclass, .ttl = ctx->config->tcp.ttl
	};
	struct rte_mbuf *m = frame->mbuf;
	struct pv_ip6 back = { 0 };
	uint16_t len = (uint16_t)(PV_IP6_HDR_LEN + ip->payload_len - off);

	if (frame->group || !pv_ip_limit_take(&ctx->ip->echo_limit, ctx->now)) {
		pv_ip_end(ctx, frame, PV_C_ICMP_ECHO_LIMITED);
		return;
	}
	pv_count(&ctx->counters, PV_C_ICMP_ECHO);
	pv_count(&ctx->counters, PV_C_ICMP_SENT);
	memcpy(how.local.b, ip->dst, 16);
	memcpy(how.peer.b, ip->src, 16);
	memcpy(back.src, ip->dst, 16);
	memcpy(back.dst, ip->src, 16);
	icmp->type = PV_ICMP6_ECHO_REPLY;
	rte_pktmbuf_adj(m, (uint16_t)(frame->offset + off));
	rte_pktmbuf_trim(m, (uint16_t)(m->data_len - len));
	pv_icmp6_build(rte_pktmbuf_mtod(m, uint8_t *), len, icmp, &back);
	pv_ip_send(ctx, m, &how);
}

static enum pv_icmp_error_kind
kind_of(const struct pv_icmp6 *icmp)
{
	if (icmp->type == PV_ICMP6_TOO_BIG)
		return PV_ICMP_TOO_BIG;
	if (icmp->type == PV_ICMP6_PARAM_PROBLEM)
		return icmp->code == PV_ICMP6_PARAM_NEXT_HEADER ? PV_ICMP_HARD : PV_ICMP_SOFT;
	if (icmp->type != PV_ICMP6_UNREACH)
		return PV_ICMP_SOFT;
	switch (icmp->code) {
	case PV_ICMP6_ADMIN_PROHIBITED:
	case PV_ICMP6_PORT_UNREACH:
	case PV_ICMP6_POLICY:
	case PV_ICMP6_REJECT_ROUTE:
		return PV_ICMP_HARD;
	default:
		return PV_ICMP_SOFT;
	}
}

static void
error_in(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_icmp6 *icmp)
{
	struct pv_icmp_error error = { .kind = (uint8_t)kind_of(icmp),
		.mtu = (uint16_t)RTE_MIN(icmp->mtu, (uint32_t)UINT16_MAX) };
	struct pv_icmp6_quote quote;

	if (pv_icmp6_parse_quote(icmp->data, icmp->data_len, &quote) != PV_ICMP6_OK ||
			quote.proto != PV_PROTO_TCP ||
			pv_own6_kind(ctx, frame->port, quote.src) != PV_ADDR_OURS) {
		pv_ip_end(ctx, frame, PV_C_ICMP_ERROR_IGNORED);
		return;
	}
	memcpy(error.tuple.local.b, quote.src, 16);
	memcpy(error.tuple.peer.b, quote.dst, 16);
	error.tuple.local_port = quote.sport;
	error.tuple.peer_port = quote.dport;
	error.seq = quote.seq;
	pv_icmp_report(ctx, frame, &error);
}

static bool
is_discovery(uint8_t type)
{
	return type >= PV_ICMP6_ROUTER_SOLICIT && type <= PV_ICMP6_REDIRECT;
}

void
pv_icmp6_input(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip6 *ip,
		const struct pv_ip6_upper *upper)
{
	size_t n = (size_t)PV_IP6_HDR_LEN + ip->payload_len - upper->off;
	struct pv_icmp6 icmp;

	switch (pv_icmp6_parse(frame->packet + upper->off, n, ip->src, ip->dst, &icmp)) {
	case PV_ICMP6_OK:
		break;
	case PV_ICMP6_CHECKSUM:
		pv_ip_end(ctx, frame, PV_C_ICMP_CHECKSUM);
		return;
	case PV_ICMP6_TRUNCATED:
	case PV_ICMP6_QUOTE_SHORT:
	case PV_ICMP6_QUOTE_HEADER:
	case PV_ICMP6_QUOTE_FRAG:
	default:
		pv_ip_end(ctx, frame, PV_C_ICMP_TRUNCATED);
		return;
	}
	if (is_discovery(icmp.type)) {
		if (frame->port == PV_PORT_LOOPBACK || upper->fragment)
			pv_ip_end(ctx, frame, PV_C_ND_MALFORMED);
		else if (!pv_ip_give(ctx, frame, ctx->ip->port[frame->port].facts.owner))
			pv_nd_input(ctx, frame, ip, upper);
	} else if (icmp.type == PV_ICMP6_ECHO) {
		echo(ctx, frame, ip, upper->off, &icmp);
	} else if (pv_icmp6_is_error(icmp.type) && !frame->group) {
		error_in(ctx, frame, &icmp);
	} else {
		pv_ip_end(ctx, frame, PV_C_ICMP_OTHER);
	}
}

void
pv_icmp6_refuse(struct pv_ctx *ctx, const struct pv_ip_frame *frame, const struct pv_ip6 *ip,
		uint8_t type, uint8_t code, uint32_t pointer)
{
	struct pv_icmp6 icmp = { .type = type,
		.code = code,
		.pointer = pointer,
		.data = frame->packet,
		.data_len = (size_t)PV_IP6_HDR_LEN + ip->payload_len };
	struct pv_ip_send how = { .protocol = PV_PROTO_ICMP6, .ttl = ctx->config->tcp.ttl };
	struct pv_ip6 back = { 0 };
	struct rte_mbuf *m;
	size_t len;

	if (frame->group)
		return;
	m = pv_icmp_alloc_error(ctx);
	if (m == NULL)
		return;
	memcpy(how.local.b, ip->dst, 16);
	memcpy(how.peer.b, ip->src, 16);
	memcpy(back.src, ip->dst, 16);
	memcpy(back.dst, ip->src, 16);
	len = pv_icmp6_build(rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_tailroom(m), &icmp, &back);
	pv_ip_append(m, (uint16_t)len);
	pv_count(&ctx->counters, PV_C_ICMP_SENT);
	pv_ip_send(ctx, m, &how);
}
