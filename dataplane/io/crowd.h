/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_CROWD_H
#define PV_IO_CROWD_H

/*
 * More comes than a worker can take. What then overflows a receive queue is anything: the ACKs of
 * handshakes whose SYNs were answered for nothing, the data of connections. So the last quarter of
 * a queue is kept for those who are there already: while it is filled that far, SYNs go unread.
 * That costs a tenth of an answer, so that the queue falls, and as many are served as without the
 * rest. Owned by the worker of the queue.
 */

#include <stdint.h>

struct rte_mbuf;

/* Takes the SYNs out of a burst but for the first few, which keep new connections possible where it
 * is the others who are too many. Returns how many frames are left, in their order. */
uint32_t pv_crowd_thin(struct rte_mbuf **frames, uint32_t n);

#endif
