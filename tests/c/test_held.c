/* SPDX-License-Identifier: BSD-3-Clause */
/* Held requests under a flood: who was held before is answered, who is real gets in, and no more
 * memory is used than was set aside. */
#include <string.h>
#include <sys/resource.h>

#include "api/pv_condition.h"
#include "harness.h"
#include "tap.h"
#include "tcp/state.h"

enum {
	HELD = 100000,
	FLOOD = 1000000,
	BACKLOG = 150000, /* crowded from three quarters on */
	PORT = 80,
	FLOOD_CLIENT = 200000,
	REAL_CLIENT = 7,
};

static struct harness h;
static uint64_t listener;

static void
start(void)
{
	struct pv_listen_params params = harness_params(PORT);
	static struct pv_config config;

	harness_config(&config);
	config.max_connections = 1 << 19;
	config.half_open_max = 1 << 18;
	config.backlog_max = 1 << 18;
	harness_start(&h, &config);
	params.conditional = 1;
	params.backlog = BACKLOG;
	listener = harness_listen(&h, &params);
}

static uint64_t
counter(enum pv_counter which)
{
	return harness_counter(&h, which);
}

/* n SYNs, each of a client of its own. */
static void
knock(uint32_t first, uint32_t n)
{
	static struct segment burst[PV_BURST];

	for (uint32_t i = 0; i < n;) {
		uint32_t k = 0;

		for (; k < PV_BURST && i < n; k++, i++)
			burst[k] = client_syn(first + i, 4000, PORT, first + i);
		harness_inject(&h, burst, k);
		harness_drain(&h);
	}
}

static uint64_t
memory_kb(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)usage.ru_maxrss;
}

/* An unknown source proves itself by the RST that it answers the question with. */
static void
test_real_client(void)
{
	struct segment syn = client_syn(REAL_CLIENT, 5000, PORT, 77), question, rst;
	uint64_t held = counter(PV_C_TCP_SYN_HELD);

	harness_drain(&h);
	harness_inject(&h, &syn, 1);
	CHECK(harness_take(&h, &question) && question.flags == (PV_TCP_SYN | PV_TCP_ACK),
			"an unknown source is asked");
	CHECK(question.ack != syn.seq + 1, "by a number that it cannot accept");
	rst = syn;
	rst.flags = PV_TCP_RST;
	rst.seq = question.ack + 1;
	rst.opts.present = 0;
	harness_inject(&h, &rst, 1);
	harness_inject(&h, &syn, 1);
	CHECK_EQ(counter(PV_C_TCP_SYN_HELD), held, "a wrong answer proves nothing");
	rst.seq = question.ack;
	harness_inject(&h, &rst, 1);
	CHECK_EQ(counter(PV_C_TCP_SOURCE_PROVEN), 1, "the right one does");
	harness_inject(&h, &syn, 1);
	CHECK_EQ(counter(PV_C_TCP_SYN_HELD), held + 1, "and its next SYN has a place");
}

/* Takes all that waits and accepts whom the test held first; how many got their SYN-ACK. */
static uint32_t
accept_held(void)
{
	static struct pv_request requests[PV_BURST];
	uint32_t answered = 0, n;

	while ((n = harness_accept(&h, listener, requests, PV_BURST)) > 0) {
		for (uint32_t i = 0; i < n; i++) {
			const struct pv_command accept = { .kind = PV_CMD_DECIDE,
				.handle = requests[i].handle,
				.a = PV_VERDICT_ACCEPT };
			struct segment out;

			if (requests[i].peer_port != 4000 || answered == HELD)
				continue;
			harness_drain(&h);
			if (pv_tcp_decide(&h.ctx, &accept) == 0 && harness_take(&h, &out) &&
					out.flags == (PV_TCP_SYN | PV_TCP_ACK) &&
					out.ack == 1000 + answered + 1)
				answered++;
		}
	}
	return answered;
}

static void
test_flood(void)
{
	uint64_t before, after;

	start();
	knock(1000, HELD);
	CHECK_EQ(counter(PV_C_TCP_SYN_HELD), HELD, "a hundred thousand SYNs are held");
	CHECK_EQ(counter(PV_C_TCP_SYN_ACK_SENT), 0, "none is answered");
	knock(1000, 1000);
	CHECK_EQ(counter(PV_C_TCP_SYN_HELD_AGAIN), 1000, "who comes again is known");
	before = memory_kb();
	knock(FLOOD_CLIENT, FLOOD);
	after = memory_kb();
	CHECK_EQ(counter(PV_C_TCP_SYN_HELD), BACKLOG * 3 / 4,
			"of a million more as many as come before it is crowded");
	CHECK_EQ(counter(PV_C_TCP_SYN_SOURCE_ASKED), FLOOD - (BACKLOG * 3 / 4 - HELD),
			"all others are asked, and nothing is kept of them");
	printf("# memory: %u MiB at 100,000 held, %u MiB more after the flood\n",
			(unsigned int)(before / 1024), (unsigned int)((after - before) / 1024));
	CHECK(after - before < 64 * 1024, "memory is bounded");
	test_real_client();
	CHECK_EQ(accept_held(), HELD, "all who were held before are answered, in their order");
	harness_drain(&h);
	pv_tcp_reset(&h.ctx);
	CHECK_EQ(h.ctx.tcp->held.live, 0, "a reset forgets the rest");
	CHECK_EQ(h.ctx.tcp->held.pool.used, 0, "with all that was kept");
	harness_stop(&h);
}

/* Whoever sends its SYN once and never again is taken as gone. */
static void
test_silence(void)
{
	struct pv_request request;

	start();
	knock(1000, 1);
	harness_advance(&h, UINT64_C(3) * 1000000000);
	knock(1000, 1);
	harness_advance(&h, UINT64_C(12) * 1000000000);
	CHECK_EQ(counter(PV_C_HELD_GONE), 0, "one lost SYN is not the end");
	harness_advance(&h, UINT64_C(8) * 1000000000);
	CHECK_EQ(counter(PV_C_HELD_GONE), 1, "several are");
	CHECK_EQ(h.ctx.tcp->held.pool.used, 0, "and nothing is kept");
	CHECK_EQ(harness_accept(&h, listener, &request, 1), 1, "whoever takes it is told");
	harness_stop(&h);
}

int
main(void)
{
	test_silence();
	test_flood();
	return tap_done();
}
