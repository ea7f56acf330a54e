/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_GENERATOR_PRIVATE_H
#define PV_WORKER_GENERATOR_PRIVATE_H

/* What the files of the generator know of each other. */

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>

#include "base/check.h"
#include "base/rng.h"
#include "worker/generator.h"
#include "worker/generator_frames.h"
#include "worker/generator_wire.h"
#include "worker/latency.h"

enum {
	PV_GENERATOR_BURST = 64,
	/* Bursts taken a turn: a server may send more than one frame for each of ours. What a wire
	 * has no room for is waited for, so that no more is ever staged than a turn makes of one
	 * burst. */
	PV_GENERATOR_BURSTS = 4,
	PV_GENERATOR_HOST_BITS = 17, /* of a client's number; the rest is its port */
	PV_GENERATOR_FIRST_PORT = 1024,
};

/* A handshake in flight. */
struct pv_generator_flight {
	uint64_t client; /* 1 + n; 0: free */
	uint64_t sent;   /* TSC */
};

/* A connection kept alive. */
struct pv_generator_alive {
	uint64_t client;
	uint32_t ack; /* what acknowledges the SYN-ACK */
	uint32_t tsecr;
};

struct pv_generator {
	struct pv_generator_params params;
	struct pv_frame syn, ack, flood;
	struct pv_rng rng;
	struct rte_mempool *mbufs;
	struct pv_generator_wire wire;
	bool quiet;
	uint64_t tsc, tsc_hz;
	uint64_t next, oldest; /* clients opened so far; the first that may still be in flight */
	uint64_t client_mask;  /* clients repeat after so many */
	uint64_t credit, credit_tsc; /* open loop: SYNs due, in units of 1/hz */
	uint64_t arrears;            /* so many at most */
	uint64_t flood_due;          /* sixteenths */
	struct pv_generator_flight *flight;
	uint64_t flight_mask;
	struct pv_generator_alive *alive;
	uint64_t alive_mask, alive_first, alive_end;
	struct rte_mbuf *tx[4 * PV_GENERATOR_BURST], *drop[PV_GENERATOR_BURST],
			*other[PV_GENERATOR_BURST];
	uint32_t n_tx, n_drop, n_other;
	struct pv_generator_stats stats;
	struct pv_latency latency;
};

static inline uint32_t
pv_generator_iss(const struct pv_generator *g, uint64_t client)
{
	uint64_t x = (client + g->params.seed) * 0x9e3779b97f4a7c15;

	return (uint32_t)(x ^ x >> 29);
}

static inline struct pv_frame_fields
pv_generator_fields(const struct pv_generator *g, uint64_t client)
{
	uint64_t name = client & g->client_mask;
	uint32_t host = (uint32_t)name & ((1u << PV_GENERATOR_HOST_BITS) - 1);

	return (struct pv_frame_fields){
		.host = pv_hton32(g->syn.is_v4 ? PV_CLIENTS4 | host : host),
		.port = (uint16_t)(PV_GENERATOR_FIRST_PORT + (name >> PV_GENERATOR_HOST_BITS)),
		.seq = pv_generator_iss(g, client),
		.tsval = (uint32_t)(g->tsc >> 21),
	};
}

/* Fills in a frame and stages it. */
static inline void
pv_generator_put(struct pv_generator *g, struct rte_mbuf *m, const struct pv_frame *frame,
		const struct pv_frame_fields *fields)
{
	pv_frame_fill(frame, rte_pktmbuf_mtod(m, uint8_t *), fields);
	m->data_len = frame->len;
	m->pkt_len = frame->len;
	m->ol_flags = 0;
	g->tx[g->n_tx++] = m;
}

/* Returns how many found no room; they stay staged where the wire is patient. */
uint32_t pv_generator_send_staged(struct pv_generator *g);
/* Takes a burst of answers, and stages what is to be said to them (generator_answers.c). Returns
 * how many frames came. */
uint32_t pv_generator_take(struct pv_generator *g);

#endif
