/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_STEP_H
#define PV_IO_STEP_H

/*
 * A port without a device: frames are put in as bytes and taken out as bytes, in order. What was
 * sent waits outside the packet pool, so that a test that never looks at it starves nobody. One
 * thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/port.h"

/* Payload of a segment that is cut here as a device would, where the configuration asks for it. */
#define PV_STEP_TSO 32000

int pv_step_open(struct pv_port *port, struct rte_mempool *pool, char *err, size_t err_cap);
void pv_step_close(struct pv_port *port);
void pv_step_clear(struct pv_port *port);         /* forgets what waits on both sides */
bool pv_step_waiting(const struct pv_port *port); /* were frames put in that nobody took yet? */
/* -EMSGSIZE: longer than any frame; -ENOBUFS: no memory, or a million frames wait. */
int pv_step_inject(struct pv_port *port, const void *data, size_t len);
/* Frames that are sent go to `sent` too; keep: pv_step_collect has them as well. NULL: no more. */
typedef void (*pv_step_sent_fn)(void *arg, const uint8_t *data, uint32_t len, uint64_t now);
void pv_step_join(struct pv_port *port, pv_step_sent_fn sent, void *arg, bool keep);
/* Length of the oldest frame sent, which is removed; 0: none; -ENOSPC: cap too small, the frame
 * stays. */
int pv_step_collect(struct pv_port *port, void *buf, size_t cap, uint64_t *when_ns);
uint16_t pv_step_receive(struct pv_port *port, struct rte_mbuf **frames, uint16_t n);
uint16_t pv_step_send(struct pv_port *port, struct rte_mbuf **frames, uint16_t n, uint64_t now);

#endif
