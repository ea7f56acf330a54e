/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_SERVICE_H
#define PV_WORKER_SERVICE_H

/*
 * Built-in services (enum pv_service_kind): applications that run in the worker, inside its turns,
 * by the calls that the control plane uses as well: they take requests from a backlog, watch
 * handles, send and receive. A listener has one service on all workers, or none; each worker serves
 * the connections that it owns. Some listeners can have services at a time.
 */

#include "worker/worker.h"

/* NULL: no memory. */
struct pv_services *pv_services_new(const struct pv_config *config);
void pv_services_free(struct pv_services *services); /* NULL is allowed */

/* Executes PV_CMD_SERVICE: handle = listener and a = kind; handle = connection, a = kind and b =
 * size; handle 0 and b = 1: ends the connections that were adopted; handle 0 and p = the generator
 * that shares this thread (NULL: none). */
int pv_service_command(struct pv_worker *worker, const struct pv_command *command);
/* What the services have to do in this turn; returns how much it was. */
uint32_t pv_service_run(struct pv_worker *worker);
/* Any thread; latency may be NULL. */
void pv_service_stats(
		const struct pv_worker *worker, struct pv_service_stats *stats, uint64_t *latency);
/* Is a connection to be looked at again, though nothing happens to it? */
bool pv_service_pending(const struct pv_worker *worker);

#endif
