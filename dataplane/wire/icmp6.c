/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP for IPv6 (RFC 4443). */
#include "wire/icmp6.h"

#include <string.h>

#include "wire/csum.h"

enum {
	CSUM_AT = 2,
	QUOTED_L4 = 8, /* ports and sequence number */
};

static bool
is_echo(uint8_t type)
{
	return type == PV_ICMP6_ECHO || type == PV_ICMP6_ECHO_REPLY;
}

static uint64_t
sum_of(const uint8_t *p, size_t n, const uint8_t src[16], const uint8_t dst[16])
{
	return pv_csum_pseudo6(src, dst, PV_PROTO_ICMP6, (uint32_t)n) + pv_csum_part(p, n);
}

void
pv_icmp6_csum_set(uint8_t *p, size_t n, const uint8_t src[16], const uint8_t dst[16])
{
	pv_st16(p + CSUM_AT, 0);
	pv_st16(p + CSUM_AT, pv_csum_finish(sum_of(p, n, src, dst)));
}

enum pv_icmp6_error
pv_icmp6_parse(const uint8_t *p, size_t n, const uint8_t src[16], const uint8_t dst[16],
		struct pv_icmp6 *out)
{
	if (n < PV_ICMP6_HDR_LEN)
		return PV_ICMP6_TRUNCATED;
	if (!pv_csum_ok(sum_of(p, n, src, dst)))
		return PV_ICMP6_CHECKSUM;
	*out = (struct pv_icmp6){
		.type = p[0],
		.code = p[1],
		.data = p + PV_ICMP6_HDR_LEN,
		.data_len = n - PV_ICMP6_HDR_LEN,
	};
	if (is_echo(out->type)) {
		out->id = pv_ld16be(p + 4);
		out->seq = pv_ld16be(p + 6);
	} else if (out->type == PV_ICMP6_TOO_BIG) {
		out->mtu = pv_ld32be(p + 4);
	} else if (out->type == PV_ICMP6_PARAM_PROBLEM) {
		out->pointer = pv_ld32be(p + 4);
	}
	return PV_ICMP6_OK;
}

enum pv_icmp6_error
pv_icmp6_parse_quote(const uint8_t *q, size_t n, struct pv_icmp6_quote *out)
{
	struct pv_ip6_upper upper;

	if (n < PV_IP6_HDR_LEN + QUOTED_L4)
		return PV_ICMP6_QUOTE_SHORT;
	if (q[0] >> 4 != 6)
		return PV_ICMP6_QUOTE_HEADER;
	if (n > PV_IP6_HDR_LEN + UINT16_MAX || pv_ip6_walk(q, n, &upper) != PV_IP6_OK)
		return PV_ICMP6_QUOTE_HEADER;
	if (upper.frag_off != 0)
		return PV_ICMP6_QUOTE_FRAG;
	if (n - upper.off < QUOTED_L4)
		return PV_ICMP6_QUOTE_SHORT;
	*out = (struct pv_icmp6_quote){
		.proto = upper.proto,
		.sport = pv_ld16be(q + upper.off),
		.dport = pv_ld16be(q + upper.off + 2),
		.seq = pv_ld32be(q + upper.off + 4),
	};
	memcpy(out->src, q + 8, 16);
	memcpy(out->dst, q + 24, 16);
	return PV_ICMP6_OK;
}

size_t
pv_icmp6_build(uint8_t *p, size_t cap, const struct pv_icmp6 *m, const struct pv_ip6 *ip)
{
	size_t len = m->data_len;

	if (pv_icmp6_is_error(m->type) && len > PV_ICMP6_QUOTE_MAX)
		len = PV_ICMP6_QUOTE_MAX;
	if (cap < PV_ICMP6_HDR_LEN || cap - PV_ICMP6_HDR_LEN < len)
		return 0;
	if (len != 0)
		memmove(p + PV_ICMP6_HDR_LEN, m->data, len);
	memset(p, 0, PV_ICMP6_HDR_LEN);
	p[0] = m->type;
	p[1] = m->code;
	if (is_echo(m->type)) {
		pv_st16be(p + 4, m->id);
		pv_st16be(p + 6, m->seq);
	} else if (m->type == PV_ICMP6_TOO_BIG) {
		pv_st32be(p + 4, m->mtu);
	} else if (m->type == PV_ICMP6_PARAM_PROBLEM) {
		pv_st32be(p + 4, m->pointer);
	}
	len += PV_ICMP6_HDR_LEN;
	pv_icmp6_csum_set(p, len, ip->src, ip->dst);
	return len;
}
