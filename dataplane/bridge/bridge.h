/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_BRIDGE_H
#define PV_BRIDGE_BRIDGE_H

/*
 * What the control plane shares with the workers: status records, request rings, streams, waiters,
 * command rings. One bridge an engine. Thread rules stand at each part; a worker never takes a lock
 * and never waits.
 *
 * Slots: connection `index` of worker w has one struct pv_shared (status and both streams, 192
 * bytes), in one array of config.max_connections per worker. An index comes back for reuse (FIFO)
 * only when the TCP side *and* the control plane have let it go; both holds are bits in a
 * worker-private array (slot.h), since the control plane lets go by a command. A free slot's
 * streams are all zero; at release only what was used is cleared, so that a short connection
 * touches one line.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/types.h"
#include "bridge/command.h"
#include "bridge/stream.h"
#include "bridge/waiter.h"

struct pv_ctx;

struct pv_shared {
	struct pv_status status; /* the owning worker writes, but for some bits of `ready`:
				  * transfer.c */
	struct pv_stream rx;     /* the worker produces, the application takes */
	struct pv_stream tx;     /* the application produces, the worker takes */
} pv_cache_aligned;

static_assert(sizeof(struct pv_status) == 64, "status record is one cache line");

struct pv_bridge; /* bridge/bridge_private.h */
struct pv_doorbell;

/* NULL: errno says why. Makes no thread and needs no EAL. */
struct pv_bridge *pv_bridge_new(const struct pv_config *config);
/* All workers have ended and no call is in the bridge. NULL is allowed. */
void pv_bridge_free(struct pv_bridge *bridge);
/* What a producer does while a command ring is full: in step mode a turn of the engine. NULL: lets
 * others run. To be set before anything else. */
void pv_bridge_set_yield(struct pv_bridge *bridge, void (*yield)(void *arg), void *arg);
/* Workers take no more commands: those who wait for room in a ring get -ESHUTDOWN. Any thread. */
void pv_bridge_stop(struct pv_bridge *bridge);
/* Limits of streams that have none of their own: those of connections that carried nothing yet. */
void pv_bridge_set_buffers(struct pv_bridge *bridge, uint32_t recv_buffer, uint32_t send_buffer);

/* Whether an IPv6 address of a port, by its place in the configuration, is in use now; by the
 * worker that owns the port. Rings the waiter that was given last. */
void pv_bridge_address(struct pv_bridge *bridge, uint8_t port, uint32_t place, bool used);
/* See pv_addresses_unused. */
int64_t pv_bridge_addresses_unused(
		struct pv_bridge *bridge, uint32_t unused[PV_MAX_PORTS], int waiter);

/* The worker's doorbell: it arms it, looks at its rings (pv_command_waiting among them), sleeps on
 * its eventfd. Who gives it work by another way than a command calls pv_bridge_wake after
 * publishing. */
struct pv_doorbell *pv_bridge_doorbell(struct pv_bridge *bridge, uint8_t worker);
void pv_bridge_wake(struct pv_bridge *bridge, uint8_t worker);

/* Status record of a connection's or listener's handle, stale or not; NULL: no handle of this
 * engine. Any thread. */
const struct pv_status *pv_bridge_status(struct pv_bridge *bridge, uint64_t handle);
/* Handles of connections that are in use, from *cursor on (0 at first). Any thread. */
uint32_t pv_bridge_connections(
		struct pv_bridge *bridge, uint64_t *handles, uint32_t n, uint64_t *cursor);

#endif
