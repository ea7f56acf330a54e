/* SPDX-License-Identifier: BSD-3-Clause */
/* Explicit congestion notification (RFC 3168): offered, agreed on, answered. */
#include <errno.h>

#include "base/check.h"
#include "flight.h"
#include "tap.h"

#define A PV_TCP_ACK

static void
ecn_connect(struct pv_config *config)
{
	config->tcp.ecn = 1;
	config->tcp.congestion = PV_CC_NEWRENO;
}

static void
ecn(void)
{
	struct seg seg;
	uint32_t cwnd;

	peer_write(&peer, 3 * MSS);
	seg = peer_receive(&peer);
	CHECK_EQ(seg.tos & 3, 2, "data is ECN capable");
	peer_drain(&peer);
	cwnd = peer_info(&peer).snd_cwnd;
	SEND(&peer, .seq = 1, .ack = nth(1), .flags = A | PV_TCP_ECE, .win = 65535);
	CHECK(peer_info(&peer).snd_cwnd < cwnd, "ECE reduces the window");
	cwnd = peer_info(&peer).snd_cwnd;
	SEND(&peer, .seq = 1, .ack = nth(2), .flags = A | PV_TCP_ECE, .win = 65535);
	CHECK_EQ(peer_info(&peer).snd_cwnd, cwnd, "once a window");
	peer_write(&peer, MSS);
	CHECK((peer_receive(&peer).flags & PV_TCP_CWR) != 0, "the next new data says CWR");
	SEND(&peer, .seq = 1, .ack = nth(3), .flags = A, .win = 65535);
	peer_write(&peer, MSS);
	seg = peer_receive(&peer);
	CHECK(seg.len == MSS && (seg.flags & PV_TCP_CWR) == 0, "once");
	CHECK_EQ(peer_counter(&peer, "TCP_ECN_REDUCED"), 1, "counted");
	SEND(&peer, .seq = 1, .ack = nth(5), .len = 100, .flags = A, .win = 65535, .tos = 3);
	seg = peer_receive(&peer);
	CHECK((seg.flags & PV_TCP_ECE) != 0, "CE is echoed");
	CHECK_EQ(seg.tos & 3, 0, "an ACK is not ECN capable");
	SEND(&peer, .seq = 101, .ack = nth(5), .len = 100, .flags = A, .win = 65535, .tos = 2);
	peer_advance(&peer, 40);
	CHECK((peer_receive(&peer).flags & PV_TCP_ECE) != 0, "until CWR comes");
	SEND(&peer, .seq = 201, .ack = nth(5), .len = 100, .flags = A | PV_TCP_CWR, .win = 65535,
			.tos = 2);
	peer_advance(&peer, 40);
	CHECK((peer_receive(&peer).flags & PV_TCP_ECE) == 0, "then no more");
	peer_write(&peer, MSS);
	peer_drain(&peer);
	peer_next(&peer, 10000);
	CHECK_EQ(peer_receive(&peer).tos & 3, 0, "a retransmission is not ECN capable");
}

int
main(void)
{
	struct seg syn;

	if (!peer_open(&peer, ecn_connect))
		return 1;
	CHECK(peer_start_connect(&peer, &syn) || (syn.flags & PV_TCP_SYN) != 0, "a SYN");
	CHECK_EQ(syn.flags, PV_TCP_SYN | PV_TCP_ECE | PV_TCP_CWR, "that offers ECN");
	CHECK_EQ(syn.tos & 3, 0, "and is not ECN capable itself");
	peer_advance(&peer, 100);
	SEND(&peer, .ack = 1, .flags = PV_TCP_SYN | A | PV_TCP_ECE, .win = 65535,
			.opts = { .present = PV_TCP_OPT_MSS | PV_TCP_OPT_SACKOK | PV_TCP_OPT_WSCALE,
					.mss = 1460,
					.wscale = 7 });
	peer_drain(&peer);
	ecn();
	peer_close(&peer);
	peer_open(&peer, ecn_connect);
	peer_start_connect(&peer, &syn);
	SEND(&peer, .ack = 1, .flags = PV_TCP_SYN | A | PV_TCP_ECE | PV_TCP_CWR, .win = 65535,
			.opts = { .present = PV_TCP_OPT_MSS, .mss = 1460 });
	CHECK_EQ(peer_info(&peer).options & 8, 0, "a mirrored offer is no agreement");
	peer_close(&peer);
	peer_open(&peer, ecn_connect);
	peer_start_connect(&peer, &syn);
	SEND(&peer, .ack = 1, .flags = PV_TCP_RST | A);
	CHECK_EQ(peer_receive(&peer).flags, PV_TCP_SYN, "refused: once more without the offer");
	SEND(&peer, .ack = 1, .flags = PV_TCP_RST | A);
	CHECK_EQ(peer_error(&peer), -ECONNREFUSED, "refused again: refused");
	peer_close(&peer);
	peer_open(&peer, ecn_connect);
	peer_start_connect(&peer, &syn);
	peer_next(&peer, 10000);
	CHECK(peer_receive(&peer).flags != PV_TCP_SYN, "silence: the offer again");
	peer_next(&peer, 10000);
	CHECK_EQ(peer_receive(&peer).flags, PV_TCP_SYN, "then without it");
	peer_close(&peer);
	return tap_done();
}
