/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_WATCH_H
#define PV_BRIDGE_WATCH_H

/*
 * Watches and waiters as the two sides of waiter.h see them: watch.c is the worker's, waiter.c the
 * control plane's.
 *
 * Numbers of watches count from 1, over all workers; 0 is none.
 */

#include "bridge/bridge_private.h"

enum pv_watch_state {
	PV_WATCH_QUEUED = 1, /* on its waiter's ready list */
	PV_WATCH_GONE = 2, /* out of its handle's list; the owner gives it back without a report */
	PV_WATCH_LAST = 4, /* the same, but reports it: PV_WATCH_ONCE */
};

struct pv_watch_node {
	uint64_t handle;
	uint64_t cookie;     /* changed by the worker, read by the owner */
	uint32_t state;      /* enum pv_watch_state, changed by both */
	uint32_t ready_next; /* number of the next in the ready list */
	uint32_t waiter;
	uint32_t mask, flags;
	uint32_t next; /* number of the next of this handle, or of the next free one */
} pv_cache_aligned;

/* A waiter's number is generation << 16 | place in the table. */
#define PV_WAITER_PLACE(waiter) ((waiter) & 0xffff)
#define PV_WAITER_NONE          UINT32_MAX

struct pv_waiter {
	uint32_t ready;  /* number of the watch on top of the ready list */
	uint32_t number; /* PV_WAITER_NONE: closed */
	struct pv_doorbell bell;
	uint32_t rung;     /* pv_waiter_ring came */
	uint32_t sleepers; /* threads in pv_waiter_wait that may be asleep */
	uint32_t refs; /* while open 1, each call that sleeps, each worker that has not heard of the
			  close */
	uint32_t kind; /* enum pv_waiter_kind */
	/* the owners' */
	pthread_mutex_t lock pv_cache_aligned;
	uint32_t list;       /* taken from the ready list, oldest first */
	uint32_t generation; /* of the last number */
	uint32_t free_next;  /* place + 1 of the next closed one */
	uint8_t polled;      /* its descriptor was asked for */
	uint8_t foreign;     /* its descriptor is a copy of the caller's */
};

static inline struct pv_watch_node *
pv_watch_at(const struct pv_bridge *bridge, uint32_t number)
{
	return &bridge->watch[number - 1];
}

/* watch.c. Reports to a list of watches, which starts at *first. */
void pv_watch_notify(struct pv_ctx *ctx, uint32_t *first, uint32_t arrived);
/* The waiter's doorbell rings at the end of the turn. */
void pv_waiter_touch(struct pv_ctx *ctx, uint32_t place);
/* The same for pv_waiter_ring; number: of a waiter that may be closed by now. */
void pv_waiter_touch_rung(struct pv_ctx *ctx, uint32_t number);
/* Owner of a waiter: the watch is free again. */
void pv_watch_give_back(struct pv_bridge *bridge, uint32_t number);
/* waiter.c. Lets go of one reference; the last one makes the waiter free. */
void pv_waiter_unref(struct pv_bridge *bridge, struct pv_waiter *waiter);

#endif
