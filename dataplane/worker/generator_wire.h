/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_GENERATOR_WIRE_H
#define PV_WORKER_GENERATOR_WIRE_H

/*
 * The generator's end of a wire: one queue pair for each worker of the server. Frames go to the
 * queue of the worker that owns their connection, as a network card with receive-side scaling would
 * put them, or all to the first queue, as a device without it. One thread.
 */

#include <stdbool.h>
#include <stdint.h>

struct pv_ctx;
struct rte_mbuf;

struct pv_generator_wire {
	const struct pv_ctx *ctx; /* of any worker: who owns what */
	uint16_t port;            /* a started ethdev that is the generator's alone */
	uint16_t queues;
	uint16_t next; /* queue to look at first */
	bool one_queue;
};

/* Frames of one queue, up to n. */
uint32_t pv_generator_wire_take(
		struct pv_generator_wire *wire, struct rte_mbuf **frames, uint32_t n);
/* Returns how many found no room and were freed. */
uint32_t pv_generator_wire_send(
		struct pv_generator_wire *wire, struct rte_mbuf **frames, uint32_t n);

#endif
