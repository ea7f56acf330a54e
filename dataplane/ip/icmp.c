/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP for IPv4: echo, errors in and errors out (RFC 1122 3.2.2, RFC 5461, RFC 5927). */
#include "wire/icmp.h"

#include "ip/state.h"

bool
pv_ip_limit_take(struct pv_ip_limit *limit, uint64_t now)
{
	uint64_t cost = 1000000000ULL / limit->rate, full = cost * limit->burst;

	limit->credit += now - limit->last;
	limit->last = now;
	if (limit->credit > full)
		limit->credit = full;
	if (limit->credit < cost)
		return false;
	limit->credit -= cost;
	return true;
}

struct rte_mbuf *
pv_icmp_alloc_error(struct pv_ctx *ctx)
{
	if (pv_ip_limit_take(&ctx->ip->error_limit, ctx->now))
		return pv_ip_alloc(ctx);
	pv_count(&ctx->counters, PV_C_ICMP_LIMITED);
	return NULL;
}

/* In place: the message changes its type, sender and receiver change places. */
static void
echo(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip4 *ip)
{
	struct pv_ip_send how = { .local = pv_addr_from_v4(ip->dst),
		.peer = pv_addr_from_v4(ip->src),
		.protocol = PV_PROTO_ICMP,
		.tos = ip->tos,
		.ttl = ctx->config->tcp.ttl,
		.no_df = 1 };
	struct rte_mbuf *m = frame->mbuf;

	if (frame->group || !pv_ip_limit_take(&ctx->ip->echo_limit, ctx->now)) {
		pv_ip_end(ctx, frame, PV_C_ICMP_ECHO_LIMITED);
		return;
	}
	pv_count(&ctx->counters, PV_C_ICMP_ECHO);
	pv_count(&ctx->counters, PV_C_ICMP_SENT);
	rte_pktmbuf_adj(m, (uint16_t)(frame->offset + ip->hdr_len));
	rte_pktmbuf_trim(m, (uint16_t)(m->data_len - pv_ip4_payload_len(ip)));
	pv_icmp_echo_reply(rte_pktmbuf_mtod(m, uint8_t *));
	pv_ip_send(ctx, m, &how);
}

static enum pv_icmp_error_kind
kind_of(const struct pv_icmp *icmp)
{
	if (icmp->type != PV_ICMP_UNREACH)
		return PV_ICMP_SOFT;
	switch (icmp->code) {
	case PV_ICMP_FRAG_NEEDED:
		return PV_ICMP_TOO_BIG;
	case PV_ICMP_PROTO_UNREACH:
	case PV_ICMP_PORT_UNREACH:
	case PV_ICMP_NET_PROHIBITED:
	case PV_ICMP_HOST_PROHIBITED:
	case PV_ICMP_ADMIN_PROHIBITED:
		return PV_ICMP_HARD;
	default:
		return PV_ICMP_SOFT;
	}
}

/* Hands an error up, on the worker that owns the quoted connection. */
void
pv_icmp_report(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_icmp_error *error)
{
	struct pv_ip *ip = ctx->ip;
	bool taken;

	if (ip->owner != NULL && ctx->n_worker > 1 &&
			pv_ip_give(ctx, frame, ip->owner(ctx, &error->tuple)))
		return;
	taken = ip->tcp_error != NULL && ip->tcp_error(ctx, error);
	pv_ip_end(ctx, frame, taken ? PV_C_ICMP_ERROR_TAKEN : PV_C_ICMP_ERROR_IGNORED);
}

static void
error_in(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_icmp *icmp)
{
	struct pv_icmp_quote quote;
	struct pv_icmp_error error;

	if (icmp->type == PV_ICMP_QUENCH || icmp->type == PV_ICMP_REDIRECT ||
			pv_icmp_parse_quote(icmp->data, icmp->data_len, &quote) != PV_ICMP_OK ||
			quote.proto != PV_PROTO_TCP ||
			pv_own4_kind(ctx, frame->port, quote.src) != PV_ADDR_OURS) {
		pv_ip_end(ctx, frame, PV_C_ICMP_ERROR_IGNORED);
		return;
	}
	error = (struct pv_icmp_error){
		.tuple = { .local = pv_addr_from_v4(quote.src),
				.peer = pv_addr_from_v4(quote.dst),
				.local_port = quote.sport,
				.peer_port = quote.dport },
		.seq = quote.seq,
		.mtu = icmp->mtu,
		.quoted_len = quote.total_len,
		.kind = (uint8_t)kind_of(icmp),
	};
	pv_icmp_report(ctx, frame, &error);
}

void
pv_icmp_input(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip4 *ip)
{
	const uint8_t *p = frame->packet + ip->hdr_len;
	struct pv_icmp icmp;

	switch (pv_icmp_parse(p, pv_ip4_payload_len(ip), &icmp)) {
	case PV_ICMP_OK:
		break;
	case PV_ICMP_CHECKSUM:
		pv_ip_end(ctx, frame, PV_C_ICMP_CHECKSUM);
		return;
	case PV_ICMP_TRUNCATED:
	case PV_ICMP_QUOTE_SHORT:
	case PV_ICMP_QUOTE_HEADER:
	case PV_ICMP_QUOTE_FRAG:
	default:
		pv_ip_end(ctx, frame, PV_C_ICMP_TRUNCATED);
		return;
	}
	if (icmp.type == PV_ICMP_ECHO)
		echo(ctx, frame, ip);
	else if (pv_icmp_is_error(icmp.type) && !frame->group)
		error_in(ctx, frame, &icmp);
	else
		pv_ip_end(ctx, frame, PV_C_ICMP_OTHER);
}

void
pv_icmp_refuse(struct pv_ctx *ctx, const struct pv_ip_frame *frame, const struct pv_ip4 *ip,
		uint8_t type, uint8_t code)
{
	struct pv_icmp icmp = {
		.type = type, .code = code, .data = frame->packet, .data_len = ip->total_len
	};
	struct pv_ip_send how = { .local = pv_addr_from_v4(ip->dst),
		.peer = pv_addr_from_v4(ip->src),
		.protocol = PV_PROTO_ICMP,
		.ttl = ctx->config->tcp.ttl,
		.no_df = 1 };
	struct rte_mbuf *m;
	size_t len;

	if (frame->group || ip->frag_off != 0)
		return;
	m = pv_icmp_alloc_error(ctx);
	if (m == NULL)
		return;
	len = pv_icmp_build(rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_tailroom(m), &icmp);
	pv_ip_append(m, (uint16_t)len);
	pv_count(&ctx->counters, PV_C_ICMP_SENT);
	pv_ip_send(ctx, m, &how);
}
