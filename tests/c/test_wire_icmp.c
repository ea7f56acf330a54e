/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMP for IPv4. */
#include "base/check.h"
#include "bytes.h"
#include "tap.h"
#include "wire/csum.h"
#include "wire/icmp.h"
#include "wire/ip4.h"

#define ECHO          "0800 ec44 1122 0003 616263646566676869"
#define QUOTED_IP     "450005dc004d40000506a3bb0a090002c0000209"
#define QUOTED_TCP    "0050c350deadbeef"
#define FRAG_NEEDED   "0304 9645 0000 0578" QUOTED_IP QUOTED_TCP
#define TIME_EXCEEDED "0b00 c6e2 00000000" QUOTED_IP QUOTED_TCP "00000000500220005cdc0000"
#define PARAM_PROBLEM "0c00 8ac1 08000000" QUOTED_IP QUOTED_TCP

static uint8_t message[2048];

static void
test_parse(void)
{
	static const struct {
		const char *name, *text;
		struct pv_icmp want;
	} rows[] = {
		{ "echo", ECHO, { .type = 8, .id = 0x1122, .seq = 3, .data_len = 9 } },
		{ "fragmentation needed", FRAG_NEEDED,
				{ .type = 3, .code = 4, .mtu = 1400, .data_len = 28 } },
		{ "time exceeded", TIME_EXCEEDED, { .type = 11, .data_len = 40 } },
		{ "parameter problem", PARAM_PROBLEM,
				{ .type = 12, .pointer = 8, .data_len = 28 } },
		{ "unknown type", "2a01 aafb 1234 1897 2233",
				{ .type = 42, .code = 1, .data_len = 2 } },
	};

	for (unsigned int i = 0; i < PV_COUNT_OF(rows); i++) {
		const struct pv_icmp *want = &rows[i].want;
		size_t n = hex(message, rows[i].text);
		struct pv_icmp got = { 0 };

		if (i == PV_COUNT_OF(rows) - 1) {
			pv_st16(message + 2, 0);
			pv_st16(message + 2, pv_csum(message, n));
		}
		CHECK_EQ(pv_icmp_parse(tight(message, n), n, &got), PV_ICMP_OK, rows[i].name);
		CHECK(got.type == want->type && got.code == want->code && got.id == want->id &&
						got.seq == want->seq && got.mtu == want->mtu &&
						got.pointer == want->pointer &&
						got.data_len == want->data_len,
				"its fields");
		CHECK(memcmp(got.data, message + 8, got.data_len) == 0, "its data");
		message[n - 1] ^= 0x10;
		CHECK_EQ(pv_icmp_parse(message, n, &got), PV_ICMP_CHECKSUM, "with one bit wrong");
		for (n = 0; n < PV_ICMP_HDR_LEN; n++)
			CHECK_EQ(pv_icmp_parse(tight(message, n), n, &got), PV_ICMP_TRUNCATED,
					"cut");
	}
}

static void
test_quote(void)
{
	static const struct {
		const char *name, *text;
		enum pv_icmp_fault error;
	} rows[] = {
		{ "header and 8 bytes", QUOTED_IP QUOTED_TCP, PV_ICMP_OK },
		{ "more", QUOTED_IP QUOTED_TCP "00000000500220005cdc0000", PV_ICMP_OK },
		{ "with options", "460005dc004d40000506a3bb0a090002c0000209 94040000" QUOTED_TCP,
				PV_ICMP_OK },
		{ "first fragment", "450005dc004d20000506a3bb0a090002c0000209" QUOTED_TCP,
				PV_ICMP_OK },
		{ "one byte short", QUOTED_IP "0050c350deadbe", PV_ICMP_QUOTE_SHORT },
		{ "nothing", "", PV_ICMP_QUOTE_SHORT },
		{ "options instead of ports", "470005dc004d40000506a3bb0a090002c0000209" QUOTED_TCP,
				PV_ICMP_QUOTE_SHORT },
		{ "version 6", "650005dc004d40000506a3bb0a090002c0000209" QUOTED_TCP,
				PV_ICMP_QUOTE_HEADER },
		{ "header length 16", "440005dc004d40000506a3bb0a090002c0000209" QUOTED_TCP,
				PV_ICMP_QUOTE_HEADER },
		{ "later fragment", "450005dc004d20010506a3bb0a090002c0000209" QUOTED_TCP,
				PV_ICMP_QUOTE_FRAG },
	};
	struct pv_icmp_quote quote;

	for (unsigned int i = 0; i < PV_COUNT_OF(rows); i++) {
		size_t n = hex(message, rows[i].text);
		enum pv_icmp_fault error = pv_icmp_parse_quote(tight(message, n), n, &quote);

		CHECK_EQ(error, rows[i].error, rows[i].name);
		if (error == PV_ICMP_OK)
			CHECK(quote.src == PV_IP4_ADDR(10, 9, 0, 2) &&
							quote.dst == PV_IP4_ADDR(192, 0, 2, 9) &&
							quote.proto == PV_PROTO_TCP &&
							quote.sport == 80 && quote.dport == 50000 &&
							quote.seq == 0xdeadbeef &&
							quote.total_len == 1500,
					"the connection it is about");
	}
}

static void
test_build(void)
{
	static const char *texts[] = { ECHO, FRAG_NEEDED, TIME_EXCEEDED, PARAM_PROBLEM };
	uint8_t built[64];

	for (unsigned int i = 0; i < PV_COUNT_OF(texts); i++) {
		size_t n = hex(message, texts[i]);
		struct pv_icmp m;

		pv_icmp_parse(message, n, &m);
		CHECK_EQ(pv_icmp_build(built, n, &m), n, "built into just enough room");
		CHECK(memcmp(built, message, n) == 0, "the same bytes");
		CHECK_EQ(pv_icmp_build(built, n - 1, &m), 0, "not into a byte less");
		CHECK_EQ(pv_icmp_build(built, 7, &m), 0, "not into less than the header");
	}
}

static void
test_long_quote(void)
{
	static uint8_t packet[1500], built[2048];
	struct pv_icmp back, m = {
		.type = PV_ICMP_UNREACH,
		.code = PV_ICMP_PORT_UNREACH,
		.data = packet,
		.data_len = sizeof(packet),
		.mtu = 1234,
	};
	size_t n = pv_icmp_build(built, sizeof(built), &m);

	CHECK_EQ(n, 576 - 20, "an error fits 576 bytes");
	CHECK_EQ(pv_icmp_parse(built, n, &back), PV_ICMP_OK, "with a good checksum");
	CHECK_EQ(pv_ld32be(built + 4), 0, "and no MTU that is not its business");
	m.data_len = 0;
	CHECK_EQ(pv_icmp_build(built, PV_ICMP_HDR_LEN, &m), 8, "a bare header fits its own length");
	CHECK_EQ(pv_icmp_parse(built, 8, &back), PV_ICMP_OK, "and is a message");
	m.data_len = sizeof(packet);
	m.type = PV_ICMP_ECHO;
	CHECK_EQ(pv_icmp_build(built, sizeof(built), &m), 1508, "an echo is never cut");
}

static void
test_reply(void)
{
	struct pv_icmp m;
	size_t n = hex(message, ECHO);

	pv_icmp_echo_reply(message);
	CHECK_EQ(pv_icmp_parse(message, n, &m), PV_ICMP_OK, "a reply made in place");
	CHECK(m.type == PV_ICMP_ECHO_REPLY && m.code == 0 && m.id == 0x1122 && m.seq == 3,
			"answers the request");
	CHECK_EQ(pv_ld16be(message + 2), 0xf444, "its checksum");
	n = hex(message, "0800 f7ff 0000 0000 000000");
	pv_icmp_echo_reply(message);
	CHECK_EQ(pv_icmp_parse(message, n, &m), PV_ICMP_OK, "a reply that is all zeros");
	n = hex(message, "0800 f7ff 0001 fffe");
	pv_icmp_echo_reply(message);
	CHECK_EQ(pv_icmp_parse(message, n, &m), PV_ICMP_OK, "and one whose words add up to zero");
}

static void
test_kinds(void)
{
	unsigned int errors = 0;

	for (unsigned int type = 0; type < 256; type++)
		errors += pv_icmp_is_error((uint8_t)type);
	CHECK_EQ(errors, 5, "five types are errors");
	CHECK(pv_icmp_is_error(PV_ICMP_UNREACH) && pv_icmp_is_error(PV_ICMP_QUENCH) &&
					pv_icmp_is_error(PV_ICMP_REDIRECT) &&
					pv_icmp_is_error(PV_ICMP_TIME_EXCEEDED) &&
					pv_icmp_is_error(PV_ICMP_PARAM_PROBLEM),
			"these");
}

int
main(void)
{
	test_parse();
	test_quote();
	test_build();
	test_long_quote();
	test_reply();
	test_kinds();
	return tap_done();
}
