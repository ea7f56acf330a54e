/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge/command.h"

#include <errno.h>
#include <string.h>

#include "bridge/bridge_private.h"
#include "bridge/watch.h"

/*
 * A ring of cells, each with its own turn word in the same cache line: in lap n a cell is free at
 * turn 2n and filled at 2n + 1. Producers reserve cells by moving `command_head` and fill them in
 * any order; one that loses its CPU in between delays those behind it, and blocks nobody. All zero
 * is an empty ring.
 *
 * What a worker puts for itself (its services are applications, too) goes into a queue of its own,
 * since nobody would empty a full ring that it waits for. That queue has room for all that can be
 * under way.
 */

/* The worker whose turn this thread is in, from its look at the commands to the end of the turn. */
static _Thread_local struct pv_bridge_worker *self;

static uint64_t
free_turn(uint64_t pos)
{
	return pos / PV_COMMAND_RING * 2;
}

/* Reserves up to n cells; returns how many, the first at *pos. */
static uint32_t
reserve(struct pv_bridge_worker *worker, uint32_t n, uint64_t *pos)
{
	uint64_t head = __atomic_load_n(&worker->command_head, __ATOMIC_RELAXED);

	while (n > 0) {
		uint64_t last = head + n - 1;
		struct pv_command *cell = &worker->command[last % PV_COMMAND_RING].command;

		/* They become free in order: where the last one is, all are (D0: pairs with D1). */
		if (__atomic_load_n(&cell->turn, __ATOMIC_ACQUIRE) == free_turn(last)) {
			if (__atomic_compare_exchange_n(&worker->command_head, &head, head + n,
					    true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
				*pos = head;
				return n;
			}
		} else {
			uint64_t now = __atomic_load_n(&worker->command_head, __ATOMIC_RELAXED);

			/* Either others were faster, or there is less room. */
			if (now == head)
				n /= 2;
			head = now;
		}
	}
	return 0;
}

static uint32_t
put_own(struct pv_bridge_worker *worker, const struct pv_command *commands, uint32_t n)
{
	uint32_t room = worker->own_mask + 1 - (worker->own_tail - worker->own_head);

	PV_ASSERT(room >= n);
	n = n < room ? n : room;
	for (uint32_t i = 0; i < n; i++)
		worker->own[worker->own_tail++ & worker->own_mask] = commands[i];
	return n;
}

/* Closing can wait for the end of a nap: an accept would cost its server a system call more. */
static void
ring(struct pv_bridge_worker *worker, const struct pv_command *commands)
{
	pv_doorbell_fence();
	if (commands->kind == PV_CMD_CLOSE)
		pv_doorbell_ring_sleeper(&worker->bell);
	else
		pv_doorbell_ring(&worker->bell);
}

static uint32_t
put(struct pv_bridge *bridge, uint8_t number, const struct pv_command *commands, uint32_t n)
{
	struct pv_bridge_worker *worker = &bridge->worker[number];
	uint64_t pos;

	if (worker == self)
		return put_own(worker, commands, n);
	n = reserve(worker, n < PV_COMMAND_RING ? n : PV_COMMAND_RING, &pos);
	for (uint32_t i = 0; i < n; i++, pos++) {
		struct pv_command *cell = &worker->command[pos % PV_COMMAND_RING].command;

		memcpy(cell, &commands[i], offsetof(struct pv_command, turn));
		__atomic_store_n(&cell->turn, free_turn(pos) + 1,
				__ATOMIC_RELEASE); /* D2: pairs with D3 */
	}
	if (n > 0)
		ring(worker, commands);
	return n;
}

int
pv_command_put(struct pv_bridge *bridge, uint8_t worker, const struct pv_command *command)
{
	if (__atomic_load_n(&bridge->stopped, __ATOMIC_RELAXED))
		return -ESHUTDOWN;
	return put(bridge, worker, command, 1) == 1 ? 0 : -EAGAIN;
}

int
pv_command_put_all(struct pv_bridge *bridge, uint8_t worker, const struct pv_command *commands,
		uint32_t n)
{
	while (n > 0) {
		uint32_t done;

		if (__atomic_load_n(&bridge->stopped, __ATOMIC_RELAXED))
			return -ESHUTDOWN;
		done = put(bridge, worker, commands, n);
		commands += done;
		n -= done;
		if (done == 0 && self != NULL)
			return -EAGAIN; /* a worker waits for nobody */
		if (done == 0) {
			pv_bridge_wake(bridge, worker);
			bridge->yield(bridge->yield_arg);
		}
	}
	return 0;
}

uint32_t
pv_command_take(struct pv_bridge *bridge, uint8_t number, struct pv_command *out, uint32_t n)
{
	struct pv_bridge_worker *worker = &bridge->worker[number];
	uint64_t pos = worker->command_tail;
	uint32_t taken = 0;

	self = worker;
	for (; taken < n && worker->own_head != worker->own_tail; taken++)
		out[taken] = worker->own[worker->own_head++ & worker->own_mask];
	for (; taken < n; taken++, pos++) {
		struct pv_command *cell = &worker->command[pos % PV_COMMAND_RING].command;

		if (__atomic_load_n(&cell->turn, __ATOMIC_ACQUIRE) != free_turn(pos) + 1) /* D3 */
			break;
		memcpy(&out[taken], cell, offsetof(struct pv_command, turn));
		__atomic_store_n(&cell->turn, free_turn(pos) + 2, __ATOMIC_RELEASE); /* D1 */
	}
	worker->command_tail = pos;
	return taken;
}

bool
pv_command_waiting(struct pv_bridge *bridge, uint8_t number)
{
	struct pv_bridge_worker *worker = &bridge->worker[number];
	uint64_t pos = worker->command_tail;

	if (worker->own_head != worker->own_tail)
		return true;
	return __atomic_load_n(&worker->command[pos % PV_COMMAND_RING].command.turn,
			       __ATOMIC_ACQUIRE) == free_turn(pos) + 1;
}

void
pv_command_end_turn(void)
{
	self = NULL;
}

void
pv_command_answer(struct pv_ctx *ctx, const struct pv_command *command, int error)
{
	struct pv_answer *answer = command->answer;
	int32_t none = 0;
	int waiter;

	if (answer == NULL)
		return;
	waiter = answer->waiter;
	if (error != 0)
		atomic_compare_exchange_strong_explicit(&answer->error, &none, error,
				memory_order_relaxed, memory_order_relaxed);
	/* With the last count the answer is the caller's again. */
	if (atomic_fetch_sub_explicit(&answer->pending, 1, memory_order_acq_rel) == 1 &&
			waiter >= 0)
		pv_waiter_touch_rung(ctx, (uint32_t)waiter);
}
