/* SPDX-License-Identifier: BSD-3-Clause */
/* SYN cookies: when they are given, what comes back from them, and that nothing else is taken for
 * one. */
#include <string.h>

#include "base/rng.h"
#include "harness.h"
#include "tap.h"
#include "tcp/conn.h"
#include "tcp/established.h"
#include "tcp/state.h"

static struct harness h;
static struct pv_request requests[PV_BURST];
static uint64_t listener;

static void
start(enum pv_syn_cookies mode, uint32_t half_open_max)
{
	struct pv_listen_params params = harness_params(80);
	static struct pv_config config;

	harness_config(&config);
	config.half_open_max = half_open_max;
	harness_start(&h, &config);
	params.syn_cookies = (uint8_t)mode;
	listener = harness_listen(&h, &params);
}

static uint64_t
counter(enum pv_counter which)
{
	return harness_counter(&h, which);
}

static bool
is_reset(const struct segment *in)
{
	struct segment out;

	return harness_exchange(&h, in, &out) && out.flags == PV_TCP_RST && out.seq == in->ack;
}

static void
test_handshake(bool v6, bool timestamps)
{
	struct segment syn = client_syn(1, 4000, 80, 7), syn_ack, ack;
	struct pv_pcb *pcb;

	start(PV_SYN_COOKIES_ALWAYS, 16);
	h.ctx.tcp_config.ecn = 1;
	syn.v6 = v6;
	syn.flags |= PV_TCP_ECE | PV_TCP_CWR;
	syn.opts.wscale = 9;
	if (!timestamps)
		syn.opts.present &= (uint8_t)~PV_TCP_OPT_TS;
	CHECK(harness_exchange(&h, &syn, &syn_ack) && (syn_ack.flags & PV_TCP_SYN) != 0,
			"a SYN is answered");
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 0, "without a record");
	CHECK_EQ(counter(PV_C_TCP_SYN_COOKIE), 1, "and counted");
	harness_advance(&h, 100000000);
	ack = client_ack(&syn, &syn_ack);
	harness_inject(&h, &ack, 1);
	CHECK_EQ(counter(PV_C_TCP_ACK_COOKIE), 1, "the ACK is taken");
	CHECK_EQ(harness_accept(&h, listener, requests, 2), 1, "and is a request");
	CHECK((requests[0].flags & PV_REQUEST_COOKIE) != 0, "known to come by a cookie");
	pcb = pv_pcb_of(&h.ctx, requests[0].handle);
	pv_pmtu_settle(&h.ctx, pcb);
	CHECK(pcb->iss == syn_ack.seq && pcb->irs == syn.seq, "both ISSs are right");
	CHECK_EQ(pcb->snd_wscale, timestamps ? 9 : 7, "the window scale is kept, or rounded down");
	CHECK_EQ(pcb->snd_mss, (v6 ? 1440 : 1460) - (timestamps ? 12 : 0), "the MSS is kept");
	CHECK((pcb->flags & PV_PCB_SACK) != 0, "SACK is kept");
	CHECK_EQ((pcb->flags & PV_PCB_TIMESTAMPS) != 0, timestamps, "timestamps are");
	CHECK_EQ((pcb->flags & PV_PCB_ECN) != 0, timestamps, "ECN is, beside timestamps");
	harness_stop(&h);
}

/* A good ACK is good for two epochs; everything near it is not. */
static void
test_validity(void)
{
	struct segment syn = client_syn(1, 4000, 80, 7), syn_ack, ack, bad;
	uint64_t unknown;

	start(PV_SYN_COOKIES_ALWAYS, 16);
	harness_exchange(&h, &syn, &syn_ack);
	ack = client_ack(&syn, &syn_ack);
	bad = ack;
	bad.seq++;
	CHECK(is_reset(&bad), "another sequence number is no cookie");
	bad = ack;
	bad.ack += 1 << 12;
	CHECK(is_reset(&bad), "nor another acknowledgment");
	CHECK_EQ(counter(PV_C_TCP_ACK_COOKIE_BAD), 2, "both are counted");
	bad = ack;
	bad.client_port++;
	CHECK(is_reset(&bad), "nor one from another port");
	harness_advance(&h, 60000000000);
	harness_drain(&h);
	harness_inject(&h, &ack, 1);
	CHECK_EQ(counter(PV_C_TCP_ACK_COOKIE), 1, "an epoch later it is still good");
	harness_accept(&h, listener, requests, 1);
	pv_conn_destroy(&h.ctx, pv_pcb_of(&h.ctx, requests[0].handle), 0, false);
	harness_advance(&h, 120000000000);
	unknown = counter(PV_C_TCP_NO_CONNECTION);
	CHECK(is_reset(&ack), "three epochs later it is not");
	CHECK_EQ(counter(PV_C_TCP_NO_CONNECTION), unknown + 1, "it is not even looked at");
	harness_stop(&h);
}

/* Where no SYN was answered with a cookie, no ACK is one: not even a good one. */
static void
test_stamps(void)
{
	struct segment syn = client_syn(1, 4000, 80, 7), syn_ack, ack;
	struct pv_listener *mine;
	uint32_t *stamp, epoch;

	start(PV_SYN_COOKIES_ALWAYS, 16);
	harness_exchange(&h, &syn, &syn_ack);
	ack = client_ack(&syn, &syn_ack);
	mine = pv_listener_by_handle(&h.ctx.tcp->listeners, listener);
	epoch = mine->stamp;
	mine->stamp = 0;
	CHECK(is_reset(&ack) && counter(PV_C_TCP_ACK_COOKIE) == 0,
			"a listener that gave no cookie takes none");
	mine->stamp = epoch;
	stamp = &h.ctx.tcp->flows.bucket[0].stamp[0];
	for (uint32_t b = 0; b < h.ctx.tcp->flows.buckets; b++) {
		for (uint32_t i = 0; i < PV_FLOW_STAMPS; i++) {
			if (h.ctx.tcp->flows.bucket[b].stamp[i] != 0)
				stamp = &h.ctx.tcp->flows.bucket[b].stamp[i];
		}
	}
	CHECK(*stamp != 0, "the SYN left a stamp");
	*stamp = 0;
	CHECK(is_reset(&ack) && counter(PV_C_TCP_ACK_COOKIE) == 0,
			"where no cookie was given none is taken");
	*stamp = epoch;
	harness_inject(&h, &ack, 1);
	CHECK_EQ(counter(PV_C_TCP_ACK_COOKIE), 1, "with both it is taken");
	harness_stop(&h);
}

/* Every segment of finished connections again, in auto mode without pressure: nothing is taken. */
static void
test_replay(void)
{
	static struct segment log[192];
	struct segment out;
	uint32_t n = 0;
	uint64_t before;

	start(PV_SYN_COOKIES_AUTO, 64);
	for (uint32_t i = 0; i < 48; i++) {
		struct segment syn = client_syn(i, 4000, 80, i), syn_ack;

		harness_exchange(&h, &syn, &syn_ack);
		log[n++] = client_ack(&syn, &syn_ack);
		harness_inject(&h, &log[n - 1], 1);
		log[n] = log[n - 1];
		log[n++].data_len = 20;
		harness_inject(&h, &log[n - 1], 1);
		log[n] = log[n - 1];
		log[n].data_len = 0;
		log[n].seq += 20;
		log[n++].flags = PV_TCP_RST | PV_TCP_ACK;
		harness_inject(&h, &log[n - 1], 1);
		harness_accept(&h, listener, requests, 1);
	}
	CHECK_EQ(counter(PV_C_TCP_ACK_ACCEPTED), 48, "48 connections come and go");
	CHECK_EQ(h.ctx.tcp->live, 0, "none is left");
	before = counter(PV_C_TCP_ESTABLISHED);
	for (uint32_t i = 0; i < n; i++) {
		harness_drain(&h);
		harness_inject(&h, &log[i], 1);
		while (harness_take(&h, &out))
			n += (out.flags & PV_TCP_SYN) != 0 ? 1000 : 0;
	}
	CHECK_EQ(counter(PV_C_TCP_ESTABLISHED), before, "their segments again open nothing");
	CHECK_EQ(harness_accept(&h, listener, requests, 1), 0, "and nobody hears of them");
	CHECK_EQ(n, 144, "nor is any answered by a SYN");
	harness_stop(&h);
}

/* What overtakes the ACK, and what comes when our RST was lost. */
static void
test_corners(void)
{
	struct segment syn = client_syn(1, 4000, 80, 7), syn_ack, first, later;

	start(PV_SYN_COOKIES_ALWAYS, 16);
	harness_exchange(&h, &syn, &syn_ack);
	first = client_ack(&syn, &syn_ack);
	first.data_len = 20;
	later = first;
	later.seq += 20;
	CHECK(is_reset(&later), "data that overtakes the first data brings no cookie");
	harness_inject(&h, &first, 1);
	CHECK_EQ(counter(PV_C_TCP_ACK_COOKIE), 1, "data that overtakes the ACK does");
	CHECK_EQ(harness_accept(&h, listener, requests, 2), 1, "and is a request");
	CHECK_EQ(pv_pcb_of(&h.ctx, requests[0].handle)->rcv_nxt, first.seq + 20,
			"whose data is there");
	harness_drain(&h);
	pv_tcp_close(&h.ctx, requests[0].handle, PV_CLOSE_ABORT);
	harness_drain(&h);
	CHECK(is_reset(&first), "behind a RST that was lost the same is reset");
	first.data_len = 0;
	CHECK(is_reset(&first) && h.ctx.tcp->live == 0, "nor does the ACK open anything");
	for (uint32_t i = 1; i < PV_ENDED; i *= 2)
		pv_ended_note(h.ctx.tcp, pv_flow_hash(&h.ctx, &(struct pv_tuple){ 0 }) + i, i);
	CHECK(is_reset(&first), "with others ended since");
	harness_stop(&h);
}

static bool
syn_from(uint32_t client, struct segment *out)
{
	struct segment syn = client_syn(client, 4000, 80, client);

	return harness_exchange(&h, &syn, out);
}

static void
test_auto(void)
{
	struct segment out;
	uint32_t answered = 0;

	start(PV_SYN_COOKIES_AUTO, 64);
	for (uint32_t i = 0; i < 200; i++)
		answered += syn_from(i, &out);
	CHECK_EQ(answered, 200, "two hundred SYNs are answered with 64 records");
	CHECK_EQ(counter(PV_C_TCP_SYN_ACCEPTED), 48, "three quarters of the records are used");
	CHECK_EQ(counter(PV_C_TCP_SYN_COOKIE), 152, "the others get cookies");
	CHECK_EQ(counter(PV_C_COOKIE_ON), 1, "the listener went over once");
	for (uint32_t i = 150; i < 160; i++) {
		struct segment syn = client_syn(i, 4000, 80, i), syn_ack, ack;

		harness_exchange(&h, &syn, &syn_ack);
		ack = client_ack(&syn, &syn_ack);
		harness_inject(&h, &ack, 1);
	}
	CHECK_EQ(counter(PV_C_TCP_ACK_COOKIE), 10, "and they are good");
	harness_advance(&h, 70000000000);
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 0, "the records expire");
	syn_from(1000, &out);
	syn_from(1001, &out);
	CHECK_EQ(counter(PV_C_COOKIE_OFF), 1, "then the listener comes back, once");
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 2, "and keeps records again");
	harness_stop(&h);
}

static void
test_never(enum pv_overflow overflow)
{
	struct pv_listen_params params = harness_params(81);
	struct segment out;
	uint32_t answered = 0;

	start(PV_SYN_COOKIES_NEVER, 16);
	params.syn_cookies = PV_SYN_COOKIES_NEVER;
	params.half_open_overflow = (uint8_t)overflow;
	listener = harness_listen(&h, &params);
	for (uint32_t i = 0; i < 20; i++) {
		struct segment syn = client_syn(i << 8, 4000, 81, i);

		answered += harness_exchange(&h, &syn, &out) && (out.flags & PV_TCP_SYN) != 0;
	}
	CHECK_EQ(answered, 16, "without cookies the table is the limit");
	CHECK_EQ(counter(PV_C_TCP_SYN_DROPPED_FULL), overflow == PV_OVERFLOW_DROP ? 4 : 0,
			"beyond it SYNs are dropped");
	CHECK_EQ(counter(PV_C_TCP_SYN_RESET_FULL), overflow == PV_OVERFLOW_RESET ? 4 : 0,
			"or reset, as the listener says");
	harness_stop(&h);
}

/* A flood of SYNs, ACKs and RSTs: every packet has one outcome, memory is bounded, a client gets
 * through. */
static void
test_flood(void)
{
	static struct segment burst[PV_BURST];
	uint64_t syns = 0, packets = 0, outcomes = 0, ends;
	struct segment syn_ack, ack, syn;
	struct pv_rng rng;

	start(PV_SYN_COOKIES_AUTO, 64);
	pv_rng_seed(&rng, 3);
	for (uint32_t round = 0; round < 300; round++) {
		for (uint32_t i = 0; i < PV_BURST; i++) {
			uint64_t r = pv_rng_u64(&rng);

			burst[i] = client_syn((uint32_t)r & 0xffff, (uint16_t)(r >> 16 | 1), 80,
					(uint32_t)(r >> 32));
			if (r >> 60 > 10) {
				burst[i].flags = r >> 60 > 13 ? PV_TCP_RST : PV_TCP_ACK;
				burst[i].ack = (uint32_t)pv_rng_u64(&rng);
				burst[i].opts.present = PV_TCP_OPT_TS;
			}
			syns += burst[i].flags == PV_TCP_SYN;
		}
		packets += PV_BURST;
		harness_inject(&h, burst, PV_BURST);
		harness_drain(&h);
	}
	ends = counter(PV_C_TCP_SYN_ACCEPTED) + counter(PV_C_TCP_SYN_COOKIE) +
	       counter(PV_C_TCP_SYN_DUPLICATE) + counter(PV_C_TCP_HALF_OPEN_CHALLENGED);
	for (uint32_t i = 0; i < PV_C_COUNT; i++)
		outcomes += pv_counters_kind((enum pv_counter)i) == 0 ? h.ctx.counters.value[i] : 0;
	CHECK_EQ(outcomes, packets, "every packet of a flood has one outcome");
	CHECK(ends <= syns && syns - ends < 3, "every SYN has an answer or a reason");
	CHECK_EQ(counter(PV_C_TCP_ACK_COOKIE), 0, "no random ACK is a cookie");
	syn = client_syn(0x20000, 4000, 80, 5);
	CHECK(harness_exchange(&h, &syn, &syn_ack), "a client in the midst of it is answered");
	ack = client_ack(&syn, &syn_ack);
	harness_inject(&h, &ack, 1);
	CHECK_EQ(harness_accept(&h, listener, requests, 1), 1, "and connects");
	harness_stop(&h);
}

int
main(void)
{
	test_handshake(false, true);
	test_handshake(true, true);
	test_handshake(false, false);
	test_validity();
	test_stamps();
	test_replay();
	test_corners();
	test_auto();
	test_never(PV_OVERFLOW_DROP);
	test_never(PV_OVERFLOW_RESET);
	test_flood();
	return tap_done();
}
