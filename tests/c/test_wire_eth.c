/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet headers, VLAN tags and ARP. */
#include "base/check.h"
#include "bytes.h"
#include "tap.h"
#include "wire/arp.h"
#include "wire/eth.h"

static const uint8_t mac1[6] = { 2, 0, 0, 0, 0, 1 };
static const uint8_t mac2[6] = { 2, 0, 0, 0, 0, 2 };

static const struct {
	const char *name;
	const char *frame;
	enum pv_eth_error error;
	struct pv_eth want;
} eth_rows[] = {
	{ "empty", "", PV_ETH_TRUNCATED, { 0 } },
	{ "one byte short", "020000000002 020000000001 08", PV_ETH_TRUNCATED, { 0 } },
	{ "header only", "020000000002 020000000001 0800", PV_ETH_OK,
			{ .type = 0x0800, .hdr_len = 14 } },
	{ "one tag", "020000000002 020000000001 8100 6064 86dd", PV_ETH_OK,
			{ .type = 0x86dd, .hdr_len = 18, .tci = { 0x6064 }, .n_tags = 1 } },
	{ "two tags", "020000000002 020000000001 88a8 6064 8100 00c8 0806", PV_ETH_OK,
			{ .type = 0x0806, .hdr_len = 22, .tci = { 0x6064, 0x00c8 }, .n_tags = 2 } },
	{ "tag cut off", "020000000002 020000000001 8100 6064 08", PV_ETH_TRUNCATED, { 0 } },
	{ "second tag cut off", "020000000002 020000000001 88a8 6064 8100 00", PV_ETH_TRUNCATED,
			{ 0 } },
	{ "three tags", "020000000002 020000000001 8100 0001 8100 0002 8100 0003 0800", PV_ETH_TAGS,
			{ 0 } },
	{ "802.3 length", "0180c2000000 020000000001 0026 424203", PV_ETH_LLC, { 0 } },
	{ "802.3 length in a tag", "0180c2000000 020000000001 8100 0001 05ff", PV_ETH_LLC, { 0 } },
	{ "lowest type", "020000000002 020000000001 0600", PV_ETH_OK,
			{ .type = 0x0600, .hdr_len = 14 } },
};

static void
test_eth_parse(void)
{
	for (unsigned int i = 0; i < PV_COUNT_OF(eth_rows); i++) {
		const struct pv_eth *want = &eth_rows[i].want;
		uint8_t frame[64];
		size_t n = hex(frame, eth_rows[i].frame);
		struct pv_eth eth;
		enum pv_eth_error error = pv_eth_parse(tight(frame, n), n, &eth);

		CHECK_EQ(error, eth_rows[i].error, eth_rows[i].name);
		if (error != PV_ETH_OK)
			continue;
		CHECK(eth.type == want->type && eth.hdr_len == want->hdr_len &&
						eth.n_tags == want->n_tags &&
						eth.tci[0] == want->tci[0] &&
						eth.tci[1] == want->tci[1],
				eth_rows[i].name);
		CHECK(pv_eth_equal(pv_eth_dst(frame), mac2) &&
						pv_eth_equal(pv_eth_src(frame), mac1),
				"and its addresses");
	}
}

static void
test_eth_build(void)
{
	uint8_t want[PV_ETH_HDR_LEN], built[32];

	for (uint8_t tags = 0; tags <= 2; tags++) {
		struct pv_eth eth = { .type = 0x0800, .tci = { 0x6064, 0x00c8 }, .n_tags = tags };
		struct pv_eth back;
		uint8_t frame[22];
		size_t n = pv_eth_build_tagged(frame, mac2, mac1, &eth);

		CHECK_EQ(n, 14U + 4U * tags, "length of a built header");
		CHECK_EQ(pv_eth_parse(tight(frame, n), n, &back), PV_ETH_OK, "it parses");
		CHECK(back.type == 0x0800 && back.hdr_len == n && back.n_tags == tags &&
						(tags < 1 || back.tci[0] == 0x6064) &&
						(tags < 2 || back.tci[1] == 0x00c8),
				"and says the same");
		CHECK_EQ(pv_ld16be(frame + 12),
				tags == 0 ? 0x0800 :
				tags == 1 ? 0x8100 :
					    0x88a8,
				"the outer tag of two is a service tag");
	}
	hex(want, "020000000002 020000000001 86dd");
	pv_eth_build(built, mac2, mac1, PV_ETHERTYPE_IP6);
	CHECK(memcmp(built, want, PV_ETH_HDR_LEN) == 0, "an untagged header, byte for byte");
	CHECK_EQ(pv_eth_build_tagged(built, mac2, mac1, &(struct pv_eth){ .n_tags = 3 }), 22,
			"never more than two tags");
}

static void
test_eth_addresses(void)
{
	static const uint8_t all_ones[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t zero[6];
	uint8_t group6[16], mac[6];

	CHECK(pv_eth_is_multicast(all_ones), "broadcast is a group");
	CHECK(!pv_eth_is_multicast(mac1) && !pv_eth_is_zero(mac1), "a host");
	CHECK(pv_eth_is_zero(zero), "zero");
	CHECK(!pv_eth_is_zero((const uint8_t[]){ 0, 0, 0, 0, 0, 1 }), "nearly zero");
	CHECK(!pv_eth_equal(mac1, mac2) && pv_eth_equal(mac1, mac1), "equality");
	hex(group6, "ff020000000000000000 0001ff 00abcd");
	pv_eth_of_multicast6(mac, group6);
	CHECK(pv_eth_equal(mac, (const uint8_t[]){ 0x33, 0x33, 0xff, 0x00, 0xab, 0xcd }),
			"32 bits of an IPv6 group");
}

#define ARP_REPLY "0001 0800 06 04 0002 020000000002 0a090002 020000000001 0a090001"

static const struct {
	const char *name;
	const char *packet;
	enum pv_arp_error error;
} arp_rows[] = {
	{ "reply", ARP_REPLY, PV_ARP_OK },
	{ "padded", ARP_REPLY "000000000000000000000000000000000000", PV_ARP_OK },
	{ "one byte short", "0001 0800 06 04 0002 020000000002 0a090002 020000000001 0a0900",
			PV_ARP_TRUNCATED },
	{ "no Ethernet", "0006 0800 06 04 0002 020000000002 0a090002 020000000001 0a090001",
			PV_ARP_HTYPE },
	{ "no IPv4", "0001 86dd 06 04 0002 020000000002 0a090002 020000000001 0a090001",
			PV_ARP_PTYPE },
	{ "hardware length 8", "0001 0800 08 04 0002 020000000002 0a090002 020000000001 0a090001",
			PV_ARP_HLEN },
	{ "protocol length 16", "0001 0800 06 10 0002 020000000002 0a090002 020000000001 0a090001",
			PV_ARP_PLEN },
	{ "operation 0", "0001 0800 06 04 0000 020000000002 0a090002 020000000001 0a090001",
			PV_ARP_OP },
	{ "reverse ARP", "0001 0800 06 04 0003 020000000002 0a090002 020000000001 0a090001",
			PV_ARP_OP },
	{ "sent by a group", "0001 0800 06 04 0002 010000000002 0a090002 020000000001 0a090001",
			PV_ARP_SENDER },
	{ "sent by zero", "0001 0800 06 04 0002 000000000000 0a090002 020000000001 0a090001",
			PV_ARP_SENDER },
	{ "multicast IPv4", "0001 0800 06 04 0001 020000000002 e0000001 020000000001 0a090001",
			PV_ARP_SENDER },
	{ "broadcast IPv4", "0001 0800 06 04 0001 020000000002 ffffffff 020000000001 0a090001",
			PV_ARP_SENDER },
	{ "loopback IPv4", "0001 0800 06 04 0001 020000000002 7f000001 020000000001 0a090001",
			PV_ARP_SENDER },
};

static void
test_arp(void)
{
	struct pv_arp arp;
	uint8_t packet[64], built[PV_ARP_LEN];
	size_t n;

	for (unsigned int i = 0; i < PV_COUNT_OF(arp_rows); i++) {
		n = hex(packet, arp_rows[i].packet);
		CHECK_EQ(pv_arp_parse(tight(packet, n), n, &arp), arp_rows[i].error,
				arp_rows[i].name);
	}
	n = hex(packet, ARP_REPLY);
	pv_arp_parse(packet, n, &arp);
	CHECK(arp.op == PV_ARP_REPLY && arp.spa == PV_IP4_ADDR(10, 9, 0, 2) &&
					arp.tpa == PV_IP4_ADDR(10, 9, 0, 1) &&
					pv_eth_equal(arp.sha, mac2) && pv_eth_equal(arp.tha, mac1),
			"all fields of a reply");
	CHECK(!pv_arp_is_probe(&arp), "a plain reply");
	pv_arp_build(built, &arp);
	CHECK(memcmp(built, packet, n) == 0, "built again, the same bytes");
	arp.tpa = arp.spa;
	arp.op = PV_ARP_REQUEST;
	CHECK(!pv_arp_is_probe(&arp), "an announcement by a request is no probe");
	arp.spa = 0;
	CHECK(pv_arp_is_probe(&arp), "a probe");
	pv_arp_build(built, &arp);
	CHECK_EQ(pv_arp_parse(built, PV_ARP_LEN, &arp), PV_ARP_OK,
			"which may come from no address");
}

int
main(void)
{
	test_eth_parse();
	test_eth_build();
	test_eth_addresses();
	test_arp();
	return tap_done();
}
