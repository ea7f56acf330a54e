/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_BRIDGE_PRIVATE_H
#define PV_BRIDGE_BRIDGE_PRIVATE_H

/*
 * What the files of bridge/ know of each other. All tables are mapped at their limits and take
 * memory as they are touched.
 */

#include <pthread.h>

#include "base/ctx.h"
#include "bridge/bridge.h"
#include "bridge/chunk.h"
#include "bridge/doorbell.h"

#define PV_COMMAND_RING 2048
#define PV_SLOT_STOCK   256
#define PV_WAITERS      65536

/* One line of a command ring: the command, whose last word tells whose turn the cell is
 * (command.c). */
struct pv_command_cell {
	struct pv_command command;
} pv_cache_aligned;

/* Slots that the control plane may reserve for active opens: the worker adds, any thread takes. */
struct pv_slot_stock {
	uint32_t head pv_cache_aligned;
	uint32_t dry; /* the worker could not fill it */
	uint32_t tail pv_cache_aligned;
	uint32_t index[PV_SLOT_STOCK];
};

/* bits of pv_bridge_worker.hold beside enum pv_slot_side */
#define PV_SLOT_USED 4 /* streams are to be cleared at release */

/* Each worker's own part. The first lines are written by the worker alone, the last ones by others
 * too. */
struct pv_bridge_worker {
	struct pv_shared *shared; /* slots */
	uint8_t *hold;            /* enum pv_slot_side and PV_SLOT_USED, by index */
	uint32_t *free;           /* ring of indexes */
	uint32_t free_head, free_tail, free_mask;
	uint32_t fresh;         /* slots from here on were never used */
	uint32_t rest;          /* free indexes that are left to rest: see slot.h */
	uint32_t watch_free;    /* list of free watches by number, linked by next */
	uint32_t watch_fresh;   /* watches from here on were never used */
	uint32_t *touched;      /* waiters to ring at the end of the turn */
	uint64_t *touched_bits; /* the same as a set */
	uint32_t n_touched;
	uint64_t command_tail; /* next cell to take from */
	struct pv_command_cell *command;
	struct pv_command *own; /* ring of commands that the worker has put itself */
	uint32_t own_head, own_tail, own_mask;

	uint64_t command_head pv_cache_aligned; /* next cell to fill */
	struct pv_doorbell bell pv_cache_aligned;
	uint32_t watch_returned pv_cache_aligned; /* watches given back by owners of waiters */
	struct pv_slot_stock stock;
} pv_cache_aligned;

struct pv_watch_node;
struct pv_waiter;
struct pv_listener_shared;

struct pv_bridge {
	uint32_t n_worker, max_connections, n_slots, listeners_max, backlog_max;
	uint32_t recv_buffer, send_buffer; /* limits of streams that have none of their own */
	uint32_t watches;                  /* a worker */
	uint32_t spin_us;
	uint32_t stopped;
	uint32_t unused[PV_MAX_PORTS]; /* IPv6 addresses of a port, each a bit */
	uint32_t address_changes;
	uint32_t address_waiter; /* number + 1, 0: none is rung */
	void (*yield)(void *arg);
	void *yield_arg;
	struct pv_shared *shared; /* n_worker arrays of max_connections */
	uint64_t *holds;          /* the control plane's, for each slot: see transfer.c */
	struct pv_watch_node *watch;
	struct pv_listener_shared *listener;
	struct pv_waiter *waiter;
	pthread_mutex_t lock;   /* opening and closing of listeners and waiters */
	uint32_t listener_next; /* where the search for a free one starts */
	uint32_t waiter_fresh;
	uint32_t waiter_free pv_cache_aligned; /* stack of closed ones by number + 1 */
	struct pv_chunk_pool chunks;
	struct pv_bridge_worker worker[PV_MAX_WORKERS];
};

static inline struct pv_bridge_worker *
pv_bridge_own(struct pv_ctx *ctx)
{
	return &ctx->bridge->worker[ctx->worker];
}

/* Over all workers, of what lies in a slot; n_slots or more: it lies in none. */
static inline size_t
pv_bridge_slot_number(const struct pv_bridge *bridge, const void *inside)
{
	return ((uintptr_t)inside - (uintptr_t)bridge->shared) / sizeof(struct pv_shared);
}

/* ---- status records: the generation is odd while the record is in use ---- */

/* All zero but the generation; what a reader with a stale handle finds meanwhile does not matter to
 * him. */
static inline void
pv_status_open(struct pv_status *status, uint32_t generation)
{
	uint64_t *word = (uint64_t *)(void *)status;

	static_assert(offsetof(struct pv_status, generation) == 0, "the rest is cleared");
#pragma GCC unroll 8
	for (size_t i = 1; i < sizeof(*status) / sizeof(*word); i++)
		__atomic_store_n(&word[i], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&status->ready, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&status->generation, generation, __ATOMIC_RELEASE);
}

static inline void
pv_status_close(struct pv_status *status)
{
	__atomic_store_n(&status->generation, status->generation + 1, __ATOMIC_RELEASE);
}

static inline bool
pv_status_is_of(const struct pv_status *status, uint64_t handle)
{
	uint32_t generation = __atomic_load_n(&status->generation, __ATOMIC_ACQUIRE);

	return generation == pv_handle_generation(handle) && generation % 2 == 1;
}

/* slot.c */
void pv_slot_note_used(struct pv_bridge *bridge, const struct pv_stream *stream);
void pv_slot_refill(struct pv_bridge *bridge, uint32_t worker);

/* stream.c: append for the application, who notes the use in its hold; no more than `room`, which
 * may go past the limit */
int64_t pv_stream_append_raw(struct pv_bridge *bridge, struct pv_stream *stream, const void *data,
		size_t len, uint64_t room);

/* command.c: what this thread puts from now on is not the worker's */
void pv_command_end_turn(void);

/* backlog.c: where a listener's watches of one worker begin */
uint32_t *pv_listener_watch(struct pv_listener_shared *listener, uint8_t worker);

/* NULL: no such index. */
const struct pv_status *pv_listener_record(const struct pv_bridge *bridge, uint32_t index);
int pv_listener_init(struct pv_bridge *bridge);
void pv_listener_fini(struct pv_bridge *bridge);

/* waiter.c */
int pv_waiter_init(struct pv_bridge *bridge);
void pv_waiter_fini(struct pv_bridge *bridge);

#endif
