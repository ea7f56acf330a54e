/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_PORT_H
#define PV_IO_PORT_H

/*
 * Where frames come from and go to: an ethdev of any kind, a ring wire made here, or the two lists
 * of step mode.
 *
 * Opened and closed by the thread that starts and stops the engine, while no worker runs; receive
 * and send belong to the worker of the queue.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/types.h"
#include "ip/ip.h"

struct rte_mbuf;
struct rte_mempool;

enum pv_port_kind { PV_PORT_STEP, PV_PORT_RING, PV_PORT_DEVICE };

#define PV_NO_ETHDEV 0xffff

struct pv_port {
	uint16_t index;
	uint8_t kind; /* enum pv_port_kind */
	uint8_t started;
	uint16_t ethdev; /* DPDK's number; PV_NO_ETHDEV in step mode */
	uint16_t far;    /* ring: the other end's number */
	uint16_t n_rx, n_tx;
	uint8_t ring_end; /* ring: which end is ours */
	uint8_t coalesce; /* received segments are put together here: the device doesn't */
	uint16_t crowded; /* frames that wait in a receive queue nearly full; 0: nobody can tell */
	struct pv_port_facts facts;
	struct pv_step_port *step; /* io/step.h */
	struct pv_ring_wire *ring; /* io/ring.h */
	struct pv_device *device;  /* io/device.h */
};

/* Opens port `index` of the configuration with a queue pair a worker as far as the device has them;
 * pools[w] feeds the queue of worker w. 0, or -errno with one line in err. */
int pv_port_open(struct pv_port *port, uint16_t index, const struct pv_config *config,
		struct rte_mempool *const *pools, char *err, size_t err_cap);
void pv_port_close(struct pv_port *port);
uint16_t pv_port_receive(
		struct pv_port *port, uint16_t queue, struct rte_mbuf **frames, uint16_t n);
/* Is this receive queue nearly full? */
bool pv_port_crowded(const struct pv_port *port, uint16_t queue);
/* Returns how many of the frames the port took; the rest are still the caller's. now: for step
 * mode. */
uint16_t pv_port_send(struct pv_port *port, uint16_t queue, struct rte_mbuf **frames, uint16_t n,
		uint64_t now);
/* The MAC address of a port that is configured none and has none: locally administered, by index.
 */
void pv_port_default_mac(uint16_t index, uint8_t mac[6]);

#endif
