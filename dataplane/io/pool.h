/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_POOL_H
#define PV_IO_POOL_H

/*
 * Packet buffers of a worker. Frames may outlive the engine that made them (the other end of a ring
 * wire holds some): a pool whose buffers are not all back is set aside and freed later. Control
 * plane, any thread.
 */

#include <stdint.h>

struct rte_mempool;

/* n buffers with room for a frame of `frame` bytes. NULL: rte_errno says why. */
struct rte_mempool *pv_pool_new(uint32_t n, uint16_t frame);
void pv_pool_free(struct rte_mempool *pool); /* NULL is allowed */
/* Frees what was set aside and is complete now. Returns how many pools still wait. */
uint32_t pv_pool_sweep(void);

#endif
