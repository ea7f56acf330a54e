/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge/slot.h"

#include <errno.h>
#include <string.h>

/* The index that is taken as the i-th from now, if no other is released meanwhile. False: none. */
static bool
peek(const struct pv_bridge *bridge, const struct pv_bridge_worker *worker, uint32_t i,
		uint32_t *index)
{
	uint32_t waiting = pv_slots_waiting(worker);
	uint32_t rested = waiting > worker->rest ? waiting - worker->rest : 0;
	uint32_t fresh = bridge->max_connections - worker->fresh;

	if (i >= rested && i - rested < fresh) {
		*index = worker->fresh + (i - rested);
		return true;
	}
	if (i >= rested)
		i -= fresh;
	*index = worker->free[(worker->free_head + i) & worker->free_mask];
	return i < waiting;
}

static bool
take_index(const struct pv_bridge *bridge, struct pv_bridge_worker *worker, uint32_t *index)
{
	if (!peek(bridge, worker, 0, index))
		return false;
	if (*index == worker->fresh)
		__atomic_store_n(&worker->fresh, worker->fresh + 1, __ATOMIC_RELAXED);
	else
		worker->free_head++;
	return true;
}

/* Any thread: from the stock of reserved slots. */
static bool
take_stock(struct pv_slot_stock *stock, uint32_t *index)
{
	uint32_t head = __atomic_load_n(&stock->head, __ATOMIC_RELAXED);

	do {
		/* E1: pairs with E0. */
		if (head == __atomic_load_n(&stock->tail, __ATOMIC_ACQUIRE))
			return false;
		*index = __atomic_load_n(&stock->index[head % PV_SLOT_STOCK], __ATOMIC_RELAXED);
		/* E2: pairs with E3, which lets the worker write over what has been read. */
	} while (!__atomic_compare_exchange_n(
			&stock->head, &head, head + 1, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	return true;
}

struct pv_shared *
pv_slot_take_other(struct pv_ctx *ctx, uint32_t *index, uint64_t *handle)
{
	struct pv_bridge_worker *worker = pv_bridge_own(ctx);

	worker->rest = PV_SLOT_ENOUGH;
	if (take_index(ctx->bridge, worker, index))
		*handle = pv_slot_begin(worker, ctx->worker, *index);
	else if (take_stock(&worker->stock, index))
		*handle = pv_handle_make(
				ctx->worker, *index, worker->shared[*index].status.generation);
	else
		return NULL;
	return &worker->shared[*index];
}

uint32_t
pv_slot_ahead(struct pv_ctx *ctx, uint32_t *indexes, uint32_t n)
{
	struct pv_bridge_worker *worker = pv_bridge_own(ctx);
	uint32_t waiting = pv_slots_waiting(worker), i = 0;

	/* Most often all of them have rested. */
	for (; i < n && i + worker->rest < waiting; i++)
		indexes[i] = worker->free[(worker->free_head + i) & worker->free_mask];
	for (; i < n; i++) {
		if (!peek(ctx->bridge, worker, i, &indexes[i]))
			return i;
	}
	return n;
}

uint32_t
pv_slots_free(const struct pv_ctx *ctx)
{
	const struct pv_bridge_worker *worker = &ctx->bridge->worker[ctx->worker];
	const struct pv_slot_stock *stock = &worker->stock;
	uint32_t reserved = stock->tail - __atomic_load_n(&stock->head, __ATOMIC_RELAXED);

	return pv_slots_waiting(worker) + (ctx->bridge->max_connections - worker->fresh) + reserved;
}

void
pv_slot_refill(struct pv_bridge *bridge, uint32_t number)
{
	struct pv_bridge_worker *worker = &bridge->worker[number];
	struct pv_slot_stock *stock = &worker->stock;
	uint32_t tail = stock->tail, index;
	uint32_t room = PV_SLOT_STOCK -
			(tail - __atomic_load_n(&stock->head, __ATOMIC_ACQUIRE)); /* E3 */

	if (pv_slots_waiting(worker) > PV_SLOT_ENOUGH)
		worker->rest = PV_SLOT_REST;
	if (pv_likely(room < PV_SLOT_STOCK / 2))
		return;
	while (room > 0 && take_index(bridge, worker, &index)) {
		pv_slot_begin(worker, (uint8_t)number, index);
		__atomic_store_n(&stock->index[tail++ % PV_SLOT_STOCK], index, __ATOMIC_RELAXED);
		room--;
	}
	__atomic_store_n(&stock->dry, room > 0, __ATOMIC_RELAXED);
	__atomic_store_n(&stock->tail, tail, __ATOMIC_RELEASE); /* E0 */
}

int
pv_slot_reserve(struct pv_bridge *bridge, uint8_t number, uint64_t *handle)
{
	struct pv_bridge_worker *worker = &bridge->worker[number];
	uint32_t index;

	if (!take_stock(&worker->stock, &index)) {
		if (__atomic_load_n(&bridge->stopped, __ATOMIC_RELAXED))
			return -ESHUTDOWN;
		if (__atomic_load_n(&worker->stock.dry, __ATOMIC_RELAXED))
			return -ENOBUFS;
		pv_bridge_wake(bridge, number);
		bridge->yield(bridge->yield_arg);
		return -EAGAIN;
	}
	*handle = pv_handle_make(number, index,
			__atomic_load_n(&worker->shared[index].status.generation,
					__ATOMIC_RELAXED));
	return 0;
}

#ifdef PV_CHECKS
static bool
is_zero(const struct pv_stream *stream)
{
	static const struct pv_stream zero;

	return memcmp(stream, &zero, sizeof(zero)) == 0;
}

void
pv_slot_assert_clear(const struct pv_shared *shared)
{
	PV_ASSERT(is_zero(&shared->rx) && is_zero(&shared->tx));
}
#endif

void
pv_slot_clear(struct pv_ctx *ctx, uint32_t index, bool used)
{
	struct pv_shared *shared = pv_slot_at(ctx, index);

	pv_watch_drop_all(ctx, &shared->status,
			pv_handle_make(ctx->worker, index, shared->status.generation));
	if (used) {
		pv_stream_clear(ctx->bridge, &shared->rx);
		pv_stream_clear(ctx->bridge, &shared->tx);
	}
}

void
pv_slot_close(struct pv_ctx *ctx, const struct pv_command *command)
{
	struct pv_bridge_worker *worker = pv_bridge_own(ctx);
	uint32_t index = pv_handle_index(command->handle);
	uint8_t hold;

	if (pv_never(ctx, index >= ctx->bridge->max_connections) ||
			pv_never(ctx, !pv_status_is_of(&worker->shared[index].status,
						      command->handle)))
		return;
	hold = worker->hold[index];
	if (command->b != 0)
		__atomic_store_n(&worker->hold[index], (uint8_t)(hold | PV_SLOT_USED),
				__ATOMIC_RELAXED);
	pv_slot_release(ctx, index, PV_SLOT_CONTROL);
}

/* Called by the owning worker: release has to clear the streams. */
void
pv_slot_note_used(struct pv_bridge *bridge, const struct pv_stream *stream)
{
	size_t number = pv_bridge_slot_number(bridge, stream);
	uint8_t *hold;

	if (number >= bridge->n_slots)
		return;
	hold = &bridge->worker[number / bridge->max_connections]
				.hold[number % bridge->max_connections];
	if ((*hold & PV_SLOT_USED) == 0)
		__atomic_store_n(hold, (uint8_t)(*hold | PV_SLOT_USED), __ATOMIC_RELAXED);
}

struct pv_shared *
pv_slot_of(struct pv_bridge *bridge, uint64_t handle)
{
	uint32_t worker = pv_handle_worker(handle), index = pv_handle_index(handle);

	if (worker >= bridge->n_worker || index >= bridge->max_connections)
		return NULL;
	return &bridge->worker[worker].shared[index];
}
