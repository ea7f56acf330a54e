/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/worker.h"

#include <stdlib.h>
#include <string.h>

#include "io/tx.h"
#include "ip/ip.h"
#include "worker/generator.h"
#include "worker/service.h"

/* A secret that a worker shares with its like makes their initial sequence numbers agree; what it
 * draws is its own. */
static void
init_ctx(struct pv_ctx *ctx, const struct pv_config *config, uint8_t number, uint64_t now)
{
	ctx->worker = number;
	ctx->n_worker = (uint8_t)config->n_worker;
	ctx->now = now;
	ctx->config = config;
	ctx->tcp_config = config->tcp;
	pv_rng_seed(&ctx->rng, config->seed + number);
	pv_wheel_init(&ctx->wheel, now);
	pv_wheel_init(&ctx->housekeeping, now);
}

struct pv_worker *
pv_worker_new(const struct pv_worker_parts *parts, uint8_t number)
{
	size_t size = (sizeof(struct pv_worker) + PV_CACHE_LINE - 1) / PV_CACHE_LINE *
		      PV_CACHE_LINE;
	const struct pv_config *config = parts->config;
	struct pv_worker *w = aligned_alloc(PV_CACHE_LINE, size);

	if (w == NULL)
		return NULL;
	memset(w, 0, size);
	w->ports = parts->ports;
	w->n_port = config->n_port;
	w->clock = parts->clock;
	w->step = config->step;
	w->lcore = config->lcore[number];
	w->ctx.bridge = parts->bridge;
	w->ctx.mbufs = parts->mbufs;
	init_ctx(&w->ctx, config, number,
			config->step ? PV_CLOCK_START : pv_clock_at(parts->clock, rte_rdtsc()));
	if (pv_tx_init(&w->ctx, parts->ports, config->n_port) != 0 ||
			pv_ip_init(&w->ctx, config) != 0 ||
			pv_tcp_init(&w->ctx, config, parts->secret) != 0) {
		pv_worker_free(w);
		return NULL;
	}
	for (uint16_t i = 0; i < config->n_port; i++)
		pv_ip_port(&w->ctx, i, &parts->ports[i].facts);
	return w;
}

void
pv_worker_free(struct pv_worker *w)
{
	if (w == NULL)
		return;
	if (w->ctx.tcp != NULL)
		pv_tcp_fini(&w->ctx);
	if (w->ctx.ip != NULL)
		pv_ip_fini(&w->ctx);
	pv_tx_fini(&w->ctx);
	free(w);
}

static uint32_t
timers(struct pv_ctx *ctx)
{
	return pv_wheel_run(&ctx->wheel, ctx, ctx->now) +
	       pv_wheel_run(&ctx->housekeeping, ctx, ctx->now);
}

uint32_t
pv_worker_turn(struct pv_worker *w, uint64_t now)
{
	struct pv_ctx *ctx = &w->ctx;
	uint32_t work;

	ctx->now = now;
	work = pv_worker_receive(w);
	work += pv_worker_commands(w);
	work += pv_service_run(w);
	work += timers(ctx);
	pv_tcp_output(ctx);
	pv_bridge_flush(ctx);
	pv_tx_flush(ctx);
	return work;
}
