/* SPDX-License-Identifier: BSD-3-Clause */
/* TIME-WAIT: how long it lasts, what is answered, and which SYN ends it. */
#include <string.h>

#include "base/seq.h"
#include "harness.h"
#include "tap.h"
#include "tcp/conn.h"
#include "tcp/state.h"

static struct harness h;
static uint64_t listener;
static struct pv_request requests[4];

/* The connection that went into TIME-WAIT, as its client knows it. */
static struct segment last; /* an ACK with the right numbers */

static uint64_t
counter(enum pv_counter which)
{
	return harness_counter(&h, which);
}

/* One connection of this client, both of whose FINs count as exchanged. */
static void
finish_one(uint32_t client, bool timestamps)
{
	struct segment syn = client_syn(client, 4000, 80, 1000), syn_ack;
	struct pv_pcb *pcb;

	if (!timestamps)
		syn.opts.present &= (uint8_t)~PV_TCP_OPT_TS;
	harness_exchange(&h, &syn, &syn_ack);
	last = client_ack(&syn, &syn_ack);
	harness_inject(&h, &last, 1);
	CHECK_EQ(harness_accept(&h, listener, requests, 1), 1, "a connection is made");
	pcb = pv_pcb_of(&h.ctx, requests[0].handle);
	pcb->rcv_nxt++;
	pcb->snd_una = ++pcb->snd_nxt;
	last.seq++;
	last.ack++;
	pv_time_wait_enter(&h.ctx, pcb);
	harness_drain(&h);
}

static void
start(uint32_t time_wait_max)
{
	struct pv_listen_params params = harness_params(80);
	static struct pv_config config;

	harness_config(&config);
	config.time_wait_max = time_wait_max;
	harness_start(&h, &config);
	listener = harness_listen(&h, &params);
}

static bool
is_ack(const struct segment *out)
{
	return out->flags == PV_TCP_ACK && out->seq == last.ack && out->ack == last.seq;
}

static uint32_t
waiting(void)
{
	return h.ctx.tcp->time_wait.pool.in_use;
}

static void
test_segments(void)
{
	struct segment s, out;

	start(16);
	finish_one(1, true);
	CHECK(h.ctx.tcp->live == 0 && waiting() == 1,
			"the control block is gone, a record is left");
	CHECK_EQ(counter(PV_C_TCP_TIME_WAIT_STARTED), 1, "which is counted");
	CHECK(!harness_exchange(&h, &last, &out), "the last ACK again is not answered");
	s = last;
	s.flags = PV_TCP_RST;
	CHECK(!harness_exchange(&h, &s, &out) && waiting() == 1, "a RST changes nothing");
	s.seq -= 500;
	CHECK(!harness_exchange(&h, &s, &out) && waiting() == 1,
			"nor is one out of place answered");
	s = last;
	s.seq -= 500;
	s.data_len = 100;
	CHECK(harness_exchange(&h, &s, &out) && is_ack(&out), "old data gets an ACK");
	CHECK((out.opts.present & PV_TCP_OPT_TS) != 0 && out.opts.tsecr == last.opts.tsval,
			"with timestamps");
	s = last;
	s.flags |= PV_TCP_FIN;
	s.seq--;
	harness_advance(&h, 59000000000);
	CHECK(harness_exchange(&h, &s, &out) && is_ack(&out), "the FIN again gets an ACK");
	harness_advance(&h, 59000000000);
	CHECK_EQ(waiting(), 1, "and begins the wait anew");
	harness_advance(&h, 1100000000);
	CHECK_EQ(waiting(), 0, "which then ends");
	CHECK_EQ(h.ctx.tcp->flows.used, 0, "and leaves nothing");
	CHECK(harness_exchange(&h, &last, &out) && out.flags == PV_TCP_RST,
			"later segments are reset");
	harness_stop(&h);
}

static void
test_full(void)
{
	start(2);
	for (uint32_t i = 1; i <= 3; i++)
		finish_one(i, true);
	CHECK_EQ(waiting(), 2, "no more wait than there are records");
	CHECK_EQ(counter(PV_C_TCP_TIME_WAIT_FULL), 1, "those that do not are counted");
	CHECK_EQ(h.ctx.tcp->flows.used, 2, "and forgotten");
	harness_advance(&h, 61000000000);
	CHECK_EQ(waiting(), 0, "all end in order");
	harness_stop(&h);
}

/* A SYN of the same client. */
static bool
reopens(uint32_t seq, uint32_t tsval, bool timestamps, struct segment *out)
{
	struct segment syn = client_syn(1, 4000, 80, seq);

	syn.opts.tsval = tsval;
	if (!timestamps)
		syn.opts.present &= (uint8_t)~PV_TCP_OPT_TS;
	return harness_exchange(&h, &syn, out) && out->flags == (PV_TCP_SYN | PV_TCP_ACK);
}

static void
test_reopen(bool timestamps)
{
	struct segment out, ack;
	uint32_t newer = last.opts.tsval;

	start(16);
	finish_one(1, timestamps);
	newer = last.opts.tsval + 1;
	if (timestamps) {
		CHECK(!reopens(last.seq + 5, newer - 100, true, &out) && is_ack(&out),
				"a SYN with an old timestamp is answered by an ACK");
		CHECK(!reopens(last.seq - 5, newer - 1, true, &out) && is_ack(&out),
				"so is one with the same timestamp and an old number");
	} else {
		CHECK(!reopens(last.seq - 5, 0, false, &out) && is_ack(&out),
				"a SYN with an old number is answered by an ACK");
	}
	CHECK_EQ(waiting(), 1, "and does not end the wait");
	CHECK(reopens(timestamps ? last.seq - 5 : last.seq + 5, newer, timestamps, &out),
			"a newer SYN opens the connection again");
	CHECK_EQ(waiting(), 0, "and ends the wait");
	CHECK(pv_seq_gt(out.seq, last.ack), "with a higher ISS");
	CHECK_EQ(counter(PV_C_TCP_TIME_WAIT_REUSED), 1, "which is counted");
	ack = client_ack(&(struct segment){ .client = 1,
					 .client_port = 4000,
					 .our_port = 80,
					 .seq = timestamps ? last.seq - 5 : last.seq + 5,
					 .opts = { .tsval = newer } },
			&out);
	harness_inject(&h, &ack, 1);
	CHECK_EQ(harness_accept(&h, listener, requests, 1), 1, "and it is established");
	harness_stop(&h);
}

/* The listener is gone, or may not answer with a record. */
static void
test_no_reopen(void)
{
	struct pv_listen_params paused = { .paused = 1 };
	struct segment out;

	start(16);
	finish_one(1, true);
	pv_tcp_listener_update(&h.ctx, listener, &paused);
	CHECK(!reopens(last.seq + 5, last.opts.tsval + 5, true, &out) &&
					(out.flags & PV_TCP_RST) != 0 && waiting() == 1,
			"a paused listener resets the SYN and TIME-WAIT stays");
	pv_tcp_listener_close(&h.ctx, listener);
	CHECK(!reopens(last.seq + 5, last.opts.tsval + 5, true, &out) && is_ack(&out),
			"without a listener a SYN gets an ACK");
	CHECK_EQ(waiting(), 1, "and TIME-WAIT stays");
	pv_tcp_reset(&h.ctx);
	CHECK_EQ(waiting(), 0, "a reset forgets it");
	harness_stop(&h);
}

int
main(void)
{
	test_segments();
	test_full();
	test_reopen(true);
	test_reopen(false);
	test_no_reopen();
	return tap_done();
}
