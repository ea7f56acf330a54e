/* SPDX-License-Identifier: BSD-3-Clause */
/* The fast checksums against one that follows RFC 1071 word by word. */
#include "base/check.h"
#include "base/rng.h"
#include "bytes.h"
#include "tap.h"
#include "wire/csum.h"

#define ROOM 70000

static uint8_t room[ROOM];
static struct pv_rng rng;

/* Host order; independent of how the code under test loads anything. */
static uint16_t
reference(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)~sum;
}

static void
fill(int pattern)
{
	for (size_t i = 0; i < ROOM; i++)
		room[i] = pattern < 0 ? (uint8_t)pv_rng_u64(&rng) : (uint8_t)pattern;
}

static unsigned int
wrong_at(size_t offset, size_t n)
{
	return pv_ntoh16(pv_csum(room + offset, n)) != reference(room + offset, n);
}

static void
test_known(void)
{
	static const uint8_t rfc1071[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	uint8_t header[20];

	CHECK_EQ(pv_ntoh16(pv_csum(rfc1071, 8)), 0x220d, "the example of RFC 1071");
	CHECK_EQ(pv_ntoh16(pv_csum(rfc1071, 0)), 0xffff, "nothing at all");
	CHECK_EQ(pv_ntoh16(pv_csum(rfc1071 + 2, 1)), 0x0dff, "an odd byte is padded with zero");
	hex(header, "4500003c1234400040 0614740a0900010a090002");
	CHECK(pv_csum_ok(pv_csum_part(header, 20)), "an intact IPv4 header");
	header[7] ^= 1;
	CHECK(!pv_csum_ok(pv_csum_part(header, 20)), "a broken one");
}

static void
test_every_length(void)
{
	static const int patterns[] = { -1, 0xff, 0x00, 0x80 };
	static const size_t lengths[] = { 1459, 1460, 4095, 9000, 65535 };
	unsigned int wrong = 0;

	for (unsigned int k = 0; k < PV_COUNT_OF(patterns); k++) {
		fill(patterns[k]);
		for (size_t n = 0; n <= 600; n++)
			for (size_t offset = 0; offset < 16; offset++)
				wrong += wrong_at(offset, n);
		for (unsigned int i = 0; i < PV_COUNT_OF(lengths); i++)
			for (size_t offset = 0; offset < 64; offset++)
				wrong += wrong_at(offset, lengths[i]);
	}
	CHECK_EQ(wrong, 0, "every length to 600, long ones, at every alignment");
	for (size_t n = 0; n <= 600; n++)
		pv_csum(tight(room, n), n);
	CHECK(true, "nothing is read beyond the end");
}

/* Partial sums may grow far beyond any packet before they are folded. */
static void
test_overflow(void)
{
	uint64_t sum = 0;

	fill(0xff);
	for (unsigned int i = 0; i < 20000; i++)
		sum += pv_csum_part(room, 65536);
	CHECK_EQ(pv_csum_fold(sum), 0xffff, "a gigabyte of ones");
	CHECK_EQ(pv_csum_fold(UINT64_MAX), 0xffff, "the largest partial sum");
	CHECK_EQ(pv_csum_fold(0x0001ffff00010001), 0x0003, "carries of carries are folded");
}

static void
test_join(void)
{
	unsigned int wrong = 0;

	fill(-1);
	for (size_t n = 1; n < 200; n++) {
		for (size_t cut = 0; cut <= n; cut++) {
			uint64_t sum = pv_csum_join(pv_csum_part(room, cut), cut,
					pv_csum_part(room + cut, n - cut));

			wrong += pv_ntoh16(pv_csum_finish(sum)) != reference(room, n);
		}
	}
	CHECK_EQ(wrong, 0, "two pieces joined at any place");
}

static void
test_pseudo(void)
{
	uint8_t flat[40 + 1500];
	unsigned int wrong = 0;

	fill(-1);
	for (unsigned int n = 0; n < 1500; n += 37) {
		memcpy(flat, room, 8);
		memcpy(flat + 8, (uint8_t[]){ 0, 6, (uint8_t)(n >> 8), (uint8_t)n }, 4);
		memcpy(flat + 12, room + 100, n);
		wrong += reference(flat, n + 12) !=
			 pv_ntoh16(pv_csum_finish(pv_csum_pseudo4(pv_ld32(room), pv_ld32(room + 4),
								  6, (uint16_t)n) +
						  pv_csum_part(room + 100, n)));
		memcpy(flat, room, 32);
		memcpy(flat + 32, (uint8_t[]){ 0, 0, (uint8_t)(n >> 8), (uint8_t)n, 0, 0, 0, 58 },
				8);
		memcpy(flat + 40, room + 100, n);
		wrong += reference(flat, n + 40) !=
			 pv_ntoh16(pv_csum_finish(pv_csum_pseudo6(room, room + 16, 58, n) +
						  pv_csum_part(room + 100, n)));
	}
	CHECK_EQ(wrong, 0, "pseudo headers of IPv4 and IPv6");
}

/* What was intact stays intact, and is what a full computation gives (RFC 1624 3). */
static void
test_update(void)
{
	unsigned int wrong = 0;

	fill(-1);
	for (unsigned int i = 0; i < 20000; i++) {
		uint8_t *p = room + 64 * (i % 1000);
		pv_be16 csum = pv_csum(p, 40), was = pv_ld16(p + 6);

		pv_st16(p + 6, i % 3 == 0 ? was : (pv_be16)pv_rng_u64(&rng));
		csum = pv_csum_update16(csum, was, pv_ld16(p + 6));
		wrong += csum != pv_csum(p, 40);
	}
	CHECK_EQ(wrong, 0, "20,000 incremental updates equal full ones");
	CHECK_EQ(pv_csum_update16(PV_HTON16(0xdd2f), PV_HTON16(0x5555), PV_HTON16(0x3285)),
			PV_HTON16(0x0000), "the corner case of RFC 1624 4");
}

int
main(void)
{
	pv_rng_seed(&rng, 1071);
	test_known();
	test_every_length();
	test_overflow();
	test_join();
	test_pseudo();
	test_update();
	return tap_done();
}
