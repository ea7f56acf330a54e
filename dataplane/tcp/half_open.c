/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of half-open connections and its timers. */
#include "tcp/half_open.h"

#include "tcp/conn.h"
#include "tcp/parse.h"
#include "tcp/state.h"
#include "tcp/syn_ack.h"

/* How many of the oldest of a queue are asked to make room. */
enum { GREEDY_LOOKS = 16 };

/* Between a SYN-ACK of this level and the next. */
static inline uint64_t
rto(const struct pv_ctx *ctx, uint32_t level)
{
	uint64_t ms = (uint64_t)ctx->tcp_config.rto_initial << level;

	return (ms < ctx->tcp_config.rto_max ? ms : ctx->tcp_config.rto_max) * 1000000;
}

uint64_t
pv_half_open_began(const struct pv_ctx *ctx, const struct pv_record *record)
{
	return pv_record_ns(record->deadline, ctx->now) - rto(ctx, 0);
}

/* To the end of a queue. A deadline before its neighbour's (the configuration changed) waits for
 * that. */
static inline void
enqueue(struct pv_ctx *ctx, uint32_t i, uint8_t level)
{
	struct pv_record_pool *pool = &ctx->tcp->half_open.pool;
	struct pv_half_open_level *to = &ctx->tcp->half_open.level[level];
	struct pv_record *record = pv_record_at(pool, i);
	uint32_t deadline = pv_record_ticks(ctx->now + rto(ctx, level));

	if (to->queue.tail == PV_RECORD_NONE)
		pv_timer_arm(&ctx->wheel, &to->timer, PV_TIMER_HALF_OPEN,
				pv_record_ns(deadline, ctx->now));
	else if ((int32_t)(pv_record_at(pool, to->queue.tail)->deadline - deadline) > 0)
		deadline = pv_record_at(pool, to->queue.tail)->deadline;
	record->half_open.level = level & 0x3fu;
	record->deadline = deadline;
	pv_record_append(pool, &to->queue, i);
}

/* The timer stays where it is when the head goes: it finds a later deadline, and waits for that. */
static inline void
dequeue(struct pv_ctx *ctx, uint32_t i)
{
	struct pv_record_pool *pool = &ctx->tcp->half_open.pool;
	struct pv_half_open_level *from =
			&ctx->tcp->half_open.level[pv_record_at(pool, i)->half_open.level];

	pv_record_unlink(pool, &from->queue, i);
	if (from->queue.head == PV_RECORD_NONE)
		pv_timer_cancel(&ctx->wheel, &from->timer);
}

struct pv_record *
pv_half_open_add(struct pv_ctx *ctx, const struct pv_packet *packet, struct pv_listener *listener,
		uint32_t iss, uint8_t agreed)
{
	struct pv_tcp *tcp = ctx->tcp;
	struct pv_record_pool *pool = &tcp->half_open.pool;
	uint32_t i = pv_record_take(pool, &packet->tuple, !packet->is_v4);
	struct pv_record *record;

	if (pv_unlikely(i == PV_RECORD_NONE))
		return NULL;
	if (pv_unlikely(!pv_flow_add(
			    &tcp->flows, packet->hash, pv_flow_entry(PV_FLOW_HALF_OPEN, i)))) {
		pv_count(&ctx->counters, PV_C_FLOW_TABLE_FULL);
		pv_record_give(pool, i);
		return NULL;
	}
	record = pv_record_at(pool, i);
	record->listener = listener->index;
	record->ts_recent = packet->tsval;
	record->half_open.irs = packet->seq;
	record->half_open.iss = iss;
	record->half_open.mss = pv_packet_mss(packet);
	record->half_open.agreed = agreed;
	record->half_open.decided = packet->decided & 1u;
	enqueue(ctx, i, 0);
	listener->half_open++;
	++*pv_shed_source(&tcp->shed, &packet->tuple.peer);
	return record;
}

/* The counter of its peer's network. */
static inline uint32_t *
source_of(struct pv_tcp *tcp, const struct pv_record *record)
{
	if (pv_record_is_v6(record))
		return pv_shed_source(&tcp->shed, &record->v6.peer);
	return pv_shed_source_v4(&tcp->shed, record->v4.peer);
}

void
pv_half_open_drop(struct pv_ctx *ctx, uint32_t i)
{
	struct pv_tcp *tcp = ctx->tcp;
	const struct pv_record *record = pv_record_at(&tcp->half_open.pool, i);

	dequeue(ctx, i);
	tcp->listeners.listener[record->listener].half_open--;
	--*source_of(tcp, record);
	pv_record_give(&tcp->half_open.pool, i);
}

static void
tuple_of(const struct pv_ctx *ctx, const struct pv_record *record, struct pv_tuple *tuple)
{
	pv_record_tuple(record, ctx->tcp->listeners.port[record->listener], tuple);
}

/* Out of the flow table, too; without a packet at hand. */
static void
forget(struct pv_ctx *ctx, uint32_t i)
{
	struct pv_tcp *tcp = ctx->tcp;
	struct pv_flow_place place;
	struct pv_tuple tuple;
	uint32_t hash;

	tuple_of(ctx, pv_record_at(&tcp->half_open.pool, i), &tuple);
	hash = pv_flow_hash(ctx, &tuple);
	if (!pv_never(ctx, !pv_flow_place_of(&tcp->flows, hash, pv_flow_entry(PV_FLOW_HALF_OPEN, i),
					   &place)))
		pv_flow_remove(&tcp->flows, hash, &place);
	pv_half_open_drop(ctx, i);
}

/* The oldest of a queue that belongs to a network with more than its share. */
static uint32_t
greedy(struct pv_ctx *ctx, const struct pv_record_queue *queue)
{
	struct pv_tcp *tcp = ctx->tcp;
	uint32_t i = queue->head;

	for (uint32_t n = 0; n < GREEDY_LOOKS && i != PV_RECORD_NONE; n++) {
		const struct pv_record *record = pv_record_at(&tcp->half_open.pool, i);

		if (*source_of(tcp, record) > tcp->shed.share)
			return i;
		i = record->next;
	}
	return PV_RECORD_NONE;
}

bool
pv_half_open_displace(struct pv_ctx *ctx, const struct pv_addr *peer)
{
	const struct pv_half_open *half_open = &ctx->tcp->half_open;
	uint32_t i = PV_RECORD_NONE;

	if (*pv_shed_source(&ctx->tcp->shed, peer) >= ctx->tcp->shed.share)
		return false;
	for (uint32_t level = PV_HALF_OPEN_LEVELS; level-- > 0 && i == PV_RECORD_NONE;)
		i = greedy(ctx, &half_open->level[level].queue);
	if (i == PV_RECORD_NONE)
		return false;
	forget(ctx, i);
	pv_count(&ctx->counters, PV_C_TCP_HALF_OPEN_DISPLACED);
	return true;
}

void
pv_half_open_drop_all(struct pv_ctx *ctx, const struct pv_listener *listener)
{
	struct pv_half_open *half_open = &ctx->tcp->half_open;

	for (uint32_t level = 0; level < PV_HALF_OPEN_LEVELS && listener->half_open != 0; level++) {
		uint32_t next, i = half_open->level[level].queue.head;

		for (; i != PV_RECORD_NONE; i = next) {
			const struct pv_record *record = pv_record_at(&half_open->pool, i);

			next = record->next;
			if (record->listener != listener->index)
				continue;
			forget(ctx, i);
			pv_count(&ctx->counters, PV_C_LISTENER_RESET);
		}
	}
}

void
pv_half_open_answer(struct pv_ctx *ctx, const struct pv_record *record)
{
	const struct pv_listener *listener = &ctx->tcp->listeners.listener[record->listener];
	struct pv_tuple tuple;
	struct pv_syn_ack s = {
		.tuple = &tuple,
		.listener = listener,
		.iss = record->half_open.iss,
		.ack = record->half_open.irs + 1,
		.tsecr = record->ts_recent,
		.agreed = record->half_open.agreed,
	};

	tuple_of(ctx, record, &tuple);
	s.tsval = pv_tcp_ms(ctx) + pv_ts_offset(ctx, &tuple);
	pv_syn_ack_send(ctx, &s);
}

/* The head of a queue is due: its SYN-ACK again, or the end. */
static void
due(struct pv_ctx *ctx, uint32_t i)
{
	const struct pv_record *record = pv_record_at(&ctx->tcp->half_open.pool, i);
	uint32_t level = record->half_open.level;

	if (level >= ctx->tcp_config.syn_ack_retries || level + 1 == PV_HALF_OPEN_LEVELS) {
		pv_count(&ctx->counters, PV_C_TCP_HALF_OPEN_EXPIRED);
		forget(ctx, i);
		return;
	}
	pv_count(&ctx->counters, PV_C_TCP_SYN_ACK_RETRANSMITTED);
	pv_half_open_answer(ctx, record);
	dequeue(ctx, i);
	enqueue(ctx, i, (uint8_t)(level + 1));
}

static void
on_timer(struct pv_ctx *ctx, struct pv_timer *timer)
{
	struct pv_half_open_level *level = pv_container_of(timer, struct pv_half_open_level, timer);
	const struct pv_record_pool *pool = &ctx->tcp->half_open.pool;

	while (level->queue.head != PV_RECORD_NONE) {
		const struct pv_record *head = pv_record_at(pool, level->queue.head);

		if (!pv_record_due(head, ctx->now)) {
			pv_timer_arm(&ctx->wheel, timer, PV_TIMER_HALF_OPEN,
					pv_record_ns(head->deadline, ctx->now));
			return;
		}
		due(ctx, level->queue.head);
	}
}

static void
empty_queues(struct pv_half_open *half_open)
{
	for (uint32_t level = 0; level < PV_HALF_OPEN_LEVELS; level++)
		half_open->level[level].queue =
				(struct pv_record_queue){ PV_RECORD_NONE, PV_RECORD_NONE };
}

int
pv_half_open_init(struct pv_ctx *ctx, struct pv_half_open *half_open, uint32_t size, bool huge)
{
	pv_wheel_set(&ctx->wheel, PV_TIMER_HALF_OPEN, on_timer);
	empty_queues(half_open);
	return pv_record_pool_init(&half_open->pool, size, huge);
}

void
pv_half_open_fini(struct pv_half_open *half_open)
{
	pv_record_pool_fini(&half_open->pool);
}

void
pv_half_open_reset(struct pv_ctx *ctx)
{
	struct pv_half_open *half_open = &ctx->tcp->half_open;
	struct pv_listener_table *listeners = &ctx->tcp->listeners;

	for (uint32_t level = 0; level < PV_HALF_OPEN_LEVELS; level++)
		pv_timer_cancel(&ctx->wheel, &half_open->level[level].timer);
	for (uint32_t i = 0; i < listeners->size; i++)
		listeners->listener[i].half_open = 0;
	memset(ctx->tcp->shed.source, 0, sizeof(ctx->tcp->shed.source));
	empty_queues(half_open);
	pv_record_pool_reset(&half_open->pool);
}
