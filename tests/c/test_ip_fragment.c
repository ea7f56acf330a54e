/* SPDX-License-Identifier: BSD-3-Clause */
/* Fragments: whole packets come out whole, everything suspicious is dropped, nothing piles up. */
#include <string.h>

#include "ip_rig.h"
#include "tap.h"
#include "wire/eth.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

#define SECOND 1000000000ULL
#define WHOLE  1400

static struct rig rig;
static uint8_t frame[RIG_FRAME], data[4000];

static void
start(uint16_t workers)
{
	static struct pv_config config;

	rig_config(&config);
	config.n_worker = workers;
	rig_start(&rig, &config);
}

static size_t
piece4(uint16_t ident, uint16_t off, uint16_t len, bool more)
{
	size_t n = rig_ip4(frame, 1, PV_PROTO_TCP, data + off, len);

	pv_st16be(frame + 18, ident);
	pv_st16be(frame + 20, (uint16_t)(off / 8 | (more ? PV_IP4_MF : 0)));
	rig_fix4(frame);
	return n;
}

static size_t
piece6(uint32_t ident, uint16_t off, uint16_t len, bool more)
{
	uint8_t payload[1600] = { PV_PROTO_TCP, 0 };

	pv_st16be(payload + 2, (uint16_t)(off | more));
	pv_st32be(payload + 4, ident);
	memcpy(payload + 8, data + off, len);
	return rig_ip6(frame, 1, PV_IP6_FRAGMENT, payload, 8U + len);
}

static void
give4(unsigned int w, uint16_t ident, uint16_t off, uint16_t len, bool more)
{
	rig_feed(&rig, w, frame, piece4(ident, off, len, more));
}

static bool
came_whole(uint16_t len)
{
	return rig.n_tcp == 1 && rig.tcp.l4_len == len && memcmp(rig.segment, data, len) == 0;
}

static void
test_orders(void)
{
	static const uint16_t order[][3] = { { 0, 1, 2 }, { 2, 1, 0 }, { 1, 0, 2 }, { 2, 0, 1 } };

	for (size_t i = 0; i < PV_COUNT_OF(order); i++) {
		start(1);
		for (int k = 0; k < 3; k++) {
			uint16_t at = order[i][k];

			give4(0, 9, (uint16_t)(at * 480), at == 2 ? WHOLE - 960 : 480, at < 2);
		}
		CHECK(came_whole(WHOLE), "three fragments in any order are one packet");
		CHECK(rig_count(&rig, PV_C_IP4_FRAGMENT_QUEUED) == 2 &&
						rig_count(&rig, PV_C_IP4_REASSEMBLED) == 1,
				"counted as such");
		rig_stop(&rig);
	}
	start(1);
	rig_feed(&rig, 0, frame, piece6(77, 720, WHOLE - 720, false));
	rig_feed(&rig, 0, frame, piece6(77, 0, 720, true));
	CHECK(came_whole(WHOLE) && rig_count(&rig, PV_C_IP6_REASSEMBLED) == 1, "IPv6 as well");
	rig_stop(&rig);
}

static void
test_refused(void)
{
	start(1);
	give4(0, 1, 0, 16, true);
	CHECK_EQ(rig_count(&rig, PV_C_IP4_FRAGMENT_DROPPED), 1, "a first one without a TCP header");
	give4(0, 1, 8, 800, false);
	CHECK_EQ(rig_count(&rig, PV_C_IP4_FRAGMENT_DROPPED), 2,
			"one that begins within it (RFC 1858)");
	give4(0, 2, 0, 480, true);
	give4(0, 2, 400, 480, true);
	give4(0, 2, 880, 80, false);
	CHECK(rig.n_tcp == 0, "overlapping ones never make a packet (RFC 5722)");
	give4(0, 3, 3200, 480, false);
	CHECK_EQ(rig.n_tcp, 0, "nor what would be larger than a buffer");
	piece4(4, 0, 484, true);
	rig_feed(&rig, 0, frame, 34 + 484);
	CHECK(rig_count(&rig, PV_C_IP4_FRAGMENT_DROPPED) >= 3,
			"nor one that is no multiple of eight");
	rig_feed(&rig, 0, frame, piece6(5, 0, 16, true));
	CHECK_EQ(rig_count(&rig, PV_C_IP6_FRAGMENT_DROPPED), 1,
			"IPv6: a first one without a TCP header");
	CHECK_EQ(rig_outcomes(&rig), rig_count(&rig, PV_C_RX_FRAMES), "each in one counter");
	rig_stop(&rig);
}

/* The network may duplicate a fragment (RFC 8200 4.5); what is no exact copy is an overlap. */
static void
test_twice(void)
{
	for (uint16_t twice = 0; twice < 3; twice++) {
		start(1);
		for (uint16_t at = 0; at < 3; at++) {
			for (int copies = 1 + (at == twice); copies > 0; copies--)
				give4(0, 9, (uint16_t)(at * 480), at == 2 ? WHOLE - 960 : 480,
						at < 2);
		}
		CHECK(came_whole(WHOLE), "a fragment that comes twice counts once");
		CHECK_EQ(rig_count(&rig, PV_C_IP4_FRAGMENT_DROPPED), twice < 2,
				"its copy is dropped (behind the whole packet it begins another)");
		rig_stop(&rig);
	}
	start(1);
	for (int copies = 0; copies < 2; copies++)
		rig_feed(&rig, 0, frame, piece6(77, 720, WHOLE - 720, false));
	rig_feed(&rig, 0, frame, piece6(77, 0, 720, true));
	CHECK(came_whole(WHOLE) && rig_count(&rig, PV_C_IP6_FRAGMENT_DROPPED) == 1, "IPv6 as well");
	rig_stop(&rig);

	start(1);
	give4(0, 9, 0, 480, true);
	give4(0, 9, 0, 488, true);
	give4(0, 9, 480, 480, false);
	CHECK_EQ(rig.n_tcp, 0, "another length is an overlap");
	rig_advance(&rig, 61 * SECOND);
	give4(0, 9, 0, 480, true);
	give4(0, 9, 480, 480, false);
	CHECK(came_whole(960), "what waited too long is forgotten");
	give4(0, 9, 0, 480, true);
	give4(0, 9, 480, 480, false);
	CHECK_EQ(rig.n_tcp, 2, "and so is what became whole: the next packet may have that name");
	rig_stop(&rig);
}

static void
test_bounds(void)
{
	start(1);
	for (uint16_t i = 0; i < 400; i++)
		give4(0, (uint16_t)(100 + i), 0, 480, true);
	CHECK_EQ(rig_outcomes(&rig), 400, "a flood of first fragments: each in one counter");
	CHECK(rig_count(&rig, PV_C_IP4_FRAGMENT_QUEUED) <= 16, "few are kept");
	rig_advance(&rig, 61 * SECOND);
	give4(0, 9, 0, 480, true);
	give4(0, 9, 480, 480, false);
	CHECK(came_whole(960), "after a minute there is room again");
	rig_stop(&rig);

	start(1);
	give4(0, 9, 0, 480, true);
	rig_advance(&rig, 61 * SECOND);
	give4(0, 9, 480, 480, false);
	CHECK_EQ(rig.n_tcp, 0, "what comes after that is too late");
	pv_ip_reset(&rig.ctx[0]);
	rig_stop(&rig);
}

static void
test_two_workers(void)
{
	start(2);
	give4(1, 9, 0, 480, true);
	give4(0, 9, 480, 480, false);
	CHECK(came_whole(960), "fragments from different queues meet at the port's owner");
	rig_stop(&rig);
}

int
main(void)
{
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 >> 3);
	test_orders();
	test_refused();
	test_twice();
	test_bounds();
	test_two_workers();
	return tap_done();
}
