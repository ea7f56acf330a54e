/* SPDX-License-Identifier: BSD-3-Clause */
/* A bridge with small tables and what each of its workers needs of a context. */
#ifndef PV_TESTS_BRIDGE_FIXTURE_H
#define PV_TESTS_BRIDGE_FIXTURE_H

#include <stdlib.h>

#include "base/ctx.h"
#include "bridge/backlog.h"
#include "bridge/bridge.h"
#include "bridge/bridge_private.h"
#include "bridge/slot.h"
#include "bridge/transfer.h"

struct fixture {
	struct pv_config config;
	struct pv_bridge *bridge;
	struct pv_ctx ctx[PV_MAX_WORKERS];
};

static inline struct fixture *
fixture_new(uint16_t n_worker)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->config.n_worker = n_worker;
	f->config.max_connections = 2000;
	f->config.listeners_max = 8;
	f->config.backlog_max = 1000;
	f->config.chunk_memory = 4;
	f->config.tcp.recv_buffer = 65536;
	f->config.tcp.send_buffer = 65536;
	f->config.spin_us = 5;
	return f;
}

static inline void
fixture_start(struct fixture *f)
{
	f->bridge = pv_bridge_new(&f->config);
	for (uint16_t i = 0; i < f->config.n_worker; i++) {
		f->ctx[i].worker = (uint8_t)i;
		f->ctx[i].n_worker = (uint8_t)f->config.n_worker;
		f->ctx[i].config = &f->config;
		f->ctx[i].bridge = f->bridge;
	}
}

static inline void
fixture_free(struct fixture *f)
{
	pv_bridge_free(f->bridge);
	free(f);
}

/* Connected as TCP would have it: it can be written to. */
static inline struct pv_shared *
fixture_connect(struct pv_ctx *ctx, uint64_t *handle)
{
	uint32_t index;
	struct pv_shared *shared = pv_slot_take(ctx, &index, handle);

	if (shared == NULL)
		return NULL;
	__atomic_store_n(&shared->status.writes, 1, __ATOMIC_RELEASE);
	__atomic_store_n(&shared->status.state, 4, __ATOMIC_RELAXED);
	pv_report(ctx, &shared->status, *handle, PV_READY_WRITE, 0, PV_READY_WRITE);
	return shared;
}

/* Executes the commands that the bridge itself is about; the others are counted by kind. */
static inline uint32_t
fixture_turn(struct pv_ctx *ctx, uint32_t *counts)
{
	struct pv_command commands[32];
	uint32_t n = pv_command_take(ctx->bridge, ctx->worker, commands, 32);

	for (uint32_t i = 0; i < n; i++) {
		const struct pv_command *c = &commands[i];
		struct pv_status *status = NULL;
		int error = 0;

		if (counts != NULL)
			counts[c->kind]++;
		if (pv_handle_worker(c->handle) == PV_HANDLE_LISTENER) {
			struct pv_listener_shared *l = pv_listener_of(ctx->bridge, c->handle);

			status = l == NULL ? NULL : pv_listener_status(l);
		} else if (pv_slot_of(ctx->bridge, c->handle) != NULL) {
			status = &pv_slot_of(ctx->bridge, c->handle)->status;
		}
		if (c->kind == PV_CMD_WATCH)
			error = pv_watch_execute(ctx, status, c);
		else if (c->kind == PV_CMD_WAITER_CLOSE)
			pv_waiter_execute_close(ctx, (uint32_t)c->a);
		else if (c->kind == PV_CMD_CLOSE)
			pv_slot_close(ctx, c);
		pv_command_answer(ctx, c, error);
	}
	pv_bridge_flush(ctx);
	return n;
}

#endif
