/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_HALF_OPEN_TABLE_H
#define PV_TCP_HALF_OPEN_TABLE_H

/* How a half-open connection enters its table and leaves it, in line for the two segments that do
 * nothing else: SYN and ACK. */

#include "tcp/half_open.h"
#include "tcp/parse.h"
#include "tcp/state.h"

/* Between a SYN-ACK of this level and the next; ns. */
static inline uint64_t
pv_half_open_rto(const struct pv_ctx *ctx, uint32_t level)
{
	uint64_t ms = (uint64_t)ctx->tcp_config.rto_initial << level;

	return (ms < ctx->tcp_config.rto_max ? ms : ctx->tcp_config.rto_max) * 1000000;
}

/* When its SYN came, as long as the SYN-ACK was not sent again by timer; ns, 65 us fine. */
static inline uint64_t
pv_half_open_began(const struct pv_ctx *ctx, const struct pv_record *record)
{
	return pv_record_ns(record->deadline, ctx->now) - pv_half_open_rto(ctx, 0);
}

/* To the end of a queue. A deadline before its neighbour's (by rounding, when the configuration has
 * changed) waits for that. */
static inline void
pv_half_open_enqueue(struct pv_ctx *ctx, uint32_t i, uint8_t level)
{
	struct pv_record_pool *pool = &ctx->tcp->half_open.pool;
	struct pv_half_open_level *to = &ctx->tcp->half_open.level[level];
	struct pv_record *record = pv_record_at(pool, i);
	uint32_t deadline = pv_record_ticks(ctx->now + pv_half_open_rto(ctx, level));

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
pv_half_open_dequeue(struct pv_ctx *ctx, uint32_t i)
{
	struct pv_record_pool *pool = &ctx->tcp->half_open.pool;
	struct pv_half_open_level *from =
			&ctx->tcp->half_open.level[pv_record_at(pool, i)->half_open.level];

	pv_record_unlink(pool, &from->queue, i);
	if (from->queue.head == PV_RECORD_NONE)
		pv_timer_cancel(&ctx->wheel, &from->timer);
}

/* Makes the record of a SYN and enters it into the flow table. NULL: no record or no slot left. */
static inline struct pv_record *
pv_half_open_add(struct pv_ctx *ctx, const struct pv_packet *packet, struct pv_listener *listener,
		uint32_t iss, uint8_t agreed)
{
	struct pv_tcp *tcp = ctx->tcp;
	struct pv_record_pool *pool = &tcp->half_open.pool;
	uint32_t i = pv_record_take(pool, &packet->tuple, !packet->is_v4);
	struct pv_record *record;

	if (pv_unlikely(i == PV_RECORD_NONE))
		return NULL;
	if (pv_unlikely(!pv_flow_add_from(&tcp->flows, packet->home, packet->hash,
			    pv_flow_entry(PV_FLOW_HALF_OPEN, i)))) {
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
	pv_half_open_enqueue(ctx, i, 0);
	listener->half_open++;
	++*pv_shed_source(&tcp->shed, &packet->tuple.peer);
	return record;
}

/* The counter of its peer's network. */
static inline uint32_t *
pv_half_open_source(struct pv_tcp *tcp, const struct pv_record *record)
{
	if (pv_record_is_v6(record))
		return pv_shed_source(&tcp->shed, &record->v6.peer);
	return pv_shed_source_v4(&tcp->shed, record->v4.peer);
}

/* Gives the record back. What stood in the flow table must be out of it, or another's by now. */
static inline void
pv_half_open_drop(struct pv_ctx *ctx, uint32_t i)
{
	struct pv_tcp *tcp = ctx->tcp;
	const struct pv_record *record = pv_record_at(&tcp->half_open.pool, i);

	pv_half_open_dequeue(ctx, i);
	tcp->listeners.listener[record->listener].half_open--;
	--*pv_half_open_source(tcp, record);
	pv_record_give(&tcp->half_open.pool, i);
}

#endif
