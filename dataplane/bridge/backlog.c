/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge/backlog.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "bridge/bridge_private.h"
#include "bridge/slot.h"
#include "bridge/watch.h"

/* One worker's requests. Its producer needs no look at the head: who was counted in has a place,
 * since a ring holds backlog_max. */
struct ring {
	uint64_t tail pv_cache_aligned; /* the worker's */
};

struct pv_listener_shared {
	struct pv_status status; /* first: see watch.c */
	uint64_t handle;
	uint32_t limit;            /* changed by pv_backlog_resize */
	uint32_t mask;             /* places of a ring - 1 */
	struct pv_request *places; /* of all rings, one after the other */
	struct pv_listen_params params;
	uint32_t watch[PV_MAX_WORKERS]; /* each worker's own */
	struct ring ring[PV_MAX_WORKERS];
	/* consumers', with the lock */
	pthread_mutex_t lock pv_cache_aligned;
	uint64_t head[PV_MAX_WORKERS];
	uint32_t n_deferred;
	struct pv_request deferred[PV_BACKLOG_DEFERRED]; /* the last one is the head */
};

/* ---- both sides ---- */

static struct pv_request *
place(const struct pv_listener_shared *listener, uint32_t ring, uint64_t pos)
{
	return &listener->places[(size_t)ring * (listener->mask + 1) + (pos & listener->mask)];
}

/* L0: see backlog.h. */
static void
settle_level(struct pv_status *status)
{
	for (;;) {
		uint32_t queued = __atomic_load_n(&status->queued, __ATOMIC_SEQ_CST);
		uint32_t ready = __atomic_load_n(&status->ready, __ATOMIC_SEQ_CST);

		if ((queued > 0) == ((ready & PV_READY_ACCEPT) != 0))
			return;
		if (queued > 0)
			__atomic_fetch_or(&status->ready, PV_READY_ACCEPT, __ATOMIC_SEQ_CST);
		else
			__atomic_fetch_and(&status->ready, ~(uint32_t)PV_READY_ACCEPT,
					__ATOMIC_SEQ_CST);
	}
}

/* ---- worker ---- */

const struct pv_listen_params *
pv_listener_params(const struct pv_listener_shared *listener)
{
	return &listener->params;
}

struct pv_status *
pv_listener_status(struct pv_listener_shared *listener)
{
	return &listener->status;
}

uint64_t
pv_listener_handle(const struct pv_listener_shared *listener)
{
	return listener->handle;
}

uint32_t *
pv_listener_watch(struct pv_listener_shared *listener, uint8_t worker)
{
	return &listener->watch[worker];
}

bool
pv_backlog_room(struct pv_ctx *ctx, struct pv_listener_shared *listener)
{
	(void)ctx;
	return __atomic_load_n(&listener->status.queued, __ATOMIC_RELAXED) <
	       __atomic_load_n(&listener->limit, __ATOMIC_RELAXED);
}

/* Counts up to n in; returns how many. */
static uint32_t
count_in(struct pv_listener_shared *listener, uint32_t n)
{
	uint32_t *queued = &listener->status.queued;
	uint32_t limit = __atomic_load_n(&listener->limit, __ATOMIC_RELAXED);
	uint32_t old = __atomic_load_n(queued, __ATOMIC_RELAXED), in;

	do {
		if (old >= limit)
			return 0;
		in = n < limit - old ? n : limit - old;
		/* Q0: pairs with Q1: places that were emptied before are ours. */
	} while (!__atomic_compare_exchange_n(
			queued, &old, old + in, true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	return in;
}

uint32_t
pv_backlog_put(struct pv_ctx *ctx, struct pv_listener_shared *listener,
		const struct pv_request *requests, uint32_t n)
{
	struct ring *ring = &listener->ring[ctx->worker];
	uint32_t in = n > 0 ? count_in(listener, n) : 0;
	uint64_t tail = ring->tail;

	if (in == 0)
		return 0;
	for (uint32_t i = 0; i < in; i++)
		*place(listener, ctx->worker, tail + i) = requests[i];
	__atomic_fetch_add(&listener->status.accepts, in, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->tail, tail + in, __ATOMIC_RELEASE); /* R0: pairs with R1 */
	/* The next burst will be as long as this one, and a long ring is never near. */
	for (uint32_t i = 0; i < in; i++)
		pv_prefetch_write(place(listener, ctx->worker, tail + in + i));
	settle_level(&listener->status);
	pv_watch_notify(ctx, &listener->watch[ctx->worker], PV_READY_ACCEPT);
	return in;
}

uint32_t
pv_backlog_queued(const struct pv_listener_shared *listener)
{
	return __atomic_load_n(&listener->status.queued, __ATOMIC_RELAXED);
}

uint32_t
pv_backlog_limit(const struct pv_listener_shared *listener)
{
	return __atomic_load_n(&listener->limit, __ATOMIC_RELAXED);
}

/* Those that died stand in the ring without being counted, so it may be full before the limit. */
static bool
has_place(const struct pv_listener_shared *listener, uint32_t ring)
{
	uint64_t head = __atomic_load_n(&listener->head[ring], __ATOMIC_ACQUIRE); /* R2 */

	return listener->ring[ring].tail - head <= listener->mask;
}

/* H0: who turns the record's count from 1 to 0 takes it off the listener's. */
static bool
count_out(struct pv_status *status)
{
	return __atomic_exchange_n(&status->queued, 0, __ATOMIC_SEQ_CST) == 1;
}

bool
pv_backlog_hold(struct pv_ctx *ctx, struct pv_listener_shared *listener,
		const struct pv_request *request)
{
	struct pv_shared *shared = pv_slot_of(ctx->bridge, request->handle);

	if (!has_place(listener, ctx->worker))
		return false;
	__atomic_store_n(&shared->status.queued, 1, __ATOMIC_SEQ_CST);
	if (pv_backlog_put(ctx, listener, request, 1) == 1)
		return true;
	__atomic_store_n(&shared->status.queued, 0, __ATOMIC_SEQ_CST);
	return false;
}

void
pv_backlog_forget(struct pv_listener_shared *listener, struct pv_status *status)
{
	if (!count_out(status))
		return;
	__atomic_fetch_sub(&listener->status.queued, 1, __ATOMIC_SEQ_CST);
	settle_level(&listener->status);
}

/* ---- control plane: taking ---- */

/* With the lock; NULL: stale, and no lock. */
static struct pv_listener_shared *
lock(struct pv_bridge *bridge, uint64_t handle)
{
	struct pv_listener_shared *listener = pv_listener_of(bridge, handle);

	if (listener == NULL)
		return NULL;
	pthread_mutex_lock(&listener->lock);
	if (pv_status_is_of(&listener->status, handle))
		return listener;
	pthread_mutex_unlock(&listener->lock);
	return NULL;
}

static void
copy_out(struct pv_listener_shared *listener, uint32_t ring, struct pv_request *out, uint32_t n)
{
	uint64_t head = listener->head[ring];
	uint32_t before_end = listener->mask + 1 - (uint32_t)(head & listener->mask);

	if (before_end > n)
		before_end = n;
	memcpy(out, place(listener, ring, head), before_end * sizeof(*out));
	memcpy(out + before_end, place(listener, ring, head + before_end),
			(n - before_end) * sizeof(*out));
	__atomic_store_n(&listener->head[ring], head + n, __ATOMIC_RELEASE); /* R2 */
}

/* How many of n that were taken still counted. */
static uint32_t
counted(struct pv_bridge *bridge, const struct pv_request *taken, uint32_t n)
{
	uint32_t count = n;

	for (uint32_t i = 0; i < n; i++) {
		struct pv_shared *held = NULL;

		if (pv_unlikely((taken[i].flags & PV_REQUEST_HELD) != 0))
			held = pv_slot_of(bridge, taken[i].handle);
		if (held != NULL && !count_out(&held->status))
			count--;
	}
	return count;
}

/* Which ring has the oldest request, and how many of it come before all of the others'. UINT32_MAX:
 * all are empty. */
static uint32_t
oldest(const struct pv_listener_shared *listener, uint32_t n_ring, const uint64_t *tail, uint32_t n,
		uint32_t *run)
{
	uint64_t first = 0, second = UINT64_MAX, end;
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < n_ring; i++) {
		uint64_t when;

		if (listener->head[i] == tail[i])
			continue;
		when = place(listener, i, listener->head[i])->when_ns;
		if (best == UINT32_MAX || when < first) {
			second = best == UINT32_MAX ? UINT64_MAX : first;
			best = i;
			first = when;
		} else if (when < second) {
			second = when;
		}
	}
	if (best == UINT32_MAX)
		return best;
	end = tail[best] - listener->head[best] < n ? tail[best] - listener->head[best] : n;
	for (*run = 1; *run < end; (*run)++)
		if (second != UINT64_MAX &&
				place(listener, best, listener->head[best] + *run)->when_ns >
						second)
			break;
	return best;
}

/* With the lock. */
static uint32_t
take(struct pv_bridge *bridge, struct pv_listener_shared *listener, struct pv_request *out,
		uint32_t n)
{
	uint64_t tail[PV_MAX_WORKERS];
	uint32_t taken = 0, ring, run;

	while (taken < n && listener->n_deferred > 0)
		out[taken++] = listener->deferred[--listener->n_deferred];
	for (uint32_t i = 0; i < bridge->n_worker; i++)
		tail[i] = __atomic_load_n(&listener->ring[i].tail, __ATOMIC_ACQUIRE); /* R1 */
	while (taken < n && (ring = oldest(listener, bridge->n_worker, tail, n - taken, &run)) !=
					    UINT32_MAX) {
		copy_out(listener, ring, out + taken, run);
		taken += run;
	}
	if (taken > 0) {
		__atomic_fetch_sub(&listener->status.queued, counted(bridge, out, taken),
				__ATOMIC_SEQ_CST); /* Q1 */
		settle_level(&listener->status);
	}
	return taken;
}

int
pv_backlog_take(struct pv_bridge *bridge, uint64_t handle, struct pv_request *out, uint32_t n)
{
	struct pv_listener_shared *listener = lock(bridge, handle);
	uint32_t taken;

	if (listener == NULL)
		return -EBADF;
	taken = take(bridge, listener, out, n);
	pthread_mutex_unlock(&listener->lock);
	return (int)taken;
}

/* Nobody but other services waits for the lock. */
int
pv_backlog_take_own(struct pv_ctx *ctx, uint64_t handle, struct pv_request *out, uint32_t n)
{
	struct pv_listener_shared *listener = pv_listener_of(ctx->bridge, handle);
	uint64_t waiting;

	if (listener == NULL)
		return -EBADF;
	if (__atomic_load_n(&listener->status.queued, __ATOMIC_RELAXED) == 0 &&
			!listener->params.conditional)
		return 0;
	listener = lock(ctx->bridge, handle);
	if (listener == NULL)
		return -EBADF;
	waiting = listener->ring[ctx->worker].tail - listener->head[ctx->worker];
	n = waiting < n ? (uint32_t)waiting : n;
	if (n > 0) {
		copy_out(listener, ctx->worker, out, n);
		__atomic_fetch_sub(&listener->status.queued, counted(ctx->bridge, out, n),
				__ATOMIC_SEQ_CST); /* Q1 */
		settle_level(&listener->status);
	}
	pthread_mutex_unlock(&listener->lock);
	return (int)n;
}

int
pv_backlog_defer(struct pv_bridge *bridge, uint64_t handle, const struct pv_request *request)
{
	struct pv_listener_shared *listener = lock(bridge, handle);
	struct pv_shared *held = NULL;
	int error = 0;

	if (listener == NULL)
		return -EBADF;
	if (request->flags & PV_REQUEST_HELD)
		held = pv_slot_of(bridge, request->handle);
	if (listener->n_deferred < PV_BACKLOG_DEFERRED) {
		listener->deferred[listener->n_deferred++] = *request;
		if (held != NULL)
			__atomic_store_n(&held->status.queued, 1, __ATOMIC_SEQ_CST);
		__atomic_fetch_add(&listener->status.queued, 1, __ATOMIC_SEQ_CST);
		settle_level(&listener->status);
	} else {
		error = -ENOBUFS;
	}
	pthread_mutex_unlock(&listener->lock);
	return error;
}

/* With the lock: what was taken from `end` to the tail, which is not ours to move, gives its places
 * to what is before it. */
static void
close_up(struct pv_listener_shared *listener, uint32_t ring, uint64_t end, uint64_t tail)
{
	uint64_t head = listener->head[ring], by = tail - end;

	if (by == 0)
		return;
	for (uint64_t pos = end; pos != head; pos--)
		*place(listener, ring, pos - 1 + by) = *place(listener, ring, pos - 1);
	__atomic_store_n(&listener->head[ring], head + by, __ATOMIC_RELEASE); /* R2 */
}

/* With the lock: in which ring the newest request before `end` is; UINT32_MAX: there is none. */
static uint32_t
newest(const struct pv_listener_shared *listener, uint32_t n_ring, const uint64_t *end)
{
	uint32_t best = UINT32_MAX;
	uint64_t last = 0;

	for (uint32_t i = 0; i < n_ring; i++) {
		uint64_t when;

		if (listener->head[i] == end[i])
			continue;
		when = place(listener, i, end[i] - 1)->when_ns;
		if (best == UINT32_MAX || when > last) {
			best = i;
			last = when;
		}
	}
	return best;
}

/* With the lock: those that came last, of the deferred the one furthest from the head. */
static uint32_t
take_newest(struct pv_bridge *bridge, struct pv_listener_shared *listener, struct pv_request *out,
		uint32_t n)
{
	uint64_t tail[PV_MAX_WORKERS], end[PV_MAX_WORKERS];
	uint32_t taken = 0, ring;

	for (uint32_t i = 0; i < bridge->n_worker; i++)
		tail[i] = end[i] =
				__atomic_load_n(&listener->ring[i].tail, __ATOMIC_ACQUIRE); /* R1 */
	while (taken < n && (ring = newest(listener, bridge->n_worker, end)) != UINT32_MAX)
		out[taken++] = *place(listener, ring, --end[ring]);
	for (uint32_t i = 0; i < bridge->n_worker; i++)
		close_up(listener, i, end[i], tail[i]);
	while (taken < n && listener->n_deferred > 0) {
		out[taken++] = listener->deferred[0];
		listener->n_deferred--;
		memmove(listener->deferred, listener->deferred + 1,
				listener->n_deferred * sizeof(listener->deferred[0]));
	}
	if (taken > 0) {
		__atomic_fetch_sub(&listener->status.queued, counted(bridge, out, taken),
				__ATOMIC_SEQ_CST); /* Q1 */
		settle_level(&listener->status);
	}
	return taken;
}

int
pv_backlog_resize(struct pv_bridge *bridge, uint64_t handle, uint32_t limit,
		struct pv_request *excess, uint32_t n)
{
	struct pv_listener_shared *listener = lock(bridge, handle);
	uint32_t queued, taken = 0;

	if (listener == NULL)
		return -EBADF;
	if (limit > bridge->backlog_max)
		limit = bridge->backlog_max;
	__atomic_store_n(&listener->limit, limit, __ATOMIC_SEQ_CST);
	queued = __atomic_load_n(&listener->status.queued, __ATOMIC_SEQ_CST);
	if (queued > limit)
		taken = take_newest(
				bridge, listener, excess, n < queued - limit ? n : queued - limit);
	pthread_mutex_unlock(&listener->lock);
	return (int)taken;
}

/* ---- control plane: opening and closing ---- */

static size_t
places_size(const struct pv_bridge *bridge, const struct pv_listener_shared *listener)
{
	return (size_t)bridge->n_worker * (listener->mask + 1) * sizeof(struct pv_request);
}

/* With the bridge's lock: one that is not open. */
static struct pv_listener_shared *
find_closed(struct pv_bridge *bridge)
{
	for (uint32_t i = 0; i < bridge->listeners_max; i++) {
		uint32_t index = (bridge->listener_next + i) % bridge->listeners_max;

		if (bridge->listener[index].places == NULL) {
			bridge->listener_next = index + 1;
			return &bridge->listener[index];
		}
	}
	return NULL;
}

static int
open_listener(struct pv_bridge *bridge, struct pv_listener_shared *listener,
		const struct pv_listen_params *params)
{
	uint32_t generation = listener->status.generation + 1, places = 1;

	while (places < bridge->backlog_max)
		places *= 2;
	listener->mask = places - 1;
	listener->places = pv_mem_map(places_size(bridge, listener), false);
	if (listener->places == NULL)
		return -ENOMEM;
	listener->params = *params;
	listener->limit = params->backlog < bridge->backlog_max ? params->backlog :
								  bridge->backlog_max;
	listener->handle = pv_handle_make(
			PV_HANDLE_LISTENER, (uint32_t)(listener - bridge->listener), generation);
	listener->n_deferred = 0;
	memset(listener->head, 0, sizeof(listener->head));
	memset(listener->ring, 0, sizeof(listener->ring));
	memset(listener->watch, 0, sizeof(listener->watch));
	pv_status_open(&listener->status, generation);
	return 0;
}

struct pv_listener_shared *
pv_listener_open(struct pv_bridge *bridge, const struct pv_listen_params *params, uint64_t *handle)
{
	struct pv_listener_shared *listener;
	int error = -ENOBUFS;

	pthread_mutex_lock(&bridge->lock);
	listener = find_closed(bridge);
	if (listener != NULL) {
		pthread_mutex_lock(&listener->lock);
		error = open_listener(bridge, listener, params);
		*handle = listener->handle;
		pthread_mutex_unlock(&listener->lock);
	}
	pthread_mutex_unlock(&bridge->lock);
	errno = -error;
	return error == 0 ? listener : NULL;
}

struct pv_listener_shared *
pv_listener_of(struct pv_bridge *bridge, uint64_t handle)
{
	uint32_t index = pv_handle_index(handle);
	struct pv_listener_shared *listener;

	if (pv_handle_worker(handle) != PV_HANDLE_LISTENER || index >= bridge->listeners_max)
		return NULL;
	listener = &bridge->listener[index];
	if (!pv_status_is_of(&listener->status, handle))
		return NULL;
	return listener;
}

int
pv_listener_free(struct pv_bridge *bridge, uint64_t handle)
{
	struct pv_listener_shared *listener;

	pthread_mutex_lock(&bridge->lock);
	listener = lock(bridge, handle);
	if (listener != NULL) {
		pv_status_close(&listener->status);
		pv_mem_unmap(listener->places, places_size(bridge, listener));
		listener->places = NULL;
		pthread_mutex_unlock(&listener->lock);
	}
	pthread_mutex_unlock(&bridge->lock);
	return listener == NULL ? -EBADF : 0;
}

const struct pv_status *
pv_listener_record(const struct pv_bridge *bridge, uint32_t index)
{
	return index < bridge->listeners_max ? &bridge->listener[index].status : NULL;
}

int
pv_listener_init(struct pv_bridge *bridge)
{
	bridge->listener = pv_mem_map(bridge->listeners_max * sizeof(*bridge->listener), false);
	return bridge->listener == NULL ? -ENOMEM : 0;
}

void
pv_listener_fini(struct pv_bridge *bridge)
{
	if (bridge->listener == NULL)
		return;
	for (uint32_t i = 0; i < bridge->listeners_max; i++)
		if (bridge->listener[i].places != NULL)
			pv_mem_unmap(bridge->listener[i].places,
					places_size(bridge, &bridge->listener[i]));
	pv_mem_unmap(bridge->listener, bridge->listeners_max * sizeof(*bridge->listener));
}
