/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_RING_H
#define PV_IO_RING_H

/*
 * The in-memory wire: two net_ring ports in this process joined by a pair of rings for each queue.
 * The near end is the worker's; the far end (port->far) is for a traffic generator. Packet buffers
 * pass by pointer.
 */

#include <stddef.h>
#include <stdint.h>

#include "io/port.h"

int pv_ring_open(struct pv_port *port, uint16_t queues, struct rte_mempool *const *pools, char *err,
		size_t err_cap);
void pv_ring_close(struct pv_port *port);

#endif
