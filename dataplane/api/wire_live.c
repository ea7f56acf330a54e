/* SPDX-License-Identifier: BSD-3-Clause */
/* A wire between two ring ports: a thread at both far ends, on the real clock. */
#include <errno.h>
#include <sched.h>
#include <time.h>

#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "api/wire.h"
#include "base/thread.h"

#define BURST       32
#define NAP_NS      20000 /* with nothing to do */
#define IDLE_ROUNDS 200

static struct pv_port *
port_of(struct pv_wire_end *end)
{
	return end->engine == NULL ? NULL : &end->engine->ports[end->port];
}

static void
turn_over(struct rte_mbuf *m, uint32_t bit)
{
	if (bit / 8 < m->data_len)
		*rte_pktmbuf_mtod_offset(m, uint8_t *, bit / 8) ^= (uint8_t)(1 << bit % 8);
}

static void
fly(struct pv_wire_end *end, struct rte_mbuf *m, uint64_t when)
{
	if (m == NULL || !pv_wire_fly(&end->way, when, m)) {
		end->way.stats.lost++;
		rte_pktmbuf_free(m);
	}
}

/* The queue goes with the frame: the other end's worker of the same number gets it, so that a
 * connection's frames stay in order. */
static void
send_off(struct pv_wire_end *end, struct rte_mbuf *m, uint16_t queue, uint64_t now)
{
	struct pv_wire_fate fate = pv_wire_decide(&end->way, now, m->pkt_len);
	struct rte_mbuf *twin = NULL;

	m->port = queue;
	if (fate.copies == 0) {
		rte_pktmbuf_free(m);
		return;
	}
	if (fate.copies > 1) {
		twin = rte_pktmbuf_copy(m, m->pool, 0, UINT32_MAX);
		if (twin != NULL)
			twin->port = queue;
	}
	if (fate.corrupt != UINT32_MAX)
		turn_over(m, fate.corrupt);
	fly(end, m, fate.when[0]);
	if (fate.copies > 1)
		fly(end, twin, fate.when[1]);
}

static uint32_t
take(struct pv_wire_end *end, uint64_t now)
{
	struct pv_port *port = port_of(end);
	struct rte_mbuf *frames[BURST];
	uint32_t total = 0;

	for (uint16_t q = 0; port != NULL && q < port->n_tx; q++) {
		uint16_t n = rte_eth_rx_burst(port->far, q, frames, BURST);

		for (uint16_t i = 0; i < n; i++)
			send_off(end, frames[i], q, now);
		total += n;
	}
	return total;
}

/* A receiver that does not keep up loses frames, as on a real wire. */
static uint32_t
deliver(struct pv_wire_end *from, struct pv_wire_end *to, uint64_t now)
{
	struct pv_port *port = port_of(to);
	struct rte_mbuf *m;
	uint32_t total = 0;

	while ((m = pv_wire_land(&from->way, now)) != NULL) {
		uint16_t queue = m->port;

		total++;
		if (port == NULL || rte_eth_tx_burst(port->far, queue < port->n_rx ? queue : 0, &m,
						    1) != 1) {
			from->way.stats.queue_lost++;
			rte_pktmbuf_free(m);
		}
	}
	return total;
}

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static uint32_t
round_trip(struct pv_wire *wire)
{
	uint64_t now = now_ns();
	uint32_t work;

	pthread_mutex_lock(&wire->lock);
	work = take(&wire->end[0], now) + take(&wire->end[1], now);
	work += deliver(&wire->end[0], &wire->end[1], now);
	work += deliver(&wire->end[1], &wire->end[0], now);
	pthread_mutex_unlock(&wire->lock);
	return work;
}

static void *
run(void *arg)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	struct pv_wire *wire = arg;
	uint32_t idle = 0;

	rte_thread_register();
	while (!atomic_load_explicit(&wire->stop, memory_order_relaxed)) {
		idle = round_trip(wire) != 0 ? 0 : idle + 1;
		if (idle > IDLE_ROUNDS)
			nanosleep(&nap, NULL);
		else if (idle > 0)
			sched_yield();
	}
	rte_thread_unregister();
	return NULL;
}

int
pv_wire_live_start(struct pv_wire *wire)
{
	return pv_thread_start(&wire->thread, run, wire);
}

void
pv_wire_live_stop(struct pv_wire *wire)
{
	atomic_store_explicit(&wire->stop, true, memory_order_relaxed);
	pthread_join(wire->thread, NULL);
}
