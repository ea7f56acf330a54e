/* SPDX-License-Identifier: BSD-3-Clause */
#include "flight.h"

#include <stdio.h>

#include "tap.h"

struct peer peer;

uint32_t
nth(uint32_t i)
{
	return 1 + i * MSS;
}

bool
is_nth(uint32_t i)
{
	struct seg seg = peer_receive(&peer);

	if (!seg.none && seg.seq == nth(i) && seg.len == MSS && !seg.bad_bytes)
		return true;
	printf("# %s seq %u (%u) len %u, want %u\n", seg.none ? "none" : "got", seg.seq,
			(seg.seq - 1) / MSS, seg.len, i);
	return false;
}

void
ack(uint32_t i)
{
	SEND(&peer, .seq = 1, .ack = nth(i), .flags = PV_TCP_ACK, .win = 65535);
}

void
sack(uint32_t i, uint32_t left, uint32_t right)
{
	SEND(&peer, .seq = 1, .ack = nth(i), .flags = PV_TCP_ACK, .win = 65535,
			.opts = { .n_sack = 1, .sack[0] = { nth(left), nth(right) } });
}

void
flight(uint32_t bytes)
{
	peer_write(&peer, bytes);
	CHECK_EQ(peer_drain(&peer), 10, "ten segments");
	peer_advance(&peer, 100);
}

void
flight_timed_out(uint32_t bytes)
{
	flight(bytes);
	peer_next(&peer, 1000);
	CHECK(is_nth(0), "a time-out");
}
