/* SPDX-License-Identifier: BSD-3-Clause */
/* Listeners: which one a SYN reaches, full backlogs, pauses, closing; and many connections at once.
 */
#include <errno.h>
#include <string.h>

#include "bridge/slot.h"
#include "harness.h"
#include "tap.h"
#include "tcp/conn.h"
#include "tcp/state.h"

static struct harness h;
static struct pv_request requests[PV_BURST];

static void
start(uint32_t half_open_max)
{
	static struct pv_config config;

	harness_config(&config);
	config.half_open_max = half_open_max;
	harness_start(&h, &config);
}

static uint64_t
counter(enum pv_counter which)
{
	return harness_counter(&h, which);
}

/* What a SYN to this port gets: its SYN-ACK's flags, a RST's, or 0. */
static uint8_t
knock(uint32_t client, uint16_t port, bool v6)
{
	struct segment syn = client_syn(client, 4000, port, 1), out;

	syn.v6 = v6;
	return harness_exchange(&h, &syn, &out) ? out.flags : 0;
}

static bool
connect_by(uint32_t client, uint16_t port, bool v6)
{
	struct segment syn = client_syn(client, 4000, port, 1), syn_ack, ack;

	syn.v6 = v6;
	if (!harness_exchange(&h, &syn, &syn_ack) || syn_ack.flags != (PV_TCP_SYN | PV_TCP_ACK))
		return false;
	ack = client_ack(&syn, &syn_ack);
	harness_inject(&h, &ack, 1);
	return true;
}

static bool
connect(uint32_t client, uint16_t port)
{
	return connect_by(client, port, false);
}

static bool
connect6(uint32_t client, uint16_t port)
{
	return connect_by(client, port, true);
}

enum { ACCEPTED = PV_TCP_SYN | PV_TCP_ACK, REFUSED = PV_TCP_RST | PV_TCP_ACK };

static int
try_listen(struct pv_listen_params *params, uint64_t *handle)
{
	struct pv_listener_shared *shared = pv_listener_open(h.ctx.bridge, params, handle);

	return pv_tcp_listen(&h.ctx, shared);
}

static void
test_choice(void)
{
	struct pv_listen_params any = harness_params(80), ours = harness_params(80);
	struct pv_listen_params only4 = harness_params(81), only6 = harness_params(82);
	uint64_t any_handle, our_handle, other;

	start(64);
	ours.local = h.config.port[0].address[0].addr;
	only4.family = 4;
	only6.family = 6;
	any_handle = harness_listen(&h, &any);
	our_handle = harness_listen(&h, &ours);
	harness_listen(&h, &only4);
	harness_listen(&h, &only6);
	connect(1, 80);
	CHECK_EQ(harness_accept(&h, our_handle, requests, 1), 1, "the address decides before any");
	CHECK_EQ(harness_accept(&h, any_handle, requests, 1), 0, "which gets nothing");
	CHECK(connect6(2, 80) && harness_accept(&h, any_handle, requests, 1) == 1,
			"one for both families takes IPv6 too");
	CHECK_EQ(knock(3, 81, true), REFUSED, "one for IPv4 does not");
	CHECK_EQ(knock(3, 81, false), ACCEPTED, "but IPv4");
	CHECK_EQ(knock(3, 82, false), REFUSED, "one for IPv6 does not take IPv4");
	CHECK_EQ(knock(3, 82, true), ACCEPTED, "but IPv6");
	CHECK(try_listen(&any, &other) == -EADDRINUSE, "a second listener is in the way");
	CHECK_EQ(pv_tcp_listener_close(&h.ctx, our_handle), 0, "the specific one closes");
	connect(4, 80);
	CHECK_EQ(harness_accept(&h, any_handle, requests, 1), 1, "and any gets the rest");
	CHECK_EQ(pv_tcp_listener_close(&h.ctx, our_handle), -ENOENT, "it closes once");
	harness_stop(&h);
}

static void
test_reuse(void)
{
	struct pv_listen_params params = harness_params(80);
	uint64_t first, second;

	start(64);
	params.reuse = 1;
	first = harness_listen(&h, &params);
	second = harness_listen(&h, &params);
	connect(1, 80);
	CHECK_EQ(harness_accept(&h, first, requests, 1), 1, "of two equal ones the first gets all");
	pv_tcp_listener_close(&h.ctx, first);
	connect(2, 80);
	CHECK_EQ(harness_accept(&h, second, requests, 1), 1, "and the second what comes after it");
	harness_stop(&h);
}

static void
test_pause_and_close(void)
{
	struct pv_listen_params params = harness_params(80), paused = params;
	struct segment syn = client_syn(9, 4000, 80, 1), syn_ack, ack, out;
	uint64_t listener;

	start(64);
	listener = harness_listen(&h, &params);
	harness_exchange(&h, &syn, &syn_ack);
	paused.paused = 1;
	CHECK_EQ(pv_tcp_listener_update(&h.ctx, listener, &paused), 0, "a listener is paused");
	CHECK_EQ(knock(1, 80, false), REFUSED, "and resets SYNs");
	CHECK_EQ(counter(PV_C_TCP_SYN_RESET_PAUSED), 1, "which is counted");
	pv_tcp_listener_update(&h.ctx, listener, &params);
	CHECK_EQ(knock(1, 80, false), ACCEPTED, "and goes on");
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 2, "two are half-open");
	pv_tcp_listener_close(&h.ctx, listener);
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 0, "none when it has closed");
	CHECK_EQ(h.ctx.tcp->flows.used, 0, "nor in the flow table");
	ack = client_ack(&syn, &syn_ack);
	CHECK(harness_exchange(&h, &ack, &out) && out.flags == PV_TCP_RST, "a late ACK is reset");
	harness_advance(&h, 100000000000);
	CHECK(!harness_take(&h, &out), "and no SYN-ACK is sent again");
	harness_stop(&h);
}

static void
test_backlog(enum pv_overflow overflow)
{
	struct pv_listen_params params = harness_params(80);
	struct segment syn[3], syn_ack[3], out;
	uint64_t listener;

	start(64);
	params.backlog = 2;
	params.backlog_overflow = (uint8_t)overflow;
	listener = harness_listen(&h, &params);
	for (uint32_t i = 0; i < 3; i++) {
		syn[i] = client_syn(i + 1, 4000, 80, 1);
		harness_exchange(&h, &syn[i], &syn_ack[i]);
	}
	for (uint32_t i = 0; i < 3; i++)
		syn[i] = client_ack(&syn[i], &syn_ack[i]);
	harness_drain(&h);
	harness_inject(&h, syn, 3);
	CHECK(harness_take(&h, &out) && (out.flags & PV_TCP_RST) != 0 && out.client == 3 &&
					out.seq == syn[2].ack && !harness_take(&h, &out),
			"of three ACKs for two places the last is reset");
	CHECK_EQ(counter(PV_C_TCP_ACK_ACCEPTED), 2, "two are accepted");
	CHECK_EQ(counter(PV_C_TCP_ACK_BACKLOG), 1, "one is counted as too many");
	CHECK_EQ(h.ctx.tcp->live, 2, "two connections are left");
	CHECK_EQ(knock(7, 80, false), overflow == PV_OVERFLOW_RESET ? REFUSED : 0,
			"a SYN gets what the listener says");
	CHECK_EQ(counter(PV_C_TCP_SYN_RESET_BACKLOG) + counter(PV_C_TCP_SYN_DROPPED_BACKLOG), 1,
			"and is counted");
	CHECK_EQ(harness_accept(&h, listener, requests, 8), 2, "both are there to be taken");
	CHECK_EQ(knock(7, 80, false), ACCEPTED, "and then there is room again");
	harness_stop(&h);
}

/* An ACK that comes when the backlog has filled up meanwhile, alone in its burst. */
static void
test_late_ack(void)
{
	struct pv_listen_params params = harness_params(80);
	struct segment syn = client_syn(1, 4000, 80, 1), syn_ack, ack, out;

	start(64);
	params.backlog = 1;
	harness_listen(&h, &params);
	harness_exchange(&h, &syn, &syn_ack);
	connect(2, 80);
	ack = client_ack(&syn, &syn_ack);
	CHECK(harness_exchange(&h, &ack, &out) && out.flags == PV_TCP_RST && out.seq == ack.ack,
			"an ACK that finds the backlog full is reset");
	CHECK_EQ(counter(PV_C_TCP_ACK_BACKLOG), 1, "and counted");
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 0, "its record is gone");
	harness_stop(&h);
}

/* No control block left. */
static void
test_memory(void)
{
	struct pv_listen_params params = harness_params(80);
	static struct segment syn[8], syn_ack[8];
	static struct pv_config config;
	uint32_t n = 0;

	harness_config(&config);
	config.max_connections = 4;
	harness_start(&h, &config);
	harness_listen(&h, &params);
	for (uint32_t i = 0; i < 8; i++) {
		syn[i] = client_syn(i, 4000, 80, i);
		n += harness_exchange(&h, &syn[i], &syn_ack[i]) &&
		     (syn_ack[i].flags & PV_TCP_SYN) != 0;
	}
	CHECK_EQ(n, 8, "eight SYNs are answered while there is room");
	for (uint32_t i = 0; i < 8; i++) {
		struct segment ack = client_ack(&syn[i], &syn_ack[i]);

		harness_inject(&h, &ack, 1);
	}
	CHECK(counter(PV_C_TCP_ACK_ACCEPTED) <= 4 &&
					counter(PV_C_TCP_ACK_ACCEPTED) +
									counter(PV_C_TCP_ACK_MEMORY) ==
							8,
			"what has no control block is counted and reset");
	harness_stop(&h);
}

/* A hundred connections, one after the other, where sixteen fit at a time. */
static void
test_reused_slots(void)
{
	struct pv_listen_params params = harness_params(80);
	static struct pv_config config;
	uint64_t listener;
	uint32_t n = 0;

	harness_config(&config);
	config.max_connections = 16;
	harness_start(&h, &config);
	listener = harness_listen(&h, &params);
	for (uint32_t i = 0; i < 100; i++) {
		connect(i, 80);
		if (harness_accept(&h, listener, requests, 1) != 1)
			break;
		n++;
		pv_conn_destroy(&h.ctx, pv_pcb_of(&h.ctx, requests[0].handle), 0, false);
		pv_slot_release(&h.ctx, pv_handle_index(requests[0].handle), PV_SLOT_CONTROL);
	}
	CHECK_EQ(n, 100, "slots are used again");
	harness_stop(&h);
}

/* Hundreds of handshakes, interleaved in full bursts; the same segments in any order of arrival
 * within a burst. */
static void
test_many(uint32_t listeners)
{
	static struct segment syn[PV_BURST], ack[PV_BURST], out;
	uint32_t done = 0, wrong = 0;
	uint64_t handle[4];

	start(256);
	for (uint32_t i = 0; i < listeners; i++) {
		struct pv_listen_params params = harness_params((uint16_t)(80 + i));

		handle[i] = harness_listen(&h, &params);
	}
	for (uint32_t round = 0; round < 10; round++) {
		for (uint32_t i = 0; i < PV_BURST; i++) {
			syn[i] = client_syn(round * PV_BURST + i, (uint16_t)(4000 + i),
					(uint16_t)(80 + i % listeners), i);
			syn[i].v6 = i % 5 == 0;
		}
		harness_drain(&h);
		harness_inject(&h, syn, PV_BURST);
		for (uint32_t i = 0; i < PV_BURST; i++) {
			wrong += !harness_take(&h, &out) || out.client != syn[i].client;
			ack[(i * 37) % PV_BURST] = client_ack(&syn[i], &out);
		}
		harness_inject(&h, ack, PV_BURST);
		wrong += harness_take(&h, &out);
		for (uint32_t i = 0; i < listeners; i++) {
			uint32_t n = harness_accept(&h, handle[i], requests, PV_BURST);

			for (uint32_t k = 0; k < n; k++)
				wrong += requests[k].local_port != 80 + i;
			done += n;
		}
	}
	CHECK_EQ(done, 10 * PV_BURST, "every handshake of full bursts ends in its backlog");
	CHECK_EQ(wrong, 0, "each in its own, in order");
	CHECK_EQ(h.ctx.tcp->live, done, "with a control block each");
	CHECK_EQ(h.ctx.tcp->flows.used, done, "and a place in the flow table");
	pv_tcp_reset(&h.ctx);
	CHECK_EQ(h.ctx.tcp->live, 0, "a reset ends them all");
	CHECK(connect(1, 80), "and listeners are still there");
	harness_stop(&h);
}

/* SYN, ACK and data of one connection in the same burst. */
static void
test_one_burst(void)
{
	struct pv_listen_params params = harness_params(80);
	struct segment s[4], syn_ack, out;
	uint64_t listener;

	start(64);
	listener = harness_listen(&h, &params);
	s[0] = client_syn(1, 4000, 80, 1);
	harness_exchange(&h, &s[0], &syn_ack);
	/* The same SYN at the same time, counted as the first again: what the client will answer is
	 * known before. */
	pv_tcp_reset(&h.ctx);
	h.ctx.tcp->isn.records = 0;
	harness_drain(&h);
	s[1] = client_ack(&s[0], &syn_ack);
	s[2] = s[1];
	s[2].data_len = 10;
	s[3] = s[1];
	s[3].flags = PV_TCP_RST | PV_TCP_ACK;
	s[3].seq += 10;
	harness_inject(&h, s, 4);
	CHECK_EQ(counter(PV_C_TCP_ACK_ACCEPTED), 1, "SYN and ACK in one burst make a connection");
	CHECK_EQ(counter(PV_C_TCP_IN_ORDER), 1, "data behind them arrives");
	CHECK_EQ(counter(PV_C_TCP_RST), 1, "and a RST behind that ends it");
	CHECK_EQ(harness_accept(&h, listener, requests, 4), 1,
			"the request was queued all the same");
	CHECK_EQ(h.ctx.tcp->live, 0, "nothing lives on");
	while (harness_take(&h, &out))
		;
	harness_stop(&h);
}

int
main(void)
{
	test_choice();
	test_reuse();
	test_pause_and_close();
	test_backlog(PV_OVERFLOW_RESET);
	test_backlog(PV_OVERFLOW_DROP);
	test_late_ack();
	test_memory();
	test_reused_slots();
	test_many(1);
	test_many(4);
	test_one_burst();
	return tap_done();
}
