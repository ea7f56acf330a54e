/* SPDX-License-Identifier: BSD-3-Clause */
/* A large TCP segment cut as a device would. */
#include <string.h>

#include "io/cut.h"
#include "tap.h"
#include "wire/byteorder.h"
#include "wire/csum.h"
#include "wire/ip4.h"
#include "wire/ip6.h"
#include "wire/tcp_hdr.h"

#define LINK    14
#define TCP     32
#define PAYLOAD 2500
#define MSS     1000

static uint8_t frame[4000], piece[4000];

/* Returns the frame's length. */
static uint32_t
make(bool v4, uint8_t flags, uint32_t payload)
{
	uint32_t ip = v4 ? PV_IP4_HDR_LEN : PV_IP6_HDR_LEN;
	uint8_t *tcp = frame + LINK + ip;

	memset(frame, 0, sizeof(frame));
	memset(frame, 0xaa, 12);
	frame[LINK] = v4 ? 0x45 : 0x60;
	frame[LINK + (v4 ? 9 : 6)] = PV_PROTO_TCP;
	for (uint32_t i = 0; i < (v4 ? 8u : 32u); i++)
		frame[LINK + (v4 ? 12u : 8u) + i] = (uint8_t)(i + 1);
	pv_st32(tcp + 4, pv_hton32(0xfffffff0)); /* the numbers wrap */
	tcp[12] = TCP / 4 << 4;
	tcp[13] = flags;
	for (uint32_t i = 0; i < payload; i++)
		tcp[TCP + i] = (uint8_t)(i % 251);
	return LINK + ip + TCP + payload;
}

static bool
is_intact(bool v4, uint32_t len)
{
	const uint8_t *ip = piece + LINK, *tcp = ip + (v4 ? PV_IP4_HDR_LEN : PV_IP6_HDR_LEN);
	uint32_t n = len - (uint32_t)(tcp - piece);
	uint64_t sum = v4 ? pv_csum_pseudo4(pv_ld32(ip + 12), pv_ld32(ip + 16), PV_PROTO_TCP,
					    (uint16_t)n) :
			    pv_csum_pseudo6(ip + 8, ip + 24, PV_PROTO_TCP, n);
	uint32_t told = v4 ? pv_ld16be(ip + 2) : pv_ld16be(ip + 4) + (uint32_t)PV_IP6_HDR_LEN;

	return told == len - LINK && pv_csum_ok(sum + pv_csum_part(tcp, n)) &&
	       (!v4 || pv_csum_ok(pv_csum_part(ip, PV_IP4_HDR_LEN)));
}

static void
test_pieces(bool v4)
{
	const uint8_t last = PV_TCP_FIN | PV_TCP_PSH, flags = last | PV_TCP_CWR | PV_TCP_ACK;
	uint32_t ip = v4 ? PV_IP4_HDR_LEN : PV_IP6_HDR_LEN, len, n = 0, seen = 0;
	struct pv_cut cut = { .frame = frame,
		.len = make(v4, flags, PAYLOAD),
		.l2 = LINK,
		.l3 = (uint16_t)ip,
		.l4 = TCP,
		.mss = MSS };

	for (; (len = pv_cut_next(&cut, piece)) != 0; n++) {
		const uint8_t *tcp = piece + LINK + ip;
		uint32_t payload = len - LINK - ip - TCP;
		uint8_t expected = PV_TCP_ACK | (n == 0 ? PV_TCP_CWR : 0) | (n == 2 ? last : 0);

		CHECK(is_intact(v4, len), "lengths and checksums are right");
		CHECK_EQ(pv_ld32be(tcp + 4), 0xfffffff0u + n * MSS, "so is the number");
		CHECK_EQ(tcp[13], expected, "CWR is on the first, FIN and PSH are on the last");
		CHECK(memcmp(tcp + TCP, frame + LINK + ip + TCP + seen, payload) == 0,
				"the payload goes on");
		seen += payload;
	}
	CHECK(n == 3 && seen == PAYLOAD, "three pieces are all of it");
}

static void
test_whole(uint32_t payload)
{
	struct pv_cut cut = { .frame = frame,
		.len = make(true, PV_TCP_ACK, payload),
		.l2 = LINK,
		.l3 = PV_IP4_HDR_LEN,
		.l4 = TCP };

	CHECK_EQ(pv_cut_next(&cut, piece), cut.len, "what is not to be cut is one piece");
	CHECK(is_intact(true, cut.len), "with its checksums");
	CHECK_EQ(pv_cut_next(&cut, piece), 0, "and no other");
}

int
main(void)
{
	test_pieces(true);
	test_pieces(false);
	test_whole(PAYLOAD);
	test_whole(0);
	return tap_done();
}
