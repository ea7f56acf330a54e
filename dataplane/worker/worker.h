/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_WORKER_H
#define PV_WORKER_WORKER_H

/*
 * One worker: a poll loop that shares nothing with its like but the rings between them. Live it is
 * a thread of its own; in step mode whoever steps the engine runs its turns. Everything below `ctx`
 * is touched by that thread alone, but for what says otherwise.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/packet.h"
#include "bridge/bridge.h"
#include "io/port.h"
#include "tcp/tcp.h"
#include "worker/clock.h"

struct pv_generator;
struct pv_handover;
struct pv_services;

/* TSC cycles spent; written by the worker, read by anyone. */
struct pv_worker_cycles {
	uint64_t turns, busy_turns;
	uint64_t all, busy; /* of all turns, and of those that found something to do */
};

struct pv_worker {
	struct pv_ctx ctx;
	struct pv_port *ports; /* the engine's */
	const struct pv_clock *clock;
	struct pv_worker_cycles cycles;
	struct pv_handover *handover;  /* io/handover.h; NULL with one worker */
	uint64_t load_from, load_busy; /* TSC, busy cycles: where the load is counted from */
	uint32_t woken;                /* bit w: frames were given to worker w in this turn */
	uint16_t n_port;               /* that it polls */
	uint8_t step;
	bool stopping;       /* a stop command came: flush, then end */
	uint64_t stop_until; /* ns; by then at the latest */
	/* Somebody who shares this thread, in turns: a benchmark's generator. */
	struct pv_generator *guest;
	struct pv_services *services; /* worker/service.h */
	struct pv_packet packets[PV_BURST];
	/* live */
	pthread_t thread;
	int16_t lcore;
	uint64_t nap; /* ns: the last one */
	bool running;
	_Atomic bool ended;
};

/* What the workers of an engine have in common. */
struct pv_worker_plan {
	const struct pv_config *config;
	struct pv_bridge *bridge;
	struct pv_handover *handover;
	struct pv_port *ports; /* open */
	const struct pv_clock *clock;
	uint8_t secret[16];
};

/* Makes a worker with its ctx (ip, tcp, tx). NULL: no memory. */
struct pv_worker *pv_worker_new(
		const struct pv_worker_plan *plan, uint8_t number, struct rte_mempool *mbufs);
void pv_worker_free(struct pv_worker *worker);

/* One turn at ns time now: frames in, commands, timers, frames out, doorbells. Returns how much
 * there was to do. */
uint32_t pv_worker_turn(struct pv_worker *worker, uint64_t now);
/* Frames of all ports through ip/ to tcp/. worker/rx_path.c */
uint32_t pv_worker_receive(struct pv_worker *worker);
/* So many frames, no more than a burst, that came in by a port. */
void pv_worker_take(struct pv_worker *worker, uint16_t port, struct rte_mbuf **frames, uint32_t n);
/* Is there something to do at once: commands, frames of other workers or to ourselves? */
bool pv_worker_pending(const struct pv_worker *worker);
/* ns; UINT64_MAX: never. */
uint64_t pv_worker_deadline(struct pv_worker *worker, bool housekeeping);
/* What is in the command ring, up to some bursts. worker/commands.c */
uint32_t pv_worker_commands(struct pv_worker *worker);
/* Nobody turns the worker any more: whoever waits for an answer gets -ESHUTDOWN. */
void pv_worker_refuse(struct pv_worker *worker);
/* Stopping, and nothing left to flush, or the time for it is over: what is open is reset. True:
 * this was the last turn. */
bool pv_worker_ended(struct pv_worker *worker);

/* Live. worker/loop.c */
int pv_worker_start(struct pv_worker *worker);
void pv_worker_join(struct pv_worker *worker);
/* Sleeps until a packet, a command or the next deadline, or for a moment where the device can't
 * wake us. worker/sleep.c */
void pv_worker_sleep(struct pv_worker *worker);

#endif
