/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#define RING_FRAMES 2048
#define DESCRIPTORS 512

struct pv_ring_wire {
	uint16_t queues;
	struct rte_ring *to_worker[PV_MAX_WORKERS], *to_far[PV_MAX_WORKERS];
};

/* Names are unique in the process, whatever engines come and go. */
static _Atomic uint32_t serial;

static struct rte_ring *
new_ring(uint32_t wire, const char *direction, uint16_t queue)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "pv%u%s%u", wire, direction, queue);
	return rte_ring_create(name, RING_FRAMES, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static int
new_port(uint32_t wire, const char *end, struct rte_ring **rx, struct rte_ring **tx,
		uint16_t queues)
{
	char name[RTE_ETH_NAME_MAX_LEN];

	snprintf(name, sizeof(name), "pv%u%s", wire, end);
	return rte_eth_from_rings(name, rx, queues, tx, queues, 0);
}

static int
start_port(uint16_t ethdev, uint16_t queues, struct rte_mempool *const *pools)
{
	struct rte_eth_conf conf = { 0 };
	int rc = rte_eth_dev_configure(ethdev, queues, queues, &conf);

	for (uint16_t q = 0; q < queues && rc == 0; q++) {
		rc = rte_eth_rx_queue_setup(ethdev, q, DESCRIPTORS, 0, NULL, pools[q]);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(ethdev, q, DESCRIPTORS, 0, NULL);
	}
	return rc == 0 ? rte_eth_dev_start(ethdev) : rc;
}

static void
stop_port(uint16_t ethdev)
{
	if (ethdev == PV_NO_ETHDEV)
		return;
	rte_eth_dev_stop(ethdev);
	rte_eth_dev_close(ethdev);
}

static void
free_rings(struct rte_ring **rings, uint16_t n)
{
	for (uint16_t q = 0; q < n; q++) {
		struct rte_mbuf *m;

		while (rings[q] != NULL && rte_ring_dequeue(rings[q], (void **)&m) == 0)
			rte_pktmbuf_free(m);
		rte_ring_free(rings[q]);
	}
}

static int
open_ends(struct pv_port *port, uint32_t wire, struct rte_mempool *const *pools)
{
	struct pv_ring_wire *ring = port->ring;
	int near, far, rc;

	for (uint16_t q = 0; q < ring->queues; q++) {
		ring->to_worker[q] = new_ring(wire, "in", q);
		ring->to_far[q] = new_ring(wire, "out", q);
		if (ring->to_worker[q] == NULL || ring->to_far[q] == NULL)
			return -rte_errno;
	}
	near = new_port(wire, "near", ring->to_worker, ring->to_far, ring->queues);
	if (near < 0)
		return -rte_errno;
	port->ethdev = (uint16_t)near;
	far = new_port(wire, "far", ring->to_far, ring->to_worker, ring->queues);
	if (far < 0)
		return -rte_errno;
	port->far = (uint16_t)far;
	rc = start_port(port->ethdev, ring->queues, pools);
	return rc == 0 ? start_port(port->far, ring->queues, pools) : rc;
}

int
pv_ring_open(struct pv_port *port, uint16_t queues, struct rte_mempool *const *pools, char *err,
		size_t err_cap)
{
	uint32_t wire = atomic_fetch_add_explicit(&serial, 1, memory_order_relaxed);
	int rc;

	port->ring = calloc(1, sizeof(*port->ring));
	if (port->ring == NULL)
		return -ENOMEM;
	port->ring->queues = queues;
	port->n_rx = port->n_tx = queues;
	rc = open_ends(port, wire, pools);
	if (rc != 0) {
		snprintf(err, err_cap,
				"port %u: the ring wire cannot be made (%s): give the provider "
				"more memory",
				port->index, rte_strerror(-rc));
		pv_ring_close(port);
		return rc;
	}
	port->started = 1;
	return 0;
}

void
pv_ring_close(struct pv_port *port)
{
	struct pv_ring_wire *ring = port->ring;

	if (ring == NULL)
		return;
	stop_port(port->far);
	stop_port(port->ethdev);
	port->far = port->ethdev = PV_NO_ETHDEV;
	free_rings(ring->to_worker, ring->queues);
	free_rings(ring->to_far, ring->queues);
	free(ring);
	port->ring = NULL;
}
