/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_BRIDGE_H
#define PV_BRIDGE_BRIDGE_H

/*
 * What the control plane shares with the workers: status records, request rings, streams, waiters, command rings.
 * One bridge an engine. Thread rules stand at each part; a worker never takes a lock and never waits.
 *
 * Slots: connection `index` of worker w has one struct pv_shared (status and both streams, 256 bytes), in one array of
 * config.max_connections per worker. An index comes back for reuse (FIFO) only when the TCP side *and* the control plane
 * have let it go: pv_slot_release from each side; the second one clears what was used and puts the index on the worker's free list.
 */

#include <stdatomic.h>
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
	/* rest: see slot.h */
	_Atomic uint32_t held;   /* bit 0: TCP holds the index, bit 1: the control plane does */
	uint32_t used;           /* bits of what must be cleared at release; the worker's until the release */
	uint8_t pad[56];
} pv_cache_aligned;

static_assert(sizeof(struct pv_status) == 64, "status record is one cache line");

struct pv_bridge; /* bridge/bridge.c */

#endif
