/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#define RING_FRAMES 2048
#define DESCRIPTORS 512

struct pv_ring_wire {
	struct pv_ring_wire *next; /* of those that have a name */
	char name[32];             /* empty: both ends are one port's */
	uint32_t serial;           /* names of rings and ports are unique in the process */
	uint16_t queues;
	bool taken[2];
	struct rte_ring *to[2][PV_MAX_WORKERS]; /* frames for end 0, for end 1 */
};

/* Ports come and go one at a time. */
static struct pv_ring_wire *named;
static uint32_t serial;

static struct rte_ring *
new_ring(const struct pv_ring_wire *wire, unsigned int end, uint16_t queue)
{
	char name[RTE_RING_NAMESIZE];

	snprintf(name, sizeof(name), "pv%uto%uq%u", wire->serial, end, queue);
	return rte_ring_create(name, RING_FRAMES, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static void
free_wire(struct pv_ring_wire *wire)
{
	struct pv_ring_wire **link = &named;

	for (unsigned int i = 0; i < 2U * PV_MAX_WORKERS; i++) {
		struct rte_ring *ring = wire->to[i / PV_MAX_WORKERS][i % PV_MAX_WORKERS];
		struct rte_mbuf *m;

		while (ring != NULL && rte_ring_dequeue(ring, (void **)&m) == 0)
			rte_pktmbuf_free(m);
		rte_ring_free(ring);
	}
	while (*link != NULL && *link != wire)
		link = &(*link)->next;
	if (*link != NULL)
		*link = wire->next;
	free(wire);
}

/* NULL: rte_errno says why. */
static struct pv_ring_wire *
new_wire(const char *name, uint16_t queues)
{
	struct pv_ring_wire *wire = calloc(1, sizeof(*wire));

	if (wire == NULL) {
		rte_errno = ENOMEM;
		return NULL;
	}
	wire->serial = serial++;
	wire->queues = queues;
	snprintf(wire->name, sizeof(wire->name), "%s", name);
	for (unsigned int i = 0; i < 2U * queues; i++) {
		struct rte_ring *ring = new_ring(wire, i % 2, (uint16_t)(i / 2));

		if (ring == NULL) {
			free_wire(wire);
			return NULL;
		}
		wire->to[i % 2][i / 2] = ring;
	}
	if (name[0] != '\0') {
		wire->next = named;
		named = wire;
	}
	return wire;
}

static struct pv_ring_wire *
find_wire(const char *name)
{
	struct pv_ring_wire *wire = named;

	while (wire != NULL && strcmp(wire->name, name) != 0)
		wire = wire->next;
	return wire;
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

/* One end becomes a device. */
static int
open_end(struct pv_ring_wire *wire, unsigned int end, struct rte_mempool *const *pools,
		uint16_t *ethdev)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	int port;

	snprintf(name, sizeof(name), "pv%uend%u", wire->serial, end);
	port = rte_eth_from_rings(
			name, wire->to[end], wire->queues, wire->to[1 - end], wire->queues, 0);
	if (port < 0)
		return rte_errno != 0 ? -rte_errno : -ENOMEM;
	wire->taken[end] = true;
	*ethdev = (uint16_t)port;
	return start_port(*ethdev, wire->queues, pools);
}

static void
stop_port(uint16_t ethdev)
{
	if (ethdev == PV_NO_ETHDEV)
		return;
	rte_eth_dev_stop(ethdev);
	rte_eth_dev_close(ethdev);
}

static int
open_both(struct pv_port *port, uint16_t queues, struct rte_mempool *const *pools)
{
	int rc;

	port->ring = new_wire("", queues);
	if (port->ring == NULL)
		return -rte_errno;
	port->ring_end = 0;
	rc = open_end(port->ring, 0, pools, &port->ethdev);
	return rc == 0 ? open_end(port->ring, 1, pools, &port->far) : rc;
}

/* The first one makes the wire, the second one takes its other end. */
static int
open_named(struct pv_port *port, const char *name, uint16_t queues,
		struct rte_mempool *const *pools)
{
	struct pv_ring_wire *wire = find_wire(name);
	uint8_t end;

	if (wire == NULL)
		wire = new_wire(name, queues);
	if (wire == NULL)
		return -rte_errno;
	if (wire->taken[0] && wire->taken[1])
		return -EBUSY;
	if (wire->queues != queues)
		return -EDOM;
	end = wire->taken[0] ? 1 : 0;
	port->ring = wire;
	port->ring_end = end;
	return open_end(wire, end, pools, &port->ethdev);
}

static const char *
cure(int rc)
{
	switch (rc) {
	case -EBUSY:
		return "two ports have this name already: choose another one";
	case -EDOM:
		return "the engines at both ends need the same number of workers";
	default:
		return "give the provider more memory";
	}
}

int
pv_ring_open(struct pv_port *port, const char *device, uint16_t queues,
		struct rte_mempool *const *pools, char *err, size_t err_cap)
{
	const char *name = strchr(device, ':');
	int rc;

	rc = name == NULL ? open_both(port, queues, pools) :
			    open_named(port, name + 1, queues, pools);
	port->n_rx = port->n_tx = queues;
	if (rc != 0) {
		snprintf(err, err_cap, "port %u: no wire \"%s\" (%s): %s", port->index, device,
				rte_strerror(-rc), cure(rc));
		pv_ring_close(port);
		return rc;
	}
	port->started = 1;
	port->crowded = RING_FRAMES / 4 * 3;
	return 0;
}

uint32_t
pv_ring_waiting(const struct pv_port *port, uint16_t queue)
{
	return rte_ring_count(port->ring->to[port->ring_end][queue]);
}

void
pv_ring_close(struct pv_port *port)
{
	struct pv_ring_wire *wire = port->ring;

	if (wire == NULL)
		return;
	stop_port(port->far);
	stop_port(port->ethdev);
	if (port->far != PV_NO_ETHDEV)
		wire->taken[1] = false;
	wire->taken[port->ring_end] = false;
	port->far = port->ethdev = PV_NO_ETHDEV;
	port->ring = NULL;
	if (!wire->taken[0] && !wire->taken[1])
		free_wire(wire);
}
