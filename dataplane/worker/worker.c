/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/handover.h"
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

static bool
hand_over(struct pv_ctx *ctx, uint8_t to, uint16_t port, struct rte_mbuf *frame)
{
	struct pv_worker *w = pv_container_of(ctx, struct pv_worker, ctx);

	if (!pv_handover_put(w->handover, to, port, frame))
		return false;
	w->woken |= 1U << to;
	return true;
}

static int
init_rooms(struct pv_worker *w, const struct pv_worker_plan *plan)
{
	struct pv_ctx *ctx = &w->ctx;
	int rc = pv_tx_init(ctx, plan->ports, plan->config->n_port);

	if (rc == 0)
		rc = pv_ip_init(ctx, plan->config);
	for (uint16_t i = 0; rc == 0 && i < plan->config->n_port; i++)
		pv_ip_port(ctx, i, &plan->ports[i].facts);
	if (rc == 0)
		rc = pv_tcp_init(ctx, plan->config, plan->secret);
	for (uint16_t i = 0; rc == 0 && plan->config->step && i < plan->config->n_port; i++)
		pv_ip_probe(ctx, i);
	if (rc == 0)
		pv_ip_owned_by(ctx, pv_tcp_owner);
	w->services = pv_services_new(plan->config);
	return w->services == NULL ? -ENOMEM : rc;
}

struct pv_worker *
pv_worker_new(const struct pv_worker_plan *plan, uint8_t number, struct rte_mempool *mbufs)
{
	const struct pv_config *config = plan->config;
	struct pv_worker *w = aligned_alloc(PV_CACHE_LINE,
			(sizeof(*w) + PV_CACHE_LINE - 1) / PV_CACHE_LINE * PV_CACHE_LINE);

	if (w == NULL)
		return NULL;
	memset(w, 0, sizeof(*w));
	w->ports = plan->ports;
	w->n_port = config->n_port;
	w->clock = plan->clock;
	w->handover = plan->handover;
	w->step = config->step;
	w->lcore = config->lcore[number];
	w->ctx.bridge = plan->bridge;
	w->ctx.hand_over = plan->handover != NULL ? hand_over : NULL;
	w->ctx.mbufs = mbufs;
	init_ctx(&w->ctx, config, number,
			config->step ? PV_CLOCK_START : pv_clock_at(plan->clock, rte_rdtsc()));
	if (init_rooms(w, plan) != 0) {
		pv_worker_free(w);
		return NULL;
	}
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
	pv_services_free(w->services);
	free(w);
}

static uint32_t
timers(struct pv_ctx *ctx)
{
	return pv_wheel_run(&ctx->wheel, ctx, ctx->now) +
	       pv_wheel_run(&ctx->housekeeping, ctx, ctx->now);
}

static void
wake_others(struct pv_worker *w)
{
	for (uint32_t woken = w->woken; woken != 0; woken &= woken - 1)
		pv_bridge_wake(w->ctx.bridge, (uint8_t)__builtin_ctz(woken));
	w->woken = 0;
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
	if (pv_unlikely(ctx->tx_stalled))
		pv_tx_flush(ctx);
	pv_tcp_output(ctx);
	pv_bridge_flush(ctx);
	pv_tx_flush(ctx);
	if (pv_unlikely(w->woken != 0))
		wake_others(w);
	return work;
}

bool
pv_worker_pending(const struct pv_worker *w)
{
	const struct pv_ctx *ctx = &w->ctx;

	return pv_command_waiting(ctx->bridge, ctx->worker) || pv_ip_loopback_waiting(ctx) ||
	       pv_tcp_output_waiting(ctx) || pv_service_pending(w) ||
	       (w->handover != NULL && pv_handover_waiting(w->handover, ctx->worker));
}

uint64_t
pv_worker_deadline(struct pv_worker *w, bool housekeeping)
{
	uint64_t first = pv_wheel_next(&w->ctx.wheel);
	uint64_t other = housekeeping ? pv_wheel_next(&w->ctx.housekeeping) : UINT64_MAX;

	first = other < first ? other : first;
	return w->stopping && w->stop_until < first ? w->stop_until : first;
}

bool
pv_worker_ended(struct pv_worker *w)
{
	if (!w->stopping || (w->ctx.now < w->stop_until && !pv_tcp_idle(&w->ctx)))
		return false;
	pv_tcp_abort_all(&w->ctx);
	pv_bridge_flush(&w->ctx);
	pv_tx_flush(&w->ctx);
	return true;
}
