/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_API_TELEMETRY_H
#define PV_API_TELEMETRY_H

/*
 * Live engines on DPDK's telemetry socket (rte_telemetry), for whoever may open it: pyprov stats,
 * dpdk-telemetry.py. Commands, N being an engine's number in this process:
 *
 *	/pyprov/engines                  their numbers
 *	/pyprov/engine,N                 workers, ports, connections in use
 *	/pyprov/counters,N               each counter, summed over the workers
 *	/pyprov/worker,N,W               load in percent, turns, cycles
 *	/pyprov/connections,N,CURSOR     the next cursor, then handles (0 begins, none: the end)
 *	/pyprov/connection,N,HANDLE      one of them
 *
 * They are answered on DPDK's own thread, from memory that workers write anyway; only the last one
 * asks a worker, between two of its turns. add and remove: the thread that starts and stops the
 * engine, while it lives.
 */

struct pv_engine;

void pv_telemetry_add(struct pv_engine *engine);
/* Returns when no answer about it is under way. */
void pv_telemetry_remove(struct pv_engine *engine);

#endif
