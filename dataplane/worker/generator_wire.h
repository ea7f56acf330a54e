/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_GENERATOR_WIRE_H
#define PV_WORKER_GENERATOR_WIRE_H

/*
 * The generator's end of a wire. In memory it has one queue pair for each worker of the server:
 * frames go to the queue of the worker that owns their connection, as a network card with
 * receive-side scaling would put them, or all to the first queue, as a device without it. On a
 * device it has the first queue, and a host whose port it is: what is no answer to a client goes
 * to the host's layers, which answer for its own addresses and find out who is next. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

struct pv_addr;
struct pv_ctx;
struct pv_worker;
struct rte_mbuf;

struct pv_generator_wire {
	const struct pv_ctx *ctx; /* of any worker: who owns what */
	struct pv_worker *host;   /* on a device: whose thread this is; else NULL */
	uint16_t port;            /* a started ethdev that is the generator's alone */
	uint16_t index;           /* on a device: the host's number for it */
	uint16_t queues;
	uint16_t next;           /* queue to look at first */
	bool one_queue, patient; /* patient: only with one queue */
	uint8_t mac[6];          /* the generator's */
};

/* Frames of one queue, up to n. */
uint32_t pv_generator_wire_take(
		struct pv_generator_wire *wire, struct rte_mbuf **frames, uint32_t n);
/* Returns how many found no room: they were freed, or, with `patient`, lie at the front of the
 * array.
 */
uint32_t pv_generator_wire_send(
		struct pv_generator_wire *wire, struct rte_mbuf **frames, uint32_t n);

/* In memory: who asks for any address but the server's gets our MAC, all clients live here. The
 * request becomes the answer; false: it was none. */
bool pv_generator_wire_arp(const struct pv_generator_wire *wire, const struct pv_addr *server,
		struct rte_mbuf *frame);

#endif
