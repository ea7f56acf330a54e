/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_BACKLOG_H
#define PV_BRIDGE_BACKLOG_H

/*
 * The backlog of a listener: one single-producer ring of requests for each worker, one credit count
 * for all, one head slot for a deferred request. Exactly `limit` requests may wait over all
 * workers: a worker leases credits in small lots (one by one when few are left) and they come back
 * on accept.
 *
 * Producers: workers, each its own ring. Consumers: any thread, under the listener's lock, which
 * lives here; workers never take it.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"

struct pv_bridge;
struct pv_ctx;
struct pv_listener_shared; /* status record, params, rings, lock, head slot, credits */

/* Control plane. */
struct pv_listener_shared *pv_listener_open(struct pv_bridge *bridge,
		const struct pv_listen_params *params, uint64_t *handle); /* NULL, errno */
struct pv_listener_shared *pv_listener_of(
		struct pv_bridge *bridge, uint64_t handle); /* NULL: stale */
void pv_listener_free(struct pv_bridge *bridge,
		struct pv_listener_shared *listener); /* every worker has let go */
uint32_t pv_backlog_take(struct pv_bridge *bridge, struct pv_listener_shared *listener,
		struct pv_request *out, uint32_t n);
int pv_backlog_defer(struct pv_bridge *bridge, struct pv_listener_shared *listener,
		const struct pv_request *request);
void pv_backlog_resize(
		struct pv_bridge *bridge, struct pv_listener_shared *listener, uint32_t limit);

/* Worker. */
const struct pv_listen_params *pv_listener_params(const struct pv_listener_shared *listener);
struct pv_status *pv_listener_status(struct pv_listener_shared *listener);
uint64_t pv_listener_handle(const struct pv_listener_shared *listener);
/* Is there room for one more request now? (Used at the SYN; the ACK decides by pv_backlog_put.) */
bool pv_backlog_room(struct pv_ctx *ctx, struct pv_listener_shared *listener);
/* Appends up to n of one burst; returns how many got in. Raises status.accepts and queued and
 * reports PV_READY_ACCEPT. */
uint32_t pv_backlog_put(struct pv_ctx *ctx, struct pv_listener_shared *listener,
		const struct pv_request *requests, uint32_t n);

#endif
