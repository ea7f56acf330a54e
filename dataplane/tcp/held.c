/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of held requests, its timers, and the end of each. */
#include "tcp/held.h"

#include <errno.h>

#include "base/mem.h"
#include "bridge/backlog.h"
#include "bridge/slot.h"
#include "bridge/waiter.h"
#include "tcp/bare.h"
#include "tcp/conn.h"
#include "tcp/handshake.h"
#include "tcp/parse.h"
#include "tcp/source.h"
#include "tcp/state.h"
#include "tcp/syn_ack.h"
#include "wire/ip6.h"

enum {
	GAP_LEAST = 1000, /* ms: the shortest first time-out of a SYN that is common */
	GAP_MOST = 64000,
	GAP_SLACK = 1000,
	PATIENCE = 3, /* gaps without a SYN: one may be lost */
};

#define MS UINT64_C(1000000)

static_assert(sizeof(struct pv_held) == PV_HELD_SIZE, "the flow table steps over them");
static_assert(offsetof(struct pv_held, peer_port) == offsetof(struct pv_tuple, peer_port),
		"the flow table compares them as tuples");

void
pv_held_fini(struct pv_held_table *table)
{
	pv_pool_fini(&table->pool);
	pv_mem_unmap(table->of_slot, table->n_slots * sizeof(struct pv_held *));
	table->of_slot = NULL;
}

static uint32_t
index_of(const struct pv_held_table *table, const struct pv_held *held)
{
	return (uint32_t)(held - (const struct pv_held *)(const void *)table->pool.base);
}

void
pv_held_tuple(const struct pv_held *held, struct pv_tuple *tuple)
{
	tuple->local = held->local;
	tuple->peer = held->peer;
	tuple->local_port = held->local_port;
	tuple->peer_port = held->peer_port;
}

bool
pv_held_place(struct pv_ctx *ctx, const struct pv_held *held, struct pv_flow_place *place)
{
	struct pv_tcp *tcp = ctx->tcp;

	return pv_flow_place_of(&tcp->flows, held->hash,
			pv_flow_entry(PV_FLOW_HELD, index_of(&tcp->held, held)), place);
}

/* ---- queues ---- */

static void
enqueue(struct pv_held_table *table, struct pv_held *held, enum pv_held_queue queue)
{
	held->queue = (uint8_t)queue;
	held->next = NULL;
	held->prev = table->queue[queue].last;
	if (held->prev == NULL)
		table->queue[queue].first = held;
	else
		held->prev->next = held;
	table->queue[queue].last = held;
}

static void
dequeue(struct pv_held_table *table, struct pv_held *held)
{
	if (held->prev == NULL)
		table->queue[held->queue].first = held->next;
	else
		held->prev->next = held->next;
	if (held->next == NULL)
		table->queue[held->queue].last = held->prev;
	else
		held->next->prev = held->prev;
}

/* ---- beginning ---- */

/* Out of the flow table. */
static void
unlink_flow(struct pv_ctx *ctx, const struct pv_held *held)
{
	struct pv_flow_place place;

	if (!pv_never(ctx, !pv_held_place(ctx, held, &place)))
		pv_flow_remove(&ctx->tcp->flows, &place);
}

/* Of what is over, the oldest goes when its place is needed. */
static struct pv_held *
take_place(struct pv_ctx *ctx)
{
	struct pv_held_table *table = &ctx->tcp->held;
	struct pv_held *held = pv_pool_take(&table->pool);

	if (held == NULL && table->queue[PV_HELD_OVER].first != NULL) {
		pv_held_end(ctx, table->queue[PV_HELD_OVER].first, 0);
		held = pv_pool_take(&table->pool);
	}
	if (held != NULL)
		memset(held, 0, sizeof(*held));
	return held;
}

static void
note_facts(struct pv_ctx *ctx, struct pv_syn_facts *facts, const struct pv_packet *packet)
{
	uint32_t options = 0;

	if (packet->options & PV_TCP_OPT_TS)
		options |= 1;
	if (packet->options & PV_TCP_OPT_SACKOK)
		options |= 2;
	if (packet->options & PV_TCP_OPT_WSCALE)
		options |= 4;
	if ((packet->flags & (PV_TCP_ECE | PV_TCP_CWR)) == (PV_TCP_ECE | PV_TCP_CWR))
		options |= 8;
	if (packet->options & PV_TCP_OPT_MSS)
		options |= 16;
	*facts = (struct pv_syn_facts){
		.when_ns = ctx->now,
		.tsval = packet->tsval,
		.mss = packet->mss,
		.window = packet->window,
		.options = (uint8_t)options,
		.wscale = packet->wscale,
		.ttl = packet->ttl,
		.tos = packet->tos,
	};
}

/* The exchange that its block needs. */
static bool
give_block(struct pv_ctx *ctx, struct pv_held *held, struct pv_block *block)
{
	struct pv_exchange *x = pv_exchange_make(ctx, pv_handle_index(held->handle));

	if (x == NULL)
		return false;
	x->facts = held->facts;
	x->flags = PV_EXCHANGE_SPEAKS | PV_EXCHANGE_UNDECIDED;
	if (block != NULL) {
		pv_exchange_keep(ctx, x, PV_OFFER_REQUEST, block);
		held->block_len = block->len;
	}
	return true;
}

static void
release_slot(struct pv_ctx *ctx, uint64_t handle)
{
	pv_slot_release(ctx, pv_handle_index(handle), PV_SLOT_TCP);
	pv_slot_release(ctx, pv_handle_index(handle), PV_SLOT_CONTROL);
}

static void
fill(struct pv_ctx *ctx, struct pv_held *held, const struct pv_packet *packet,
		const struct pv_asked *asked)
{
	held->local = packet->tuple.local;
	held->peer = packet->tuple.peer;
	held->local_port = packet->tuple.local_port;
	held->peer_port = packet->tuple.peer_port;
	held->hash = packet->hash;
	held->irs = packet->seq;
	held->iss = asked->iss;
	held->ts_recent = packet->tsval;
	held->last_ms = pv_tcp_ms(ctx);
	held->mss = pv_packet_mss(packet);
	held->syn_len = (uint16_t)(packet->l4_len +
				   (packet->is_v4 ? PV_IP4_HDR_LEN : PV_IP6_HDR_LEN));
	held->agreed = asked->agreed;
	held->speaks = asked->speaks;
	held->proven = asked->proven;
	held->decided = asked->decided;
	note_facts(ctx, &held->facts, packet);
}

/* Into the tables, or not at all. */
static bool
enter(struct pv_ctx *ctx, struct pv_held *held, struct pv_block *block)
{
	struct pv_tcp *tcp = ctx->tcp;
	uint32_t slot;

	if (pv_slot_take(ctx, &slot, &held->handle) == NULL)
		return false;
	if (held->speaks && !give_block(ctx, held, block)) {
		release_slot(ctx, held->handle);
		return false;
	}
	if (!pv_flow_add(&tcp->flows, held->hash,
			    pv_flow_entry(PV_FLOW_HELD, index_of(&tcp->held, held)))) {
		struct pv_exchange *x = pv_exchange_of(ctx, slot);

		pv_count(&ctx->counters, PV_C_FLOW_TABLE_FULL);
		if (x != NULL)
			x->got[PV_OFFER_REQUEST] = NULL;
		pv_exchange_drop(ctx, slot);
		release_slot(ctx, held->handle);
		return false;
	}
	tcp->held.of_slot[slot] = held;
	pv_slot_at(ctx, slot)->status.state = PV_LISTEN;
	return true;
}

struct pv_held *
pv_held_add(struct pv_ctx *ctx, const struct pv_packet *packet, struct pv_listener *listener,
		const struct pv_asked *asked, enum pv_held_state state)
{
	struct pv_held_table *table = &ctx->tcp->held;
	struct pv_held *held = take_place(ctx);

	if (held == NULL)
		return NULL;
	fill(ctx, held, packet, asked);
	held->listener = listener->index;
	held->state = (uint8_t)state;
	if (!enter(ctx, held, asked->block)) {
		pv_pool_give(&table->pool, held);
		return NULL;
	}
	table->live++;
	enqueue(table, held,
			state == PV_HELD_WAITS && !asked->proven ? PV_HELD_UNKNOWN : PV_HELD_KNOWN);
	if (state == PV_HELD_WAITS) {
		held->source = pv_source_hash(ctx, &held->peer);
		(*pv_source_held(ctx, held->source))++;
		pv_held_expect_syn(ctx, held, GAP_LEAST);
	}
	return held;
}

struct pv_held *
pv_held_of(const struct pv_ctx *ctx, uint64_t handle)
{
	const struct pv_held_table *table = &ctx->tcp->held;
	uint32_t slot = pv_handle_index(handle);
	struct pv_held *held =
			table->live != 0 && slot < table->n_slots ? table->of_slot[slot] : NULL;

	return held != NULL && held->handle == handle ? held : NULL;
}

/* ---- the end ---- */

/* Its slot's side of it. */
static void
leave_slot(struct pv_ctx *ctx, struct pv_held *held)
{
	struct pv_held_table *table = &ctx->tcp->held;

	if (held->state == PV_HELD_WAITS)
		(*pv_source_held(ctx, held->source))--;
	table->of_slot[pv_handle_index(held->handle)] = NULL;
	table->live--;
}

static void
give_place(struct pv_ctx *ctx, struct pv_held *held)
{
	pv_timer_cancel(&ctx->wheel, &held->timer);
	dequeue(&ctx->tcp->held, held);
	pv_pool_give(&ctx->tcp->held.pool, held);
}

void
pv_held_leave(struct pv_ctx *ctx, struct pv_held *held)
{
	leave_slot(ctx, held);
	give_place(ctx, held);
}

/* Whoever has its handle, or will take it out of the backlog, finds the reason in its status. */
static void
report_end(struct pv_ctx *ctx, struct pv_held *held, int error)
{
	struct pv_listener *listener = &ctx->tcp->listeners.listener[held->listener];
	struct pv_status *status = &pv_slot_at(ctx, pv_handle_index(held->handle))->status;
	const uint32_t set = PV_READY_ERROR | PV_READY_CLOSE | PV_READY_READ | PV_READY_WRITE;

	__atomic_store_n(&status->error, error, __ATOMIC_RELEASE);
	__atomic_store_n(&status->closes, status->closes + 1, __ATOMIC_RELAXED);
	pv_report(ctx, status, held->handle, set, 0, set);
	if (listener->shared != NULL)
		pv_backlog_forget(listener->shared, status);
	pv_slot_release(ctx, pv_handle_index(held->handle), PV_SLOT_TCP);
}

void
pv_held_end(struct pv_ctx *ctx, struct pv_held *held, int error)
{
	unlink_flow(ctx, held);
	if (held->state == PV_HELD_REJECTED) {
		pv_block_free(ctx, held->answer);
		give_place(ctx, held);
		return;
	}
	leave_slot(ctx, held);
	if (held->state == PV_HELD_WAITS) {
		report_end(ctx, held, error);
	} else {
		pv_exchange_drop(ctx, pv_handle_index(held->handle));
		release_slot(ctx, held->handle);
	}
	give_place(ctx, held);
}

/* ---- verdicts ---- */

/* From a closed port's point of view (RFC 9293 3.10.7.1), with the reason and the block. */
static void
send_rejection(struct pv_ctx *ctx, const struct pv_held *held, uint32_t seq, uint32_t ack,
		uint8_t flags)
{
	struct pv_tuple tuple;
	struct pv_bare rst = { .tuple = &tuple, .seq = seq, .ack = ack, .flags = flags };
	struct pv_tcp_opts opts = { .present = PV_TCP_OPT_HS };

	pv_held_tuple(held, &tuple);
	if (held->speaks) {
		opts.hs.flags = PV_HS_REJ;
		opts.hs.reason = held->reason;
		if (held->answer != NULL) {
			opts.hs.block_len = held->answer->len;
			rst.data = held->answer->bytes;
			rst.data_len = held->answer->len;
		}
		rst.options_len = (uint8_t)pv_tcp_opt_build(rst.options, &opts);
	}
	pv_count(&ctx->counters, PV_C_TCP_RST_SENT);
	pv_bare_send(ctx, &rst);
}

void
pv_held_refuse(struct pv_ctx *ctx, const struct pv_held *held, const struct pv_packet *packet)
{
	if (packet->flags & PV_TCP_ACK)
		send_rejection(ctx, held, packet->ack, 0, PV_TCP_RST);
	else
		send_rejection(ctx, held, 0, held->irs + 1 + held->block_len,
				PV_TCP_RST | PV_TCP_ACK);
}

uint64_t
pv_syn_schedule(const struct pv_tcp_config *config)
{
	uint64_t ms = 0, gap = config->rto_initial;

	for (uint32_t i = 0; i <= config->syn_retries; i++) {
		ms += gap;
		gap = 2 * gap < config->rto_max ? 2 * gap : config->rto_max;
	}
	return ms * MS;
}

static void
become_rejected(struct pv_ctx *ctx, struct pv_held *held, struct pv_block *answer)
{
	held->state = PV_HELD_REJECTED;
	held->handle = 0;
	held->answer = answer;
	enqueue(&ctx->tcp->held, held, PV_HELD_OVER);
	pv_timer_arm(&ctx->wheel, &held->timer, PV_TIMER_HELD,
			ctx->now + pv_syn_schedule(&ctx->tcp_config));
	pv_count(&ctx->counters, PV_C_HELD_REJECTED);
}

void
pv_held_reject(struct pv_ctx *ctx, struct pv_held *held, uint8_t reason, struct pv_block *answer)
{
	uint32_t slot = pv_handle_index(held->handle);

	leave_slot(ctx, held);
	dequeue(&ctx->tcp->held, held);
	held->reason = reason;
	become_rejected(ctx, held, answer);
	send_rejection(ctx, held, 0, held->irs + 1 + held->block_len, PV_TCP_RST | PV_TCP_ACK);
	pv_slot_release(ctx, slot, PV_SLOT_TCP);
}

void
pv_held_keep(struct pv_ctx *ctx, const struct pv_held *as, struct pv_block *answer)
{
	struct pv_held_table *table = &ctx->tcp->held;
	struct pv_held *held = take_place(ctx);

	if (held != NULL) {
		*held = *as;
		if (pv_flow_add(&ctx->tcp->flows, held->hash,
				    pv_flow_entry(PV_FLOW_HELD, index_of(table, held)))) {
			become_rejected(ctx, held, answer);
			return;
		}
		pv_pool_give(&table->pool, held);
	}
	pv_block_free(ctx, answer);
}

/* ---- timers ---- */

void
pv_held_expect_syn(struct pv_ctx *ctx, struct pv_held *held, uint64_t gap_ms)
{
	if (gap_ms < GAP_LEAST)
		gap_ms = GAP_LEAST;
	if (gap_ms > GAP_MOST)
		gap_ms = GAP_MOST;
	pv_timer_arm(&ctx->wheel, &held->timer, PV_TIMER_HELD,
			ctx->now + (PATIENCE * gap_ms + GAP_SLACK) * MS);
}

void
pv_held_answer(struct pv_ctx *ctx, struct pv_held *held)
{
	const struct pv_listener *listener = &ctx->tcp->listeners.listener[held->listener];
	uint64_t wait = (uint64_t)ctx->tcp_config.rto_initial << held->level;
	struct pv_tuple tuple;
	struct pv_syn_ack s = {
		.tuple = &tuple,
		.listener = listener,
		.iss = held->iss,
		.ack = held->irs + 1 + held->block_len,
		.tsecr = held->ts_recent,
		.agreed = held->agreed,
		.hs = PV_HS_PEND,
	};

	pv_held_tuple(held, &tuple);
	s.tsval = pv_tcp_ms(ctx) + pv_ts_offset(ctx, &tuple);
	pv_syn_ack_send(ctx, &s);
	if (wait > ctx->tcp_config.rto_max)
		wait = ctx->tcp_config.rto_max;
	pv_timer_arm(&ctx->wheel, &held->timer, PV_TIMER_HELD, ctx->now + wait * MS);
}

static void
fired(struct pv_ctx *ctx, struct pv_timer *timer)
{
	struct pv_held *held = pv_container_of(timer, struct pv_held, timer);

	if (held->state == PV_HELD_WAITS) {
		pv_count(&ctx->counters, PV_C_HELD_GONE);
	} else if (held->state == PV_HELD_PENDED) {
		if (held->level < ctx->tcp_config.syn_ack_retries) {
			held->level++;
			pv_count(&ctx->counters, PV_C_TCP_SYN_ACK_RETRANSMITTED);
			pv_held_answer(ctx, held);
			return;
		}
		pv_count(&ctx->counters, PV_C_TCP_HALF_OPEN_EXPIRED);
	}
	pv_held_end(ctx, held, -ETIMEDOUT);
}

int
pv_held_init(struct pv_ctx *ctx, struct pv_held_table *table, uint32_t n_slots, uint32_t n)
{
	pv_wheel_set(&ctx->wheel, PV_TIMER_HELD, fired);
	table->n_slots = n_slots;
	table->of_slot = pv_mem_map(n_slots * sizeof(struct pv_held *), false);
	if (table->of_slot == NULL || pv_pool_init(&table->pool, sizeof(struct pv_held), n, false))
		return -ENOMEM;
	return 0;
}

/* ---- many ---- */

bool
pv_held_evict(struct pv_ctx *ctx, const struct pv_listener *listener)
{
	struct pv_held *held = ctx->tcp->held.queue[PV_HELD_UNKNOWN].first;

	while (held != NULL && held->listener != listener->index)
		held = held->next;
	if (held == NULL)
		return false;
	pv_count(&ctx->counters, PV_C_HELD_EVICTED);
	pv_held_end(ctx, held, -ETIMEDOUT);
	return true;
}

void
pv_held_drop_all(struct pv_ctx *ctx, const struct pv_listener *listener)
{
	for (int queue = 0; queue < PV_HELD_QUEUES; queue++) {
		struct pv_held *next, *held = ctx->tcp->held.queue[queue].first;

		for (; held != NULL; held = next) {
			next = held->next;
			if (held->listener != listener->index)
				continue;
			if (held->state == PV_HELD_WAITS) {
				send_rejection(ctx, held, 0, held->irs + 1 + held->block_len,
						PV_TCP_RST | PV_TCP_ACK);
				pv_count(&ctx->counters, PV_C_LISTENER_RESET);
			}
			pv_held_end(ctx, held, -ECONNABORTED);
		}
	}
}

void
pv_held_reset(struct pv_ctx *ctx)
{
	for (int queue = 0; queue < PV_HELD_QUEUES; queue++) {
		while (ctx->tcp->held.queue[queue].first != NULL)
			pv_held_end(ctx, ctx->tcp->held.queue[queue].first, -ECONNABORTED);
	}
}
