/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_API_ENGINE_H
#define PV_API_ENGINE_H

/*
 * An engine: ports, workers, and the bridge between them and the control plane. Several may live at
 * a time. Made and ended by engine.c; the other files of api/ put commands through pv_engine_ask
 * and pv_engine_tell.
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "bridge/bridge.h"
#include "bridge/command.h"
#include "io/port.h"
#include "worker/clock.h"
#include "worker/worker.h"

struct pv_condition;
struct pv_handover;
struct pv_wire;
struct rte_mempool;

struct pv_engine {
	struct pv_config config;
	struct pv_clock clock;
	struct pv_bridge *bridge;
	struct pv_handover *handover; /* NULL with one worker */
	struct rte_mempool *mbufs[PV_MAX_WORKERS];
	struct pv_port ports[PV_MAX_PORTS];
	struct pv_worker *workers[PV_MAX_WORKERS];
	uint16_t n_open; /* ports open */
	_Atomic bool stopped;
	uint64_t step_now;                  /* step mode: ns */
	bool stepping;                      /* step mode: inside a turn */
	struct pv_bench *bench;             /* api/bench.c */
	struct pv_wire *wire[PV_MAX_PORTS]; /* api/wire.c */
	struct pv_condition **conditions;   /* api/condition.c */
};

/* 0, or why no call may be made: -EINVAL (NULL), -EOWNERDEAD (forked child), -ESHUTDOWN (stopped).
 */
int pv_engine_usable(const struct pv_engine *engine);
/* One command for each worker (worker < 0) or for one, and waits for all answers: the first error.
 */
int pv_engine_ask(struct pv_engine *engine, int worker, const struct pv_command *command);
/* One command, no answer. */
int pv_engine_tell(struct pv_engine *engine, uint8_t worker, const struct pv_command *command);
/* After something was put into a command ring: in step mode runs turns at the present virtual time
 * until nothing is left to do. */
void pv_engine_settle(struct pv_engine *engine);
/* Is this a process forked after EAL was started? */
bool pv_is_forked_child(void);
bool pv_eal_runs(void);

#endif
