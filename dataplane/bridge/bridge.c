/* SPDX-License-Identifier: BSD-3-Clause */
#include "bridge/bridge.h"

#include <errno.h>
#include <sched.h>

#include "base/mem.h"
#include "bridge/backlog.h"
#include "bridge/bridge_private.h"
#include "bridge/slot.h"

/* Watches a worker has, for each connection and listener. */
#define WATCHES_EACH 4
/* Commands of a worker's own for each connection: SEND, WINDOW, WATCH, CLOSE. */
#define OWN_EACH 4

static void
yield_cpu(void *arg)
{
	(void)arg;
	sched_yield();
}

static uint32_t
power_of_two(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p *= 2;
	return p;
}

static void
worker_fini(struct pv_bridge *bridge, struct pv_bridge_worker *worker)
{
	pv_mem_unmap(worker->hold, bridge->max_connections);
	pv_mem_unmap(worker->free, (worker->free_mask + 1) * sizeof(*worker->free));
	pv_mem_unmap(worker->touched, PV_WAITERS * sizeof(*worker->touched));
	pv_mem_unmap(worker->touched_bits, PV_WAITERS / 8);
	pv_mem_unmap(worker->command, PV_COMMAND_RING * sizeof(*worker->command));
	pv_mem_unmap(worker->own, ((size_t)worker->own_mask + 1) * sizeof(*worker->own));
	if (worker->bell.fd >= 0)
		pv_doorbell_fini(&worker->bell);
}

/* 0, -errno; what was made so far is worker_fini's. */
static int
worker_init(struct pv_bridge *bridge, struct pv_bridge_worker *worker)
{
	uint32_t places = power_of_two(bridge->max_connections);

	worker->bell.fd = -1;
	worker->free_mask = places - 1;
	worker->rest = PV_SLOT_ENOUGH;
	worker->hold = pv_mem_map(bridge->max_connections, false);
	worker->free = pv_mem_map(places * sizeof(*worker->free), false);
	worker->touched = pv_mem_map(PV_WAITERS * sizeof(*worker->touched), false);
	worker->touched_bits = pv_mem_map(PV_WAITERS / 8, false);
	worker->command = pv_mem_map(PV_COMMAND_RING * sizeof(*worker->command), false);
	worker->own_mask = power_of_two(OWN_EACH * places + PV_COMMAND_RING) - 1;
	worker->own = pv_mem_map(((size_t)worker->own_mask + 1) * sizeof(*worker->own), false);
	if (worker->hold == NULL || worker->free == NULL || worker->touched == NULL ||
			worker->touched_bits == NULL || worker->command == NULL ||
			worker->own == NULL)
		return -ENOMEM;
	return pv_doorbell_init(&worker->bell, -1);
}

static int
init(struct pv_bridge *bridge, bool huge, uint32_t chunks)
{
	int error;

	bridge->shared = pv_mem_map(bridge->n_slots * sizeof(*bridge->shared), huge);
	bridge->holds = pv_mem_map(bridge->n_slots * sizeof(*bridge->holds), huge);
	if (bridge->shared == NULL || bridge->holds == NULL)
		return -ENOMEM;
	error = pv_chunk_pool_init(&bridge->chunks, chunks, bridge->n_worker, huge);
	if (error == 0)
		error = pv_listener_init(bridge);
	if (error == 0)
		error = pv_waiter_init(bridge);
	for (uint32_t i = 0; i < bridge->n_worker && error == 0; i++) {
		bridge->worker[i].shared = bridge->shared + (size_t)i * bridge->max_connections;
		error = worker_init(bridge, &bridge->worker[i]);
		if (error == 0)
			pv_slot_refill(bridge, i);
	}
	return error;
}

struct pv_bridge *
pv_bridge_new(const struct pv_config *config)
{
	struct pv_bridge *bridge = pv_mem_map(sizeof(*bridge), false);
	int error;

	if (bridge == NULL)
		return NULL;
	bridge->n_worker = config->n_worker;
	bridge->max_connections = config->max_connections;
	bridge->n_slots = bridge->n_worker * bridge->max_connections;
	bridge->listeners_max = config->listeners_max;
	bridge->backlog_max = config->backlog_max;
	bridge->watches = WATCHES_EACH * (config->max_connections + config->listeners_max);
	pv_bridge_set_buffers(bridge, config->tcp.recv_buffer, config->tcp.send_buffer);
	bridge->spin_us = config->spin_us;
	bridge->yield = yield_cpu;
	for (uint32_t i = 0; i < PV_MAX_WORKERS; i++)
		bridge->worker[i].bell.fd = -1;
	error = init(bridge, config->huge, config->chunk_memory * ((1u << 20) / PV_CHUNK_SIZE));
	if (error != 0) {
		pv_bridge_free(bridge);
		errno = -error;
		return NULL;
	}
	return bridge;
}

void
pv_bridge_free(struct pv_bridge *bridge)
{
	if (bridge == NULL)
		return;
	for (uint32_t i = 0; i < bridge->n_worker; i++)
		worker_fini(bridge, &bridge->worker[i]);
	pv_waiter_fini(bridge);
	pv_listener_fini(bridge);
	pv_chunk_pool_fini(&bridge->chunks);
	pv_mem_unmap(bridge->holds, bridge->n_slots * sizeof(*bridge->holds));
	pv_mem_unmap(bridge->shared, bridge->n_slots * sizeof(*bridge->shared));
	pv_mem_unmap(bridge, sizeof(*bridge));
}

void
pv_bridge_set_yield(struct pv_bridge *bridge, void (*yield)(void *arg), void *arg)
{
	bridge->yield = yield != NULL ? yield : yield_cpu;
	bridge->yield_arg = arg;
}

void
pv_bridge_set_buffers(struct pv_bridge *bridge, uint32_t recv_buffer, uint32_t send_buffer)
{
	__atomic_store_n(&bridge->recv_buffer, recv_buffer, __ATOMIC_RELAXED);
	__atomic_store_n(&bridge->send_buffer, send_buffer, __ATOMIC_RELAXED);
}

void
pv_bridge_stop(struct pv_bridge *bridge)
{
	__atomic_store_n(&bridge->stopped, 1, __ATOMIC_RELAXED);
}

void
pv_bridge_address(struct pv_bridge *bridge, uint8_t port, uint32_t place, bool used)
{
	uint32_t bit = 1u << place, waiter;

	if (used)
		__atomic_fetch_and(&bridge->unused[port], ~bit, __ATOMIC_RELAXED);
	else
		__atomic_fetch_or(&bridge->unused[port], bit, __ATOMIC_RELAXED);
	/* A0: pairs with A1: who is not rung finds the change when he asks. */
	__atomic_fetch_add(&bridge->address_changes, 1, __ATOMIC_SEQ_CST);
	waiter = __atomic_load_n(&bridge->address_waiter, __ATOMIC_SEQ_CST);
	if (waiter != 0)
		pv_bridge_waiter_ring(bridge, (int)waiter - 1);
}

int64_t
pv_bridge_addresses_unused(struct pv_bridge *bridge, uint32_t unused[PV_MAX_PORTS], int waiter)
{
	uint32_t changes;

	if (waiter >= 0)
		__atomic_store_n(&bridge->address_waiter, (uint32_t)waiter + 1, __ATOMIC_SEQ_CST);
	changes = __atomic_load_n(&bridge->address_changes, __ATOMIC_SEQ_CST); /* A1 */
	for (uint32_t i = 0; i < PV_MAX_PORTS; i++)
		unused[i] = __atomic_load_n(&bridge->unused[i], __ATOMIC_RELAXED);
	return changes;
}

struct pv_doorbell *
pv_bridge_doorbell(struct pv_bridge *bridge, uint8_t worker)
{
	return &bridge->worker[worker].bell;
}

void
pv_bridge_wake(struct pv_bridge *bridge, uint8_t worker)
{
	pv_doorbell_fence();
	pv_doorbell_ring(&bridge->worker[worker].bell);
}

const struct pv_status *
pv_bridge_status(struct pv_bridge *bridge, uint64_t handle)
{
	struct pv_shared *shared;

	if (pv_handle_worker(handle) == PV_HANDLE_LISTENER)
		return pv_listener_record(bridge, pv_handle_index(handle));
	shared = pv_slot_of(bridge, handle);
	return shared == NULL ? NULL : &shared->status;
}

uint32_t
pv_bridge_connections(struct pv_bridge *bridge, uint64_t *handles, uint32_t n, uint64_t *cursor)
{
	uint32_t found = 0;

	for (; *cursor < bridge->n_slots && found < n; ++*cursor) {
		uint32_t worker = (uint32_t)*cursor / bridge->max_connections;
		uint32_t index = (uint32_t)*cursor % bridge->max_connections;
		const struct pv_status *status = &bridge->worker[worker].shared[index].status;
		uint32_t generation;

		/* Slots from there on were never used: nothing to look at, and nothing to map. */
		if (index >= __atomic_load_n(&bridge->worker[worker].fresh, __ATOMIC_RELAXED)) {
			*cursor = (uint64_t)(worker + 1) * bridge->max_connections - 1;
			continue;
		}
		generation = __atomic_load_n(&status->generation, __ATOMIC_ACQUIRE);
		/* A slot that waits in the stock has no state yet. */
		if (generation % 2 == 1 && __atomic_load_n(&status->state, __ATOMIC_RELAXED) != 0)
			handles[found++] = pv_handle_make((uint8_t)worker, index, generation);
	}
	return found;
}
