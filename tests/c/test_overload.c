/* SPDX-License-Identifier: BSD-3-Clause */
/* What happens to SYNs when there are too many: each has one outcome, and those who are there
 * already are served. */
#include <rte_mbuf.h>

#include "harness.h"
#include "tap.h"
#include "tcp/state.h"

static struct harness h;
static uint64_t listener;

static uint64_t
counter(enum pv_counter which)
{
	return harness_counter(&h, which);
}

static void
start(const struct pv_config *config, const struct pv_listen_params *params)
{
	harness_start(&h, config);
	listener = harness_listen(&h, params);
}

/* From one network a client each time, or each client from a network of its own. */
static struct segment
syn_of(uint32_t i, bool one_network)
{
	return client_syn(one_network ? 0x4200 | (i & 0xff) : (i & 0x1ff) << 8 | 1,
			(uint16_t)(1024 + i), 80, 1000 * i);
}

static void
flood(uint32_t first, uint32_t n, bool one_network)
{
	for (uint32_t i = 0; i < n; i++) {
		struct segment syn = syn_of(first + i, one_network);

		harness_inject(&h, &syn, 1);
		harness_drain(&h);
	}
}

/* One whole handshake. True: it ended in the backlog. */
static bool
connect_one(uint32_t i)
{
	struct segment syn = syn_of(i, false), syn_ack, ack;
	uint64_t before = counter(PV_C_TCP_REQUESTS);

	harness_drain(&h);
	harness_inject(&h, &syn, 1);
	if (!harness_take(&h, &syn_ack) || syn_ack.flags != (PV_TCP_SYN | PV_TCP_ACK))
		return false;
	ack = client_ack(&syn, &syn_ack);
	harness_inject(&h, &ack, 1);
	return counter(PV_C_TCP_REQUESTS) == before + 1;
}

static const enum pv_counter reasons[] = { PV_C_TCP_SYN_ACCEPTED, PV_C_TCP_SYN_COOKIE,
	PV_C_TCP_SYN_DUPLICATE, PV_C_TCP_SYN_DROPPED_FULL, PV_C_TCP_SYN_RESET_FULL,
	PV_C_TCP_SYN_DROPPED_BACKLOG, PV_C_TCP_SYN_RESET_BACKLOG, PV_C_TCP_SYN_DROPPED_MEMORY };

/* SYNs in = SYN-ACKs + each named reason. */
static void
check_sums(uint64_t syns)
{
	uint64_t sum = 0, answered;

	for (uint32_t i = 0; i < PV_COUNT_OF(reasons); i++)
		sum += counter(reasons[i]);
	answered = counter(PV_C_TCP_SYN_ACCEPTED) + counter(PV_C_TCP_SYN_COOKIE) +
		   counter(PV_C_TCP_SYN_DUPLICATE) + counter(PV_C_TCP_SYN_ACK_RETRANSMITTED);
	CHECK_EQ(sum, syns, "each SYN has one outcome");
	CHECK_EQ(counter(PV_C_TCP_SYN_ACK_SENT), answered, "and as many SYN-ACKs as were due");
	CHECK_EQ(counter(PV_C_NEVER), 0, "nothing impossible happened");
}

static void
test_sums(enum pv_syn_cookies mode, uint8_t overflow)
{
	struct pv_listen_params params = harness_params(80);
	static struct pv_config config;

	harness_config(&config);
	config.half_open_max = 64;
	params.syn_cookies = (uint8_t)mode;
	params.half_open_overflow = overflow;
	params.backlog_overflow = overflow;
	params.backlog = 8;
	start(&config, &params);
	flood(0, 300, false);
	flood(0, 20, false); /* again */
	flood(1000, 300, true);
	for (uint32_t i = 0; i < 8; i++)
		connect_one(2000 + i);
	flood(3000, 50, false);
	check_sums(300 + 20 + 300 + 8 + 50);
	if (mode == PV_SYN_COOKIES_NEVER)
		CHECK(counter(PV_C_TCP_SYN_DROPPED_FULL) + counter(PV_C_TCP_SYN_RESET_FULL) > 0,
				"a full table without cookies refuses");
	else
		CHECK(counter(PV_C_TCP_SYN_DROPPED_BACKLOG) + counter(PV_C_TCP_SYN_RESET_BACKLOG) >=
						50,
				"with cookies, the full backlog does");
	harness_advance(&h, 120000000000);
	check_sums(300 + 20 + 300 + 8 + 50);
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 0, "the table is empty in the end");
	harness_stop(&h);
}

/* Goes over under pressure, and comes back by itself. */
static void
test_both_ways(void)
{
	struct pv_listen_params params = harness_params(80);
	static struct pv_config config;

	harness_config(&config);
	config.half_open_max = 64;
	start(&config, &params);
	flood(0, 200, false);
	CHECK_EQ(counter(PV_C_COOKIE_ON), 1, "over");
	CHECK(connect_one(5000), "a legitimate client gets in meanwhile");
	harness_advance(&h, 120000000000);
	CHECK(connect_one(5001), "and afterwards");
	CHECK_EQ(counter(PV_C_COOKIE_OFF), 1, "back");
	CHECK(counter(PV_C_TCP_ACK_COOKIE) == 1 && counter(PV_C_TCP_ACK_ACCEPTED) == 1,
			"with a cookie first, with a record then");
	harness_stop(&h);
}

/* Without cookies, one network may take the table while nobody else wants it, and no longer. */
static void
test_fairness(void)
{
	struct pv_listen_params params = harness_params(80);
	static struct pv_config config;

	harness_config(&config);
	config.half_open_max = 128;
	params.syn_cookies = PV_SYN_COOKIES_NEVER;
	start(&config, &params);
	flood(0, 2000, true);
	CHECK_EQ(h.ctx.tcp->half_open.pool.in_use, 128, "it gets what nobody needs");
	CHECK_EQ(counter(PV_C_TCP_SYN_DROPPED_FULL), 2000 - 128, "the others are counted");
	CHECK_EQ(counter(PV_C_TCP_HALF_OPEN_DISPLACED), 0, "it makes no room for itself");
	CHECK(connect_one(7000), "others get in");
	CHECK_EQ(counter(PV_C_TCP_HALF_OPEN_DISPLACED), 1, "in its place");
	flood(4000, 400, false);
	CHECK(counter(PV_C_TCP_HALF_OPEN_DISPLACED) >= 128 - 8, "down to its share");
	harness_advance(&h, 120000000000);
	for (uint32_t i = 0; i < PV_SHED_SOURCES; i++)
		if (h.ctx.tcp->shed.source[i] != 0)
			CHECK(false, "a network that has gone has nothing left");
	harness_stop(&h);
}

/* The last control blocks are not for new connections. */
static void
test_reserve(void)
{
	struct pv_listen_params params = harness_params(80);
	static struct pv_config config;
	uint32_t got = 0;

	harness_config(&config);
	config.max_connections = 1024;
	config.backlog_max = 2048;
	params.backlog = 2048;
	start(&config, &params);
	for (uint32_t i = 0; i < 1200; i++)
		got += connect_one(100 + i);
	CHECK_EQ(got, 1024 - 16, "all but the reserve");
	CHECK_EQ(counter(PV_C_TCP_SYN_DROPPED_MEMORY), 1200 - 1008, "later SYNs are shed");
	CHECK_EQ(counter(PV_C_TCP_ACK_MEMORY), 0, "before anything runs dry");
	check_sums(1200);
	harness_stop(&h);
}

/* Few packet buffers are left: new connections wait, connections that are there do not. */
static void
test_buffers(void)
{
	struct pv_listen_params params = harness_params(80);
	static struct rte_mbuf *held[1 << 16];
	struct segment syn = syn_of(1, false), syn_ack, ack;
	static struct pv_config config;
	uint64_t before;
	uint32_t n = 0;

	harness_config(&config);
	start(&config, &params);
	harness_inject(&h, &syn, 1);
	CHECK(harness_take(&h, &syn_ack), "a handshake is under way");
	ack = client_ack(&syn, &syn_ack);
	while (rte_mempool_avail_count(h.ctx.mbufs) >= h.ctx.tcp->shed.mbufs_kept)
		held[n++] = rte_pktmbuf_alloc(h.ctx.mbufs);
	for (uint32_t i = 0; i < 16; i++)
		connect_one(2 + i);
	CHECK(!connect_one(100), "no new one then, soon");
	CHECK(counter(PV_C_TCP_SYN_DROPPED_MEMORY) > 0, "for that reason");
	before = counter(PV_C_TCP_ACK_ACCEPTED);
	harness_inject(&h, &ack, 1);
	CHECK_EQ(counter(PV_C_TCP_ACK_ACCEPTED), before + 1, "the one under way ends well");
	rte_pktmbuf_free_bulk(held, n);
	CHECK(connect_one(200), "and then there is room again");
	harness_stop(&h);
}

int
main(void)
{
	test_sums(PV_SYN_COOKIES_AUTO, PV_OVERFLOW_DROP);
	test_sums(PV_SYN_COOKIES_AUTO, PV_OVERFLOW_RESET);
	test_sums(PV_SYN_COOKIES_NEVER, PV_OVERFLOW_DROP);
	test_sums(PV_SYN_COOKIES_NEVER, PV_OVERFLOW_RESET);
	test_sums(PV_SYN_COOKIES_ALWAYS, PV_OVERFLOW_RESET);
	test_both_ways();
	test_fairness();
	test_reserve();
	test_buffers();
	return tap_done();
}
