/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_HANDOVER_H
#define PV_IO_HANDOVER_H

/*
 * Worker-to-worker rings: one a worker, from which it alone takes and into which all others put.
 * What an entry is says its mbuf's `port`: the engine's port it came in on (PV_PORT_LOOPBACK,
 * PV_PORT_MESSAGE), or that it is to be sent (PV_HANDOVER_SEND). The receiver is woken at the end
 * of the giver's turn.
 */

#include <stdbool.h>
#include <stdint.h>

struct pv_ctx;
struct pv_handover;
struct rte_mbuf;

#define PV_HANDOVER_KIND 0xff00
#define PV_HANDOVER_SEND 0x4000 /* the low bits are the port */

/* For n workers; NULL: no memory. */
struct pv_handover *pv_handover_new(uint16_t n);
void pv_handover_free(struct pv_handover *handover); /* frees what is still in the rings */

/* True: taken over. False: full. Any worker. */
bool pv_handover_put(
		struct pv_handover *handover, uint8_t to, uint16_t port, struct rte_mbuf *frame);
uint32_t pv_handover_take(
		struct pv_handover *handover, uint8_t worker, struct rte_mbuf **frames, uint32_t n);
bool pv_handover_waiting(const struct pv_handover *handover, uint8_t worker);

#endif
