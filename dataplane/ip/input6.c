/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv6 as a host receives it (RFC 8200, RFC 5095). */
#include "ip/state.h"
#include "wire/icmp6.h"
#include "wire/ip6.h"

/* The unspecified source is only for those who ask whether an address is free (RFC 4862 5.4). */
static bool
is_dad(const struct pv_ip_frame *frame, const struct pv_ip6 *ip)
{
	return ip->next == PV_PROTO_ICMP6 && ip->payload_len > 0 &&
	       frame->packet[PV_IP6_HDR_LEN] == PV_ICMP6_NEIGH_SOLICIT &&
	       pv_ip6_is_unspecified(ip->src);
}

static bool
acceptable_source(
		const struct pv_ctx *ctx, const struct pv_ip_frame *frame, const struct pv_ip6 *ip)
{
	enum pv_addr_kind kind = pv_own6_kind(ctx, frame->port, ip->src);

	if (frame->port == PV_PORT_LOOPBACK)
		return kind == PV_ADDR_OURS;
	return (pv_ip6_valid_source(ip->src) && kind == PV_ADDR_FOREIGN) || is_dad(frame, ip);
}

/* What is wrong with the addresses; 0: nothing. */
static enum pv_counter
check_addresses(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip6 *ip)
{
	enum pv_addr_kind kind = pv_own6_kind(ctx, frame->port, ip->dst);

	if (kind == PV_ADDR_FOREIGN)
		return PV_C_IP6_NOT_OURS;
	if (!acceptable_source(ctx, frame, ip))
		return PV_C_IP6_SOURCE;
	if (kind == PV_ADDR_GROUP)
		frame->group = true;
	return 0;
}

/* Extension headers that we can't take. Some of them ask for an answer. */
static void
refuse_headers(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip6 *ip,
		enum pv_ip6_error error, uint16_t at)
{
	bool bounds = error == PV_IP6_FRAG_BOUNDS;

	if (error == PV_IP6_OPT_REPORT || error == PV_IP6_OPT_REPORT_UNI)
		pv_icmp6_refuse(ctx, frame, ip, PV_ICMP6_PARAM_PROBLEM, PV_ICMP6_PARAM_OPTION, at);
	else if (error == PV_IP6_ROUTING_0 || error == PV_IP6_ROUTING_OTHER || bounds)
		pv_icmp6_refuse(ctx, frame, ip, PV_ICMP6_PARAM_PROBLEM, PV_ICMP6_PARAM_FIELD, at);
	else if (error == PV_IP6_HOP_PLACE)
		pv_icmp6_refuse(ctx, frame, ip, PV_ICMP6_PARAM_PROBLEM, PV_ICMP6_PARAM_NEXT_HEADER,
				at);
	pv_ip_end(ctx, frame, bounds ? PV_C_IP6_FRAGMENT_DROPPED : PV_C_IP6_MALFORMED);
}

static void
refuse_protocol(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip6 *ip,
		const struct pv_ip6_upper *upper)
{
	if (upper->proto == PV_PROTO_UDP)
		pv_icmp6_refuse(ctx, frame, ip, PV_ICMP6_UNREACH, PV_ICMP6_PORT_UNREACH, 0);
	else if (upper->proto != PV_IP6_NO_NEXT)
		pv_icmp6_refuse(ctx, frame, ip, PV_ICMP6_PARAM_PROBLEM, PV_ICMP6_PARAM_NEXT_HEADER,
				upper->next_at);
	pv_ip_end(ctx, frame, PV_C_IP6_PROTOCOL);
}

static void
deliver_tcp(const struct pv_ip_frame *frame, const struct pv_ip6 *ip,
		const struct pv_ip6_upper *upper, struct pv_packet *out)
{
	uint64_t rx = frame->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	*out = (struct pv_packet){
		.mbuf = frame->mbuf,
		.l4_offset = (uint16_t)(frame->offset + upper->off),
		.l4_len = (uint16_t)(PV_IP6_HDR_LEN + ip->payload_len - upper->off),
		.port = frame->port,
		.tos = ip->tclass,
		.ttl = ip->hop_limit,
		.l4_checksum_good = frame->port == PV_PORT_LOOPBACK ||
				    rx == RTE_MBUF_F_RX_L4_CKSUM_GOOD ||
				    rx == RTE_MBUF_F_RX_L4_CKSUM_NONE,
		.protocol = upper->proto,
	};
	memcpy(out->tuple.local.b, ip->dst, 16);
	memcpy(out->tuple.peer.b, ip->src, 16);
}

static bool
whole(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_ip6 *ip, struct pv_ip6_upper *upper)
{
	if (pv_likely(!upper->fragment))
		return true;
	if (frame->port != PV_PORT_LOOPBACK &&
			pv_ip_give(ctx, frame, ctx->ip->port[frame->port].facts.owner))
		return false;
	return pv_fragment6(ctx, frame, ip, upper);
}

bool
pv_ip6_input(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_packet *out)
{
	enum pv_ip6_error error;
	enum pv_counter outcome;
	struct pv_ip6_upper upper;
	struct pv_ip6 ip;

	error = pv_ip6_parse(frame->packet, frame->len, &ip);
	if (error != PV_IP6_OK) {
		pv_ip_end(ctx, frame,
				error == PV_IP6_VERSION ? PV_C_IP6_MALFORMED : PV_C_IP6_TRUNCATED);
		return false;
	}
	outcome = check_addresses(ctx, frame, &ip);
	if (outcome != 0) {
		pv_ip_end(ctx, frame, outcome);
		return false;
	}
	error = pv_ip6_walk(frame->packet, (size_t)PV_IP6_HDR_LEN + ip.payload_len, &upper);
	if (error != PV_IP6_OK) {
		refuse_headers(ctx, frame, &ip, error, upper.at);
		return false;
	}
	if (frame->group && upper.proto != PV_PROTO_ICMP6) {
		pv_ip_end(ctx, frame, PV_C_IP6_MULTICAST);
		return false;
	}
	if (!whole(ctx, frame, &ip, &upper))
		return false;
	if (pv_likely(upper.proto == PV_PROTO_TCP)) {
		deliver_tcp(frame, &ip, &upper, out);
		return true;
	}
	if (upper.proto == PV_PROTO_ICMP6)
		pv_icmp6_input(ctx, frame, &ip, &upper);
	else
		refuse_protocol(ctx, frame, &ip, &upper);
	return false;
}
