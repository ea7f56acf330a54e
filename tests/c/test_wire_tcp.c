/* SPDX-License-Identifier: BSD-3-Clause */
/* The fixed TCP header and the checksum of segments. */
#include "base/check.h"
#include "base/rng.h"
#include "bytes.h"
#include "tap.h"
#include "wire/tcp_hdr.h"

#define SYN4 "9c4000500102030400000000a002faf053fe0000020405b40402080a112233440000000001030307"
#define SYN6 "9c4000500102030400000000a002fd206be00000020405a00402080a112233440000000001030307"
#define ODD  "00509c40fffffff001020305801801f6148800000101080a00000005000000066f6464"

static void
test_parse(void)
{
	static const struct {
		const char *name, *segment;
		enum pv_tcp_error error;
	} rows[] = {
		{ "a SYN with options", SYN4, PV_TCP_OK },
		{ "an odd payload", ODD, PV_TCP_OK },
		{ "header only", "00509c40 fffffff0 01020305 5010 01f6 0000 0000", PV_TCP_OK },
		{ "options only", "00509c40 fffffff0 01020305 6010 01f6 0000 0000 01010101",
				PV_TCP_OK },
		{ "nothing", "", PV_TCP_TRUNCATED },
		{ "19 bytes", "00509c40 fffffff0 01020305 5010 01f6 0000 00", PV_TCP_TRUNCATED },
		{ "data offset 0", "00509c40 fffffff0 01020305 0010 01f6 0000 0000",
				PV_TCP_DATA_OFF },
		{ "data offset 4", "00509c40 fffffff0 01020305 4010 01f6 0000 0000 00000000",
				PV_TCP_DATA_OFF },
		{ "data offset beyond the end",
				"00509c40 fffffff0 01020305 6010 01f6 0000 0000 010101",
				PV_TCP_DATA_OFF },
		{ "data offset 15", "00509c40 fffffff0 01020305 f010 01f6 0000 0000",
				PV_TCP_DATA_OFF },
	};
	struct pv_tcp_hdr h = { 0 };
	uint8_t segment[128];

	for (unsigned int i = 0; i < PV_COUNT_OF(rows); i++) {
		size_t n = hex(segment, rows[i].segment);

		CHECK_EQ(pv_tcp_parse(tight(segment, n), n, &h), rows[i].error, rows[i].name);
	}
	pv_tcp_parse(segment, hex(segment, ODD), &h);
	CHECK(h.sport == 80 && h.dport == 40000 && h.seq == 0xfffffff0 && h.ack == 0x01020305,
			"ports and numbers");
	CHECK(h.flags == (PV_TCP_ACK | PV_TCP_PSH) && h.wnd == 502 && h.urg == 0 && h.hdr_len == 32,
			"flags, window, length");
	segment[12] |= 0x0f;
	pv_st16be(segment + 18, 0xabcd);
	pv_tcp_parse(segment, 35, &h);
	CHECK(h.flags == (PV_TCP_ACK | PV_TCP_PSH) && h.hdr_len == 32 && h.urg == 0xabcd,
			"reserved bits mean nothing, the urgent pointer is read");
}

static void
test_checksums(void)
{
	static const pv_be32 src = PV_IP4_ADDR(192, 0, 2, 1), dst = PV_IP4_ADDR(198, 51, 100, 7);
	uint8_t segment[128], want[128], a[16], b[16];
	size_t n = hex(want, ODD);

	hex(a, "fd090000000000000000000000000001");
	hex(b, "fd090000000000000000000000000002");
	memcpy(segment, want, n);
	CHECK(pv_tcp_csum4_ok(tight(segment, n), (uint16_t)n, src, dst), "IPv4, odd length, good");
	CHECK(!pv_tcp_csum4_ok(segment, (uint16_t)(n - 1), src, dst), "one byte less");
	CHECK(!pv_tcp_csum4_ok(segment, (uint16_t)n, src, dst ^ 1), "another destination");
	pv_tcp_csum4_set(segment, (uint16_t)n, src, dst);
	CHECK(memcmp(segment, want, n) == 0, "computed over an old one");
	pv_st16(segment + 16, pv_tcp_csum4_seed(src, dst, (uint16_t)n));
	pv_st16(segment + 16, pv_csum(segment, n));
	CHECK(memcmp(segment, want, n) == 0, "computed by a device from its seed");

	n = hex(want, SYN6);
	memcpy(segment, want, n);
	CHECK(pv_tcp_csum6_ok(tight(segment, n), (uint32_t)n, a, b), "IPv6, good");
	a[0] ^= 0x80;
	CHECK(!pv_tcp_csum6_ok(segment, (uint32_t)n, a, b), "another source");
	a[0] ^= 0x80;
	pv_tcp_csum6_set(segment, (uint32_t)n, a, b);
	CHECK(memcmp(segment, want, n) == 0, "computed over an old one");
	pv_st16(segment + 16, pv_tcp_csum6_seed(a, b, (uint32_t)n));
	pv_st16(segment + 16, pv_csum(segment, n));
	CHECK(memcmp(segment, want, n) == 0, "computed by a device from its seed");
}

static void
test_round_trips(void)
{
	struct pv_rng rng;
	unsigned int wrong = 0;
	uint8_t room[2048 + 8];

	pv_rng_seed(&rng, 9293);
	for (unsigned int i = 0; i < sizeof(room); i++)
		room[i] = (uint8_t)pv_rng_u64(&rng);
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t r = pv_rng_u64(&rng), r2 = pv_rng_u64(&rng);
		pv_be32 src = (pv_be32)pv_rng_u64(&rng), dst = (pv_be32)pv_rng_u64(&rng);
		uint16_t n = (uint16_t)(60 + r2 % 1440);
		uint8_t *p = room + i % 8;
		struct pv_tcp_hdr back, h = {
			.seq = (uint32_t)r,
			.ack = (uint32_t)(r >> 32),
			.sport = (uint16_t)(r2 >> 48),
			.dport = (uint16_t)(r2 >> 32),
			.wnd = (uint16_t)(r2 >> 16),
			.urg = (uint16_t)r2,
			.flags = (uint8_t)(r2 >> 24),
			.hdr_len = (uint8_t)(20 + 4 * (r2 % 11)),
		};

		pv_tcp_build(p, &h);
		wrong += pv_ld16(p + 16) != 0;
		pv_tcp_csum4_set(p, n, src, dst);
		wrong += !pv_tcp_csum4_ok(p, n, src, dst);
		wrong += pv_tcp_parse(p, n, &back) != PV_TCP_OK;
		wrong += back.seq != h.seq || back.ack != h.ack || back.sport != h.sport ||
			 back.dport != h.dport || back.wnd != h.wnd || back.urg != h.urg ||
			 back.flags != h.flags || back.hdr_len != h.hdr_len;
		p[r % n] ^= (uint8_t)(1U << r2 % 8);
		wrong += pv_tcp_csum4_ok(p, n, src, dst);
	}
	CHECK_EQ(wrong, 0, "random segments come back at any alignment, with one bit wrong never");
}

static void
test_seg_len(void)
{
	CHECK_EQ(pv_tcp_seg_len(PV_TCP_ACK, 7), 7, "data");
	CHECK_EQ(pv_tcp_seg_len(PV_TCP_SYN, 0), 1, "SYN");
	CHECK_EQ(pv_tcp_seg_len(PV_TCP_FIN | PV_TCP_ACK | PV_TCP_PSH, 3), 4, "data and FIN");
	CHECK_EQ(pv_tcp_seg_len(PV_TCP_SYN | PV_TCP_FIN, 3), 5, "SYN, data and FIN");
}

int
main(void)
{
	test_parse();
	test_checksums();
	test_round_trips();
	test_seg_len();
	return tap_done();
}
