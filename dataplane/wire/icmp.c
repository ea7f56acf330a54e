/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP for IPv4 (RFC 792). */
#include "wire/icmp.h"

#include <string.h>

#include "wire/csum.h"
#include "wire/ip4.h"

enum {
	CSUM_AT = 2,
	QUOTED_L4 = 8, /* bytes behind the quoted IP header that every error carries */
};

static bool
is_echo(uint8_t type)
{
	return type == PV_ICMP_ECHO || type == PV_ICMP_ECHO_REPLY;
}

static bool
has_mtu(uint8_t type, uint8_t code)
{
	return type == PV_ICMP_UNREACH && code == PV_ICMP_FRAG_NEEDED;
}

enum pv_icmp_fault
pv_icmp_parse(const uint8_t *p, size_t n, struct pv_icmp *out)
{
	if (n < PV_ICMP_HDR_LEN)
		return PV_ICMP_TRUNCATED;
	if (!pv_csum_ok(pv_csum_part(p, n)))
		return PV_ICMP_CHECKSUM;
	*out = (struct pv_icmp){
		.type = p[0],
		.code = p[1],
		.data = p + PV_ICMP_HDR_LEN,
		.data_len = n - PV_ICMP_HDR_LEN,
	};
	if (is_echo(out->type)) {
		out->id = pv_ld16be(p + 4);
		out->seq = pv_ld16be(p + 6);
	} else if (has_mtu(out->type, out->code)) {
		out->mtu = pv_ld16be(p + 6);
	} else if (out->type == PV_ICMP_PARAM_PROBLEM) {
		out->pointer = p[4];
	}
	return PV_ICMP_OK;
}

enum pv_icmp_fault
pv_icmp_parse_quote(const uint8_t *q, size_t n, struct pv_icmp_quote *out)
{
	size_t hdr_len;

	if (n < PV_IP4_HDR_LEN + QUOTED_L4)
		return PV_ICMP_QUOTE_SHORT;
	hdr_len = (q[0] & 0x0fU) * 4;
	if (q[0] >> 4 != 4 || hdr_len < PV_IP4_HDR_LEN)
		return PV_ICMP_QUOTE_HEADER;
	if (n < hdr_len + QUOTED_L4)
		return PV_ICMP_QUOTE_SHORT;
	if ((pv_ld16be(q + 6) & 0x1fff) != 0)
		return PV_ICMP_QUOTE_FRAG;
	*out = (struct pv_icmp_quote){
		.src = pv_ld32(q + 12),
		.dst = pv_ld32(q + 16),
		.total_len = pv_ld16be(q + 2),
		.proto = q[9],
		.sport = pv_ld16be(q + hdr_len),
		.dport = pv_ld16be(q + hdr_len + 2),
		.seq = pv_ld32be(q + hdr_len + 4),
	};
	return PV_ICMP_OK;
}

size_t
pv_icmp_build(uint8_t *p, size_t cap, const struct pv_icmp *m)
{
	size_t len = m->data_len;

	if (pv_icmp_is_error(m->type) && len > PV_ICMP_QUOTE_MAX)
		len = PV_ICMP_QUOTE_MAX;
	if (cap < PV_ICMP_HDR_LEN || cap - PV_ICMP_HDR_LEN < len)
		return 0;
	if (len != 0)
		memmove(p + PV_ICMP_HDR_LEN, m->data, len);
	memset(p, 0, PV_ICMP_HDR_LEN);
	p[0] = m->type;
	p[1] = m->code;
	if (is_echo(m->type)) {
		pv_st16be(p + 4, m->id);
		pv_st16be(p + 6, m->seq);
	} else if (has_mtu(m->type, m->code)) {
		pv_st16be(p + 6, m->mtu);
	} else if (m->type == PV_ICMP_PARAM_PROBLEM) {
		p[4] = m->pointer;
	}
	len += PV_ICMP_HDR_LEN;
	pv_st16(p + CSUM_AT, pv_csum(p, len));
	return len;
}

/*
 * A message of nothing but zeros cannot be told from one whose words add up to zero, and only the
 * checksum 0xffff is right for both.
 */
void
pv_icmp_echo_reply(uint8_t *p)
{
	pv_be16 was = pv_ld16(p), csum;

	p[0] = PV_ICMP_ECHO_REPLY;
	csum = pv_csum_update16(pv_ld16(p + CSUM_AT), was, pv_ld16(p));
	pv_st16(p + CSUM_AT, csum == 0 ? UINT16_MAX : csum);
}
