/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a connection on which nothing was ever said: CLOSE-WAIT without data, LAST-ACK as a
 * record. */
#include <string.h>

#include "base/seq.h"
#include "harness.h"
#include "bridge/slot.h"
#include "tap.h"
#include "tcp/conns.h"
#include "tcp/state.h"

#define SECOND UINT64_C(1000000000)

static struct harness h;
static uint64_t listener, handle;

/* What the client would send next: an ACK with the right numbers. */
static struct segment next;

static uint64_t
counter(enum pv_counter which)
{
	return harness_counter(&h, which);
}

static void
start(uint32_t time_wait_max, uint8_t syn_cookies)
{
	struct pv_listen_params params = harness_params(80);
	static struct pv_config config;

	harness_config(&config);
	config.time_wait_max = time_wait_max;
	params.syn_cookies = syn_cookies;
	harness_start(&h, &config);
	listener = harness_listen(&h, &params);
}

static void
open_one(uint32_t client, bool v6)
{
	struct segment syn = client_syn(client, 4000, 80, 1000), syn_ack;
	struct pv_request request;

	syn.v6 = v6;
	harness_exchange(&h, &syn, &syn_ack);
	next = client_ack(&syn, &syn_ack);
	harness_inject(&h, &next, 1);
	CHECK_EQ(harness_accept(&h, listener, &request, 1), 1, "a connection is made");
	handle = request.handle;
}

/* As PV_CMD_CLOSE: both sides of it. */
static void
let_go(int how)
{
	const struct pv_command close = { .handle = handle };

	pv_tcp_close(&h.ctx, handle, how);
	pv_slot_close(&h.ctx, &close);
	pv_tcp_output(&h.ctx);
}

static bool
is_fin(const struct segment *out)
{
	return out->flags == (PV_TCP_FIN | PV_TCP_ACK) && out->seq == next.ack &&
	       out->ack == next.seq && (out->opts.present & PV_TCP_OPT_TS) != 0 &&
	       out->opts.tsecr == next.opts.tsval;
}

/* The client's FIN, and what answers it. */
static bool
send_fin(struct segment *out)
{
	struct segment fin = next;

	fin.flags |= PV_TCP_FIN;
	next.seq++;
	return harness_exchange(&h, &fin, out);
}

static bool
nothing_left(void)
{
	return h.ctx.tcp->flows.used == 0 && h.ctx.tcp->live == 0 &&
	       h.ctx.tcp->time_wait.pool.in_use == 0 && h.ctx.tcp->last_ack.in_use == 0 &&
	       h.ctx.conns->data.used == 0;
}

/* Half way: the record is there, all else is gone. */
static bool
waits(void)
{
	return h.ctx.tcp->last_ack.in_use == 1 && h.ctx.tcp->live == 0 && !pv_tcp_idle(&h.ctx);
}

/* A connection in LAST-ACK that nobody held, with next as the ACK that ends it. */
static void
last_ack(uint32_t time_wait_max, uint8_t syn_cookies)
{
	struct segment out;

	start(time_wait_max, syn_cookies);
	open_one(1, false);
	let_go(PV_CLOSE_DETACH);
	CHECK(send_fin(&out) && is_fin(&out), "the FIN is answered by ours");
	next.ack++;
}

static void
test_detached(void)
{
	struct segment out;

	last_ack(16, PV_SYN_COOKIES_NEVER);
	CHECK(waits() && h.ctx.conns->data.used == 0, "by a record alone");
	CHECK_EQ(counter(PV_C_TCP_FIN), 1, "the FIN is counted");
	CHECK_EQ(pv_slots_free(&h.ctx), h.config.max_connections, "the slot is free");
	CHECK(!harness_exchange(&h, &next, &out) && nothing_left(), "its ACK is the end");
	CHECK(harness_exchange(&h, &next, &out) && out.flags == PV_TCP_RST, "for good");
	harness_stop(&h);
}

static void
test_held(bool v6)
{
	const struct pv_pcb *pcb;
	struct segment out;

	start(16, PV_SYN_COOKIES_NEVER);
	open_one(1, v6);
	pcb = pv_pcb_of(&h.ctx, handle);
	CHECK(send_fin(&out) && out.flags == PV_TCP_ACK && out.ack == next.seq,
			"the FIN is acknowledged");
	CHECK(pcb->state == PV_CLOSE_WAIT && h.ctx.conns->data.used == 0,
			"CLOSE-WAIT takes nothing more");
	CHECK(pv_slot_at(&h.ctx, pcb->index)->status.closes == 1 &&
					pv_slot_at(&h.ctx, pcb->index)->status.state ==
							PV_CLOSE_WAIT,
			"the application learns of it");
	CHECK(!harness_exchange(&h, &next, &out), "an ACK changes nothing");
	let_go(PV_CLOSE_GRACEFUL);
	CHECK(harness_take(&h, &out) && is_fin(&out), "our FIN follows the close");
	next.ack++;
	CHECK(!harness_exchange(&h, &next, &out) && nothing_left(), "its ACK is the end");
	harness_stop(&h);
}

/* The first of two that close has no data even so. */
static void
test_idle_close(void)
{
	struct segment out;

	start(16, PV_SYN_COOKIES_NEVER);
	open_one(1, false);
	CHECK(send_fin(&out), "a FIN is answered");
	let_go(PV_CLOSE_GRACEFUL);
	CHECK(waits() && h.ctx.conns->data.used == 0,
			"a close in CLOSE-WAIT leaves a record alone");
	CHECK_EQ(h.ctx.conns->orphans, 0, "which is no orphan");
	harness_stop(&h);
}

static void
test_lost(void)
{
	struct segment out;
	uint64_t wait = SECOND, sent = 0;

	last_ack(16, PV_SYN_COOKIES_NEVER);
	next.ack--;
	harness_advance(&h, SECOND / 2);
	for (int i = 0; i < 4; i++, wait *= 2) {
		CHECK(!harness_take(&h, &out), "no sooner");
		harness_advance(&h, wait);
		CHECK(harness_take(&h, &out) && is_fin(&out),
				"a lost FIN is sent again, ever later");
	}
	CHECK_EQ(counter(PV_C_TCP_RETRANSMITTED), 4, "each time is counted");
	for (int i = 0; i < 3600 && h.ctx.tcp->last_ack.in_use != 0; i++) {
		harness_advance(&h, SECOND);
		while (harness_take(&h, &out))
			sent++;
	}
	CHECK_EQ(4 + sent, h.ctx.tcp_config.data_retries, "as often as data would be");
	CHECK(nothing_left() && counter(PV_C_TCP_TIMED_OUT) == 1, "and then given up");
	harness_stop(&h);
}

/* Segments that do not end it. */
static void
test_segments(void)
{
	struct segment s, out;

	last_ack(16, PV_SYN_COOKIES_NEVER);
	s = next;
	s.ack--;
	CHECK(!harness_exchange(&h, &s, &out) && waits(), "an old ACK is not enough");
	s = next;
	s.ack++;
	CHECK(harness_exchange(&h, &s, &out) && out.flags == PV_TCP_ACK && waits(),
			"one of what was never sent is challenged");
	s = next;
	s.flags = PV_TCP_RST;
	s.seq += 5;
	CHECK(harness_exchange(&h, &s, &out) && out.flags == PV_TCP_ACK && waits(),
			"so is a RST that is not exact");
	s = next;
	s.flags = PV_TCP_SYN;
	CHECK(harness_exchange(&h, &s, &out) && out.flags == PV_TCP_ACK && waits(), "and a SYN");
	s = next;
	s.opts.tsval -= 1000;
	CHECK(harness_exchange(&h, &s, &out) && out.flags == PV_TCP_ACK && waits(),
			"and an ACK from the past");
	s = next;
	s.opts.present = 0;
	CHECK(!harness_exchange(&h, &s, &out) && waits(), "one without timestamps is dropped");
	s = next;
	s.flags |= PV_TCP_FIN;
	s.seq--;
	s.ack--;
	CHECK(harness_exchange(&h, &s, &out) && out.flags == (PV_TCP_FIN | PV_TCP_ACK) && waits(),
			"the FIN again has ours sent again");
	s = next;
	s.flags = PV_TCP_RST;
	CHECK(!harness_exchange(&h, &s, &out) && nothing_left(), "an exact RST is the end");
	CHECK_EQ(counter(PV_C_TCP_RST), 1, "and counted");
	harness_stop(&h);
}

/* Where there is no record left, or more to say, the usual way is gone. */
static void
test_usual(void)
{
	struct segment out;

	last_ack(1, PV_SYN_COOKIES_NEVER);
	open_one(2, false);
	let_go(PV_CLOSE_DETACH);
	CHECK(send_fin(&out) && is_fin(&out) && h.ctx.tcp->live == 1,
			"where no record is left the control block stays");
	next.ack++;
	CHECK(!harness_exchange(&h, &next, &out) && h.ctx.tcp->live == 0, "until the end");
	harness_stop(&h);
	start(16, PV_SYN_COOKIES_NEVER);
	open_one(1, false);
	let_go(PV_CLOSE_DETACH);
	next.flags |= PV_TCP_FIN;
	next.data_len = 10;
	CHECK(harness_exchange(&h, &next, &out), "a FIN behind data is answered");
	CHECK(h.ctx.tcp->last_ack.in_use == 0, "not by a record");
	harness_stop(&h);
}

/* What came by a cookie leaves no TIME-WAIT, but its ACK does not open it again. */
static void
test_cookie(void)
{
	struct segment ack, out;

	last_ack(16, PV_SYN_COOKIES_ALWAYS);
	ack = next;
	ack.seq--;
	ack.ack--;
	CHECK(!harness_exchange(&h, &next, &out) && nothing_left(), "it ends");
	CHECK(harness_exchange(&h, &ack, &out) && out.flags == PV_TCP_RST,
			"and is not opened again");
	CHECK_EQ(counter(PV_C_TCP_ACK_COOKIE), 1, "by its ACK");
	harness_stop(&h);
}

static void
test_ends(void)
{
	struct segment out;

	last_ack(16, PV_SYN_COOKIES_NEVER);
	pv_tcp_abort_all(&h.ctx);
	CHECK(harness_take(&h, &out) && out.flags == (PV_TCP_RST | PV_TCP_ACK) && nothing_left(),
			"an engine that ends resets it");
	harness_stop(&h);
	last_ack(16, PV_SYN_COOKIES_NEVER);
	pv_tcp_reset(&h.ctx);
	CHECK(nothing_left(), "one that begins anew forgets it");
	harness_advance(&h, 10 * SECOND);
	CHECK(!harness_take(&h, &out), "timers included");
	harness_stop(&h);
}

/* An engine that stops while it has more idle connections than it closes in order. */
static void
test_flush(void)
{
	enum { MANY = 65536, MORE = 100 };
	struct pv_listen_params params = harness_params(80);
	static struct pv_config config;

	harness_config(&config);
	config.max_connections = MANY + 8192;
	harness_start(&h, &config);
	listener = harness_listen(&h, &params);
	for (uint32_t client = 1; client <= MANY + MORE; client++) {
		struct segment syn = client_syn(client, 4000, 80, 1000), syn_ack;
		struct pv_request request;

		if (harness_exchange(&h, &syn, &syn_ack)) {
			next = client_ack(&syn, &syn_ack);
			harness_inject(&h, &next, 1);
		}
		harness_accept(&h, listener, &request, 1);
	}
	CHECK_EQ(h.ctx.tcp->live, MANY + MORE, "there are many");
	pv_tcp_flush(&h.ctx);
	CHECK_EQ(h.ctx.tcp->live, MANY, "as many are closed as may be");
	CHECK_EQ(h.ctx.conns->data.used, MANY, "each with what that takes");
	CHECK_EQ(counter(PV_C_TCP_ORPHANS_LIMITED), MORE, "the others are reset");
	harness_stop(&h);
}

int
main(void)
{
	test_detached();
	test_held(false);
	test_held(true);
	test_idle_close();
	test_lost();
	test_segments();
	test_usual();
	test_cookie();
	test_ends();
	test_flush();
	return tap_done();
}
