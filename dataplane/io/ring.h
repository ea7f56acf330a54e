/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_RING_H
#define PV_IO_RING_H

/*
 * The in-memory wire: two net_ring ports in this process joined by a pair of rings for each queue.
 * "ring": the near end is the port's, the far end (port->far) is for a traffic generator or an
 * emulated wire. "ring:NAME": the ends are two ports, of one engine or of two. Packet buffers pass
 * by pointer. Ports are opened and closed one at a time.
 */

#include <stddef.h>
#include <stdint.h>

#include "io/port.h"

int pv_ring_open(struct pv_port *port, const char *device, uint16_t queues,
		struct rte_mempool *const *pools, char *err, size_t err_cap);
void pv_ring_close(struct pv_port *port);
/* Frames that wait in a receive queue. */
uint32_t pv_ring_waiting(const struct pv_port *port, uint16_t queue);

#endif
