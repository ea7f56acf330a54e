/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of half-open connections and its timers. */
#include "tcp/half_open_table.h"

#include "tcp/conn.h"
#include "tcp/syn_ack.h"
#include "tcp/tcp.h"

/* How many of the oldest of a queue are asked to make room. */
enum { GREEDY_LOOKS = 16 };

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
		pv_flow_remove(&tcp->flows, &place);
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

		if (*pv_half_open_source(tcp, record) > tcp->shed.share)
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
	pv_half_open_dequeue(ctx, i);
	pv_half_open_enqueue(ctx, i, (uint8_t)(level + 1));
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

/* The deadlines of a queue, as the new table has them: what they tell of the beginning stays true,
 * and no later one comes before them. */
static void
retime(struct pv_ctx *ctx, struct pv_half_open_level *level, uint32_t by)
{
	struct pv_record_pool *pool = &ctx->tcp->half_open.pool;
	uint32_t head = level->queue.head;
	uint64_t due;

	for (uint32_t i = head; i != PV_RECORD_NONE; i = pv_record_at(pool, i)->next)
		pv_record_at(pool, i)->deadline += by;
	due = pv_record_ns(pv_record_at(pool, head)->deadline, ctx->now);
	pv_timer_arm(&ctx->wheel, &level->timer, PV_TIMER_HALF_OPEN,
			due > ctx->now ? due : ctx->now);
}

void
pv_tcp_configure(struct pv_ctx *ctx, const struct pv_tcp_config *config)
{
	uint64_t before[PV_HALF_OPEN_LEVELS];

	for (uint32_t i = 0; i < PV_HALF_OPEN_LEVELS; i++)
		before[i] = pv_half_open_rto(ctx, i);
	ctx->tcp_config = *config;
	for (uint32_t i = 0; i < ctx->tcp->listeners.size; i++)
		pv_listener_mark(ctx, &ctx->tcp->listeners.listener[i]);
	for (uint32_t i = 0; i < PV_HALF_OPEN_LEVELS; i++) {
		struct pv_half_open_level *level = &ctx->tcp->half_open.level[i];
		uint32_t by = pv_record_ticks(pv_half_open_rto(ctx, i)) -
			      pv_record_ticks(before[i]);

		if (by != 0 && level->queue.head != PV_RECORD_NONE)
			retime(ctx, level, by);
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
