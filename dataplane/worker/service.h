/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_SERVICE_H
#define PV_WORKER_SERVICE_H

/*
 * Built-in services (enum pv_service_kind): applications that run in the worker, inside its turns,
 * on the same requests, streams and reports as those of the control plane. A listener has one
 * service on all workers, or none.
 */

#include "worker/worker.h"

/* Executes PV_CMD_SERVICE: handle = listener and a = kind, or handle 0 and p = the generator that
 * shares this thread (NULL: none). */
int pv_service_command(struct pv_worker *worker, const struct pv_command *command);
/* What the services have to do in this turn; returns how much it was. */
uint32_t pv_service_run(struct pv_worker *worker);

#endif
