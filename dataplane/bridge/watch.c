/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge/watch.h"

#include <errno.h>

#include "bridge/backlog.h"
#include "bridge/urgent.h"

/* ---- the worker's pool ---- */

void
pv_watch_give_back(struct pv_bridge *bridge, uint32_t number)
{
	struct pv_watch_node *node = pv_watch_at(bridge, number);
	uint32_t *returned = &bridge->worker[(number - 1) / bridge->watches].watch_returned;
	uint32_t top = __atomic_load_n(returned, __ATOMIC_RELAXED);

	do {
		__atomic_store_n(&node->next, top, __ATOMIC_RELAXED);
		/* V0: pairs with V1. */
	} while (!__atomic_compare_exchange_n(
			returned, &top, number, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* 0: none is left. */
static uint32_t
take_node(struct pv_ctx *ctx)
{
	struct pv_bridge_worker *worker = pv_bridge_own(ctx);
	uint32_t number;

	if (worker->watch_free == 0 &&
			__atomic_load_n(&worker->watch_returned, __ATOMIC_RELAXED) != 0)
		worker->watch_free = __atomic_exchange_n(
				&worker->watch_returned, 0, __ATOMIC_ACQUIRE); /* V1 */
	number = worker->watch_free;
	if (number != 0)
		worker->watch_free = pv_watch_at(ctx->bridge, number)->next;
	else if (worker->watch_fresh < ctx->bridge->watches)
		number = ctx->worker * ctx->bridge->watches + ++worker->watch_fresh;
	return number;
}

/* Out of its handle's list already. */
static void
drop_node(struct pv_ctx *ctx, uint32_t number)
{
	struct pv_bridge_worker *worker = pv_bridge_own(ctx);
	struct pv_watch_node *node = pv_watch_at(ctx->bridge, number);

	/* Queued: the owner finds it gone, and gives it back. */
	if (__atomic_fetch_or(&node->state, PV_WATCH_GONE, __ATOMIC_ACQ_REL) & PV_WATCH_QUEUED)
		return;
	node->next = worker->watch_free;
	worker->watch_free = number;
}

/* ---- reports ---- */

void
pv_waiter_touch(struct pv_ctx *ctx, uint32_t place)
{
	struct pv_bridge_worker *worker = pv_bridge_own(ctx);
	uint64_t bit = UINT64_C(1) << place % 64;

	if (worker->touched_bits[place / 64] & bit)
		return;
	worker->touched_bits[place / 64] |= bit;
	worker->touched[worker->n_touched++] = place;
}

void
pv_waiter_touch_rung(struct pv_ctx *ctx, uint32_t number)
{
	struct pv_waiter *waiter = &ctx->bridge->waiter[PV_WAITER_PLACE(number)];

	if (__atomic_load_n(&waiter->number, __ATOMIC_ACQUIRE) != number)
		return;
	__atomic_store_n(&waiter->rung, 1, __ATOMIC_RELEASE);
	pv_waiter_touch(ctx, PV_WAITER_PLACE(number));
}

static void
push_ready(struct pv_waiter *waiter, struct pv_watch_node *node, uint32_t number)
{
	uint32_t top = __atomic_load_n(&waiter->ready, __ATOMIC_RELAXED);

	do {
		__atomic_store_n(&node->ready_next, top, __ATOMIC_RELAXED);
		/* P0: pairs with T0. */
	} while (!__atomic_compare_exchange_n(
			&waiter->ready, &top, number, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* False: that was its only report, and it is out of our hands; its handle's list must forget it. */
static bool
report_to(struct pv_ctx *ctx, struct pv_waiter *waiter, struct pv_watch_node *node, uint32_t number)
{
	bool once = (node->flags & PV_WATCH_ONCE) != 0;
	uint32_t state = PV_WATCH_QUEUED | (once ? PV_WATCH_LAST : 0);

	if (waiter->kind == PV_WAITER_QUEUE) {
		/* S0: pairs with S1. On the list already: its owner has yet to look at the status.
		 */
		if ((__atomic_fetch_or(&node->state, state, __ATOMIC_ACQ_REL) & PV_WATCH_QUEUED) !=
				0)
			return !once;
		push_ready(waiter, node, number);
	}
	pv_waiter_touch(ctx, PV_WAITER_PLACE(node->waiter));
	if (once && waiter->kind == PV_WAITER_SIGNAL)
		drop_node(ctx, number);
	return !once;
}

/* NULL: its waiter was closed. */
static struct pv_waiter *
waiter_of(struct pv_ctx *ctx, const struct pv_watch_node *node)
{
	struct pv_waiter *waiter = &ctx->bridge->waiter[PV_WAITER_PLACE(node->waiter)];

	return __atomic_load_n(&waiter->number, __ATOMIC_ACQUIRE) == node->waiter ? waiter : NULL;
}

void
pv_watch_notify(struct pv_ctx *ctx, uint32_t *first, uint32_t arrived)
{
	uint32_t *at = first, number;

	while ((number = *at) != 0) {
		struct pv_watch_node *node = pv_watch_at(ctx->bridge, number);
		struct pv_waiter *waiter = waiter_of(ctx, node);
		uint32_t next = node->next;

		if (waiter == NULL) {
			drop_node(ctx, number);
			*at = next;
		} else if ((node->mask & arrived) != 0 && !report_to(ctx, waiter, node, number)) {
			*at = next;
		} else {
			at = &node->next;
		}
	}
}

/* Where the watches of a handle begin that are this worker's. */
static uint32_t *
first_watch(struct pv_ctx *ctx, struct pv_status *status, uint64_t handle)
{
	if (pv_handle_worker(handle) == PV_HANDLE_LISTENER)
		return pv_listener_watch((struct pv_listener_shared *)(void *)status, ctx->worker);
	return &status->watch;
}

/* A level that the worker has raised, but that the application may have ended before: see stream.h.
 */
static void
settle_levels(struct pv_ctx *ctx, struct pv_status *status, uint32_t set)
{
	struct pv_shared *shared = (struct pv_shared *)(void *)status;
	uint32_t wrong = 0;

	if ((set & PV_READY_READ) && pv_stream_waiting(&shared->rx) == 0)
		wrong |= PV_READY_READ;
	if ((set & PV_READY_WRITE) && pv_stream_room(ctx->bridge, &shared->tx) == 0)
		wrong |= PV_READY_WRITE;
	if ((set & PV_READY_OOB) && !pv_urgent_pending(&shared->rx))
		wrong |= PV_READY_OOB;
	if (wrong != 0)
		__atomic_fetch_and(&status->ready, ~wrong, __ATOMIC_ACQ_REL);
}

void
pv_report(struct pv_ctx *ctx, struct pv_status *status, uint64_t handle, uint32_t set,
		uint32_t clear, uint32_t arrived)
{
	uint32_t *first = first_watch(ctx, status, handle);

	if (clear != 0)
		__atomic_fetch_and(&status->ready, ~clear, __ATOMIC_ACQ_REL);
	if (set != 0)
		__atomic_fetch_or(&status->ready, set, __ATOMIC_ACQ_REL); /* W0 */
	if ((set & (PV_READY_READ | PV_READY_WRITE | PV_READY_OOB)) != 0)
		settle_levels(ctx, status, set);
	if (*first != 0 && arrived != 0)
		pv_watch_notify(ctx, first, arrived);
}

static void
ring_touched(struct pv_ctx *ctx)
{
	struct pv_bridge_worker *worker = pv_bridge_own(ctx);

	if (worker->n_touched == 0)
		return;
	pv_doorbell_fence();
	pv_count_n(&ctx->counters, PV_C_DOORBELLS, worker->n_touched);
	for (uint32_t i = 0; i < worker->n_touched; i++) {
		uint32_t place = worker->touched[i];

		worker->touched_bits[place / 64] &= ~(UINT64_C(1) << place % 64);
		pv_doorbell_ring(&ctx->bridge->waiter[place].bell);
	}
	worker->n_touched = 0;
}

void
pv_bridge_flush(struct pv_ctx *ctx)
{
	pv_slot_refill(ctx->bridge, ctx->worker);
	ring_touched(ctx);
	pv_command_end_turn();
}

/* ---- commands ---- */

void
pv_watch_drop_all(struct pv_ctx *ctx, struct pv_status *status, uint64_t handle)
{
	uint32_t *first = first_watch(ctx, status, handle), number = *first;

	while (number != 0) {
		uint32_t next = pv_watch_at(ctx->bridge, number)->next;

		drop_node(ctx, number);
		number = next;
	}
	if (*first != 0)
		*first = 0;
}

/* The link to the watch of this pair, or to the end of the list; those of closed waiters go on the
 * way. */
static uint32_t *
find(struct pv_ctx *ctx, uint32_t *at, uint32_t waiter)
{
	uint32_t number;

	while ((number = *at) != 0) {
		struct pv_watch_node *node = pv_watch_at(ctx->bridge, number);

		if (node->waiter == waiter)
			break;
		if (waiter_of(ctx, node) == NULL) {
			*at = node->next;
			drop_node(ctx, number);
		} else {
			at = &node->next;
		}
	}
	return at;
}

/* The counters behind some bits, added up: it is another number when one of them has moved. */
static uint32_t
moves(const struct pv_status *status, uint32_t mask)
{
	uint32_t sum = 0;

	if (mask & PV_READY_READ)
		sum += __atomic_load_n(&status->reads, __ATOMIC_RELAXED);
	if (mask & PV_READY_WRITE)
		sum += __atomic_load_n(&status->writes, __ATOMIC_RELAXED);
	if (mask & PV_READY_OOB)
		sum += __atomic_load_n(&status->oobs, __ATOMIC_RELAXED);
	if (mask & PV_READY_ACCEPT)
		sum += __atomic_load_n(&status->accepts, __ATOMIC_RELAXED);
	if (mask & (PV_READY_CLOSE | PV_READY_ERROR))
		sum += __atomic_load_n(&status->closes, __ATOMIC_RELAXED);
	if (mask & PV_READY_QOS)
		sum += __atomic_load_n(&status->qos, __ATOMIC_RELAXED);
	if (mask & __atomic_load_n(&status->ready, __ATOMIC_RELAXED) & PV_READY_CONNECT)
		sum++;
	return sum;
}

/* What is ready already is reported at once; a signal would tell of a change that was none, unless
 * its owner says what he has seen. */
static void
report_present(struct pv_ctx *ctx, struct pv_waiter *waiter, const struct pv_status *status,
		uint32_t *at)
{
	uint32_t number = *at;
	struct pv_watch_node *node = pv_watch_at(ctx->bridge, number);
	uint32_t next = node->next;

	if (node->flags & PV_WATCH_SINCE) {
		if (moves(status, node->mask) == (uint32_t)node->cookie)
			return;
	} else if ((__atomic_load_n(&status->ready, __ATOMIC_ACQUIRE) & node->mask) == 0) {
		return;
	} else if (waiter->kind == PV_WAITER_SIGNAL && (node->flags & PV_WATCH_ONCE) == 0) {
		return;
	}
	if (!report_to(ctx, waiter, node, number))
		*at = next;
}

int
pv_watch_execute(struct pv_ctx *ctx, struct pv_status *status, const struct pv_command *command)
{
	uint32_t waiter = (uint32_t)command->a, mask = (uint32_t)command->b, *at, number;
	struct pv_waiter *set = &ctx->bridge->waiter[PV_WAITER_PLACE(waiter)];
	uint64_t handle = command->handle;
	struct pv_watch_node *node;

	if (status == NULL || !pv_status_is_of(status, handle))
		return -EBADF;
	if (__atomic_load_n(&set->number, __ATOMIC_ACQUIRE) != waiter)
		return -EBADF;
	at = find(ctx, first_watch(ctx, status, handle), waiter);
	number = *at;
	if (mask == 0) {
		if (number != 0) {
			*at = pv_watch_at(ctx->bridge, number)->next;
			drop_node(ctx, number);
		}
		return 0;
	}
	if (number == 0) {
		number = take_node(ctx);
		if (number == 0)
			return -ENOBUFS;
		node = pv_watch_at(ctx->bridge, number);
		*node = (struct pv_watch_node){ .handle = handle, .waiter = waiter };
		*at = number;
	}
	node = pv_watch_at(ctx->bridge, number);
	node->mask = mask;
	node->flags = (uint32_t)(command->b >> 32);
	__atomic_store_n(&node->cookie, command->c, __ATOMIC_RELAXED);
	/* It may have been closed meanwhile, but is not free before we have heard of it. */
	report_present(ctx, set, status, at);
	return 0;
}

void
pv_waiter_execute_close(struct pv_ctx *ctx, uint32_t waiter)
{
	/* Whatever this turn has touched rings now: the doorbell may go. */
	ring_touched(ctx);
	pv_waiter_unref(ctx->bridge, &ctx->bridge->waiter[PV_WAITER_PLACE(waiter)]);
}
