/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_WAITER_H
#define PV_BRIDGE_WAITER_H

/*
 * Waiter sets and doorbells. Whoever waits (a blocked call, a select, an event object, a queue, an
 * event loop) owns a waiter: one eventfd, one armed word, one ready list. A *watch* ties a handle
 * to a waiter; the watches of a handle are a list that only the owning worker touches (made by
 * PV_CMD_WATCH), so that reporting needs no lock. The ready list is a stack that workers push
 * watches on and the owner takes whole; a watch that is on it already (its queued word) is not
 * pushed again, so it can't overflow and a wake costs what changed.
 *
 * Doorbell: the waiter stores armed = 1, executes a full fence, looks at the list again, sleeps on
 * the eventfd. The worker publishes status and list of the whole burst, executes one full fence,
 * then reads the armed word of each waiter it touched and writes the eventfd of those that were set
 * (exchange with 0). Without either fence a wake-up can be lost. SIGNAL waiters are always armed.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "base/types.h"

struct pv_bridge;
struct pv_ctx;

/* Worker: the level bits `set` became true and `clear` became false; `arrived` are those that
 * happened (again) just now and are reported to watches even when the level was true before (new
 * data, another request). Updates status.ready and pushes the watches whose mask matches `arrived`;
 * the doorbells ring at pv_bridge_flush. Counters of the status record are the caller's to raise,
 * before. */
void pv_report(struct pv_ctx *ctx, struct pv_status *status, uint64_t handle, uint32_t set,
		uint32_t clear, uint32_t arrived);
/* Worker, once at the end of a turn: one fence, then the doorbells of all waiters touched. */
void pv_bridge_flush(struct pv_ctx *ctx);
/* Worker: the handle is gone; its watches go back (after a last report by the caller). */
void pv_watch_drop_all(struct pv_ctx *ctx, struct pv_status *status);
/* Worker: executes PV_CMD_WATCH. */
int pv_watch_execute(struct pv_ctx *ctx, struct pv_status *status, uint64_t handle, uint32_t waiter,
		uint32_t mask, uint32_t flags, uint64_t cookie);

#endif
