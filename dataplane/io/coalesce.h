/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_COALESCE_H
#define PV_IO_COALESCE_H

/*
 * What a device with large receive offload does to a burst, in software (rte_gro): segments of one
 * IPv4 connection that follow each other, in the burst and in their numbers, become one chain of
 * buffers. They differ in nothing but number, length and checksum: a mark (ECN), another
 * acknowledgment, window or option, PSH or FIN end a run, and a bad checksum keeps a segment out of
 * any, so that TCP sees what it would have seen. The chain is marked as a device marks it:
 * RTE_MBUF_F_RX_LRO, tso_segsz, checksums good. A burst without two frames of data costs a look at
 * their lengths. Any thread.
 */

#include <stdint.h>

struct rte_mbuf;

/* Returns how many frames are left, in their order. */
uint32_t pv_coalesce(struct rte_mbuf **frames, uint32_t n);

#endif
