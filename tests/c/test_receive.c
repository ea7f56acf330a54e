/* SPDX-License-Identifier: BSD-3-Clause */
/* What an established connection does with segments: RFC 9293 3.10.7.4, RFC 5961, RFC 7323, RFC
 * 2018, RFC 2883. */
#include <errno.h>

#include "base/check.h"
#include "peer.h"
#include "tap.h"

#define A PV_TCP_ACK
#define P (PV_TCP_PSH | PV_TCP_ACK)
#define F (PV_TCP_FIN | PV_TCP_ACK)
#define R PV_TCP_RST

static struct peer peer;

/* An established connection; `body` runs on it. */
static bool
is_ack(struct seg seg, uint32_t ack)
{
	if (!seg.none && seg.flags == A && seg.len == 0 && seg.ack == ack)
		return true;
	printf("# none %d flags %#x len %u seq %u ack %u, want ack %u\n", seg.none, seg.flags,
			seg.len, seg.seq, seg.ack, ack);
	return false;
}

static void
immediate(struct pv_config *config)
{
	config->tcp.delayed_ack = 0;
}

static void
delayed(void)
{
	SEND(&peer, .seq = 1, .ack = 1, .len = 1000, .flags = P, .win = 65535);
	CHECK(peer_is_silent(&peer), "one small segment is not acknowledged at once");
	peer_advance(&peer, 39);
	CHECK(peer_is_silent(&peer), "nor before the delay is over");
	peer_advance(&peer, 1);
	CHECK(is_ack(peer_receive(&peer), 1001), "but then");
	SEND(&peer, .seq = 1001, .ack = 1, .len = 1448, .flags = A, .win = 65535);
	CHECK(peer_is_silent(&peer), "a full segment waits");
	SEND(&peer, .seq = 2449, .ack = 1, .len = 1448, .flags = A, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 3897), "the second one is acknowledged at once");
	peer_advance(&peer, 500);
	CHECK(peer_is_silent(&peer), "and no second time");
	CHECK_EQ(peer_read(&peer, 10000), 3896, "the bytes arrived");
	SEND(&peer, .seq = 3897, .ack = 1, .len = 100, .flags = P, .win = 65535);
	peer_write(&peer, 10);
	CHECK_EQ(peer_receive(&peer).ack, 3997, "data carries the acknowledgment");
	peer_advance(&peer, 100);
	CHECK(peer_is_silent(&peer), "which is then not sent again");
}

static void
out_of_order(void)
{
	struct seg seg;

	SEND(&peer, .seq = 201, .ack = 1, .len = 100, .flags = A, .win = 65535);
	seg = peer_receive(&peer);
	CHECK(is_ack(seg, 1), "a gap is acknowledged at once");
	CHECK(seg.opts.n_sack == 1 && seg.opts.sack[0].left == 201 && seg.opts.sack[0].right == 301,
			"with what lies behind it");
	SEND(&peer, .seq = 401, .ack = 1, .len = 100, .flags = A, .win = 65535);
	seg = peer_receive(&peer);
	CHECK(seg.opts.n_sack == 2 && seg.opts.sack[0].left == 401 && seg.opts.sack[1].left == 201,
			"the most recent block first");
	SEND(&peer, .seq = 601, .ack = 1, .len = 100, .flags = A, .win = 65535);
	peer_drain(&peer);
	SEND(&peer, .seq = 801, .ack = 1, .len = 100, .flags = A, .win = 65535);
	seg = peer_receive(&peer);
	CHECK(seg.opts.n_sack == 3 && seg.opts.sack[0].left == 801 && seg.opts.sack[2].left == 401,
			"three blocks beside timestamps");
	SEND(&peer, .seq = 301, .ack = 1, .len = 100, .flags = A, .win = 65535);
	seg = peer_receive(&peer);
	CHECK(seg.opts.n_sack == 3 && seg.opts.sack[0].left == 201 && seg.opts.sack[0].right == 501,
			"neighbours become one block");
	CHECK_EQ(peer_read(&peer, 100), -EAGAIN, "nothing is delivered before its turn");
	SEND(&peer, .seq = 201, .ack = 1, .len = 50, .flags = A, .win = 65535);
	seg = peer_receive(&peer);
	CHECK(seg.opts.n_sack == 3 && seg.opts.sack[0].left == 201 &&
					seg.opts.sack[0].right == 251 &&
					seg.opts.sack[1].left == 201 &&
					seg.opts.sack[1].right == 501,
			"a duplicate inside a block is reported first, then its block");
	SEND(&peer, .seq = 1, .ack = 1, .len = 200, .flags = A, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 501), "filling the gap is acknowledged at once");
	CHECK_EQ(peer_read(&peer, 1000), 500, "and delivers all of it");
	SEND(&peer, .seq = 451, .ack = 1, .len = 150, .flags = A, .win = 65535);
	seg = peer_receive(&peer);
	CHECK(seg.ack == 701 && seg.opts.sack[0].left == 451 && seg.opts.sack[0].right == 501,
			"the old part of a segment is a duplicate, the new part counts");
	SEND(&peer, .seq = 701, .ack = 1, .len = 300, .flags = A, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 1001), "what was there before is kept");
	CHECK_EQ(peer_read(&peer, 1000), 500, "each byte comes once");
	SEND(&peer, .seq = 1, .ack = 1, .len = 100, .flags = A, .win = 65535);
	seg = peer_receive(&peer);
	CHECK(is_ack(seg, 1001) && seg.opts.n_sack == 1 && seg.opts.sack[0].right == 101,
			"an old segment is acknowledged at once, as a duplicate");
}

static void
permutations(void)
{
	static const uint8_t orders[][5] = { { 4, 3, 2, 1, 0 }, { 1, 0, 3, 2, 4 },
		{ 2, 4, 0, 1, 3 }, { 0, 2, 4, 1, 3 }, { 3, 1, 4, 0, 2 } };
	uint32_t base = 1;

	for (size_t i = 0; i < PV_COUNT_OF(orders); i++) {
		for (size_t j = 0; j < 5; j++)
			SEND(&peer, .seq = base + orders[i][j] * 100u, .ack = 1, .len = 130,
					.flags = A, .win = 65535);
		base += 500;
		SEND(&peer, .seq = base, .ack = 1, .len = 30, .flags = A, .win = 65535);
		CHECK_EQ(peer_read(&peer, 1000), i == 0 ? 530 : 500,
				"any order gives the same bytes");
	}
}

static void
fin_out_of_order(void)
{
	SEND(&peer, .seq = 101, .ack = 1, .len = 100, .flags = F, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 1), "a FIN behind a gap waits");
	CHECK_EQ(peer_info(&peer).state, 4, "the connection stays established");
	SEND(&peer, .seq = 202, .ack = 1, .len = 50, .flags = A, .win = 65535);
	peer_drain(&peer);
	SEND(&peer, .seq = 1, .ack = 1, .len = 100, .flags = A, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 202), "with the gap filled it counts");
	CHECK_EQ(peer_info(&peer).state, 5, "CLOSE-WAIT");
	CHECK_EQ(peer_read(&peer, 1000), 200, "all data first");
	CHECK_EQ(peer_read(&peer, 1000), 0, "then the end; what lay behind it is gone");
	SEND(&peer, .seq = 202, .ack = 1, .len = 50, .flags = A, .win = 65535);
	CHECK_EQ(peer_read(&peer, 1000), 0, "data behind a FIN is ignored");
	CHECK_EQ(peer_counter(&peer, "TCP_AFTER_FIN"), 2, "and counted");
}

static void
resets(void)
{
	SEND(&peer, .seq = 2, .flags = R, .win = 0);
	CHECK(is_ack(peer_receive(&peer), 1), "a RST inside the window is challenged");
	SEND(&peer, .seq = 0, .flags = R);
	SEND(&peer, .seq = 1 + 65536 * 4, .flags = R);
	CHECK(peer_is_silent(&peer), "one outside is dropped");
	CHECK_EQ(peer_counter(&peer, "TCP_RST_IGNORED"), 2, "and counted");
	CHECK_EQ(peer_error(&peer), 0, "the connection lives");
	SEND(&peer, .seq = 1, .flags = R);
	CHECK(peer_is_silent(&peer), "a RST is never answered");
	CHECK_EQ(peer_error(&peer), -ECONNRESET, "the exact one ends it");
}

static void
reset_with_data(void)
{
	SEND(&peer, .seq = 1, .ack = 1, .len = 100, .flags = P, .win = 65535);
	SEND(&peer, .seq = 101, .ack = 1, .len = 30, .flags = R | A);
	CHECK_EQ(peer_error(&peer), -ECONNRESET, "a RST may carry data");
	CHECK_EQ(peer_read(&peer, 1000), 100, "what had arrived can be read");
	CHECK_EQ(peer_read(&peer, 1000), -ECONNRESET, "then the error");
}

static void
syns(void)
{
	SEND(&peer, .seq = 1, .flags = PV_TCP_SYN, .win = 1000);
	CHECK(is_ack(peer_receive(&peer), 1), "a SYN in the window is challenged");
	SEND(&peer, .seq = 0x70000000, .flags = PV_TCP_SYN, .win = 1000);
	CHECK(is_ack(peer_receive(&peer), 1), "and one anywhere");
	SEND(&peer, .seq = 1, .ack = 1, .flags = PV_TCP_SYN | A);
	CHECK(is_ack(peer_receive(&peer), 1), "with ACK too");
	SEND(&peer, .seq = 1, .ack = 1, .flags = PV_TCP_SYN | F);
	CHECK(is_ack(peer_receive(&peer), 1), "and with FIN");
	CHECK_EQ(peer_info(&peer).state, 4, "nothing has changed");
	CHECK_EQ(peer_counter(&peer, "TCP_SYN_CHALLENGED"), 4, "four challenges");
}

static void
acks(void)
{
	SEND(&peer, .seq = 1, .ack = 2, .flags = A, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 1), "an ACK of what was never sent is answered");
	SEND(&peer, .seq = 1, .ack = 2, .len = 100, .flags = P, .win = 65535);
	peer_drain(&peer);
	CHECK_EQ(peer_read(&peer, 1000), -EAGAIN, "and its data dropped");
	CHECK_EQ(peer_counter(&peer, "TCP_ACK_TOO_NEW"), 2, "both counted");
	SEND(&peer, .seq = 1, .ack = 1u - 65536u * 128 - 1, .len = 100, .flags = P, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 1), "an ACK from too long ago is challenged");
	CHECK_EQ(peer_read(&peer, 1000), -EAGAIN, "and its data dropped");
	SEND(&peer, .seq = 1, .ack = 0, .len = 100, .flags = P, .win = 65535);
	CHECK_EQ(peer_read(&peer, 1000), 100, "an old ACK does not matter");
	SEND(&peer, .seq = 101, .len = 100, .flags = PV_TCP_PSH, .win = 65535);
	CHECK_EQ(peer_read(&peer, 1000), -EAGAIN, "no ACK flag, no data");
	CHECK_EQ(peer_counter(&peer, "TCP_NO_ACK"), 1, "counted");
}

static void
window_edges(void)
{
	uint32_t edge = 1 + peer_info(&peer).rcv_wnd;

	SEND(&peer, .seq = edge + 1, .ack = 1, .len = 10, .flags = A, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 1), "right of the window: acknowledged and dropped");
	SEND(&peer, .seq = 0, .ack = 1, .len = 0, .flags = A, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 1), "a keep-alive is answered at once");
	SEND(&peer, .seq = 0, .ack = 1, .len = 1, .flags = A, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 1), "also with a byte");
	edge = 1 + peer_info(&peer).rcv_wnd;
	SEND(&peer, .seq = edge - 10, .ack = 1, .len = 20, .flags = A, .win = 65535);
	CHECK_EQ(peer_receive(&peer).opts.sack[0].right, edge, "what reaches beyond is cut");
	SEND(&peer, .seq = edge, .ack = 1, .flags = A, .win = 65535);
	CHECK(peer_is_silent(&peer), "an empty segment at the edge is good");
}

static void
timestamps(void)
{
	struct seg seg;

	peer.ts = 5000;
	SEND(&peer, .seq = 1, .ack = 1, .len = 100, .flags = P, .win = 65535);
	peer_advance(&peer, 40);
	seg = peer_receive(&peer);
	CHECK_EQ(seg.opts.tsecr, 5000, "the segment's timestamp comes back");
	peer.ts = 4000;
	SEND(&peer, .seq = 101, .ack = 1, .len = 100, .flags = P, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 101), "an older one is refused, with an ACK");
	CHECK_EQ(peer_counter(&peer, "TCP_PAWS"), 1, "and counted");
	peer.ts = 6000;
	SEND(&peer, .seq = 201, .ack = 1, .len = 100, .flags = P, .win = 65535);
	CHECK_EQ(peer_receive(&peer).opts.tsecr, 5000, "out of order: the echo stays");
	peer.ts = 6001;
	SEND(&peer, .seq = 101, .ack = 1, .len = 100, .flags = P, .win = 65535);
	CHECK_EQ(peer_receive(&peer).opts.tsecr, 6001, "filling the gap: the echo moves");
	peer.ts = 6010;
	SEND(&peer, .seq = 301, .ack = 1, .len = 100, .flags = P, .win = 65535);
	peer.ts = 6020;
	SEND(&peer, .seq = 401, .ack = 1, .len = 100, .flags = P, .win = 65535);
	peer_advance(&peer, 40);
	CHECK_EQ(peer_receive(&peer).opts.tsecr, 6010, "of two under one delayed ACK: the earlier");
	SEND(&peer, .seq = 501, .ack = 1, .len = 100, .flags = P, .win = 65535,
			.opts.present = PV_TCP_OPT_UNKNOWN | PV_TCP_OPT_TS);
	peer_advance(&peer, 100);
	CHECK(peer_is_silent(&peer), "without a timestamp: dropped silently");
	CHECK_EQ(peer_counter(&peer, "TCP_NO_TIMESTAMP"), 1, "and counted");
	peer.ts = 1;
	SEND(&peer, .seq = 501, .flags = R);
	CHECK_EQ(peer_error(&peer), -ECONNRESET, "a RST needs none");
}

static void
old_timestamp(void)
{
	peer.ts = 0x80000000;
	SEND(&peer, .seq = 1, .ack = 1, .len = 100, .flags = P, .win = 65535);
	peer_advance(&peer, 25ull * 24 * 3600 * 1000);
	peer_drain(&peer);
	peer.ts = 0x80000000 - 10;
	SEND(&peer, .seq = 101, .ack = 1, .len = 100, .flags = P, .win = 65535);
	CHECK_EQ(peer_read(&peer, 1000), 200, "after 24 days of silence any timestamp is good");
}

static void
small_buffer(struct pv_config *config)
{
	config->tcp.recv_buffer = config->tcp.recv_buffer_max = 4000;
	config->tcp.window_scale = 0;
}

static void
full_window(void)
{
	struct seg seg;
	uint32_t seq = 1;

	for (int i = 0; i < 4; i++, seq += 1000)
		SEND(&peer, .seq = seq, .ack = 1, .len = 1000, .flags = A, .win = 65535);
	peer_advance(&peer, 100);
	do
		seg = peer_receive(&peer);
	while (seg.ack != 4001);
	CHECK_EQ(seg.win, 0, "a full buffer closes the window");
	SEND(&peer, .seq = 4001, .ack = 1, .len = 1, .flags = A, .win = 65535);
	seg = peer_receive(&peer);
	CHECK(is_ack(seg, 4001) && seg.win == 0, "a probe is answered");
	CHECK_EQ(peer_read(&peer, 500), 500, "a little is read");
	CHECK(peer_is_silent(&peer), "too little for an update");
	CHECK_EQ(peer_read(&peer, 1500), 1500, "more is read");
	seg = peer_receive(&peer);
	CHECK(is_ack(seg, 4001) && seg.win >= 1460, "that is worth an update");
	SEND(&peer, .seq = 4001, .ack = 1, .len = 1000, .flags = A, .win = 65535);
	SEND(&peer, .seq = 5001, .ack = 1, .flags = R);
	CHECK_EQ(peer_error(&peer), -ECONNRESET, "RST counts at a small window");
}

static void
zero_window_reset(void)
{
	for (uint32_t i = 0; i < 4; i++)
		SEND(&peer, .seq = 1 + 1000 * i, .ack = 1, .len = 1000, .flags = A, .win = 65535);
	SEND(&peer, .seq = 4001, .flags = R);
	CHECK_EQ(peer_error(&peer), -ECONNRESET, "RST counts at a closed window");
}

static void
no_sack(struct pv_config *config)
{
	config->tcp.sack = 0;
}

static void
duplicate_acks(void)
{
	for (uint32_t i = 1; i < 4; i++) {
		SEND(&peer, .seq = 1 + 100 * i, .ack = 1, .len = 100, .flags = A, .win = 65535);
		CHECK(is_ack(peer_receive(&peer), 1), "each segment behind a gap has its ACK");
	}
}

static void
invalid_limit(void)
{
	SEND(&peer, .seq = 0, .ack = 1, .flags = A, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 1),
			"the first empty segment left of the window is answered");
	SEND(&peer, .seq = 0, .ack = 1, .flags = A, .win = 65535);
	CHECK(peer_is_silent(&peer), "the next one is not, for half a second");
	peer_advance(&peer, 500);
	SEND(&peer, .seq = 0, .ack = 1, .flags = A, .win = 65535);
	CHECK(is_ack(peer_receive(&peer), 1), "then again");
}

int
main(void)
{
	peer_with(&peer, "delayed acknowledgments", NULL, delayed);
	peer_with(&peer, "out of order", immediate, out_of_order);
	peer_with(&peer, "permutations", NULL, permutations);
	peer_with(&peer, "FIN out of order", immediate, fin_out_of_order);
	peer_with(&peer, "resets", NULL, resets);
	peer_with(&peer, "reset with data", NULL, reset_with_data);
	peer_with(&peer, "SYNs", NULL, syns);
	peer_with(&peer, "acknowledgments", NULL, acks);
	peer_with(&peer, "edges of the window", NULL, window_edges);
	peer_with(&peer, "timestamps", NULL, timestamps);
	peer_with(&peer, "an old timestamp", NULL, old_timestamp);
	peer_with(&peer, "a full window", small_buffer, full_window);
	peer_with(&peer, "RST at a closed window", small_buffer, zero_window_reset);
	peer_with(&peer, "duplicate ACKs", no_sack, duplicate_acks);
	peer_with(&peer, "limit of answers", NULL, invalid_limit);
	return tap_done();
}
