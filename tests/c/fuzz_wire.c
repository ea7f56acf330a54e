/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * All parsers of wire/ over any bytes: nothing is read beyond the end, what a parser accepts keeps
 * the promises of its header, and what can be built from it parses to the same.
 *
 * The first byte of an input picks a packet that is good (0: none), the rest changes it: triples of
 * a position (two bytes) and a value, and behind the last whole triple a byte that cuts the packet.
 * The high bit of the first byte makes the ICMP checksum right again, or else nothing behind it
 * would be reached. Without a packet the rest is the packet.
 */
#include <stdlib.h>

#include "base/check.h"
#include "bytes.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/hs_block.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/nd.h"
#include "wire/tcp_opt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PACKET_MAX = 2048 };

#define ETH        "020000000002 020000000001 "
#define IP6_1_TO_2 "fd090000000000000000000000000001 fd090000000000000000000000000002"
#define QUOTED4    "450005dc004d40000506a3bb0a090002c0000209 0050c350deadbeef"
#define QUOTED6                                                                                    \
	"6000000000140640 fd090000000000000000000000000002 20010db8000000000000000000000009"       \
	"0050c350deadbeef 000000005002200003d70000"

static const char *const seeds[] = {
	ETH "0800 4500003c12344000400614740a0900010a090002 9c4000500102030400000000a002faf053fe0000"
	    "020405b4 0402080a 1122334400000000 01030307",
	ETH "0800 45b80037000140003f064eccc0000201c6336407 00509c40fffffff001020305801801f614880000"
	    "0101080a0000000500000006 6f6464",
	ETH "0800 45000044000140004006146b0a0900010a090002 00509c40fffffff001020305f01001f600000000"
	    "0101080a0000000500000006 0101051a 000000010000000200000003000000040000000500000006",
	ETH "0800 4500003f000140004006146b0a0900010a090002 00509c40fffffff001020305800201f600000000"
	    "0101fd0a50565350 0100000b 01000568656c6c6f 070000",
	ETH "0800 460000180007000001063899c0000201c633640794040000",
	ETH "0800 45000024beef20b94011aee4c0000201c6336407 78787878787878787878787878787878",
	ETH "0800 4500002500010000400166c10a0900010a090002 0800ec4411220003 616263646566676869",
	ETH "0800 4500003800010000400166ae0a0900010a090002 0304964500000578" QUOTED4,
	ETH "0806 0001080006040002 0200000000020a090002 0200000000010a090001",
	ETH "88a8 6064 8100 00c8 0800 4500001c00010000400166cc0a0900010a090002 0800f7ff00000000",
	ETH "86dd 6b91234500280640" IP6_1_TO_2 "9c4000500102030400000000a002fd206be00000"
	    "020405a0 0402080a 1122334400000000 01030307",
	ETH "86dd 60000000004c0040" IP6_1_TO_2 "3c01050200000102 0000010400000000 2b00010400000000"
	    "2c02020000000000 fd090000000000000000000000000005 0600000000000009"
	    "0001000200000000000000005002200095c90000",
	ETH "86dd 6000000000203c40" IP6_1_TO_2 "2c00010400000000 06000019cafebabe"
	    "79797979797979797979797979797979",
	ETH "86dd 60000000000b3a40" IP6_1_TO_2 "8000b01b11220003616263",
	ETH
	"86dd 6000000000443a40 fd0900000000000000000000000000ff fd090000000000000000000000000002"
	"0200971e00000514" QUOTED6,
	ETH "86dd 6000000000203aff fd090000000000000000000000000001"
	    "ff0200000000000000000001ff000002 87007d8500000000 fd090000000000000000000000000002"
	    "0101020000000001",
	ETH "86dd 6000000000203aff fd090000000000000000000000000002"
	    "fd090000000000000000000000000001 88001c7f60000000 fd090000000000000000000000000002"
	    "0201020000000002",
};

static void
demand(bool promise)
{
	if (!promise)
		abort();
}

static void
try_block(const uint8_t *p, size_t n)
{
	struct pv_hs_block block, back;
	uint8_t built[PV_HS_BLOCK_MAX];
	size_t len;

	if (pv_hs_block_decode(p, n, &block) != PV_HS_BLOCK_OK)
		return;
	len = pv_hs_block_len(&block);
	demand(len <= n && n <= PV_HS_BLOCK_MAX);
	demand(pv_hs_block_encode(built, sizeof(built), &block) == len);
	demand(pv_hs_block_decode(built, len, &back) == PV_HS_BLOCK_OK);
	demand(back.present == block.present && back.data_len == block.data_len &&
			back.provider_len == block.provider_len);
}

static void
try_options(const uint8_t *p, size_t n)
{
	struct pv_tcp_opts o, walked;
	uint8_t built[PV_TCP_OPTIONS_MAX];
	size_t len;

	pv_tcp_opt_parse(p, n, &o);
	pv_tcp_opt_walk(p, n, &walked);
	demand(o.present == walked.present && o.n_sack == walked.n_sack);
	demand(o.n_sack <= PV_TCP_SACK_MAX &&
			((o.present & PV_TCP_OPT_SACK) != 0) == (o.n_sack != 0));
	demand((o.present & PV_TCP_OPT_WSCALE) == 0 || o.wscale <= PV_TCP_WSCALE_MAX);
	len = pv_tcp_opt_build(built, &o);
	demand(len == pv_tcp_opt_len(&o) && len <= sizeof(built) && len % 4 == 0);
	len = pv_tcp_opt_build_syn(built, &o, PV_TCP_ORDER_LINUX);
	demand(len <= sizeof(built) && len % 4 == 0);
	pv_tcp_opt_walk(built, len, &walked);
	demand((walked.present & PV_TCP_OPT_MALFORMED) == 0);
}

static void
try_tcp(const uint8_t *p, size_t n)
{
	struct pv_tcp_hdr h;
	struct pv_tcp_opts o;
	uint8_t built[PV_TCP_HDR_LEN];

	if (pv_tcp_parse(p, n, &h) != PV_TCP_OK)
		return;
	demand(h.hdr_len >= PV_TCP_HDR_LEN && h.hdr_len <= PV_TCP_HDR_MAX && h.hdr_len <= n);
	pv_tcp_build(built, &h);
	demand(memcmp(built, p, 12) == 0 && built[13] == p[13]);
	try_options(p + PV_TCP_HDR_LEN, h.hdr_len - (size_t)PV_TCP_HDR_LEN);
	pv_tcp_opt_parse(p + PV_TCP_HDR_LEN, h.hdr_len - (size_t)PV_TCP_HDR_LEN, &o);
	if ((o.present & PV_TCP_OPT_HS) == 0)
		return;
	if (pv_hs_option_check(&o.hs, h.flags, n - h.hdr_len) == PV_HS_OPTION_OK)
		try_block(p + h.hdr_len, o.hs.block_len);
}

static void
try_icmp(const uint8_t *p, size_t n)
{
	struct pv_icmp m;
	struct pv_icmp_quote quote;
	uint8_t built[PACKET_MAX];

	pv_icmp_parse_quote(p, n, &quote);
	if (pv_icmp_parse(p, n, &m) != PV_ICMP_OK)
		return;
	demand(m.data == p + PV_ICMP_HDR_LEN && m.data_len == n - PV_ICMP_HDR_LEN);
	demand(pv_icmp_build(built, sizeof(built), &m) == n || pv_icmp_is_error(m.type));
	pv_icmp_parse_quote(m.data, m.data_len, &quote);
	if (m.type != PV_ICMP_ECHO || m.code != 0)
		return;
	pv_icmp_echo_reply(built);
	demand(pv_icmp_parse(built, n, &m) == PV_ICMP_OK && m.type == PV_ICMP_ECHO_REPLY);
}

static void
try_icmp6(const uint8_t *p, size_t n, const struct pv_ip6 *ip)
{
	struct pv_icmp6 m, back;
	struct pv_icmp6_quote quote;
	struct pv_nd nd;
	uint8_t built[PACKET_MAX];

	pv_icmp6_parse_quote(p, n, &quote);
	if (pv_nd_parse(p, n, ip, &nd) == PV_ND_OK) {
		size_t len = pv_nd_build(built, &nd, ip);

		demand(len == (nd.has_lladdr ? PV_ND_LEN_MAX : PV_ND_LEN));
		demand(pv_nd_parse(built, len, ip, &nd) == PV_ND_OK);
	}
	if (pv_icmp6_parse(p, n, ip->src, ip->dst, &m) != PV_ICMP6_OK)
		return;
	demand(m.data == p + PV_ICMP6_HDR_LEN && m.data_len == n - PV_ICMP6_HDR_LEN);
	pv_icmp6_parse_quote(m.data, m.data_len, &quote);
	n = pv_icmp6_build(built, sizeof(built), &m, ip);
	demand(pv_icmp6_parse(built, n, ip->src, ip->dst, &back) == PV_ICMP6_OK);
	demand(back.type == m.type && back.id == m.id && back.mtu == m.mtu);
}

static void
try_ip4(const uint8_t *p, size_t n)
{
	struct pv_ip4 ip, back;
	uint8_t built[PV_IP4_HDR_LEN];

	if (pv_ip4_parse(p, n, false, &ip) != PV_IP4_OK)
		return;
	demand(ip.hdr_len >= PV_IP4_HDR_LEN && ip.hdr_len <= ip.total_len && ip.total_len <= n);
	if (ip.hdr_len == PV_IP4_HDR_LEN) {
		pv_ip4_build(built, &ip);
		demand(memcmp(built, p, 10) == 0 && memcmp(built + 12, p + 12, 8) == 0);
		back = ip;
		demand(ip.total_len > PV_IP4_HDR_LEN ||
				pv_ip4_parse(built, sizeof(built), true, &back) == PV_IP4_OK);
	}
	try_tcp(p + ip.hdr_len, pv_ip4_payload_len(&ip));
	try_icmp(p + ip.hdr_len, pv_ip4_payload_len(&ip));
}

static void
try_ip6(const uint8_t *p, size_t n)
{
	struct pv_ip6 ip;
	struct pv_ip6_upper upper;
	uint8_t built[PV_IP6_HDR_LEN];

	if (pv_ip6_parse(p, n, &ip) != PV_IP6_OK)
		return;
	pv_ip6_build(built, &ip);
	demand(memcmp(built, p, sizeof(built)) == 0);
	n = PV_IP6_HDR_LEN + (size_t)ip.payload_len;
	if (pv_ip6_walk(p, n, &upper) != PV_IP6_OK) {
		demand(upper.at <= n);
		return;
	}
	demand(upper.off >= PV_IP6_HDR_LEN && upper.off <= n && upper.next_at < upper.off);
	demand(p[upper.next_at] == (upper.fragment ? PV_IP6_FRAGMENT : upper.proto));
	try_tcp(p + upper.off, n - upper.off);
	try_icmp6(p + upper.off, n - upper.off, &ip);
}

static void
try_frame(const uint8_t *p, size_t n)
{
	struct pv_eth eth;
	struct pv_arp arp;
	uint8_t built[PV_ETH_HDR_LEN + 2 * PV_VLAN_TAG_LEN];

	if (pv_eth_parse(p, n, &eth) != PV_ETH_OK)
		return;
	demand(eth.hdr_len <= n && eth.hdr_len == PV_ETH_HDR_LEN + eth.n_tags * PV_VLAN_TAG_LEN);
	demand(pv_eth_build_tagged(built, pv_eth_dst(p), pv_eth_src(p), &eth) == eth.hdr_len);
	p += eth.hdr_len;
	n -= eth.hdr_len;
	if (pv_arp_parse(p, n, &arp) == PV_ARP_OK) {
		uint8_t again[PV_ARP_LEN];

		pv_arp_build(again, &arp);
		demand(memcmp(again, p, PV_ARP_LEN) == 0);
	}
	if (eth.type == PV_ETHERTYPE_IP6)
		try_ip6(p, n);
	else
		try_ip4(p, n);
}

/* Every parser is also given the bytes from their beginning, as if the layers below were good. */
static void
try_all(const uint8_t *p, size_t n)
{
	try_frame(p, n);
	try_ip4(p, n);
	try_ip6(p, n);
	try_tcp(p, n);
	try_icmp(p, n);
	if (n <= PV_TCP_OPTIONS_MAX)
		try_options(p, n);
	try_block(p, n);
}

/* Writes a good packet as data[0..size) changes it; its length. */
static size_t
change(uint8_t *packet, const char *seed, const uint8_t *data, size_t size)
{
	size_t n = hex(packet, seed);

	for (; size >= 3; size -= 3, data += 3)
		packet[pv_ld16be(data) % n] = data[2];
	return size == 0 ? n : n - data[0] % n;
}

static void
mend6(uint8_t *p, size_t n)
{
	struct pv_ip6 ip;
	struct pv_ip6_upper upper;

	if (pv_ip6_parse(p, n, &ip) != PV_IP6_OK)
		return;
	n = PV_IP6_HDR_LEN + (size_t)ip.payload_len;
	if (pv_ip6_walk(p, n, &upper) == PV_IP6_OK && n - upper.off >= PV_ICMP6_HDR_LEN)
		pv_icmp6_csum_set(p + upper.off, n - upper.off, ip.src, ip.dst);
}

static void
mend4(uint8_t *p, size_t n)
{
	struct pv_ip4 ip;

	if (pv_ip4_parse(p, n, false, &ip) != PV_IP4_OK || ip.proto != PV_PROTO_ICMP ||
			pv_ip4_payload_len(&ip) < PV_ICMP_HDR_LEN)
		return;
	pv_st16(p + ip.hdr_len + 2, 0);
	pv_st16(p + ip.hdr_len + 2, pv_csum(p + ip.hdr_len, pv_ip4_payload_len(&ip)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t packet[PACKET_MAX];
	struct pv_eth eth;
	size_t n, seed;

	if (size == 0 || size > PACKET_MAX)
		return 0;
	seed = (data[0] & 0x7fU) % (PV_COUNT_OF(seeds) + 1);
	if (seed == 0) {
		n = size - 1;
		memcpy(packet, data + 1, n);
	} else {
		n = change(packet, seeds[seed - 1], data + 1, size - 1);
	}
	if ((data[0] & 0x80) != 0 && pv_eth_parse(packet, n, &eth) == PV_ETH_OK) {
		mend4(packet + eth.hdr_len, n - eth.hdr_len);
		mend6(packet + eth.hdr_len, n - eth.hdr_len);
	}
	try_all(tight(packet, n), n);
	return 0;
}
