/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BENCH_H
#define PV_BENCH_H

/*
 * The traffic generator, the client side of an accept benchmark, and what else benchmarks measure
 * with: the fourth part of the border to the control plane (pv_api.h, whose rules apply).
 */

#include "api/pv_api.h"

enum pv_generator_close {
	PV_GENERATOR_CLOSE_NONE = 0,
	PV_GENERATOR_CLOSE_RST = 1,
	PV_GENERATOR_CLOSE_FIN = 2,
	PV_GENERATOR_CLOSE_SERVER = 3, /* the server does; a new one is opened for each that went */
};
enum pv_generator_flood {
	PV_GENERATOR_FLOOD_SYN = 0,
	PV_GENERATOR_FLOOD_ACK = 1,
	PV_GENERATOR_FLOOD_RST = 2
};

/* Clients are 198.18.0.0/15 (RFC 2544) or 2001:2::/64 (RFC 5180), a flood comes from 100.64.0.0/10
 * or 2001:2:0:f::/64. */
struct pv_generator_params {
	struct pv_addr server;
	uint64_t rate;  /* SYNs of legitimate clients a second, open loop; 0: closed loop */
	uint32_t flows; /* connections kept alive; then the oldest is closed for each new one (close
			   none: no more are opened) */
	uint32_t window;     /* closed loop: handshakes in flight */
	uint32_t flood;      /* flood segments for each legitimate SYN, in sixteenths */
	uint32_t timeout_ms; /* a SYN unanswered for so long is lost */
	uint32_t seed;
	uint16_t server_port;
	uint16_t burst; /* new connections a turn at most, 1..64 */
	uint8_t server_mac[6];
	uint8_t close;      /* enum pv_generator_close */
	uint8_t flood_kind; /* enum pv_generator_flood */
	uint8_t one_queue;  /* all frames to the first worker, whoever owns them */
	uint8_t pad[7];
};

struct pv_generator_stats {
	uint64_t syns;       /* of legitimate clients */
	uint64_t handshakes; /* SYN-ACKs answered with the ACK */
	uint64_t closes;     /* connections closed by us */
	uint64_t refused;    /* SYNs answered with RST */
	uint64_t lost;       /* SYNs not answered in time, or due when the wire was full */
	uint64_t resets;     /* connections ended by the server */
	uint64_t repeated;   /* SYN-ACKs that came again */
	uint64_t bad;        /* answers with wrong numbers, flags or checksums */
	uint64_t flood_sent, flood_answers;
	uint64_t tx_full;          /* frames the wire had no room for */
	uint64_t alive, in_flight; /* now */
	uint64_t cycles;           /* TSC cycles spent in turns that did something */
	uint64_t resolved;         /* 1: the server's MAC is known, or its gateway's */
};

/* Server-side cost of a worker, in TSC cycles; the guest of its thread is not in it. */
struct pv_worker_load {
	uint64_t turns, busy_turns;
	uint64_t cycles, busy_cycles;
};

/*
 * Runs a generator at the far end of a ring port, on a thread pinned to `cpu`, or, with cpu -1, on
 * the thread of worker 0 in turns with it; params->server_mac may be zero then. Or on the only
 * device of an engine with one worker, with cpu -1: all that comes is the generator's, but for what
 * is no answer to its clients, and the server's MAC is found out as for any connection. One at a
 * time an engine.
 */
int pv_generator_start(struct pv_engine *engine, uint16_t port,
		const struct pv_generator_params *params, int cpu, char *err, size_t err_cap);
/* No new connections; answers are still given, and what is kept alive is closed as params->close
 * says. */
int pv_generator_pause(struct pv_engine *engine);
int pv_generator_read(struct pv_engine *engine, struct pv_generator_stats *stats,
		uint64_t *latency); /* latency: PV_LATENCY_BUCKETS, or NULL */
int pv_generator_stop(struct pv_engine *engine);
int pv_worker_read(struct pv_engine *engine, int worker, struct pv_worker_load *out);
uint64_t pv_tsc_hz(void);
uint64_t pv_tsc(void);
/* TSC cycles for a cache line to go from one CPU to the other and back: the median of many. Needs
 * both CPUs for a few milliseconds. */
int pv_cache_line_bounce(int cpu_a, int cpu_b, uint64_t *cycles);
/* A bare loop on `cpu` for ns nanoseconds: the gaps between its turns, as the generator's latencies
 * are counted. */
int pv_spin_gaps(int cpu, uint64_t ns, uint64_t *latency);

/* SYN to SYN-ACK, log-linear: bucket b counts TSC cycles in [pv_latency_floor(b),
 * pv_latency_floor(b + 1)). */
#define PV_LATENCY_BUCKETS 1024
uint64_t pv_latency_floor(uint32_t bucket);

#endif
