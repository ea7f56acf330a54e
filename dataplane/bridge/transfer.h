/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_TRANSFER_H
#define PV_BRIDGE_TRANSFER_H

/*
 * The application's side of a connection's streams: what pv_send, pv_recv, pv_shutdown_send and
 * pv_close do. Any thread.
 *
 * Each slot has one word of the control plane's own (the *hold*): generation of the handle, a lock
 * for readers, one for writers, closed. Two calls in the same direction take turns, so that
 * neither's bytes are torn by the other's. A close marks the word; the command to let the slot go
 * is put when the last call has left it, by whoever that is. So a worker never finds anybody inside
 * a slot that it frees, and takes no lock.
 */

#include <stdint.h>

#include "api/pv_api.h"

struct pv_bridge;

/* All return values are those of the api functions; -EBADF: stale or closed handle. */
int64_t pv_bridge_send(struct pv_bridge *bridge, uint64_t handle, const struct pv_iov *iov,
		uint32_t n, uint32_t flags);
int64_t pv_bridge_recv(struct pv_bridge *bridge, uint64_t handle, const struct pv_iov *iov,
		uint32_t n, uint32_t flags);
int64_t pv_bridge_readable(struct pv_bridge *bridge, uint64_t handle);
int pv_bridge_urgent(struct pv_bridge *bridge, uint64_t handle);
int pv_bridge_shutdown_send(struct pv_bridge *bridge, uint64_t handle);
/* The handle is stale from then on; PV_CMD_CLOSE is on its way, or will be when the last call has
 * left. */
int pv_bridge_close(struct pv_bridge *bridge, uint64_t handle, int how);
/* Of many; returns how many handles were neither stale nor closed before. Commands go out in
 * bursts. */
uint32_t pv_bridge_close_many(
		struct pv_bridge *bridge, const uint64_t *handles, uint32_t n, int how);

#endif
