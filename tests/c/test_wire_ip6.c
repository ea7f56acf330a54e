/* SPDX-License-Identifier: BSD-3-Clause */
/* The IPv6 header, the walk over extension headers, and the kinds of addresses. */
#include "base/check.h"
#include "base/rng.h"
#include "bytes.h"
#include "tap.h"
#include "wire/ip6.h"

#define ADDRESSES "fd090000000000000000000000000001 fd090000000000000000000000000002"
#define TCP       "00010002 00000000 00000000 50022000 95c90000"

/* want and at: where the upper layer begins, or the byte at fault. */
static const struct {
	const char *name;
	const char *packet;
	enum pv_ip6_error error;
	uint8_t proto;
	uint16_t at, next_at;
} rows[] = {
	{ "TCP", "60000000 0014 06 40" ADDRESSES TCP, PV_IP6_OK, 6, 40, 6 },
	{ "link padding", "60000000 0014 06 40" ADDRESSES TCP "0000", PV_IP6_OK, 6, 40, 6 },
	{ "no payload at all", "60000000 0000 3b 40" ADDRESSES, PV_IP6_OK, 59, 40, 6 },
	{ "unknown protocol", "60000000 0001 fd 40" ADDRESSES "00", PV_IP6_OK, 253, 40, 6 },
	{ "39 bytes",
			"60000000 0000 3b 40 fd090000000000000000000000000001 "
			"fd0900000000000000000000000000",
			PV_IP6_TRUNCATED, 0, 0, 0 },
	{ "version 4", "45000000 0014 06 40" ADDRESSES TCP, PV_IP6_VERSION, 0, 0, 0 },
	{ "payload beyond the frame", "60000000 0015 06 40" ADDRESSES TCP, PV_IP6_LENGTH, 0, 0, 0 },
	{ "four extension headers and an atomic fragment",
			"60000000 004c 00 40" ADDRESSES "3c 01 05020000 0102000001040000 0000 "
			"2b 00 010400000000 2c 02 02 00 00000000 fd090000000000000000000000000005 "
			"06 00 0000 00000009" TCP,
			PV_IP6_OK, 6, 40 + 16 + 8 + 24 + 8, 88 },
	{ "unknown options to be skipped",
			"60000000 001c 3c 40" ADDRESSES "06 00 1e 04 00000000" TCP, PV_IP6_OK, 6,
			48, 40 },
	{ "unknown option, discard", "60000000 001c 3c 40" ADDRESSES "06 00 00 41 00 0101 00" TCP,
			PV_IP6_OPT_DISCARD, 0, 43, 0 },
	{ "unknown option, report", "60000000 001c 3c 40" ADDRESSES "06 00 82 04 00000000" TCP,
			PV_IP6_OPT_REPORT, 0, 42, 0 },
	{ "unknown option, report to one host",
			"60000000 001c 00 40" ADDRESSES "06 00 c2 04 00010000" TCP,
			PV_IP6_OPT_REPORT_UNI, 0, 42, 0 },
	{ "two options", "60000000 001c 3c 40" ADDRESSES "06 00 1e 02 4101 41 00" TCP,
			PV_IP6_OPT_DISCARD, 0, 46, 0 },
	{ "empty option at the end", "60000000 001c 3c 40" ADDRESSES "06 00 01 02 0000 1e 00" TCP,
			PV_IP6_OK, 6, 48, 40 },
	{ "option one byte too long", "60000000 001c 3c 40" ADDRESSES "06 00 01 05 00000000" TCP,
			PV_IP6_OPT_LENGTH, 0, 42, 0 },
	{ "option without its length", "60000000 001c 3c 40" ADDRESSES "06 00 01 03 000000 01" TCP,
			PV_IP6_OPT_LENGTH, 0, 47, 0 },
	{ "extension header of 7 bytes", "60000000 0007 3c 40" ADDRESSES "06 00 01 04 000000",
			PV_IP6_EXT_TRUNCATED, 0, 40, 0 },
	{ "extension header beyond the packet",
			"60000000 0008 3c 40" ADDRESSES "06 01 01 04 00000000",
			PV_IP6_EXT_TRUNCATED, 0, 41, 0 },
	{ "extension header without any byte", "60000000 0000 00 40" ADDRESSES,
			PV_IP6_EXT_TRUNCATED, 0, 40, 0 },
	{ "the longest extension header, cut",
			"60000000 0008 3c 40" ADDRESSES "06 ff 01 04 00000000",
			PV_IP6_EXT_TRUNCATED, 0, 41, 0 },
	{ "hop-by-hop behind another",
			"60000000 0010 3c 40" ADDRESSES "00 00 01 04 00000000 06 00 01 04 00000000",
			PV_IP6_HOP_PLACE, 0, 40, 0 },
	{ "type 0 source route, to go on",
			"60000000 0018 2b 40" ADDRESSES "06 02 00 01 00000000 "
			"fd0900000000000000000000"
			"00000005",
			PV_IP6_ROUTING_0, 0, 42, 0 },
	{ "type 0 source route, at its end",
			"60000000 0018 2b 40" ADDRESSES "3b 02 00 00 00000000 "
			"fd0900000000000000000000"
			"00000005",
			PV_IP6_OK, 59, 64, 40 },
	{ "type 4 source route, to go on", "60000000 0008 2b 40" ADDRESSES "06 00 04 01 00000000",
			PV_IP6_ROUTING_OTHER, 0, 42, 0 },
	{ "nine extension headers",
			"60000000 0048 3c 40" ADDRESSES
			"3c00010400000000 3c00010400000000 3c00010400000000 3c00010400000000 "
			"3c00010400000000 3c00010400000000 3c00010400000000 3c00010400000000 "
			"0600010400000000",
			PV_IP6_EXT_COUNT, 0, 104, 0 },
	{ "eight extension headers",
			"60000000 0040 3c 40" ADDRESSES
			"3c00010400000000 3c00010400000000 3c00010400000000 3c00010400000000 "
			"3c00010400000000 3c00010400000000 3c00010400000000 0600010400000000",
			PV_IP6_OK, 6, 104, 96 },
	{ "fragment header cut off", "60000000 0007 2c 40" ADDRESSES "06 00 0019 cafeba",
			PV_IP6_EXT_TRUNCATED, 0, 40, 0 },
	{ "middle fragment of odd length",
			"60000000 000f 2c 40" ADDRESSES "06000019cafebabe"
			"79797979797979",
			PV_IP6_FRAG_BOUNDS, 0, 4, 0 },
	{ "middle fragment without bytes", "60000000 0008 2c 40" ADDRESSES "06000019cafebabe",
			PV_IP6_FRAG_BOUNDS, 0, 4, 0 },
	{ "fragment that ends behind 65,535",
			"60000000 0010 2c 40" ADDRESSES "0600fff8cafebabe 7979797979797979",
			PV_IP6_FRAG_BOUNDS, 0, 42, 0 },
	{ "fragment that ends there",
			"60000000 000f 2c 40" ADDRESSES "0600fff8cafebabe 79797979797979",
			PV_IP6_OK, 6, 48, 6 },
};

static enum pv_ip6_error
parse_and_walk(const uint8_t *p, size_t n, struct pv_ip6 *ip, struct pv_ip6_upper *upper)
{
	enum pv_ip6_error error = pv_ip6_parse(tight(p, n), n, ip);

	if (error != PV_IP6_OK)
		return error;
	/* Without the padding, and exactly as long as the header says. */
	n = PV_IP6_HDR_LEN + (size_t)ip->payload_len;
	return pv_ip6_walk(tight(p, n), n, upper);
}

static void
test_walk(void)
{
	uint8_t packet[256];

	for (unsigned int i = 0; i < PV_COUNT_OF(rows); i++) {
		size_t n = hex(packet, rows[i].packet);
		struct pv_ip6_upper upper = { 0 };
		struct pv_ip6 ip;
		enum pv_ip6_error error = parse_and_walk(packet, n, &ip, &upper);

		CHECK_EQ(error, rows[i].error, rows[i].name);
		if (error == PV_IP6_OK)
			CHECK(upper.proto == rows[i].proto && upper.off == rows[i].at &&
							upper.next_at == rows[i].next_at,
					"and where the upper layer begins");
		else
			CHECK_EQ(upper.at, rows[i].at, "and the byte at fault");
	}
}

static void
test_fragment(void)
{
	struct pv_ip6_upper upper;
	struct pv_ip6 ip;
	uint8_t packet[128];
	size_t n = hex(packet, "6000000000203c40" ADDRESSES "2c00010400000000 0600 0019 cafebabe"
			       "79797979797979797979797979797979");

	CHECK_EQ(parse_and_walk(packet, n, &ip, &upper), PV_IP6_OK, "a middle fragment");
	CHECK(upper.fragment && upper.more && upper.frag_off == 24 &&
					upper.frag_ident == 0xcafebabe && upper.proto == 6,
			"its place in the whole");
	CHECK(upper.off == 56 && upper.next_at == 40, "what it holds, and who names its header");
	packet[51] = 0x18;
	CHECK_EQ(parse_and_walk(packet, n, &ip, &upper), PV_IP6_OK, "the last fragment");
	CHECK(upper.fragment && !upper.more, "has none behind it");
}

/* Whatever a header chain is cut to, the walk ends and says so. */
static void
test_truncation(void)
{
	struct pv_ip6_upper upper;
	struct pv_ip6 ip;
	uint8_t packet[256];
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < PV_COUNT_OF(rows); i++) {
		size_t n = hex(packet, rows[i].packet);

		for (size_t cut = 0; cut < n; cut++) {
			enum pv_ip6_error error = pv_ip6_parse(tight(packet, cut), cut, &ip);

			if (cut < PV_IP6_HDR_LEN)
				wrong += error != PV_IP6_TRUNCATED;
			else
				pv_ip6_walk(tight(packet, cut), cut, &upper);
		}
	}
	CHECK_EQ(wrong, 0, "every row cut at every byte");
}

static void
test_round_trips(void)
{
	struct pv_rng rng;
	unsigned int wrong = 0;
	uint8_t packet[48];

	pv_rng_seed(&rng, 8200);
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t r = pv_rng_u64(&rng);
		struct pv_ip6 back, ip = {
			.flow_label = (uint32_t)r & 0xfffff,
			.payload_len = 0,
			.tclass = (uint8_t)(r >> 20),
			.hop_limit = (uint8_t)(r >> 28),
			.next = (uint8_t)(r >> 36),
		};
		uint8_t *p = packet + i % 8;

		for (unsigned int k = 0; k < 16; k++) {
			ip.src[k] = (uint8_t)pv_rng_u64(&rng);
			ip.dst[k] = (uint8_t)pv_rng_u64(&rng);
		}
		pv_ip6_build(p, &ip);
		wrong += pv_ip6_parse(p, 40, &back) != PV_IP6_OK;
		wrong += memcmp(back.src, ip.src, 16) != 0 || memcmp(back.dst, ip.dst, 16) != 0 ||
			 back.flow_label != ip.flow_label || back.tclass != ip.tclass ||
			 back.hop_limit != ip.hop_limit || back.next != ip.next ||
			 back.payload_len != 0;
	}
	CHECK_EQ(wrong, 0, "random headers come back at any alignment");
}

static void
test_known(void)
{
	static const char *syn =
			"6b912345 0028 06 40 fd090000000000000000000000000001"
			"fd090000000000000000000000000002 9c4000500102030400000000a002fd206be00000"
			"020405a00402080a112233440000000001030307";
	struct pv_ip6 ip = { 0 };
	uint8_t packet[128], built[40];

	CHECK_EQ(pv_ip6_parse(packet, hex(packet, syn), &ip), PV_IP6_OK, "a SYN");
	CHECK(ip.tclass == 0xb9 && ip.flow_label == 0x12345 && ip.payload_len == 40 &&
					ip.next == 6 && ip.hop_limit == 64,
			"its fields");
	pv_ip6_build(built, &ip);
	CHECK(memcmp(built, packet, 40) == 0, "built again, the same bytes");
}

static void
test_addresses(void)
{
	/* u unspecified, l loopback, m multicast, k link-local, a all nodes, s solicited, v mapped
	 */
	static const struct {
		const char *a, *kinds;
		bool source, unicast;
	} addresses[] = {
		{ "00000000000000000000000000000000", "u", false, false },
		{ "00000000000000000000000000000001", "l", false, true },
		{ "00000000000000000000000000000002", "", true, true },
		{ "00000000000000010000000000000001", "", true, true },
		{ "00000000000000000100000000000001", "", true, true },
		{ "fd090000000000000000000000000001", "", true, true },
		{ "fe800000000000000000000000000001", "k", true, true },
		{ "febf0000000000000000000000000001", "k", true, true },
		{ "fec00000000000000000000000000001", "", true, true },
		{ "fe7f0000000000000000000000000001", "", true, true },
		{ "ff020000000000000000000000000001", "ma", false, false },
		{ "ff020000000000000000000000000002", "m", false, false },
		{ "ff020000010000000000000000000001", "m", false, false },
		{ "ff020000000000000100000000000001", "m", false, false },
		{ "ff0200000000000000000001ff00abcd", "ms", false, false },
		{ "ff0200000100000000000001ff00abcd", "m", false, false },
		{ "ff0500000000000000000001ff00abcd", "m", false, false },
		{ "ff0200000000000000000001fe00abcd", "m", false, false },
		{ "00000000000000000000ffff0a090001", "v", false, false },
		{ "00000000000000000000fffe0a090001", "", true, true },
		{ "00000000000000010000ffff0a090001", "", true, true },
	};

	for (unsigned int i = 0; i < PV_COUNT_OF(addresses); i++) {
		const char *kinds = addresses[i].kinds;
		uint8_t a[16];

		hex(a, addresses[i].a);
		CHECK(pv_ip6_is_unspecified(a) == (strchr(kinds, 'u') != NULL) &&
						pv_ip6_is_loopback(a) ==
								(strchr(kinds, 'l') != NULL) &&
						pv_ip6_is_multicast(a) ==
								(strchr(kinds, 'm') != NULL) &&
						pv_ip6_is_link_local(a) ==
								(strchr(kinds, 'k') != NULL) &&
						pv_ip6_is_all_nodes(a) ==
								(strchr(kinds, 'a') != NULL) &&
						pv_ip6_is_solicited_node(a) ==
								(strchr(kinds, 's') != NULL) &&
						pv_ip6_is_v4_mapped(a) ==
								(strchr(kinds, 'v') != NULL) &&
						pv_ip6_valid_source(a) == addresses[i].source &&
						pv_ip6_valid_unicast(a) == addresses[i].unicast,
				addresses[i].a);
	}
}

static void
test_groups(void)
{
	uint8_t a[16], group[16], want[16];

	hex(a, "fd0900000000000000000000abcdef12");
	hex(want, "ff0200000000000000000001ffcdef12");
	pv_ip6_solicited_node_of(group, a);
	CHECK(pv_ip6_equal(group, want), "the solicited-node group of an address");
	a[0] ^= 1;
	memcpy(group, a, 16);
	CHECK(pv_ip6_equal(group, a), "equal");
	group[15] ^= 0x80;
	CHECK(!pv_ip6_equal(group, a), "differs in the last bit");
	memcpy(group, a, 16);
	group[0] ^= 0x80;
	CHECK(!pv_ip6_equal(group, a), "differs in the first bit");
}

int
main(void)
{
	test_known();
	test_walk();
	test_fragment();
	test_truncation();
	test_round_trips();
	test_addresses();
	test_groups();
	return tap_done();
}
