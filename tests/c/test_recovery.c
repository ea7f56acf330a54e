/* SPDX-License-Identifier: BSD-3-Clause */
/* Lost, reordered and doubled segments: RFC 5681, 6582, 3042, 2018, 6675, 8985, 6937. */
#include "base/check.h"
#include "flight.h"
#include "tap.h"

#define A PV_TCP_ACK

static void
reno(struct pv_config *config)
{
	config->tcp.sack = 0;
	config->tcp.congestion = PV_CC_NEWRENO;
	config->tcp.hystart = 0;
}

static void
fast_retransmit(void)
{
	flight(60000);
	ack(0);
	CHECK(is_nth(10), "the first duplicate ACK lets a new segment out");
	ack(0);
	CHECK(is_nth(11), "and the second");
	CHECK_EQ(peer_info(&peer).snd_cwnd, 10 * MSS, "cwnd does not change");
	CHECK_EQ(peer_counter(&peer, "LIMITED_TRANSMIT"), 2, "limited transmit");
	ack(0);
	CHECK(is_nth(0), "the third resends what is missing");
	CHECK(peer_is_silent(&peer), "and nothing else");
	CHECK_EQ(peer_info(&peer).snd_ssthresh, 6 * MSS, "ssthresh is half the flight");
	for (int i = 0; i < 9; i++)
		ack(0);
	CHECK(peer_drain(&peer) >= 3, "each further duplicate may let one out");
	ack(5);
	CHECK(is_nth(5), "a partial ACK resends the next hole at once");
	peer_drain(&peer);
	ack(12);
	CHECK_EQ(peer_info(&peer).recovery, 0, "the full ACK ends recovery");
	CHECK_EQ(peer_info(&peer).snd_cwnd, 6 * MSS, "cwnd is ssthresh");
	CHECK_EQ(peer_counter(&peer, "TCP_FAST_RETRANSMIT"), 1, "one recovery");
}

static void
not_duplicates(void)
{
	flight(60000);
	for (uint16_t i = 0; i < 3; i++)
		SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = (uint16_t)(60000 + i));
	for (uint32_t i = 0; i < 3; i++)
		SEND(&peer, .seq = 1 + 10 * i, .ack = 1, .len = 10, .flags = A, .win = 60002);
	CHECK_EQ(peer_counter(&peer, "TCP_FAST_RETRANSMIT"), 0,
			"window updates and data are no duplicate ACKs");
}

static void
no_false_fast_retransmit(void)
{
	flight_timed_out(60000);
	ack(10);
	peer_drain(&peer);
	for (int i = 0; i < 4; i++)
		ack(10);
	CHECK_EQ(peer_counter(&peer, "TCP_FAST_RETRANSMIT"), 0,
			"duplicates of what the time-out sent twice start nothing");
}

static void
no_rack(struct pv_config *config)
{
	config->tcp.rack = 0;
	config->tcp.congestion = PV_CC_NEWRENO;
	config->tcp.hystart = 0;
}

static void
by_scoreboard(void)
{
	flight(60000);
	sack(0, 1, 2);
	CHECK(is_nth(10), "one segment has left, one goes out");
	sack(0, 1, 3);
	CHECK(is_nth(11), "and again");
	sack(0, 1, 4);
	CHECK(is_nth(0), "three SACKed segments above: lost");
	CHECK_EQ(peer_info(&peer).recovery, 2, "recovery");
	for (uint32_t i = 5; i <= 10; i++)
		sack(0, 1, i);
	CHECK_EQ(peer_info(&peer).lost, 1, "one is lost");
	ack(12);
	CHECK_EQ(peer_info(&peer).recovery, 0, "the ACK of the highest sent ends it");
	CHECK_EQ(peer_info(&peer).snd_cwnd, peer_info(&peer).snd_ssthresh, "cwnd is ssthresh");
	CHECK_EQ(peer_counter(&peer, "TCP_RTO"), 0, "without a time-out");
}

static void
next_segment(void)
{
	flight(14480);
	SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 65535,
			.opts = { .n_sack = 3,
					.sack = { { nth(7), nth(8) }, { nth(5), nth(6) },
							{ nth(3), nth(4) } } });
	CHECK(is_nth(0), "the first hole");
	CHECK(peer_is_silent(&peer), "no more at once");
	for (uint32_t i = 1; i < 3; i++) {
		ack(i);
		CHECK(is_nth(i), "the next hole");
		peer_drain(&peer);
	}
	peer_advance(&peer, 10);
	SEND(&peer, .seq = 1, .ack = nth(4), .flags = A, .win = 65535,
			.opts = { .n_sack = 2,
					.sack = { { nth(7), nth(8) }, { nth(5), nth(6) } } });
	CHECK(is_nth(4), "nothing lost, nothing new: what lies below SACKed data");
	ack(4);
	ack(6);
	CHECK_EQ(peer_info(&peer).retrans + peer_info(&peer).sacked >= 2, 1, "and so on");
	CHECK_EQ(peer_counter(&peer, "TCP_RTO"), 0, "without a time-out");
}

static void
rack(void)
{
	flight(60000);
	sack(0, 1, 4);
	CHECK(is_nth(0), "three later ones delivered: lost at once");
	peer_drain(&peer);
	CHECK_EQ(peer_counter(&peer, "TCP_RACK_LOST"), 1, "by RACK");
	CHECK_EQ(peer_info(&peer).retrans, 1, "the retransmission is in flight");
	peer_advance(&peer, 10);
	for (uint32_t i = 5; i <= 10; i++)
		sack(0, 1, i);
	CHECK(is_nth(10), "recovery lets new data out");
	peer_drain(&peer);
	CHECK_EQ(peer_info(&peer).sacked, 9, "nine SACKed");
	peer_advance(&peer, 100);
	sack(0, 1, 11);
	CHECK(is_nth(0), "what was sent after the retransmission is delivered: lost once more");
	CHECK_EQ(peer_counter(&peer, "TCP_RACK_LOST"), 2, "counted");
}

static void
rack_waits(void)
{
	flight(14480);
	sack(0, 1, 2);
	CHECK(peer_is_silent(&peer), "one later segment delivered: perhaps reordered");
	peer_advance(&peer, 24);
	CHECK(peer_is_silent(&peer), "for a quarter of the round-trip time");
	peer_advance(&peer, 2);
	CHECK(is_nth(0), "then it is lost");
	CHECK_EQ(peer_counter(&peer, "TCP_RTO"), 0, "without a time-out");
}

static void
rack_reordering(void)
{
	flight(60000);
	sack(0, 1, 3);
	ack(3);
	peer_drain(&peer);
	peer_advance(&peer, 10);
	sack(3, 4, 9);
	peer_drain(&peer);
	CHECK_EQ(peer_counter(&peer, "TCP_FAST_RETRANSMIT"), 0,
			"once reordering was seen, three later segments are no proof");
	CHECK_EQ(peer_info(&peer).reordering, 1, "it is known");
	peer_advance(&peer, 40);
	CHECK_EQ(peer_counter(&peer, "TCP_FAST_RETRANSMIT"), 1, "time is");
}

static void
tail_loss(void)
{
	flight(14480);
	ack(7);
	peer_drain(&peer);
	peer_next(&peer, 1000);
	CHECK(is_nth(9), "the probe resends the last segment");
	CHECK_EQ(peer.now / MS - peer.start / MS, 400, "after two round-trip times");
	CHECK_EQ(peer_counter(&peer, "TCP_TLP"), 1, "a tail loss probe");
	peer_advance(&peer, 100);
	sack(7, 9, 10);
	peer_next(&peer, 1000);
	CHECK(is_nth(7), "its answer shows the losses");
	CHECK_EQ(peer_counter(&peer, "TCP_RTO"), 0, "without a time-out");
}

static void
tail_loss_repaired(void)
{
	uint32_t cwnd;

	flight(14480);
	ack(9);
	peer_next(&peer, 1000);
	CHECK(is_nth(9), "a probe");
	cwnd = peer_info(&peer).snd_cwnd;
	ack(10);
	peer_write(&peer, MSS);
	CHECK(is_nth(10), "more data");
	ack(11);
	CHECK(peer_info(&peer).snd_cwnd < cwnd, "the probe has hidden a loss: cwnd is reduced");
}

static void
probe_with_new_data(void)
{
	flight(60000);
	peer_next(&peer, 1000);
	CHECK(is_nth(10), "a probe is new data where there is some");
}

static void
reneging(void)
{
	flight(14480);
	sack(0, 1, 10);
	peer_drain(&peer);
	ack(1);
	peer_next(&peer, 2000);
	CHECK(is_nth(1), "the peer has forgotten what it SACKed: all of it again");
	CHECK_EQ(peer_counter(&peer, "TCP_SACK_RENEGED"), 1, "counted");
	CHECK_EQ(peer_info(&peer).sacked, 0, "the marks are gone");
	for (uint32_t i = 2; i <= 10; i++)
		ack(i);
	CHECK_EQ(peer_info(&peer).unacked, 0, "in the end all is acknowledged");
}

static void
invalid_blocks(void)
{
	flight(60000);
	SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 65535,
			.opts = { .n_sack = 3,
					.sack = { { nth(8), nth(60) }, { nth(5), nth(3) },
							{ nth(70), nth(80) } } });
	CHECK_EQ(peer_info(&peer).sacked, 0, "impossible blocks are ignored");
	SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 65535,
			.opts = { .n_sack = 1, .sack = { { nth(2) + 10, nth(4) + 10 } } });
	CHECK_EQ(peer_info(&peer).sacked, 1, "of a segment only the whole counts");
}

static void
proportional(void)
{
	uint32_t out;

	flight(60000);
	sack(0, 1, 4);
	out = peer_drain(&peer);
	for (uint32_t i = 5; i <= 10; i++) {
		sack(0, 1, i);
		out += peer_drain(&peer);
	}
	CHECK(out >= 5 && out <= 8,
			"in recovery about as much goes out as ssthresh is of the flight");
	CHECK(peer_counter(&peer, "PRR") > 0, "counted");
}

int
main(void)
{
	peer_with(&peer, "fast retransmit without SACK", reno, fast_retransmit);
	peer_with(&peer, "no duplicates", reno, not_duplicates);
	peer_with(&peer, "no false fast retransmit", reno, no_false_fast_retransmit);
	peer_with(&peer, "scoreboard", no_rack, by_scoreboard);
	peer_with(&peer, "next segment", no_rack, next_segment);
	peer_with(&peer, "RACK", NULL, rack);
	peer_with(&peer, "RACK waits", NULL, rack_waits);
	peer_with(&peer, "RACK and reordering", NULL, rack_reordering);
	peer_with(&peer, "tail loss probe", NULL, tail_loss);
	peer_with(&peer, "tail loss repaired", NULL, tail_loss_repaired);
	peer_with(&peer, "probe with new data", NULL, probe_with_new_data);
	peer_with(&peer, "reneging", no_rack, reneging);
	peer_with(&peer, "invalid blocks", no_rack, invalid_blocks);
	peer_with(&peer, "PRR", NULL, proportional);
	return tap_done();
}
