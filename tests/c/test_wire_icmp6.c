/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP for IPv6 and neighbour discovery. */
#include "base/check.h"
#include "bytes.h"
#include "tap.h"
#include "wire/icmp6.h"
#include "wire/nd.h"

/* Whole packets, IPv6 header first. */
#define FROM_1_TO_2  "fd090000000000000000000000000001 fd090000000000000000000000000002"
#define FROM_FF_TO_2 "fd0900000000000000000000000000ff fd090000000000000000000000000002"
#define QUOTED_IP6                                                                                 \
	"6000000000140640 fd090000000000000000000000000002 20010db8000000000000000000000009"
#define QUOTED_TCP "0050c350deadbeef"
#define TCP_REST   "000000005002200003d70000"
#define ECHO       "60000000000b3a40" FROM_1_TO_2 "8000b01b11220003616263"
#define TOO_BIG    "6000000000443a40" FROM_FF_TO_2 "0200971e00000514" QUOTED_IP6 QUOTED_TCP TCP_REST
#define UNREACH                                                                                    \
	"60000000004c3a40" FROM_FF_TO_2 "0104601a00000000 60000000001c3c40"                        \
	"fd090000000000000000000000000002 20010db8000000000000000000000009 "                       \
	"0600010400000000" QUOTED_TCP TCP_REST
#define PARAM "6000000000443a40" FROM_FF_TO_2 "04019a0900000028" QUOTED_IP6 QUOTED_TCP TCP_REST
#define SOLICIT                                                                                    \
	"6000000000203aff fd090000000000000000000000000001 ff0200000000000000000001ff000002"       \
	"87007d8500000000 fd090000000000000000000000000002 0101020000000001"
#define DETECT                                                                                     \
	"6000000000183aff 00000000000000000000000000000000 ff0200000000000000000001ff000002"       \
	"87007d9a00000000 fd090000000000000000000000000002"
#define ADVERT                                                                                     \
	"6000000000203aff fd090000000000000000000000000002 fd090000000000000000000000000001"       \
	"88001c7f60000000 fd090000000000000000000000000002 0201020000000002"

static uint8_t packet[2048];

/* Reads a packet, and makes its checksum right again where a row has changed bytes. */
static size_t
load(const char *text, struct pv_ip6 *ip)
{
	size_t n = hex(packet, text);

	pv_ip6_parse(packet, n, ip);
	return n - PV_IP6_HDR_LEN;
}

static void
test_parse(void)
{
	static const struct {
		const char *name, *text;
		struct pv_icmp6 want;
	} rows[] = {
		{ "echo", ECHO, { .type = 128, .id = 0x1122, .seq = 3, .data_len = 3 } },
		{ "packet too big", TOO_BIG, { .type = 2, .mtu = 1300, .data_len = 60 } },
		{ "unreachable", UNREACH, { .type = 1, .code = 4, .data_len = 68 } },
		{ "parameter problem", PARAM,
				{ .type = 4, .code = 1, .pointer = 40, .data_len = 60 } },
		{ "solicitation", SOLICIT, { .type = 135, .data_len = 24 } },
	};

	for (unsigned int i = 0; i < PV_COUNT_OF(rows); i++) {
		const struct pv_icmp6 *want = &rows[i].want;
		struct pv_icmp6 got = { 0 };
		struct pv_ip6 ip;
		size_t n = load(rows[i].text, &ip);
		uint8_t *p = tight(packet + PV_IP6_HDR_LEN, n);

		CHECK_EQ(pv_icmp6_parse(p, n, ip.src, ip.dst, &got), PV_ICMP6_OK, rows[i].name);
		CHECK(got.type == want->type && got.code == want->code && got.id == want->id &&
						got.seq == want->seq && got.mtu == want->mtu &&
						got.pointer == want->pointer &&
						got.data_len == want->data_len && got.data == p + 8,
				"its fields");
		ip.dst[15] ^= 1;
		CHECK_EQ(pv_icmp6_parse(p, n, ip.src, ip.dst, &got), PV_ICMP6_CHECKSUM,
				"not if it was sent to somebody else");
		for (n = 0; n < PV_ICMP6_HDR_LEN; n++)
			CHECK_EQ(pv_icmp6_parse(tight(p, n), n, ip.src, ip.dst, &got),
					PV_ICMP6_TRUNCATED, "cut");
	}
}

static void
test_quote(void)
{
	static const struct {
		const char *name, *text;
		enum pv_icmp6_error error;
	} rows[] = {
		{ "header and 8 bytes", QUOTED_IP6 QUOTED_TCP, PV_ICMP6_OK },
		{ "more", QUOTED_IP6 QUOTED_TCP TCP_REST, PV_ICMP6_OK },
		{ "behind destination options",
				"60000000001c3c40 fd090000000000000000000000000002"
				"20010db8000000000000000000000009 0600010400000000" QUOTED_TCP,
				PV_ICMP6_OK },
		{ "one byte short", QUOTED_IP6 "0050c350deadbe", PV_ICMP6_QUOTE_SHORT },
		{ "one byte short behind options",
				"60000000001c3c40 fd090000000000000000000000000002"
				"20010db8000000000000000000000009 0600010400000000 0050c350deadbe",
				PV_ICMP6_QUOTE_SHORT },
		{ "options cut off",
				"60000000001c3c40 fd090000000000000000000000000002"
				"20010db8000000000000000000000009 0601010400000000",
				PV_ICMP6_QUOTE_HEADER },
		{ "nothing", "", PV_ICMP6_QUOTE_SHORT },
		{ "version 4",
				"4000000000140640 fd090000000000000000000000000002"
				"20010db8000000000000000000000009" QUOTED_TCP,
				PV_ICMP6_QUOTE_HEADER },
		{ "later fragment",
				"60000000001c2c40 fd090000000000000000000000000002"
				"20010db8000000000000000000000009 0600000800000001" QUOTED_TCP,
				PV_ICMP6_QUOTE_FRAG },
	};
	uint8_t src[16], dst[16];

	hex(src, "fd090000000000000000000000000002");
	hex(dst, "20010db8000000000000000000000009");
	for (unsigned int i = 0; i < PV_COUNT_OF(rows); i++) {
		size_t n = hex(packet, rows[i].text);
		struct pv_icmp6_quote quote;
		enum pv_icmp6_error error = pv_icmp6_parse_quote(tight(packet, n), n, &quote);

		CHECK_EQ(error, rows[i].error, rows[i].name);
		if (error == PV_ICMP6_OK)
			CHECK(pv_ip6_equal(quote.src, src) && pv_ip6_equal(quote.dst, dst) &&
							quote.proto == PV_PROTO_TCP &&
							quote.sport == 80 && quote.dport == 50000 &&
							quote.seq == 0xdeadbeef,
					"the connection it is about");
	}
}

static void
test_build(void)
{
	static const char *texts[] = { ECHO, TOO_BIG, UNREACH, PARAM };
	static uint8_t big[1500], built[2048];
	struct pv_icmp6 m;
	struct pv_ip6 ip;
	size_t n;

	for (unsigned int i = 0; i < PV_COUNT_OF(texts); i++) {
		n = load(texts[i], &ip);
		pv_icmp6_parse(packet + PV_IP6_HDR_LEN, n, ip.src, ip.dst, &m);
		CHECK_EQ(pv_icmp6_build(built, n, &m, &ip), n, "built into just enough room");
		CHECK(memcmp(built, packet + PV_IP6_HDR_LEN, n) == 0, "the same bytes");
		CHECK_EQ(pv_icmp6_build(built, n - 1, &m, &ip), 0, "not into a byte less");
		CHECK_EQ(pv_icmp6_build(built, 7, &m, &ip), 0, "not into less than the header");
	}
	m = (struct pv_icmp6){ .type = PV_ICMP6_UNREACH, .data = big, .data_len = sizeof(big) };
	n = pv_icmp6_build(built, sizeof(built), &m, &ip);
	CHECK_EQ(n, 1280 - 40, "an error fits the minimum MTU");
	CHECK_EQ(pv_icmp6_parse(built, n, ip.src, ip.dst, &m), PV_ICMP6_OK, "checksum and all");
	memset(built + 2, 0xa5, 2);
	pv_icmp6_csum_set(built, n, ip.src, ip.dst);
	CHECK_EQ(pv_icmp6_parse(built, n, ip.src, ip.dst, &m), PV_ICMP6_OK, "set over an old one");
	m.data_len = 0;
	CHECK_EQ(pv_icmp6_build(built, PV_ICMP6_HDR_LEN, &m, &ip), 8, "a bare header fits itself");
	CHECK_EQ(pv_icmp6_parse(built, 8, ip.src, ip.dst, &m), PV_ICMP6_OK, "and is a message");
	CHECK(pv_icmp6_is_error(0) && pv_icmp6_is_error(127) && !pv_icmp6_is_error(128), "errors");
}

/* A known message, one byte of it changed (at counts from the IPv6 header), and what comes of it.
 */
static const struct {
	const char *name, *text;
	unsigned int at, value;
	enum pv_nd_error error;
} nd_rows[] = {
	{ "solicitation", SOLICIT, 0, 0x60, PV_ND_OK },
	{ "duplicate address detection", DETECT, 0, 0x60, PV_ND_OK },
	{ "advertisement", ADVERT, 0, 0x60, PV_ND_OK },
	{ "router advertisement", SOLICIT, 40, 134, PV_ND_TYPE },
	{ "code 1", SOLICIT, 41, 1, PV_ND_CODE },
	{ "through a router", SOLICIT, 7, 254, PV_ND_HOPS },
	{ "hop limit 0", ADVERT, 7, 0, PV_ND_HOPS },
	{ "target is a group", SOLICIT, 48, 0xff, PV_ND_TARGET },
	{ "target is a group, advertised", ADVERT, 48, 0xff, PV_ND_TARGET },
	{ "option of length 0", SOLICIT, 65, 0, PV_ND_OPTION },
	{ "option past the end", SOLICIT, 65, 2, PV_ND_OPTION },
	{ "option far past the end", SOLICIT, 65, 255, PV_ND_OPTION },
	{ "unknown option", SOLICIT, 64, 14, PV_ND_OK },
	{ "the other side's option", SOLICIT, 64, 2, PV_ND_OK },
	{ "group as a host's address", SOLICIT, 66, 3, PV_ND_OPTION },
	{ "from a group", SOLICIT, 8, 0xff, PV_ND_SOURCE },
	{ "detection by all nodes", DETECT, 36, 0xfe, PV_ND_DESTINATION },
	{ "solicited, yet to a group", ADVERT, 24, 0xff, PV_ND_DESTINATION },
};

static void
test_nd_parse(void)
{
	struct pv_nd nd;
	struct pv_ip6 ip;
	size_t n;

	for (unsigned int i = 0; i < PV_COUNT_OF(nd_rows); i++) {
		n = load(nd_rows[i].text, &ip);
		packet[nd_rows[i].at] = (uint8_t)nd_rows[i].value;
		pv_ip6_parse(packet, n + PV_IP6_HDR_LEN, &ip);
		CHECK_EQ(pv_nd_parse(tight(packet + PV_IP6_HDR_LEN, n), n, &ip, &nd),
				nd_rows[i].error, nd_rows[i].name);
		if (nd_rows[i].value == 14 || nd_rows[i].value == 2)
			CHECK(nd_rows[i].error != PV_ND_OK || !nd.has_lladdr, "is not taken");
	}
	n = load(SOLICIT, &ip);
	for (size_t cut = 0; cut < n; cut++)
		CHECK_EQ(pv_nd_parse(tight(packet + PV_IP6_HDR_LEN, cut), cut, &ip, &nd),
				cut < 24  ? PV_ND_TRUNCATED :
				cut == 24 ? PV_ND_OK :
					    PV_ND_OPTION,
				"cut");
	memset(ip.src, 0, 16);
	CHECK_EQ(pv_nd_parse(packet + PV_IP6_HDR_LEN, n, &ip, &nd), PV_ND_SOURCE,
			"a link-layer address of nobody");
	n = load(ADVERT, &ip);
	memset(ip.src, 0, 16);
	CHECK_EQ(pv_nd_parse(packet + PV_IP6_HDR_LEN, n, &ip, &nd), PV_ND_SOURCE,
			"an advertisement from nobody");
	memset(packet + 48, 0, 16);
	load(DETECT, &ip);
	memset(packet + 48, 0, 16);
	CHECK_EQ(pv_nd_parse(packet + PV_IP6_HDR_LEN, 24, &ip, &nd), PV_ND_TARGET, "for nobody");
}

/* Options that say nothing here must not be walked out of, nor for ever. */
static void
test_nd_options(void)
{
	static const struct {
		const char *name, *options;
		enum pv_nd_error error;
	} tails[] = {
		{ "unknown, then the address", "0e01000000000000 0101020000000001", PV_ND_OK },
		{ "long unknown, then the address",
				"0e02000000000000 0000000000000000 0101020000000001", PV_ND_OK },
		{ "unknown of length 0", "0e00000000000000 0101020000000001", PV_ND_OPTION },
		{ "unknown past the end", "0e03000000000000 0101020000000001", PV_ND_OPTION },
		{ "address of two units", "0102020000000001 0000000000000000", PV_ND_OPTION },
	};
	struct pv_nd nd;
	struct pv_ip6 ip;

	for (unsigned int i = 0; i < PV_COUNT_OF(tails); i++) {
		size_t n = PV_ND_LEN;

		load(SOLICIT, &ip);
		n += hex(packet + PV_IP6_HDR_LEN + n, tails[i].options);
		CHECK_EQ(pv_nd_parse(tight(packet + PV_IP6_HDR_LEN, n), n, &ip, &nd),
				tails[i].error, tails[i].name);
		CHECK(tails[i].error != PV_ND_OK || (nd.has_lladdr && nd.lladdr[5] == 1), "taken");
	}
	load(ADVERT, &ip);
	packet[44] = PV_ND_OVERRIDE;
	ip.dst[0] = 0xff;
	CHECK_EQ(pv_nd_parse(packet + PV_IP6_HDR_LEN, PV_ND_LEN_MAX, &ip, &nd), PV_ND_OK,
			"an unsolicited advertisement to a group");
}

static void
test_nd_build(void)
{
	static const char *texts[] = { SOLICIT, DETECT, ADVERT };
	uint8_t built[PV_ND_LEN_MAX];

	for (unsigned int i = 0; i < PV_COUNT_OF(texts); i++) {
		struct pv_ip6 ip;
		struct pv_nd nd;
		size_t n = load(texts[i], &ip);

		pv_nd_parse(packet + PV_IP6_HDR_LEN, n, &ip, &nd);
		CHECK_EQ(pv_nd_build(built, &nd, &ip), n, "length of a built message");
		CHECK(memcmp(built, packet + PV_IP6_HDR_LEN, n) == 0, "the same bytes");
		CHECK_EQ(nd.flags, i == 2 ? PV_ND_SOLICITED | PV_ND_OVERRIDE : 0, "flags");
		CHECK_EQ(nd.has_lladdr, i != 1, "link-layer address");
		CHECK(i == 1 || nd.lladdr[5] == (i == 0 ? 1 : 2), "whose");
		CHECK(nd.target[0] == 0xfd && nd.target[15] == 2, "target");
	}
}

int
main(void)
{
	test_parse();
	test_quote();
	test_build();
	test_nd_parse();
	test_nd_options();
	test_nd_build();
	return tap_done();
}
