/* SPDX-License-Identifier: BSD-3-Clause */
/* Losses that were none, found and taken back: RFC 5682, 3522, 3708, 8985 7.4. */
#include "base/check.h"
#include "flight.h"
#include "tap.h"

static void
tail_not_lost(void)
{
	uint32_t cwnd;

	flight(14480);
	ack(9);
	peer_next(&peer, 1000);
	CHECK(is_nth(9), "a probe");
	cwnd = peer_info(&peer).snd_cwnd;
	sack(10, 9, 10);
	peer_write(&peer, MSS);
	CHECK(is_nth(10), "more data");
	ack(11);
	CHECK(peer_info(&peer).snd_cwnd >= cwnd, "a D-SACK says that nothing was lost");
}

static void
spurious_frto(void)
{
	flight_timed_out(60000);
	CHECK_EQ(peer_info(&peer).recovery, 3, "loss");
	ack(1);
	CHECK(is_nth(10), "the first ACK lets new data out");
	CHECK(is_nth(11), "two segments");
	CHECK(peer_is_silent(&peer), "and nothing that is old");
	ack(2);
	CHECK_EQ(peer_info(&peer).recovery, 0, "an ACK of what was never resent: spurious");
	CHECK_EQ(peer_counter(&peer, "TCP_RTO_SPURIOUS"), 1, "counted");
	CHECK(peer_info(&peer).snd_cwnd >= 10 * MSS, "cwnd is as before");
	CHECK_EQ(peer_info(&peer).lost, 0, "nothing is lost");
}

static void
frto_only(struct pv_config *config)
{
	config->tcp.rack = 0;
	config->tcp.sack = 0;
}

static void
real_timeout(void)
{
	uint32_t i;

	flight_timed_out(14480);
	ack(1);
	CHECK(is_nth(1) && is_nth(2), "with no new data the old is resent, by slow start");
	ack(1);
	for (i = 2; i < 10; i++)
		ack(i);
	peer_drain(&peer);
	ack(10);
	CHECK_EQ(peer_info(&peer).recovery, 0, "all is acknowledged");
	CHECK_EQ(peer_counter(&peer, "TCP_RTO_SPURIOUS"), 0, "it was real");
}

static void
timestamps_only(struct pv_config *config)
{
	config->tcp.rack = 0;
	config->tcp.f_rto = 0;
}

static void
spurious_eifel(void)
{
	uint32_t before;

	flight(60000);
	before = peer.ts_recent;
	peer_next(&peer, 1000);
	CHECK(is_nth(0), "a time-out");
	peer.ts_recent = before;
	ack(1);
	CHECK_EQ(peer_counter(&peer, "TCP_RTO_SPURIOUS"), 1, "the ACK echoes the original");
	CHECK(peer_info(&peer).snd_cwnd >= 10 * MSS, "cwnd is as before");
}

static void
undo_by_dsack(void)
{
	flight(60000);
	sack(0, 1, 4);
	CHECK(is_nth(0), "a fast retransmit");
	CHECK(peer_info(&peer).snd_cwnd < 10 * MSS, "cwnd is reduced");
	peer_drain(&peer);
	ack(4);
	peer_drain(&peer);
	sack(4, 0, 1);
	CHECK_EQ(peer_counter(&peer, "TCP_UNDO"), 1, "the D-SACK takes it back");
	CHECK(peer_info(&peer).snd_cwnd >= 10 * MSS, "cwnd is as before");
}

int
main(void)
{
	peer_with(&peer, "tail not lost", NULL, tail_not_lost);
	peer_with(&peer, "spurious time-out by F-RTO", frto_only, spurious_frto);
	peer_with(&peer, "real time-out", frto_only, real_timeout);
	peer_with(&peer, "spurious time-out by timestamps", timestamps_only, spurious_eifel);
	peer_with(&peer, "undo by D-SACK", NULL, undo_by_dsack);
	return tap_done();
}
