/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv4 as a host receives it (RFC 791, RFC 1122 3.2.1). */
#include "ip/state.h"
#include "wire/icmp.h"
#include "wire/ip4.h"

static enum pv_counter
fault(const struct pv_ip_frame *frame, enum pv_ip4_error error)
{
	switch (error) {
	case PV_IP4_CHECKSUM:
		return PV_C_IP4_CHECKSUM;
	case PV_IP4_TRUNCATED:
		return PV_C_IP4_TRUNCATED;
	case PV_IP4_LENGTH:
		return pv_ld16be(frame->packet + 2) > frame->len ? PV_C_IP4_TRUNCATED :
								   PV_C_IP4_MALFORMED;
	case PV_IP4_FRAG_BOUNDS:
		return PV_C_IP4_FRAGMENT_DROPPED;
	case PV_IP4_OK:
	case PV_IP4_VERSION:
	case PV_IP4_IHL:
	default:
		return PV_C_IP4_MALFORMED;
	}
}

/* From a device: one host, not ourselves. On the inside: ourselves. */
static bool
acceptable_source(const struct pv_ctx *ctx, uint16_t port, pv_be32 src)
{
	enum pv_addr_kind kind = pv_own4_kind(ctx, port, src);

	if (port == PV_PORT_LOOPBACK)
		return kind == PV_ADDR_OURS;
	return pv_ip4_valid_source(src) && kind == PV_ADDR_FOREIGN;
}

/* What is wrong with the addresses; 0: nothing. */
static enum pv_counter
check_addresses(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip4 *ip)
{
	enum pv_addr_kind kind = pv_own4_kind(ctx, frame->port, ip->dst);

	if (kind == PV_ADDR_FOREIGN)
		return PV_C_IP4_NOT_OURS;
	if (!acceptable_source(ctx, frame->port, ip->src))
		return PV_C_IP4_SOURCE;
	if (kind == PV_ADDR_GROUP)
		frame->group = true;
	if (frame->group && ip->proto != PV_PROTO_ICMP)
		return PV_C_IP4_BROADCAST;
	return 0;
}

static bool
l4_good(const struct pv_ip_frame *frame)
{
	uint64_t rx = frame->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	return frame->port == PV_PORT_LOOPBACK || rx == RTE_MBUF_F_RX_L4_CKSUM_GOOD ||
	       rx == RTE_MBUF_F_RX_L4_CKSUM_NONE;
}

static void
deliver_tcp(const struct pv_ip_frame *frame, const struct pv_ip4 *ip, struct pv_packet *out)
{
	*out = (struct pv_packet){
		.mbuf = frame->mbuf,
		.tuple = { .local = pv_addr_from_v4(ip->dst), .peer = pv_addr_from_v4(ip->src) },
		.l4_offset = (uint16_t)(frame->offset + ip->hdr_len),
		.l4_len = pv_ip4_payload_len(ip),
		.port = frame->port,
		.tos = ip->tos,
		.ttl = ip->ttl,
		.l4_checksum_good = l4_good(frame),
		.is_v4 = 1,
		.protocol = ip->proto,
	};
}

static bool
whole(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_ip4 *ip)
{
	if (pv_likely(!pv_ip4_is_fragment(ip)))
		return true;
	if (frame->port != PV_PORT_LOOPBACK &&
			pv_ip_give(ctx, frame, ctx->ip->port[frame->port].facts.owner))
		return false;
	return pv_fragment4(ctx, frame, ip);
}

bool
pv_ip4_input(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_packet *out)
{
	uint64_t rx = frame->mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
	bool verify = rx != RTE_MBUF_F_RX_IP_CKSUM_GOOD && frame->port != PV_PORT_LOOPBACK;
	enum pv_ip4_error error;
	enum pv_counter outcome;
	struct pv_ip4 ip;

	error = pv_ip4_parse(frame->packet, frame->len, verify, &ip);
	outcome = error == PV_IP4_OK ? check_addresses(ctx, frame, &ip) : fault(frame, error);
	if (outcome != 0) {
		pv_ip_end(ctx, frame, outcome);
		return false;
	}
	if (!whole(ctx, frame, &ip))
		return false;
	if (pv_likely(ip.proto == PV_PROTO_TCP)) {
		deliver_tcp(frame, &ip, out);
		return true;
	}
	if (ip.proto == PV_PROTO_ICMP) {
		pv_icmp_input(ctx, frame, &ip);
		return false;
	}
	pv_icmp_refuse(ctx, frame, &ip, PV_ICMP_UNREACH,
			ip.proto == PV_PROTO_UDP ? PV_ICMP_PORT_UNREACH : PV_ICMP_PROTO_UNREACH);
	pv_ip_end(ctx, frame, PV_C_IP4_PROTOCOL);
	return false;
}
