/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_GENERATOR_H
#define PV_WORKER_GENERATOR_H

/*
 * The client side of an accept benchmark: correct handshakes (SYN with the options that Linux
 * sends, ACK of the SYN-ACK, then nothing, RST or FIN) of millions of clients, open or closed loop,
 * beside a spoofed flood. Runs by turns at the far end of a wire in memory, on a thread of its own
 * or on the server's thread between the server's turns (single core), or on a device, on the thread
 * of the worker that opened it. Not thread safe; statistics may be read at any time by anyone.
 *
 * A client is a number n that counts up; address, port and ISS follow from it, so that the only
 * state is one record for a handshake in flight and one for a connection kept alive, both in rings.
 */

#include <stdint.h>

#include "api/pv_bench.h"

struct rte_mempool;
struct pv_generator;
struct pv_generator_wire; /* worker/generator_wire.h */

/* NULL: no memory. */
struct pv_generator *pv_generator_new(const struct pv_generator_params *params,
		const struct pv_generator_wire *wire, struct rte_mempool *mbufs);
void pv_generator_free(struct pv_generator *generator);
/* One turn at TSC time `tsc`: takes a burst of answers, acknowledges, closes, opens. Returns frames
 * received and sent. */
uint32_t pv_generator_turn(struct pv_generator *generator, uint64_t tsc);
/* No new connections from now on; answers are still given, and what is kept alive is closed as the
 * parameters say. */
void pv_generator_quiet(struct pv_generator *generator);
void pv_generator_stats(const struct pv_generator *generator, struct pv_generator_stats *out);
const uint64_t *pv_generator_latency(
		const struct pv_generator *generator); /* PV_LATENCY_BUCKETS counts */

#endif
