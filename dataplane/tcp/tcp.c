/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP of one worker: its beginning and end, and the commands about listeners. */
#include "tcp/tcp.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "bridge/backlog.h"
#include "tcp/conn.h"
#include "tcp/conns.h"
#include "tcp/state.h"

static uint64_t
epoch_ns(const struct pv_ctx *ctx)
{
	uint32_t seconds = ctx->tcp_config.epoch;

	return (uint64_t)(seconds != 0 ? seconds : 1) * 1000000000;
}

/* In a cluster every ACK may bring a cookie: of a SYN that another has answered. */
static void
rotate(struct pv_ctx *ctx, uint32_t epoch)
{
	pv_isn_rotate(&ctx->tcp->isn, epoch);
	if (ctx->tcp_config.cluster)
		ctx->tcp->last_stamp = epoch;
}

/* The end of an epoch; of several, if the worker has slept through them. */
static void
on_rotation(struct pv_ctx *ctx, struct pv_timer *timer)
{
	uint64_t ns = epoch_ns(ctx);
	uint64_t epochs = 1 + (ctx->now - timer->deadline) / ns;

	rotate(ctx, ctx->tcp->isn.epoch + (uint32_t)epochs);
	pv_count(&ctx->counters, PV_C_SECRET_ROTATED);
	pv_timer_arm(&ctx->housekeeping, timer, PV_TIMER_LISTENER, timer->deadline + epochs * ns);
}

static bool
icmp_error(struct pv_ctx *ctx, const struct pv_icmp_error *error)
{
	struct pv_tcp *tcp = ctx->tcp;
	uint32_t hash = pv_flow_hash(ctx, &error->tuple);
	struct pv_flow_place place;
	uint32_t entry = pv_flow_find(&tcp->flows, hash, &error->tuple, &place);

	/* Half-open and TIME-WAIT end by themselves (RFC 5461 4 allows no less than to ignore
	 * errors there). */
	if (entry == PV_FLOW_NONE || pv_flow_kind(entry) != PV_FLOW_CONNECTION)
		return false;
	return pv_conn_icmp(ctx, &tcp->pcb[pv_flow_index(entry)], error);
}

static uint32_t
hash_of(const void *arg, uint32_t entry)
{
	const struct pv_tcp *tcp = arg;
	const struct pv_record *record = pv_flow_record(&tcp->flows, entry);
	struct pv_tuple tuple;

	if (pv_flow_kind(entry) == PV_FLOW_HELD)
		return ((const struct pv_held *)(const void *)record)->hash;
	if (pv_flow_kind(entry) == PV_FLOW_CONNECTION)
		return tcp->pcb[pv_flow_index(entry)].hash;
	pv_record_tuple(record,
			pv_flow_kind(entry) == PV_FLOW_HALF_OPEN ?
					tcp->listeners.port[record->listener] :
					record->local_port,
			&tuple);
	return pv_isn_hash_one(&tcp->isn, &tuple, NULL);
}

static int
init_tables(struct pv_ctx *ctx, const struct pv_config *config)
{
	struct pv_tcp *tcp = ctx->tcp;
	uint32_t held = config->max_connections / 2 < config->half_open_max ?
					config->max_connections / 2 :
					config->half_open_max;
	uint64_t flows = (uint64_t)config->max_connections + config->half_open_max +
			 config->time_wait_max + held;
	int err;

	tcp->n_pcb = config->max_connections;
	tcp->pcb = pv_mem_map(tcp->n_pcb * sizeof(*tcp->pcb), config->huge);
	if (tcp->pcb == NULL)
		return -ENOMEM;
	err = pv_flow_table_init(&tcp->flows, flows, config->huge);
	if (err == 0)
		err = pv_listener_table_init(&tcp->listeners, config->listeners_max);
	if (err == 0)
		err = pv_half_open_init(ctx, &tcp->half_open, config->half_open_max, config->huge);
	if (err == 0)
		err = pv_time_wait_init(ctx, &tcp->time_wait, config->time_wait_max, config->huge);
	if (err == 0)
		pv_last_ack_init(ctx);
	if (err == 0)
		err = pv_held_init(ctx, &tcp->held, tcp->n_pcb, held + 1);
	if (err == 0)
		err = pv_exchanges_init(&tcp->exchanges, tcp->n_pcb, held + 1);
	if (err == 0)
		err = pv_sources_init(&tcp->sources);
	tcp->flows.pcb = tcp->pcb;
	tcp->flows.held = tcp->held.pool.base;
	tcp->flows.half_open = &tcp->half_open.pool;
	tcp->flows.time_wait = &tcp->time_wait.pool;
	tcp->flows.listener_port = tcp->listeners.port;
	tcp->flows.hash_of = hash_of;
	tcp->flows.hash_arg = tcp;
	return err;
}

int
pv_tcp_init(struct pv_ctx *ctx, const struct pv_config *config, const uint8_t secret[16])
{
	int err;

	ctx->tcp = aligned_alloc(PV_CACHE_LINE, sizeof(*ctx->tcp));
	if (ctx->tcp == NULL)
		return -ENOMEM;
	memset(ctx->tcp, 0, sizeof(*ctx->tcp));
	err = init_tables(ctx, config);
	if (err == 0)
		err = pv_conns_init(ctx, config);
	if (err != 0) {
		pv_tcp_fini(ctx);
		return err;
	}
	pv_shed_init(ctx, &ctx->tcp->shed, config);
	pv_isn_init(&ctx->tcp->isn, secret);
	/* Without a cluster wall_ns is 0: the epochs begin now. */
	rotate(ctx, ctx->tcp->isn.epoch + (uint32_t)(config->wall_ns / epoch_ns(ctx)));
	pv_wheel_set(&ctx->housekeeping, PV_TIMER_LISTENER, on_rotation);
	pv_timer_arm(&ctx->housekeeping, &ctx->tcp->rotation, PV_TIMER_LISTENER,
			ctx->now + epoch_ns(ctx) - config->wall_ns % epoch_ns(ctx));
	pv_ip_on_error(ctx, icmp_error);
	return 0;
}

void
pv_tcp_fini(struct pv_ctx *ctx)
{
	struct pv_tcp *tcp = ctx->tcp;

	if (tcp == NULL)
		return;
	pv_conns_fini(ctx);
	pv_timer_cancel(&ctx->housekeeping, &tcp->rotation);
	pv_sources_fini(&tcp->sources);
	pv_exchanges_fini(&tcp->exchanges);
	pv_held_fini(&tcp->held);
	pv_time_wait_fini(&tcp->time_wait);
	pv_half_open_fini(&tcp->half_open);
	pv_listener_table_fini(&tcp->listeners);
	pv_flow_table_fini(&tcp->flows);
	pv_mem_unmap(tcp->pcb, tcp->n_pcb * sizeof(*tcp->pcb));
	free(tcp);
	ctx->tcp = NULL;
}

/* Calls back for every connection; it may end meanwhile. */
static void
each_connection(struct pv_ctx *ctx, void (*what)(struct pv_ctx *ctx, struct pv_pcb *pcb))
{
	for (uint32_t i = 0; i < ctx->tcp->pcb_fresh; i++) {
		struct pv_pcb *pcb = pv_pcb_at(ctx, i);

		if (pcb != NULL)
			what(ctx, pcb);
	}
}

static void
vanish(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	pv_conn_destroy(ctx, pcb, -ECONNABORTED, false);
}

static void
reset(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	pv_conn_destroy(ctx, pcb, -ECONNABORTED, true);
}

void
pv_tcp_reset(struct pv_ctx *ctx)
{
	struct pv_tcp *tcp = ctx->tcp;

	each_connection(ctx, vanish);
	pv_held_reset(ctx);
	pv_sources_reset(&tcp->sources);
	pv_half_open_reset(ctx);
	pv_last_ack_reset(ctx);
	pv_time_wait_reset(ctx);
	pv_flow_table_reset(&tcp->flows);
	for (uint32_t i = 0; i < tcp->listeners.size; i++) {
		tcp->listeners.listener[i].cookies_on = 0;
		tcp->listeners.listener[i].stamp = 0;
	}
}

int
pv_tcp_listen(struct pv_ctx *ctx, struct pv_listener_shared *shared)
{
	return pv_listener_add(ctx, &ctx->tcp->listeners, shared);
}

int
pv_tcp_listener_update(struct pv_ctx *ctx, uint64_t handle, const struct pv_listen_params *params)
{
	struct pv_listener *listener = pv_listener_by_handle(&ctx->tcp->listeners, handle);

	if (listener == NULL)
		return -ENOENT;
	listener->paused = params->paused;
	listener->own_ttl = params->ttl;
	listener->own_tos = params->tos;
	pv_listener_mark(ctx, listener);
	return 0; /* the backlog lives in the shared part, and was changed there */
}

int
pv_tcp_listener_condition(struct pv_ctx *ctx, uint64_t handle, struct pv_condition *condition)
{
	struct pv_listener *listener = pv_listener_by_handle(&ctx->tcp->listeners, handle);

	if (listener == NULL)
		return -ENOENT;
	listener->condition = condition;
	return 0;
}

int
pv_tcp_listener_close(struct pv_ctx *ctx, uint64_t handle)
{
	struct pv_listener *listener = pv_listener_by_handle(&ctx->tcp->listeners, handle);

	if (listener == NULL)
		return -ENOENT;
	pv_half_open_drop_all(ctx, listener);
	pv_held_drop_all(ctx, listener);
	pv_listener_remove(&ctx->tcp->listeners, listener);
	return 0;
}

void
pv_tcp_flush(struct pv_ctx *ctx)
{
	struct pv_listener_table *listeners = &ctx->tcp->listeners;

	for (uint32_t i = 0; i < listeners->size; i++) {
		if (listeners->listener[i].shared != NULL)
			pv_tcp_listener_close(ctx, listeners->listener[i].handle);
	}
	ctx->conns->flushing = true;
	each_connection(ctx, pv_conn_close);
}

bool
pv_tcp_idle(struct pv_ctx *ctx)
{
	return ctx->tcp->live == 0 && ctx->tcp->last_ack.in_use == 0;
}

void
pv_tcp_abort_all(struct pv_ctx *ctx)
{
	each_connection(ctx, reset);
	pv_last_ack_abort_all(ctx);
}
