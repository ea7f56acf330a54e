/* SPDX-License-Identifier: BSD-3-Clause */
/* More comes than a worker can take: what is left out of a burst, and that it is nothing else. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "api/engine.h"
#include "engine_rig.h"
#include "io/crowd.h"
#include "tap.h"
#include "wire/byteorder.h"
#include "wire/eth.h"
#include "wire/ip4.h"

enum { FRAMES = 8192, BURST = 64, LET_IN = 4 };

static struct rte_mempool *pool;

static struct rte_mbuf *
frame_of(uint32_t i, uint8_t flags)
{
	struct client client = { .host = (uint8_t)(3 + i % 200),
		.port = (uint16_t)(1024 + i),
		.server_port = 80,
		.seq = i };
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	size_t len;

	if (m == NULL)
		exit(1);
	len = client_segment(&client, rte_pktmbuf_mtod(m, uint8_t *), flags, NULL, 0);
	m->data_len = (uint16_t)len;
	m->pkt_len = (uint32_t)len;
	return m;
}

/* Ways to change a SYN's frame so that it is one still, or none. */
enum change { NONE, TAGGED, V6, WITH_ACK, FRAGMENT, OPTIONS, UDP, SHORT, EXTENSION, CHANGES };
static const char *const what[] = { "a plain SYN is left out", "so is one with a tag",
	"so is one over IPv6", "a SYN-ACK is not", "nor a fragment",
	"nor what has IP options, which is for others to read", "nor UDP", "nor half a header",
	"nor what stands behind an IPv6 extension" };

static void
to_v6(struct rte_mbuf *m, uint8_t next)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	rte_pktmbuf_append(m, 20);
	memmove(p + 54, p + 34, m->data_len - 54u);
	pv_st16be(p + 12, PV_ETHERTYPE_IP6);
	p[14] = 0x60;
	p[20] = next;
}

static struct rte_mbuf *
changed(enum change change)
{
	struct rte_mbuf *m = frame_of(1, PV_TCP_SYN);
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	if (change == TAGGED) {
		rte_pktmbuf_prepend(m, 4);
		memmove(p - 4, p, 12);
		pv_st16be(p + 8, PV_ETHERTYPE_VLAN);
		pv_st16be(p + 10, 7);
	} else if (change == V6 || change == EXTENSION) {
		to_v6(m, change == V6 ? PV_PROTO_TCP : 60);
	} else if (change == WITH_ACK) {
		p[14 + 20 + 13] |= PV_TCP_ACK;
	} else if (change == FRAGMENT) {
		pv_st16be(p + 14 + 6, 5);
	} else if (change == OPTIONS) {
		p[14] = 0x46;
	} else if (change == UDP) {
		p[14 + 9] = 17;
	} else if (change == SHORT) {
		rte_pktmbuf_trim(m, (uint16_t)(m->data_len - 14 - 20 - 13));
	}
	return m;
}

static void
test_thin(void)
{
	struct rte_mbuf *frames[BURST];

	for (enum change c = NONE; c < CHANGES; c++) {
		bool out = c <= V6;
		uint32_t left;

		for (uint32_t i = 0; i < BURST; i++)
			frames[i] = changed(c);
		left = pv_crowd_thin(frames, BURST);
		CHECK_EQ(left, out ? LET_IN : BURST, what[c]);
		rte_pktmbuf_free_bulk(frames, left);
	}
	CHECK_EQ(rte_mempool_avail_count(pool), pool->size, "every buffer is back");
}

static void
send_all(uint16_t port, struct rte_mbuf **frames)
{
	for (uint32_t sent = 0, n; sent < FRAMES; sent += n) {
		n = rte_eth_tx_burst(port, 0, frames + sent, (uint16_t)RTE_MIN(FRAMES - sent, 64u));
		if (n == 0)
			sched_yield(); /* the worker may have this CPU */
	}
}

/* One frame in four is a RST. */
static void
test_live(void)
{
	static struct rte_mbuf *frames[FRAMES];
	static struct pv_config config;
	struct pv_engine *engine;
	uint64_t unread;

	engine_config(&config, 1);
	config.mbufs = 4095;
	engine = engine_start(&config);
	engine_listen(engine, 80, 5);
	for (uint32_t i = 0; i < FRAMES; i++)
		frames[i] = frame_of(i, i % 4 == 0 ? PV_TCP_RST : PV_TCP_SYN);
	send_all(engine->ports[0].far, frames);
	while (engine_count(engine, "RX_FRAMES") != FRAMES || !engine_accounts(engine))
		sched_yield();
	unread = engine_count(engine, "TCP_SYN_UNREAD");
	CHECK(unread > 0 && unread < FRAMES / 4 * 3, "some SYNs are not read, some are");
	CHECK_EQ(engine_count(engine, "TCP_NO_CONNECTION_RST") +
					engine_count(engine, "TCP_LISTEN_IGNORED"),
			FRAMES / 4, "all others are");
	engine_stop(engine);
}

int
main(void)
{
	engine_eal();
	pool = rte_pktmbuf_pool_create("crowd", FRAMES + 1, 0, 0, 512, 0);
	if (pool == NULL)
		return 1;
	test_thin();
	test_live();
	CHECK_EQ(rte_mempool_avail_count(pool), pool->size, "every buffer is back in the end");
	rte_mempool_free(pool);
	return tap_done();
}
