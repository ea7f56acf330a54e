/* SPDX-License-Identifier: BSD-3-Clause */
/* What is sent and when: segmentation, Nagle, windows, the retransmission timer, probes; RFC
 * 9293 3.7 and 3.8, RFC 6298, RFC 5681. */
#include <errno.h>

#include "base/check.h"
#include "peer.h"
#include "tap.h"

#define A PV_TCP_ACK
#define P (PV_TCP_PSH | PV_TCP_ACK)

static struct peer peer;

/* The next segment is data [seq, seq + len), right bytes. */
static bool
is_data(struct seg seg, uint32_t seq, uint32_t len, uint8_t flags)
{
	if (!seg.none && seg.seq == seq && seg.len == len && seg.flags == flags && !seg.bad_bytes)
		return true;
	printf("# %s seq %u len %u flags %#x%s, want seq %u len %u flags %#x\n",
			seg.none ? "none" : "got", seg.seq, seg.len, seg.flags,
			seg.bad_bytes ? " wrong bytes" : "", seq, len, flags);
	return false;
}

/* The handshake's sample is kept in ticks of 65.5 us. */
static bool
is_near(uint64_t us, uint64_t want)
{
	if (us >= want && us - want <= want / 500 + 1)
		return true;
	printf("# %" PRIu64 ", want %" PRIu64 "\n", us, want);
	return false;
}

static void
ack(uint32_t number)
{
	SEND(&peer, .seq = 1, .ack = number, .flags = A, .win = 65535);
}

static void
segments(void)
{
	peer_write(&peer, 4000);
	CHECK(is_data(peer_receive(&peer), 1, 1448, A),
			"a full segment: the MSS less our timestamps");
	CHECK(is_data(peer_receive(&peer), 1449, 1448, A), "and another");
	CHECK(is_data(peer_receive(&peer), 2897, 1104, P), "PSH on the last one");
	ack(4001);
	CHECK(peer_is_silent(&peer), "pure ACKs are not acknowledged");
	CHECK_EQ(peer_info(&peer).bytes_acked, 4000, "all is acknowledged");
}

static void
nagle(void)
{
	peer_write(&peer, 10);
	CHECK(is_data(peer_receive(&peer), 1, 10, P), "a small segment leaves an idle connection");
	peer_write(&peer, 10);
	peer_write(&peer, 20);
	CHECK(peer_is_silent(&peer), "the next one waits for its acknowledgment");
	ack(11);
	CHECK(is_data(peer_receive(&peer), 11, 30, P), "and they leave together");
	pv_set_option(peer.engine, peer.handle, PV_OPT_NODELAY, 1);
	peer_write(&peer, 10);
	CHECK(is_data(peer_receive(&peer), 41, 10, P), "without Nagle each leaves at once");
	peer_write(&peer, 10);
	CHECK(is_data(peer_receive(&peer), 51, 10, P), "and the next");
}

static void
initial_window(void)
{
	peer_write(&peer, 40000);
	CHECK_EQ(peer_drain(&peer), 10, "ten segments at first");
	ack(1 + 2 * 1448);
	CHECK_EQ(peer_drain(&peer), 4, "slow start: two acknowledged, four sent");
}

static void
plain(struct pv_config *config)
{
	config->tcp.rack = 0;
	config->tcp.f_rto = 0;
	config->tcp.mtu_probing = 0;
}

static void
timeouts(void)
{
	uint64_t sent = 0;
	struct seg seg;

	peer_write(&peer, 100);
	peer_drain(&peer);
	CHECK(is_near(peer_info(&peer).srtt, 100000), "SRTT is the first sample");
	CHECK(is_near(peer_info(&peer).rttvar, 50000), "RTTVAR half of it");
	CHECK(is_near(peer_info(&peer).rto, 300000), "RTO is SRTT + 4 RTTVAR");
	peer_advance(&peer, 100);
	ack(101);
	CHECK(is_near(peer_info(&peer).srtt, 100000),
			"the second sample is as the first: SRTT stays");
	CHECK(is_near(peer_info(&peer).rttvar, 37500), "and RTTVAR is a quarter less");
	peer_write(&peer, 3000);
	peer_drain(&peer);
	sent = (peer.now - peer.start) / MS;
	for (uint32_t i = 0, wait = 250; i < 4; i++, wait *= 2) {
		peer_next(&peer, 10000);
		seg = peer_receive(&peer);
		CHECK(is_data(seg, 101, 1448, A), "the first segment again");
		CHECK(is_near(seg.when - sent, wait), "after twice as long each time");
		CHECK(peer_is_silent(&peer), "only that one");
		sent = seg.when;
	}
	CHECK_EQ(peer_info(&peer).snd_cwnd, 1448, "cwnd is one segment");
	CHECK_EQ(peer_info(&peer).snd_ssthresh, 2896, "ssthresh two, once");
	ack(1549);
	CHECK(is_data(peer_receive(&peer), 1549, 1448, A), "after the ACK the rest");
	CHECK(peer_info(&peer).rto > 250000, "a new sample sets the time-out");
	ack(3101);
}

static void
few_retries(struct pv_config *config)
{
	plain(config);
	config->tcp.data_retries = 4;
}

static void
give_up(void)
{
	peer_write(&peer, 100);
	peer_drain(&peer);
	for (int i = 0; i < 4; i++) {
		CHECK(peer_next(&peer, 10000), "a retransmission");
		peer_drain(&peer);
	}
	CHECK_EQ(peer_error(&peer), 0, "four of them, and still there");
	CHECK(!peer_next(&peer, 10000), "no fifth");
	CHECK_EQ(peer_error(&peer), -ETIMEDOUT, "then the connection has timed out");
	CHECK(peer_is_silent(&peer), "without a word");
}

static void
user_timeout(void)
{
	pv_set_option(peer.engine, peer.handle, PV_OPT_USER_TIMEOUT, 1000);
	peer_write(&peer, 100);
	peer_advance(&peer, 999);
	CHECK_EQ(peer_error(&peer), 0, "not before its time");
	peer_advance(&peer, 1);
	CHECK_EQ(peer_error(&peer), -ETIMEDOUT, "the user time-out ends it at its time");
}

static void
karn(void)
{
	uint32_t srtt;

	peer_write(&peer, 100);
	srtt = peer_info(&peer).srtt;
	peer_drain(&peer);
	CHECK(peer_next(&peer, 1000), "sent twice");
	ack(101);
	CHECK_EQ(peer_info(&peer).srtt, srtt, "what was sent twice gives no sample");
	CHECK(is_near(peer_info(&peer).rto, 600000), "the doubled time-out stays");
}

static void
without_timestamps(struct pv_config *config)
{
	plain(config);
	config->tcp.timestamps = 0;
}

static void
zero_window(void)
{
	struct seg seg;

	SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 0);
	peer_write(&peer, 3000);
	CHECK(peer_is_silent(&peer), "a closed window");
	for (uint32_t i = 0, wait = 300; i < 5; i++, wait *= 2) {
		uint64_t before = peer.now / MS;

		peer_next(&peer, 100000);
		seg = peer_receive(&peer);
		CHECK(seg.flags == A && seg.len == 0 && seg.seq == 0, "a probe");
		CHECK(is_near(peer.now / MS - before, wait),
				"after the time-out, then twice as long each time");
		SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 0);
	}
	for (int i = 0; i < 100; i++) {
		peer_advance(&peer, 120000);
		CHECK(peer_drain(&peer) >= 1, "probed all the time");
		SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 0);
	}
	CHECK_EQ(peer_error(&peer), 0, "a peer that answers may wait for ever");
}

static void
probe_answered_late(void)
{
	SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 0);
	peer_write(&peer, 3000);
	peer_advance(&peer, 1000);
	peer_drain(&peer);
	ack(1);
	CHECK(is_data(peer_receive(&peer), 1, 1448, A), "an open window is used at once");
	CHECK_EQ(peer_drain(&peer), 2, "and whole");
	ack(3001);
	peer_advance(&peer, 60000);
	CHECK(peer_is_silent(&peer), "no probe follows");
}

static void
probe_unanswered(void)
{
	SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 0);
	peer_write(&peer, 3000);
	peer_advance(&peer, 40000);
	CHECK_EQ(peer_error(&peer), -ETIMEDOUT, "probes that nobody answers end the connection");
}

static void
small_window(void)
{
	SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 100 >> 7);
	peer.wscale = 0;
	peer_write(&peer, 3000);
	peer_drain(&peer);
	SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 5); /* 640 bytes of 65535 seen */
	CHECK(peer_is_silent(&peer), "a window that opens a little is not filled at once");
	peer_advance(&peer, 1000);
	CHECK(is_data(peer_receive(&peer), 1, 640, A), "but before long");
}

static void
shrinking_window(void)
{
	peer_write(&peer, 20000);
	CHECK_EQ(peer_drain(&peer), 10, "ten segments");
	SEND(&peer, .seq = 1, .ack = 1449, .flags = A, .win = 11);
	CHECK(peer_is_silent(&peer), "a window pulled back: nothing new");
	CHECK_EQ(peer_error(&peer), 0, "the connection survives");
	SEND(&peer, .seq = 1, .ack = 1449, .flags = A, .win = 0);
	peer_advance(&peer, 2000000);
	CHECK_EQ(peer_error(&peer), -ETIMEDOUT, "without an answer it times out");
}

static void
shrunk_and_answered(void)
{
	peer_write(&peer, 20000);
	peer_drain(&peer);
	SEND(&peer, .seq = 1, .ack = 1449, .flags = A, .win = 0);
	for (int i = 0; i < 40; i++) {
		if (!peer_next(&peer, 200000))
			break;
		if (peer_drain(&peer) != 0)
			SEND(&peer, .seq = 1, .ack = 1449, .flags = A, .win = 0);
	}
	CHECK_EQ(peer_error(&peer), 0, "a peer that answers keeps it alive");
	ack(1449);
	CHECK(is_data(peer_receive(&peer), 1449, 1448, A),
			"an open window brings back what was beyond it");
}

static void
mss_floor(void)
{
	struct seg seg;

	if (!CHECK(peer_open(&peer, NULL), "an engine"))
		return;
	peer.mss = 8;
	CHECK(peer_connect(&peer, 65535), "a peer with an absurd MSS");
	peer_write(&peer, 500);
	seg = peer_receive(&peer);
	CHECK(seg.len >= 36 && seg.len <= 64, "is not believed");
	peer_close(&peer);
}

static void
idle_restart(void)
{
	for (int i = 0; i < 5; i++) {
		peer_write(&peer, 30000);
		while (peer_drain(&peer) != 0) {
			peer_advance(&peer, 100);
			ack(1 + (uint32_t)peer_info(&peer).bytes_sent);
		}
	}
	CHECK(peer_info(&peer).snd_cwnd > 20000, "the window has grown");
	peer_advance(&peer, 1000);
	peer_write(&peer, 50000);
	CHECK_EQ(peer_drain(&peer), 10, "after a pause it begins anew");
}

static void
keepalive(void)
{
	struct seg seg;

	pv_set_option(peer.engine, peer.handle, PV_OPT_KEEPALIVE_IDLE, 10000);
	pv_set_option(peer.engine, peer.handle, PV_OPT_KEEPALIVE_INTERVAL, 1000);
	pv_set_option(peer.engine, peer.handle, PV_OPT_KEEPALIVE_COUNT, 3);
	peer_advance(&peer, 100000);
	CHECK(peer_is_silent(&peer), "keep-alive is off");
	ack(1);
	pv_set_option(peer.engine, peer.handle, PV_OPT_KEEPALIVE, 1);
	peer_advance(&peer, 10000);
	seg = peer_receive(&peer);
	CHECK(seg.flags == A && seg.len == 0 && seg.seq == 0, "a probe after the idle time");
	ack(1);
	peer_advance(&peer, 9999);
	CHECK(peer_is_silent(&peer), "an answer begins the idle time anew");
	peer_advance(&peer, 1);
	CHECK(!peer_is_silent(&peer), "a probe");
	peer_advance(&peer, 2000);
	CHECK_EQ(peer_drain(&peer), 2, "and more while none is answered");
	CHECK_EQ(peer_error(&peer), 0, "one lost answer does not matter");
	peer_advance(&peer, 1000);
	CHECK_EQ(peer_error(&peer), -ENETRESET, "three do");
}

static void
path_mtu(void)
{
	struct seg seg;

	peer_write(&peer, 2896);
	peer_drain(&peer);
	peer_icmp(&peer, 3, 4, 1000, 0x10000, 1500);
	CHECK(peer_is_silent(&peer), "a message about something never sent is ignored");
	peer_icmp(&peer, 3, 4, 40, 1, 1500);
	CHECK(peer_is_silent(&peer), "and one with an impossible size");
	peer_icmp(&peer, 3, 4, 1000, 1, 1500);
	seg = peer_receive(&peer);
	CHECK(is_data(seg, 1, 948, A), "the path takes less: sent again at once");
	CHECK_EQ(peer_drain(&peer), 3, "all of it");
	CHECK_EQ(peer_info(&peer).snd_cwnd, 14480, "cwnd is not reduced");
	CHECK_EQ(peer_counter(&peer, "TCP_RTO"), 0, "no time-out was needed");
	ack(2897);
	peer_icmp(&peer, 3, 4, 1400, 2896, 1500);
	CHECK_EQ(peer_info(&peer).snd_mss, 948, "a larger one is ignored");
}

static void
path_mtu_doubted(void)
{
	peer_write(&peer, 1448);
	ack(1449);
	peer_write(&peer, 1448);
	peer_drain(&peer);
	peer_icmp(&peer, 3, 4, 1000, 1449, 1500);
	CHECK(peer_is_silent(&peer), "while segments of that size arrive, the message waits");
	ack(2897);
	peer_write(&peer, 1448);
	CHECK(is_data(peer_receive(&peer), 2897, 1448, P),
			"and is forgotten when the next one arrives");
	peer_icmp(&peer, 3, 4, 1000, 2897, 1500);
	peer_advance(&peer, 1000);
	CHECK(is_data(peer_receive(&peer), 2897, 948, A), "a time-out makes it true");
}

static void
probing(struct pv_config *config)
{
	plain(config);
	config->tcp.mtu_probing = 1;
}

static void
black_hole(void)
{
	peer_write(&peer, 1448);
	peer_drain(&peer);
	for (int i = 0; i < 2; i++) {
		peer_next(&peer, 10000);
		CHECK(is_data(peer_receive(&peer), 1, 1448, P), "a full segment again");
	}
	peer_next(&peer, 10000);
	CHECK(is_data(peer_receive(&peer), 1, 1440, A), "lost again: a smaller one");
	CHECK_EQ(peer_counter(&peer, "BLACK_HOLE"), 1, "a black hole");
}

static void
soft_errors(void)
{
	peer_write(&peer, 100);
	peer_drain(&peer);
	peer_icmp(&peer, 3, 1, 0, 1, 1500);
	peer_icmp(&peer, 3, 3, 0, 1, 1500);
	peer_icmp(&peer, 4, 0, 0, 1, 1500);
	CHECK_EQ(peer_error(&peer), 0, "errors do not end an established connection");
	CHECK_EQ(peer_info(&peer).state, 4, "in no way");
}

static void
congestion_avoidance(struct pv_config *config)
{
	plain(config);
	config->tcp.congestion = PV_CC_NEWRENO;
}

int
main(void)
{
	peer_with(&peer, "segments", NULL, segments);
	peer_with(&peer, "Nagle", NULL, nagle);
	peer_with(&peer, "initial window", NULL, initial_window);
	peer_with(&peer, "time-outs", plain, timeouts);
	peer_with(&peer, "giving up", few_retries, give_up);
	peer_with(&peer, "user time-out", plain, user_timeout);
	peer_with(&peer, "Karn", without_timestamps, karn);
	peer_with(&peer, "closed window", plain, zero_window);
	peer_with(&peer, "opened window", plain, probe_answered_late);
	peer_with(&peer, "probes without answer", few_retries, probe_unanswered);
	peer_with(&peer, "small window", plain, small_window);
	peer_with(&peer, "shrunk window", plain, shrinking_window);
	peer_with(&peer, "shrunk window, answered", plain, shrunk_and_answered);
	mss_floor();
	peer_with(&peer, "idle", congestion_avoidance, idle_restart);
	peer_with(&peer, "keep-alive", NULL, keepalive);
	peer_with(&peer, "path MTU", plain, path_mtu);
	peer_with(&peer, "path MTU, doubted", plain, path_mtu_doubted);
	peer_with(&peer, "black hole", probing, black_hole);
	peer_with(&peer, "ICMP", NULL, soft_errors);
	return tap_done();
}
