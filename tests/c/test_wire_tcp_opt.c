/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP options. */
#include "base/check.h"
#include "base/rng.h"
#include "bytes.h"
#include "tap.h"
#include "wire/tcp_opt.h"

#define MSS       PV_TCP_OPT_MSS
#define WSCALE    PV_TCP_OPT_WSCALE
#define SACKOK    PV_TCP_OPT_SACKOK
#define TS        PV_TCP_OPT_TS
#define SACK      PV_TCP_OPT_SACK
#define HS        PV_TCP_OPT_HS
#define UNKNOWN   PV_TCP_OPT_UNKNOWN
#define MALFORMED PV_TCP_OPT_MALFORMED

/* Values that a row does not have are left as the caller had them. */
static const struct {
	const char *name, *text;
	unsigned int present;
	struct pv_tcp_opts want;
} rows[] = {
	{ "none", "", 0, { 0 } },
	{ "Linux's SYN", "020405b4 0402080a 11223344 55667788 01030307", MSS | SACKOK | TS | WSCALE,
			{ .mss = 1460, .tsval = 0x11223344, .tsecr = 0x55667788, .wscale = 7 } },
	{ "Linux's SYN, huge scale", "020405b4 0402080a 11223344 00000000 010303ff",
			MSS | SACKOK | TS | WSCALE,
			{ .mss = 1460, .tsval = 0x11223344, .wscale = 14 } },
	{ "Linux's segment", "0101080a 11223344 55667788", TS,
			{ .tsval = 0x11223344, .tsecr = 0x55667788 } },
	{ "FreeBSD's SYN", "020405b4 01030306 0402080a 11223344 00000000",
			MSS | SACKOK | TS | WSCALE,
			{ .mss = 1460, .tsval = 0x11223344, .wscale = 6 } },
	{ "Windows' SYN", "020405b4 01030308 01010402", MSS | SACKOK | WSCALE,
			{ .mss = 1460, .wscale = 8 } },
	{ "MSS", "02040218", MSS, { .mss = 536 } },
	{ "MSS 0", "02040000", MSS, { .mss = 0 } },
	{ "scale 14", "0303 0e00", WSCALE, { .wscale = 14 } },
	{ "scale 15", "0303 0f00", WSCALE, { .wscale = 14 } },
	{ "no padding", "010101", 0, { 0 } },
	{ "end at once", "00020405 b4ffffff", 0, { 0 } },
	{ "end in the middle", "01010402 00080a00", SACKOK, { 0 } },
	{ "of a repeated option the last counts", "02040218 020405b4", MSS, { .mss = 1460 } },
	{ "timestamps behind one byte", "01080a11 22334455 66778801", TS,
			{ .tsval = 0x11223344, .tsecr = 0x55667788 } },
	{ "one SACK block", "0101050a 00000001 00000002", SACK,
			{ .n_sack = 1, .sack = { { 1, 2 } } } },
	{ "timestamps and three blocks",
			"0101080a 11223344 55667788 0101051a 00000001 00000002 00000003 00000004"
			"fffffff0 0000000f",
			TS | SACK,
			{ .tsval = 0x11223344,
					.tsecr = 0x55667788,
					.n_sack = 3,
					.sack = { { 1, 2 }, { 3, 4 }, { 0xfffffff0, 15 } } } },
	{ "four blocks",
			"01010522 00000001 00000002 00000003 00000004 00000005 00000006"
			"00000007 00000008",
			SACK, { .n_sack = 4, .sack = { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 8 } } } },
	{ "unknown kinds are skipped", "1c041234 02040218 fe06 12345678 0303 02",
			UNKNOWN | MSS | WSCALE, { .mss = 536, .wscale = 2 } },
	{ "unknown kind that fills the header", "22 04 abcd", UNKNOWN, { 0 } },
	{ "unknown kind of two bytes", "2202", UNKNOWN, { 0 } },
	{ "handshake option", "0101 fd0a 50565350 4102 01f4", HS,
			{ .hs = { .flags = 0x41, .reason = 2, .block_len = 500 } } },
	{ "another experiment", "fd0a 50565351 4102 01f4", UNKNOWN, { 0 } },
	{ "a short experiment", "fd04 5056 01 01", UNKNOWN, { 0 } },
	{ "experiment without identifier", "fd02 0101", UNKNOWN, { 0 } },
	{ "the other shared kind", "fe0a 50565350 4102 01f4", UNKNOWN, { 0 } },
	{ "handshake option of wrong length", "fd08 50565350 4102 02040218", MALFORMED | MSS,
			{ .mss = 536 } },
	{ "handshake option without content", "fd06 50565350", MALFORMED, { 0 } },
	{ "handshake option too long", "fd0c 50565350 4102 01f40000", MALFORMED, { 0 } },
	{ "length 0", "02000218", MALFORMED, { 0 } },
	{ "length 1", "02010218", MALFORMED, { 0 } },
	{ "unknown kind of length 0", "ff000000", MALFORMED, { 0 } },
	{ "unknown kind of length 1", "ff010000", MALFORMED, { 0 } },
	{ "length missing", "010101 02", MALFORMED, { 0 } },
	{ "unknown kind, length missing", "010101 ff", MALFORMED, { 0 } },
	{ "one byte past the end", "02040218 080a1122 33445566 77", MSS | MALFORMED,
			{ .mss = 536 } },
	{ "far past the end", "02ff0218", MALFORMED, { 0 } },
	{ "what follows is not read", "ff010402 02040218", MALFORMED, { 0 } },
	{ "what precedes is", "02040218 ff00", MSS | MALFORMED, { .mss = 536 } },
	{ "MSS of 3 bytes", "020302 0402", UNKNOWN | SACKOK, { 0 } },
	{ "MSS of 6 bytes", "020602180000 0402", UNKNOWN | SACKOK, { 0 } },
	{ "scale of 2 bytes", "0302 0402", UNKNOWN | SACKOK, { 0 } },
	{ "scale of 4 bytes", "03040101", UNKNOWN, { 0 } },
	{ "SACK-permitted of 3 bytes", "04030000", UNKNOWN, { 0 } },
	{ "timestamps of 9 bytes", "08091122 33445566 77010101", UNKNOWN, { 0 } },
	{ "timestamps of 11 bytes", "080b1122 33445566 77889901", UNKNOWN, { 0 } },
	{ "SACK without blocks", "05020101", UNKNOWN, { 0 } },
	{ "SACK of half a block", "0506 00000001 0101", UNKNOWN, { 0 } },
	{ "SACK of a block and a byte", "050b 00000001 00000002 00", UNKNOWN, { 0 } },
	{ "SACK of three bytes", "0503 00 01", UNKNOWN, { 0 } },
};

static bool
same(const struct pv_tcp_opts *a, const struct pv_tcp_opts *b)
{
	return a->tsval == b->tsval && a->tsecr == b->tsecr && a->mss == b->mss &&
	       a->wscale == b->wscale && a->n_sack == b->n_sack && a->hs.flags == b->hs.flags &&
	       a->hs.reason == b->hs.reason && a->hs.block_len == b->hs.block_len &&
	       memcmp(a->sack, b->sack, sizeof(a->sack)) == 0;
}

static void
test_parse(void)
{
	uint8_t options[64];

	for (unsigned int i = 0; i < PV_COUNT_OF(rows); i++) {
		size_t n = hex(options, rows[i].text);
		struct pv_tcp_opts got = { .present = 0xff, .n_sack = 9 }, walked = got;

		pv_tcp_opt_parse(tight(options, n), n, &got);
		CHECK_EQ(got.present, rows[i].present, rows[i].name);
		CHECK(same(&got, &rows[i].want), "its values");
		pv_tcp_opt_walk(tight(options, n), n, &walked);
		CHECK(walked.present == got.present && same(&walked, &got), "by the walk too");
		for (size_t cut = 0; cut < n; cut++)
			pv_tcp_opt_parse(tight(options, cut), cut, &got);
	}
}

/* The short cuts are taken for their own layout only: each byte of it is changed in turn. */
static void
test_fast_paths(void)
{
	static const char *layouts[] = {
		"0101080a 11223344 55667788",
		"020405b4 0402080a 11223344 55667788 01030307",
	};
	unsigned int wrong = 0;

	for (unsigned int k = 0; k < PV_COUNT_OF(layouts); k++) {
		for (unsigned int i = 0; i < 20 * 256; i++) {
			struct pv_tcp_opts fast = { 0 }, slow = { 0 };
			uint8_t options[20];
			size_t n = hex(options, layouts[k]);

			if (i / 256 >= n)
				continue;
			options[i / 256] = (uint8_t)i;
			pv_tcp_opt_parse(options, n, &fast);
			pv_tcp_opt_walk(options, n, &slow);
			wrong += fast.present != slow.present || !same(&fast, &slow);
		}
	}
	CHECK_EQ(wrong, 0, "short cuts and walk agree");
}

static void
test_build_syn(void)
{
	static const struct {
		unsigned int present;
		enum pv_tcp_order order;
		const char *text;
	} layouts[] = {
		{ 0, PV_TCP_ORDER_LINUX, "" },
		{ MSS, PV_TCP_ORDER_LINUX, "020405b4" },
		{ MSS | SACKOK | TS | WSCALE, PV_TCP_ORDER_LINUX,
				"020405b4 0402 080a1122334455667788 01 030307" },
		{ MSS | SACKOK | WSCALE, PV_TCP_ORDER_LINUX, "020405b4 01010402 01030307" },
		{ MSS | WSCALE, PV_TCP_ORDER_LINUX, "020405b4 01030307" },
		{ MSS | SACKOK, PV_TCP_ORDER_LINUX, "020405b4 01010402" },
		{ MSS | TS | WSCALE, PV_TCP_ORDER_LINUX,
				"020405b4 0101080a1122334455667788 01030307" },
		{ MSS | SACKOK | TS, PV_TCP_ORDER_LINUX, "020405b4 0402 080a1122334455667788" },
		{ MSS | SACKOK | TS | WSCALE | HS, PV_TCP_ORDER_LINUX,
				"020405b4 0402 080a1122334455667788 01 030307"
				"0101fd0a 50565350 010001f4" },
		{ HS, PV_TCP_ORDER_LINUX, "0101fd0a 50565350 010001f4" },
		{ MSS | SACKOK | TS | WSCALE, PV_TCP_ORDER_FREEBSD,
				"020405b4 01 030307 0402 080a1122334455667788" },
		{ MSS | SACKOK | WSCALE, PV_TCP_ORDER_FREEBSD, "020405b4 01030307 04020000" },
		{ MSS | WSCALE, PV_TCP_ORDER_FREEBSD, "020405b4 01030307" },
		{ MSS | TS | WSCALE, PV_TCP_ORDER_FREEBSD,
				"020405b4 01030307 0101080a1122334455667788" },
		{ MSS | SACKOK | WSCALE | HS, PV_TCP_ORDER_FREEBSD,
				"020405b4 01030307 01010402 0101fd0a 50565350 010001f4" },
	};
	struct pv_tcp_opts o = { .tsval = 0x11223344,
		.tsecr = 0x55667788,
		.mss = 1460,
		.wscale = 7,
		.hs = { .flags = PV_HS_REQ, .block_len = 500 } };

	for (unsigned int i = 0; i < PV_COUNT_OF(layouts); i++) {
		uint8_t want[64], got[64];
		size_t n = hex(want, layouts[i].text);

		o.present = (uint8_t)layouts[i].present;
		CHECK_EQ(pv_tcp_opt_build_syn(tight(got, n), &o, layouts[i].order), n,
				layouts[i].text);
		CHECK(memcmp(tight(NULL, 0) - n, want, n) == 0, "byte for byte");
	}
}

static void
test_build_later(void)
{
	static const struct {
		unsigned int present, n_sack;
		const char *text;
	} layouts[] = {
		{ 0, 0, "" },
		{ TS, 0, "0101080a 11223344 55667788" },
		{ SACK, 0, "" },
		{ TS | SACK, 0, "0101080a 11223344 55667788" },
		{ TS | SACK, 1, "0101080a 11223344 55667788 0101050a 00000001 00000002" },
		{ TS, 1, "0101080a 11223344 55667788" },
		{ SACK, 4,
				"01010522 00000001 00000002 00000003 00000004 00000005 00000006"
				"00000007 00000008" },
		{ TS | SACK, 4,
				"0101080a 11223344 55667788 0101051a 00000001 00000002"
				"00000003 00000004 00000005 00000006" },
		{ TS | HS, 0, "0101080a 11223344 55667788 0101fd0a 50565350 010001f4" },
		{ TS | HS | SACK, 4,
				"0101080a 11223344 55667788 0101fd0a 50565350 010001f4"
				"0101050a 00000001 00000002" },
		{ HS | SACK, 4,
				"0101fd0a 50565350 010001f4 0101051a 00000001 00000002"
				"00000003 00000004 00000005 00000006" },
		{ TS | MSS | WSCALE | SACKOK, 0, "0101080a 11223344 55667788" },
	};
	struct pv_tcp_opts o = { .tsval = 0x11223344,
		.tsecr = 0x55667788,
		.mss = 1460,
		.hs = { .flags = PV_HS_REQ, .block_len = 500 },
		.sack = { { 1, 2 }, { 3, 4 }, { 5, 6 }, { 7, 8 } } };

	for (unsigned int i = 0; i < PV_COUNT_OF(layouts); i++) {
		uint8_t want[64], got[64];
		size_t n = hex(want, layouts[i].text);

		o.present = (uint8_t)layouts[i].present;
		o.n_sack = (uint8_t)layouts[i].n_sack;
		CHECK_EQ(pv_tcp_opt_len(&o), n, layouts[i].text);
		CHECK_EQ(pv_tcp_opt_build(tight(got, n), &o), n, "is what is written");
		CHECK(memcmp(tight(NULL, 0) - n, want, n) == 0, "byte for byte");
	}
}

static void
test_round_trips(void)
{
	struct pv_rng rng;
	unsigned int wrong = 0;

	pv_rng_seed(&rng, 7323);
	for (unsigned int i = 0; i < 50000; i++) {
		struct pv_tcp_opts back = { 0 }, o;
		uint64_t r = pv_rng_u64(&rng);
		bool syn = (r & 1) != 0;
		uint8_t room[48], *p = room + i % 8;
		size_t n;

		for (size_t k = 0; k < sizeof(o); k++)
			((uint8_t *)&o)[k] = (uint8_t)pv_rng_u64(&rng);
		o.wscale %= 15;
		o.n_sack = (uint8_t)(1 + (r >> 8) % 4);
		if (syn) {
			o.present &= MSS | WSCALE | SACKOK | TS | HS;
			n = pv_tcp_opt_build_syn(p, &o, (r & 2) != 0);
		} else {
			o.present &= TS | SACK | HS;
			n = pv_tcp_opt_build(p, &o);
		}
		if ((o.present & SACK) != 0 && o.n_sack > pv_tcp_opt_sack_room(o.present))
			o.n_sack = (uint8_t)pv_tcp_opt_sack_room(o.present);
		pv_tcp_opt_parse(p, n, &back);
		wrong += n % 4 != 0 || n > PV_TCP_OPTIONS_MAX || back.present != o.present;
		wrong += (o.present & MSS) != 0 && back.mss != o.mss;
		wrong += (o.present & WSCALE) != 0 && back.wscale != o.wscale;
		wrong += (o.present & TS) != 0 && (back.tsval != o.tsval || back.tsecr != o.tsecr);
		wrong += (o.present & HS) != 0 && memcmp(&back.hs, &o.hs, sizeof(o.hs)) != 0;
		wrong += (o.present & SACK) != 0 &&
			 (back.n_sack != o.n_sack ||
					 memcmp(back.sack, o.sack, o.n_sack * sizeof(o.sack[0])) !=
							 0);
	}
	CHECK_EQ(wrong, 0, "random options come back at any alignment");
}

int
main(void)
{
	test_parse();
	test_fast_paths();
	test_build_syn();
	test_build_later();
	test_round_trips();
	return tap_done();
}
