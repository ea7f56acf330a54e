/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/conns.h"

#include <errno.h>
#include <stdlib.h>
#include <rte_common.h>
#include <rte_mbuf.h>

#include "base/mem.h"
#include "tcp/established.h"
#include "tcp/exchange.h"
#include "tcp/rest.h"

enum {
	RTX_RECORDS = 1 << 18,
	PENDING_SPARE = 1024, /* entries of connections that went while they stood there */
};

static size_t
pending_size(const struct pv_conns *conns)
{
	return ((size_t)conns->pending_mask + 1) * sizeof(*conns->pending);
}

int
pv_conns_init(struct pv_ctx *ctx, const struct pv_config *config)
{
	struct pv_conns *conns = calloc(1, sizeof(*conns));
	uint32_t n = config->max_connections;

	if (conns == NULL)
		return -ENOMEM;
	ctx->conns = conns;
	conns->pending_mask = rte_align32pow2(n + PENDING_SPARE) - 1;
	conns->pending = pv_mem_map(pending_size(conns), false);
	if (conns->pending == NULL ||
			pv_pool_init(&conns->data, sizeof(struct pv_conn_data), n, config->huge) !=
					0 ||
			pv_pool_init(&conns->rtx, sizeof(struct pv_rtx), RTX_RECORDS,
					config->huge) != 0 ||
			pv_pool_init(&conns->pieces, sizeof(struct pv_piece), config->mbufs / 8 * 3,
					false) != 0 ||
			pv_pool_init(&conns->rests, sizeof(struct pv_rest), n, false) != 0) {
		pv_conns_fini(ctx);
		return -ENOMEM;
	}
	pv_wheel_set(&ctx->wheel, PV_TIMER_CONNECTION, pv_conn_timer_fired);
	return 0;
}

void
pv_conns_fini(struct pv_ctx *ctx)
{
	struct pv_conns *conns = ctx->conns;

	if (conns == NULL)
		return;
	while (conns->configs != NULL) {
		struct pv_conn_config *config = conns->configs;

		conns->configs = config->next;
		free(config);
	}
	pv_pool_fini(&conns->rests);
	pv_pool_fini(&conns->pieces);
	pv_pool_fini(&conns->rtx);
	pv_pool_fini(&conns->data);
	pv_mem_unmap(conns->pending, pending_size(conns));
	free(conns);
	ctx->conns = NULL;
}

/* The newest copy of the [tcp] table, made only when the table has changed. */
static struct pv_conn_config *
take_config(struct pv_ctx *ctx)
{
	struct pv_conn_config *newest = ctx->conns->configs;

	if (newest == NULL || memcmp(&newest->tcp, &ctx->tcp_config, sizeof(newest->tcp)) != 0) {
		newest = calloc(1, sizeof(*newest));
		if (newest == NULL)
			return NULL;
		newest->tcp = ctx->tcp_config;
		newest->next = ctx->conns->configs;
		ctx->conns->configs = newest;
	}
	newest->users++;
	return newest;
}

static void
give_config(struct pv_ctx *ctx, struct pv_conn_config *config)
{
	struct pv_conn_config **at = &ctx->conns->configs;

	if (--config->users != 0 || *at == config)
		return;
	while (*at != config)
		at = &(*at)->next;
	*at = config->next;
	free(config);
}

/* The parts that begin with values other than zero. */
static void
start_data(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_conn_data *d)
{
	const struct pv_tcp_config *config = d->config;
	uint32_t room = pv_pmtu_room(ctx);

	d->quick_acks = (uint16_t)config->quick_ack_start;
	d->user_timeout = config->user_timeout * PV_MS;
	d->keepalive_idle = config->keepalive_idle * PV_MS;
	d->keepalive_interval = config->keepalive_interval * PV_MS;
	d->keepalive_count = config->keepalive_count;
	pv_pmtu_settle(ctx, pcb);
	if (pcb->snd_mss > room)
		pcb->snd_mss = (uint16_t)room;
	pv_rtt_start(&d->rtt, config->rto_initial * PV_MS);
	d->rack_mult = 1;
	d->cc = pv_cc_of(config->congestion);
	if (pcb->state >= PV_ESTABLISHED) {
		pcb->established_ns = pv_conn_established_ns(ctx, pcb);
		pv_connect_established(ctx, pcb);
	}
	if (pv_unlikely((pcb->flags & PV_PCB_FIN_RECEIVED) != 0)) {
		d->flags |= PV_DATA_FIN_SEEN;
		d->fin_seq = pcb->rcv_nxt - 1;
	}
}

struct pv_conn_data *
pv_conn_data_make(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_rest *rest = pv_rest_of(ctx, pcb);
	struct pv_conn_data *d = pv_pool_take(&ctx->conns->data);
	struct pv_conn_config *owner = NULL;

	if (d != NULL)
		owner = rest != NULL ? rest->config_owner : take_config(ctx);
	if (pv_never(ctx, owner == NULL)) {
		if (d != NULL)
			pv_pool_give(&ctx->conns->data, d);
		return NULL;
	}
	memset(d, 0, sizeof(*d));
	d->config_owner = owner;
	d->config = &owner->tcp;
	d->shared = pv_slot_at(ctx, pcb->index);
	if (pv_unlikely((pcb->flags & PV_PCB_EXCHANGE) != 0))
		d->exchange = pv_exchange_of(ctx, pcb->index);
	pcb->data = d;
	pcb->flags |= PV_PCB_TOUCHED;
	start_data(ctx, pcb, d);
	if (rest != NULL)
		pv_rest_end(ctx, pcb, rest);
	return d;
}

static void
drop_rest(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_rest *rest = (pcb->flags & PV_PCB_TOUCHED) != 0 ? pv_rest_of(ctx, pcb) : NULL;

	if (rest == NULL)
		return;
	give_config(ctx, rest->config_owner);
	pv_pool_give(&ctx->conns->rests, rest);
	pcb->rest = 0;
}

void
pv_conn_data_drop(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conn_data *d = pv_conn_data_of(pcb);

	if (d == NULL) {
		drop_rest(ctx, pcb);
		return;
	}
	pv_timer_cancel(&ctx->wheel, &pcb->timer);
	pv_rtx_clear(&ctx->conns->rtx, &d->rtx);
	pv_reassembly_clear(&ctx->conns->pieces, &d->ooo);
	give_config(ctx, d->config_owner);
	pv_pool_give(&ctx->conns->data, d);
	pcb->data = NULL;
	pcb->flags &= ~(uint32_t)PV_PCB_OUTPUT;
}

void
pv_conn_pend_slow(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	struct pv_conns *conns = ctx->conns;

	if (pv_never(ctx, conns->pending_tail - conns->pending_head > conns->pending_mask))
		return;
	pcb->flags |= PV_PCB_OUTPUT;
	conns->pending[conns->pending_tail++ & conns->pending_mask] = pcb->index;
}

bool
pv_tcp_output_waiting(const struct pv_ctx *ctx)
{
	return ctx->conns->pending_head != ctx->conns->pending_tail;
}

void
pv_tcp_output(struct pv_ctx *ctx)
{
	struct pv_conns *conns = ctx->conns;
	/* Sending may give reason to look once more; not for ever. */
	uint32_t end = conns->pending_tail + (conns->pending_tail - conns->pending_head) + 1;

	while (conns->pending_head != conns->pending_tail && pv_likely(!ctx->tx_stalled)) {
		struct pv_pcb *pcb;

		if (pv_never(ctx, conns->pending_head == end))
			return;
		pcb = pv_pcb_at(ctx, conns->pending[conns->pending_head++ & conns->pending_mask]);
		/* The slot may have been given back, and taken again, since. */
		if (pcb == NULL || (pcb->flags & PV_PCB_OUTPUT) == 0)
			continue;
		pcb->flags &= ~(uint32_t)PV_PCB_OUTPUT;
		pv_conn_report_turn(ctx, pcb);
		pv_output(ctx, pcb);
		if ((pcb->flags & PV_PCB_ACK_NOW) != 0)
			pv_ack_send(ctx, pcb);
		pv_conn_assert_valid(pcb);
	}
}
