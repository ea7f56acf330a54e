/* SPDX-License-Identifier: BSD-3-Clause */
/* How connections begin from our side and end from both: RFC 9293 3.5, 3.6, 3.10. */
#include <errno.h>

#include "base/check.h"
#include "peer.h"
#include "tap.h"

#define A PV_TCP_ACK
#define F (PV_TCP_FIN | PV_TCP_ACK)
#define R PV_TCP_RST

enum { ESTABLISHED = 4, CLOSE_WAIT, FIN_WAIT_1, CLOSING, LAST_ACK, FIN_WAIT_2 };

static struct peer peer;

static bool
is(struct seg seg, uint8_t flags, uint32_t seq, uint32_t ack)
{
	if (!seg.none && seg.flags == flags && seg.seq == seq && seg.ack == ack)
		return true;
	printf("# %s flags %#x seq %u ack %u len %u, want flags %#x seq %u ack %u\n",
			seg.none ? "none" : "got", seg.flags, seg.seq, seg.ack, seg.len, flags, seq,
			ack);
	return false;
}

static void
peer_says(uint8_t flags, uint32_t seq, uint32_t ack)
{
	SEND(&peer, .seq = seq, .ack = ack, .flags = flags, .win = 65535);
}

static uint64_t
live(void)
{
	uint64_t handles[4], cursor = 0;

	return (uint64_t)pv_connections(peer.engine, handles, 4, &cursor);
}

static void
active_close(void)
{
	peer_write(&peer, 100);
	pv_shutdown_send(peer.engine, peer.handle);
	CHECK_EQ(peer_receive(&peer).len, 100, "data first");
	CHECK(is(peer_receive(&peer), F, 101, 1), "then the FIN");
	CHECK_EQ(peer_info(&peer).state, FIN_WAIT_1, "FIN-WAIT-1");
	CHECK_EQ(peer_write(&peer, 10), -EPIPE, "no more can be written");
	peer_says(A, 1, 102);
	CHECK_EQ(peer_info(&peer).state, FIN_WAIT_2, "FIN-WAIT-2");
	SEND(&peer, .seq = 1, .ack = 102, .len = 50, .flags = A, .win = 65535);
	CHECK_EQ(peer_read(&peer, 1000), 50, "half closed: data still comes in");
	peer_advance(&peer, 1000000);
	peer_drain(&peer);
	CHECK_EQ(peer_info(&peer).state, FIN_WAIT_2, "as long as somebody may read");
	peer_says(F, 51, 102);
	CHECK(is(peer_receive(&peer), A, 102, 52), "the peer's FIN is acknowledged at once");
	CHECK_EQ(peer_read(&peer, 10), 0, "the end, orderly");
	peer_says(F, 51, 102);
	CHECK(is(peer_receive(&peer), A, 102, 52), "TIME-WAIT acknowledges it again");
	pv_close(peer.engine, peer.handle, PV_CLOSE_GRACEFUL);
	CHECK_EQ(live(), 0, "no connection is left");
}

static void
simultaneous_close(void)
{
	pv_shutdown_send(peer.engine, peer.handle);
	CHECK(is(peer_receive(&peer), F, 1, 1), "a FIN");
	peer_says(F, 1, 1);
	CHECK(is(peer_receive(&peer), A, 2, 2), "is crossed by another");
	CHECK_EQ(peer_info(&peer).state, CLOSING, "CLOSING");
	peer_says(A, 2, 2);
	peer_says(F, 1, 2);
	CHECK(is(peer_receive(&peer), A, 2, 2), "and TIME-WAIT");
}

static void
fin_and_ack(void)
{
	pv_shutdown_send(peer.engine, peer.handle);
	peer_drain(&peer);
	peer_says(F, 1, 2);
	CHECK(is(peer_receive(&peer), A, 2, 2), "FIN with the ACK of ours: TIME-WAIT");
	pv_close(peer.engine, peer.handle, PV_CLOSE_GRACEFUL);
	CHECK_EQ(live(), 0, "no connection is left");
}

static void
passive_close(void)
{
	peer_says(F, 1, 1);
	CHECK(is(peer_receive(&peer), A, 1, 2), "a FIN is acknowledged at once");
	CHECK_EQ(peer_info(&peer).state, CLOSE_WAIT, "CLOSE-WAIT");
	CHECK_EQ(peer_read(&peer, 10), 0, "the end, orderly");
	peer_write(&peer, 100);
	CHECK_EQ(peer_receive(&peer).len, 100, "we may still send");
	peer_says(A, 2, 101);
	pv_close(peer.engine, peer.handle, PV_CLOSE_GRACEFUL);
	CHECK(is(peer_receive(&peer), F, 101, 2), "our FIN");
	peer_next(&peer, 10000);
	CHECK(is(peer_receive(&peer), F, 101, 2), "is resent like data");
	peer_says(A, 2, 102);
	CHECK_EQ(live(), 0, "its ACK ends the connection");
	peer_says(A, 2, 102);
	CHECK(is(peer_receive(&peer), R, 102, 0), "nothing remembers it");
}

static void
abort_(void)
{
	peer_write(&peer, 100);
	peer_drain(&peer);
	pv_close(peer.engine, peer.handle, PV_CLOSE_ABORT);
	CHECK(is(peer_receive(&peer), R | A, 101, 1), "an abort sends RST at SND.NXT");
	CHECK_EQ(live(), 0, "and forgets");
}

static void
unread_data(void)
{
	SEND(&peer, .seq = 1, .ack = 1, .len = 10, .flags = A, .win = 65535);
	pv_close(peer.engine, peer.handle, PV_CLOSE_GRACEFUL);
	CHECK((peer_receive(&peer).flags & R) != 0, "closing with unread data sends RST");
	CHECK_EQ(live(), 0, "and forgets");
}

static void
data_after_close(void)
{
	pv_close(peer.engine, peer.handle, PV_CLOSE_GRACEFUL);
	CHECK(is(peer_receive(&peer), F, 1, 1), "closed both ways");
	peer_says(A, 1, 2);
	SEND(&peer, .seq = 1, .ack = 2, .len = 10, .flags = A, .win = 65535);
	CHECK(is(peer_receive(&peer), R, 2, 0), "data after that draws RST");
	CHECK_EQ(live(), 0, "and ends it");
}

static void
orphan(void)
{
	pv_close(peer.engine, peer.handle, PV_CLOSE_GRACEFUL);
	peer_drain(&peer);
	peer_says(A, 1, 2);
	peer_advance(&peer, 59999);
	CHECK(peer_is_silent(&peer), "FIN-WAIT-2 without an owner lasts");
	CHECK_EQ(peer_counter(&peer, "TCP_CLOSED"), 0, "a minute");
	peer_advance(&peer, 1);
	CHECK_EQ(peer_counter(&peer, "TCP_CLOSED"), 1, "no longer");
	peer_says(A, 1, 2);
	CHECK(is(peer_receive(&peer), R, 2, 0), "then segments draw RST");
}

static void
receive_shut(void)
{
	pv_shutdown_receive(peer.engine, peer.handle);
	peer_write(&peer, 100);
	CHECK_EQ(peer_receive(&peer).len, 100, "sending goes on");
	SEND(&peer, .seq = 1, .ack = 101, .len = 10, .flags = A, .win = 65535);
	CHECK((peer_receive(&peer).flags & R) != 0, "data for nobody draws RST");
	CHECK(peer_error(&peer) != 0, "the connection is gone");
}

static void
receive_shut_unread(void)
{
	SEND(&peer, .seq = 1, .ack = 1, .len = 10, .flags = A, .win = 65535);
	peer_advance(&peer, 1000);
	peer_drain(&peer);
	pv_shutdown_receive(peer.engine, peer.handle);
	CHECK((peer_receive(&peer).flags & R) != 0, "data that nobody took draws RST");
	CHECK(peer_error(&peer) != 0, "the connection is gone");
}

static void
fin_beyond_window(void)
{
	SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 0);
	pv_shutdown_send(peer.engine, peer.handle);
	CHECK(peer_is_silent(&peer), "no FIN into a closed window");
	peer_next(&peer, 10000);
	CHECK(is(peer_receive(&peer), A, 0, 1), "it is probed");
	SEND(&peer, .seq = 1, .ack = 1, .flags = A, .win = 100);
	CHECK(is(peer_receive(&peer), F, 1, 1), "an open one takes it");
}

static void
half_open_peer(void)
{
	peer_write(&peer, 10);
	peer_drain(&peer);
	SEND(&peer, .seq = 1, .ack = 0, .flags = R);
	CHECK_EQ(peer_error(&peer), -ECONNRESET, "the RST of a peer that has forgotten us ends it");
	CHECK_EQ(peer_write(&peer, 10), -ECONNRESET, "and is told");
}

/* ---- active open ---- */

static void
opening(const char *what, void (*change)(struct pv_config *), void (*body)(struct seg syn))
{
	struct seg syn;

	printf("# %s\n", what);
	if (!peer_open(&peer, change))
		return;
	peer.rtt = 100;
	if (CHECK(peer_start_connect(&peer, &syn), "a SYN"))
		body(syn);
	peer_close(&peer);
}

static struct pv_tcp_opts
usual(void)
{
	return (struct pv_tcp_opts){
		.present = PV_TCP_OPT_MSS | PV_TCP_OPT_SACKOK | PV_TCP_OPT_WSCALE,
		.mss = 1460,
		.wscale = 7,
	};
}

static void
connects(struct seg syn)
{
	CHECK(syn.opts.present == (PV_TCP_OPT_MSS | PV_TCP_OPT_SACKOK | PV_TCP_OPT_TS |
						  PV_TCP_OPT_WSCALE) &&
					syn.opts.mss == 1460 && syn.opts.tsecr == 0,
			"with all options");
	peer_advance(&peer, 100);
	SEND(&peer, .ack = 1, .flags = PV_TCP_SYN | A, .win = 1000, .opts = usual(), .len = 0);
	CHECK(is(peer_receive(&peer), A, 1, 1), "its answer is acknowledged at once");
	CHECK_EQ(peer_info(&peer).snd_wnd, 1000, "the window of a SYN is not scaled");
	CHECK_EQ(peer_info(&peer).srtt, 100000, "the SYN is the first sample");
	peer_write(&peer, 100);
	CHECK_EQ(peer_receive(&peer).len, 100, "data follows");
}

static void
unacceptable_answers(struct seg syn)
{
	(void)syn;
	SEND(&peer, .ack = 2, .flags = A, .win = 1000);
	CHECK(is(peer_receive(&peer), R, 2, 0), "an ACK beyond the SYN draws RST");
	SEND(&peer, .ack = 0, .flags = PV_TCP_SYN | A, .win = 1000);
	CHECK(is(peer_receive(&peer), R, 0, 0), "and one before it");
	SEND(&peer, .ack = 2, .flags = R | A);
	SEND(&peer, .flags = R);
	SEND(&peer, .ack = 1, .flags = A, .win = 1000);
	SEND(&peer, .ack = 1, .flags = F, .win = 1000);
	CHECK(peer_is_silent(&peer), "wrong RSTs, ACK or FIN alone: nothing");
	peer_advance(&peer, 1000);
	CHECK_EQ(peer_receive(&peer).flags, PV_TCP_SYN, "the SYN is repeated");
	CHECK_EQ(peer_error(&peer), 0, "still connecting");
	SEND(&peer, .ack = 1, .flags = R | A);
	CHECK_EQ(peer_error(&peer), -ECONNREFUSED, "the right RST refuses");
}

static void
syn_repeats(struct seg syn)
{
	uint64_t wait = 1000, sent = syn.when;

	for (int i = 0; i < 6; i++, wait *= 2) {
		CHECK(peer_next(&peer, 100000), "another SYN");
		syn = peer_receive(&peer);
		CHECK(syn.flags == PV_TCP_SYN && syn.when - sent == wait, "after twice as long");
		sent = syn.when;
	}
	peer_advance(&peer, 64000);
	CHECK(peer_is_silent(&peer), "no seventh");
	CHECK_EQ(peer_error(&peer), -ETIMEDOUT, "timed out");
}

static void
late_answer(struct seg syn)
{
	(void)syn;
	peer_advance(&peer, 1000);
	peer_drain(&peer);
	SEND(&peer, .ack = 1, .flags = PV_TCP_SYN | A, .win = 60000, .opts = usual());
	peer_drain(&peer);
	CHECK_EQ(peer_info(&peer).rto, 3000000, "after a lost SYN the time-out is 3 s");
	CHECK_EQ(peer_info(&peer).snd_cwnd, 1448, "and the first window one segment");
}

static void
crossed(struct seg syn)
{
	struct pv_tcp_opts o = usual();

	(void)syn;
	SEND(&peer, .flags = PV_TCP_SYN, .win = 60000, .opts = o);
	syn = peer_receive(&peer);
	CHECK(is(syn, PV_TCP_SYN | A, 0, 1), "crossing SYNs: SYN-ACK");
	CHECK_EQ(peer_info(&peer).state, 3, "SYN-RECEIVED");
	SEND(&peer, .seq = 0, .ack = 1, .flags = PV_TCP_SYN | A, .win = 60000, .opts = o);
	CHECK_EQ(peer_info(&peer).state, ESTABLISHED, "the peer's SYN-ACK establishes");
	peer_write(&peer, 10);
	peer_drain(&peer);
	SEND(&peer, .seq = 1, .ack = 11, .len = 10, .flags = A, .win = 60000);
	CHECK_EQ(peer_read(&peer, 100), 10, "data flows");
}

static void
crossed_refused(struct seg syn)
{
	(void)syn;
	SEND(&peer, .flags = PV_TCP_SYN, .win = 60000, .opts = usual());
	peer_drain(&peer);
	SEND(&peer, .seq = 1, .ack = 5, .flags = A, .win = 60000);
	CHECK(is(peer_receive(&peer), R, 5, 0), "a wrong ACK in SYN-RECEIVED draws RST");
	SEND(&peer, .seq = 1, .ack = 1, .flags = R | A);
	CHECK_EQ(peer_error(&peer), -ECONNREFUSED, "a RST there is a refusal");
}

static void
data_on_answer(struct seg syn)
{
	(void)syn;
	CHECK_EQ(peer_write(&peer, 100), -ENOTCONN, "nothing can be written before");
	SEND(&peer, .ack = 1, .flags = PV_TCP_SYN | A, .win = 60000, .opts = usual(), .len = 20);
	CHECK(is(peer_receive(&peer), A, 1, 21), "data on the SYN-ACK is taken");
	CHECK_EQ(peer_read(&peer, 100), 20, "and delivered");
}

static void
closed_early(struct seg syn)
{
	(void)syn;
	pv_close(peer.engine, peer.handle, PV_CLOSE_GRACEFUL);
	CHECK_EQ(live(), 0, "closing while connecting forgets");
	SEND(&peer, .ack = 1, .flags = PV_TCP_SYN | A, .win = 60000, .opts = usual());
	CHECK(is(peer_receive(&peer), R, 1, 0), "the late answer draws RST");
}

static void
unreachable(struct seg syn)
{
	(void)syn;
	peer_icmp(&peer, 3, 1, 0, 0, 60);
	CHECK_EQ(peer_error(&peer), 0, "host unreachable is no end");
	peer_icmp(&peer, 3, 3, 0, 1, 60);
	CHECK_EQ(peer_error(&peer), 0, "nor is an error about another segment");
	peer_icmp(&peer, 3, 3, 0, 0, 60);
	CHECK_EQ(peer_error(&peer), -ECONNREFUSED, "port unreachable refuses");
}

static void
unreachable_all_along(struct seg syn)
{
	(void)syn;
	peer_icmp(&peer, 3, 1, 0, 0, 60);
	peer_advance(&peer, 200000);
	CHECK_EQ(peer_error(&peer), -EHOSTUNREACH, "a time-out says what ICMP said");
}

/* Ends the connection from our side, to TIME-WAIT. */
static void
end_here(void)
{
	pv_close(peer.engine, peer.handle, PV_CLOSE_GRACEFUL);
	peer_drain(&peer);
	peer_says(F, 1, 2);
	peer_drain(&peer);
}

static void
same_again(void)
{
	uint32_t iss, ts;
	struct seg syn;

	printf("# the same connection again\n");
	peer_open(&peer, NULL);
	peer.local_port = 12345;
	CHECK(peer_accept(&peer, 60000), "a connection");
	iss = peer.our_iss;
	ts = peer.ts_recent;
	end_here();
	peer_advance(&peer, 999);
	CHECK(!peer_start_connect(&peer, &syn), "its name can't be used again at once");
	CHECK_EQ(peer_error(&peer), -EADDRINUSE, "it is in use");
	pv_close(peer.engine, peer.handle, PV_CLOSE_GRACEFUL);
	peer_advance(&peer, 100);
	CHECK(peer_start_connect(&peer, &syn), "but after a second, by its timestamps");
	CHECK((int32_t)(peer.our_iss - iss) > 2, "with greater numbers");
	CHECK((int32_t)(syn.opts.tsval - ts) > 0, "and a greater timestamp");
	peer_close(&peer);
}

int
main(void)
{
	peer_with(&peer, "active close", NULL, active_close);
	peer_with(&peer, "simultaneous close", NULL, simultaneous_close);
	peer_with(&peer, "FIN with ACK", NULL, fin_and_ack);
	peer_with(&peer, "passive close", NULL, passive_close);
	peer_with(&peer, "abort", NULL, abort_);
	peer_with(&peer, "unread data", NULL, unread_data);
	peer_with(&peer, "data after close", NULL, data_after_close);
	peer_with(&peer, "orphan", NULL, orphan);
	peer_with(&peer, "receive shut", NULL, receive_shut);
	peer_with(&peer, "receive shut, unread", NULL, receive_shut_unread);
	peer_with(&peer, "FIN and a closed window", NULL, fin_beyond_window);
	peer_with(&peer, "half-open", NULL, half_open_peer);
	opening("connect", NULL, connects);
	opening("unacceptable answers", NULL, unacceptable_answers);
	opening("SYN repeated", NULL, syn_repeats);
	opening("late answer", NULL, late_answer);
	opening("simultaneous open", NULL, crossed);
	opening("simultaneous open refused", NULL, crossed_refused);
	opening("data on the answer", NULL, data_on_answer);
	opening("closed early", NULL, closed_early);
	opening("unreachable", NULL, unreachable);
	opening("unreachable all along", NULL, unreachable_all_along);
	same_again();
	return tap_done();
}
