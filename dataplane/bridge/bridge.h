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

#include <stdint.h>

#include "base/check.h"
#include "base/types.h"
#include "bridge/command.h"
#include "bridge/stream.h"
#include "bridge/waiter.h"

struct pv_ctx;

struct pv_shared {
	struct pv_status status; /* one cache line; the owning worker writes */
	struct pv_stream rx;     /* the worker produces, the application takes */
	struct pv_stream tx;     /* the application produces, the worker takes */
} pv_cache_aligned;

static_assert(sizeof(struct pv_status) == 64, "status record is one cache line");

struct pv_bridge; /* bridge/bridge.c */

#endif
