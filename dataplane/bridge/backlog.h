/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_BACKLOG_H
#define PV_BRIDGE_BACKLOG_H

/*
 * The backlog of a listener: one single-producer ring of requests for each worker, and a few head
 * places for deferred requests. Exactly `limit` requests may wait over all workers: status.queued
 * counts them, and a worker adds a burst to it (Q0, compare-and-exchange against the limit) before
 * it copies. One atomic operation a burst, so credits need no leasing.
 *
 * Producers: workers, each its own ring. Consumers: any thread, under the listener's lock, which
 * lives here; workers never take it.
 *
 * PV_READY_ACCEPT of status.ready follows queued > 0. Workers set it, consumers clear it; each,
 * after its change of `queued`, compares the bit with `queued`, changes it if they differ, and
 * looks again until they agree (L0, sequentially consistent). The last to write the bit looks after
 * its write, and whoever changes `queued` later looks too: what stays is right. For a moment the
 * bit can be set while the requests are still being copied: pv_backlog_take then returns 0, and the
 * report follows. Putting back a deferred request reports nothing, since nothing arrived.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/types.h"

struct pv_bridge;
struct pv_ctx;
struct pv_listener_shared; /* status record, params, rings, lock, head places */

/* Requests that can be put back at the same time. */
#define PV_BACKLOG_DEFERRED 16

/* Control plane, any thread. -EBADF: stale handle. */

/* NULL: errno is ENOBUFS (no listener free), ENOMEM. params->backlog is the limit, 1..backlog_max.
 */
struct pv_listener_shared *pv_listener_open(
		struct pv_bridge *bridge, const struct pv_listen_params *params, uint64_t *handle);
/* NULL: stale. */
struct pv_listener_shared *pv_listener_of(struct pv_bridge *bridge, uint64_t handle);
/* Every worker has let go; what still waits must have been taken and closed. The handle is stale
 * from then on. */
int pv_listener_free(struct pv_bridge *bridge, uint64_t handle);
/* Takes up to n: deferred ones first, then the oldest by when_ns over the workers' rings. Returns
 * how many. */
int pv_backlog_take(struct pv_bridge *bridge, uint64_t handle, struct pv_request *out, uint32_t n);
/* The same of the worker's own requests only, for a service that runs in it. */
int pv_backlog_take_own(struct pv_ctx *ctx, uint64_t handle, struct pv_request *out, uint32_t n);
/* Puts one back at the head; the limit does not apply. -ENOBUFS: PV_BACKLOG_DEFERRED are there
 * already. */
int pv_backlog_defer(struct pv_bridge *bridge, uint64_t handle, const struct pv_request *request);
/* Sets the limit, and takes those beyond it, the newest first, up to n, for the caller to reset.
 * Returns how many; again until it is 0. */
int pv_backlog_resize(struct pv_bridge *bridge, uint64_t handle, uint32_t limit,
		struct pv_request *excess, uint32_t n);

/* Worker. */
/* As opened. */
const struct pv_listen_params *pv_listener_params(const struct pv_listener_shared *listener);
struct pv_status *pv_listener_status(struct pv_listener_shared *listener);
uint64_t pv_listener_handle(const struct pv_listener_shared *listener);
/* Is there room for one more request now? (Used at the SYN; the ACK decides by pv_backlog_put.) */
bool pv_backlog_room(struct pv_ctx *ctx, struct pv_listener_shared *listener);
/* Appends up to n of one burst; returns how many got in. Raises status.accepts and queued and
 * reports PV_READY_ACCEPT. */
uint32_t pv_backlog_put(struct pv_ctx *ctx, struct pv_listener_shared *listener,
		const struct pv_request *requests, uint32_t n);

/* The same for one request with PV_REQUEST_HELD, whose status record counts it in (queued is 1)
 * until it is taken, or dies and is forgotten: then it takes no room any more, but whoever takes it
 * finds out why. */
bool pv_backlog_hold(struct pv_ctx *ctx, struct pv_listener_shared *listener,
		const struct pv_request *request);
/* A request with this status record has died. */
void pv_backlog_forget(struct pv_listener_shared *listener, struct pv_status *status);
/* How many wait, and may wait. */
uint32_t pv_backlog_queued(const struct pv_listener_shared *listener);
uint32_t pv_backlog_limit(const struct pv_listener_shared *listener);

#endif
