/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/time_wait.h"

#include "base/seq.h"
#include "tcp/bare.h"
#include "tcp/conn.h"
#include "tcp/handshake.h"
#include "tcp/reset.h"
#include "tcp/state.h"

/* How far the ISS of a connection that follows another must lie beyond the last number of the old
 * one, where the clock of RFC 6528 has not taken it there.
 */
enum { ISS_STEP = 1 << 17 };

/* So many ns after its end a connection may be opened anew from our side. */
enum { REUSE_AFTER = 1000000000 };

static void
enqueue(struct pv_ctx *ctx, uint32_t i)
{
	struct pv_time_wait *time_wait = &ctx->tcp->time_wait;
	struct pv_record_pool *pool = &time_wait->pool;
	uint64_t end = ctx->now + (uint64_t)ctx->tcp_config.time_wait * 1000000;
	uint32_t deadline = pv_record_ticks(end);

	if (time_wait->queue.tail == PV_RECORD_NONE)
		pv_timer_arm(&ctx->wheel, &time_wait->timer, PV_TIMER_TIME_WAIT,
				pv_record_ns(deadline, ctx->now));
	else if ((int32_t)(pv_record_at(pool, time_wait->queue.tail)->deadline - deadline) > 0)
		deadline = pv_record_at(pool, time_wait->queue.tail)->deadline;
	pv_record_at(pool, i)->deadline = deadline;
	pv_record_append(pool, &time_wait->queue, i);
}

static void
dequeue(struct pv_ctx *ctx, uint32_t i)
{
	struct pv_time_wait *time_wait = &ctx->tcp->time_wait;

	pv_record_unlink(&time_wait->pool, &time_wait->queue, i);
	if (time_wait->queue.head == PV_RECORD_NONE)
		pv_timer_cancel(&ctx->wheel, &time_wait->timer);
}

static void
end(struct pv_ctx *ctx, uint32_t i, const struct pv_flow_place *place)
{
	pv_flow_remove(&ctx->tcp->flows, place);
	dequeue(ctx, i);
	pv_record_give(&ctx->tcp->time_wait.pool, i);
}

static void
fill(struct pv_record *record, const struct pv_pcb *pcb)
{
	uint32_t window = (pcb->rcv_adv - pcb->rcv_nxt) >> pcb->rcv_wscale;

	record->local_port = pcb->tuple.local_port;
	record->ts_recent = pcb->ts_recent;
	record->time_wait.snd_nxt = pcb->snd_nxt;
	record->time_wait.rcv_nxt = pcb->rcv_nxt;
	record->time_wait.window = (uint16_t)(window < UINT16_MAX ? window : UINT16_MAX);
	record->time_wait.tos = pcb->tos;
	record->time_wait.timestamps = (pcb->flags & PV_PCB_TIMESTAMPS) != 0;
	record->time_wait.last_ack = 0;
}

uint32_t
pv_time_wait_record(struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	struct pv_tcp *tcp = ctx->tcp;
	uint32_t i = pv_record_take(&tcp->time_wait.pool, &pcb->tuple, !pcb->is_v4);
	uint32_t old = pv_flow_entry(PV_FLOW_CONNECTION, pcb->index);
	struct pv_flow_place place;

	if (pv_unlikely(i == PV_RECORD_NONE)) {
		pv_count(&ctx->counters, PV_C_TCP_TIME_WAIT_FULL);
		return i;
	}
	if (pv_never(ctx, !pv_flow_place_of(&tcp->flows, pcb->hash, old, &place))) {
		pv_record_give(&tcp->time_wait.pool, i);
		return PV_RECORD_NONE;
	}
	fill(pv_record_at(&tcp->time_wait.pool, i), pcb);
	place.bucket->entry[place.slot] = pv_flow_entry(PV_FLOW_TIME_WAIT, i);
	return i;
}

void
pv_time_wait_enter(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	uint32_t i = pv_time_wait_record(ctx, pcb);

	if (i != PV_RECORD_NONE) {
		enqueue(ctx, i);
		pv_count(&ctx->counters, PV_C_TCP_TIME_WAIT_STARTED);
	}
	pv_pcb_free(ctx, pcb);
}

static void
on_timer(struct pv_ctx *ctx, struct pv_timer *timer)
{
	struct pv_tcp *tcp = ctx->tcp;
	struct pv_time_wait *time_wait = &tcp->time_wait;

	while (time_wait->queue.head != PV_RECORD_NONE) {
		uint32_t i = time_wait->queue.head;
		struct pv_record *record = pv_record_at(&time_wait->pool, i);
		struct pv_flow_place place;
		struct pv_tuple tuple;
		uint32_t hash;

		if (!pv_record_due(record, ctx->now)) {
			pv_timer_arm(&ctx->wheel, timer, PV_TIMER_TIME_WAIT,
					pv_record_ns(record->deadline, ctx->now));
			return;
		}
		pv_record_tuple(record, record->local_port, &tuple);
		hash = pv_flow_hash(ctx, &tuple);
		if (pv_never(ctx, !pv_flow_place_of(&tcp->flows, hash,
						  pv_flow_entry(PV_FLOW_TIME_WAIT, i), &place))) {
			dequeue(ctx, i);
			pv_record_give(&time_wait->pool, i);
			continue;
		}
		end(ctx, i, &place);
	}
}

/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK> */
static void
acknowledge(struct pv_ctx *ctx, const struct pv_packet *packet, const struct pv_record *record)
{
	struct pv_bare ack = {
		.tuple = &packet->tuple,
		.seq = record->time_wait.snd_nxt,
		.ack = record->time_wait.rcv_nxt,
		.window = record->time_wait.window,
		.flags = PV_TCP_ACK,
		.tos = record->time_wait.tos & 0xfc,
	};

	if (record->time_wait.timestamps)
		pv_bare_timestamps(&ack, ctx->tcp->ms + packet->ts_offset, record->ts_recent);
	pv_bare_send(ctx, &ack);
}

/* May this SYN open the connection anew (RFC 6191 3; without timestamps RFC 1122 4.2.2.13)? */
static bool
newer(const struct pv_packet *packet, const struct pv_record *record)
{
	bool beyond = pv_seq_gt(packet->seq, record->time_wait.rcv_nxt);

	if ((packet->options & PV_TCP_OPT_TS) == 0 || !record->time_wait.timestamps)
		return beyond;
	return pv_seq_gt(packet->tsval, record->ts_recent) ||
	       (packet->tsval == record->ts_recent && beyond);
}

/* RFC 6528, and beyond all that the old connection sent. */
static uint32_t
next_iss(struct pv_ctx *ctx, const struct pv_tuple *tuple, const struct pv_record *record)
{
	uint32_t iss = pv_isn_active(ctx, tuple);
	uint32_t after = record->time_wait.snd_nxt;

	return pv_seq_gt(iss, after) ? iss : after + ISS_STEP + (iss & (ISS_STEP - 1));
}

static enum pv_counter
syn(struct pv_ctx *ctx, struct pv_packet *packet, const struct pv_record *record,
		const struct pv_flow_place *place)
{
	struct pv_tcp *tcp = ctx->tcp;
	struct pv_listener *listener =
			pv_listener_find(&tcp->listeners, &packet->tuple, packet->is_v4);
	enum pv_counter refused;
	uint32_t iss;

	if (listener == NULL || (packet->flags & PV_TCP_ACK) != 0 || !newer(packet, record)) {
		if (pv_challenge_allowed(ctx))
			acknowledge(ctx, packet, record);
		return PV_C_TCP_TIME_WAIT;
	}
	refused = pv_syn_refuse(ctx, packet, listener);
	if (refused != 0)
		return refused;
	iss = next_iss(ctx, &packet->tuple, record);
	end(ctx, pv_flow_index(place->bucket->entry[place->slot]), place);
	return pv_syn_reopen(ctx, packet, listener, iss);
}

enum pv_counter
pv_time_wait_segment(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_record *record,
		const struct pv_flow_place *place)
{
	uint32_t len = pv_tcp_seg_len(packet->flags, packet->payload_len);

	if (record->time_wait.last_ack)
		return pv_last_ack_segment(ctx, packet, record, place);
	if (packet->flags & PV_TCP_RST) /* RFC 1337 */
		return PV_C_TCP_TIME_WAIT;
	if (packet->flags & PV_TCP_SYN)
		return syn(ctx, packet, record, place);
	if ((packet->flags & PV_TCP_FIN) != 0 && packet->seq + len == record->time_wait.rcv_nxt) {
		uint32_t i = pv_flow_index(place->bucket->entry[place->slot]);

		/* The FIN again: our ACK was lost. */
		acknowledge(ctx, packet, record);
		dequeue(ctx, i);
		enqueue(ctx, i);
		return PV_C_TCP_TIME_WAIT;
	}
	if ((packet->seq != record->time_wait.rcv_nxt || len != 0) && pv_challenge_allowed(ctx))
		acknowledge(ctx, packet, record);
	return PV_C_TCP_TIME_WAIT;
}

/* RFC 6191 3 from the other side: our timestamps, which only grow for a tuple, tell the two apart.
 */
bool
pv_time_wait_reuse(struct pv_ctx *ctx, const struct pv_tuple *tuple, uint32_t *iss)
{
	struct pv_tcp *tcp = ctx->tcp;
	uint32_t hash = pv_flow_hash(ctx, tuple);
	struct pv_flow_place place;
	uint32_t entry = pv_flow_find(&tcp->flows, hash, tuple, &place);
	const struct pv_record *record;
	uint64_t began;

	if (entry == PV_FLOW_NONE || pv_flow_kind(entry) != PV_FLOW_TIME_WAIT)
		return false;
	record = pv_record_at(&tcp->time_wait.pool, pv_flow_index(entry));
	began = pv_record_ns(record->deadline, ctx->now) -
		(uint64_t)ctx->tcp_config.time_wait * 1000000;
	if (record->time_wait.last_ack || !record->time_wait.timestamps ||
			ctx->now < began + REUSE_AFTER)
		return false;
	*iss = next_iss(ctx, tuple, record);
	end(ctx, pv_flow_index(entry), &place);
	return true;
}

int
pv_time_wait_init(struct pv_ctx *ctx, struct pv_time_wait *time_wait, uint32_t size, bool huge)
{
	pv_wheel_set(&ctx->wheel, PV_TIMER_TIME_WAIT, on_timer);
	time_wait->queue = (struct pv_record_queue){ PV_RECORD_NONE, PV_RECORD_NONE };
	return pv_record_pool_init(&time_wait->pool, size, huge);
}

void
pv_time_wait_fini(struct pv_time_wait *time_wait)
{
	pv_record_pool_fini(&time_wait->pool);
}

void
pv_time_wait_reset(struct pv_ctx *ctx)
{
	struct pv_time_wait *time_wait = &ctx->tcp->time_wait;

	pv_timer_cancel(&ctx->wheel, &time_wait->timer);
	time_wait->queue = (struct pv_record_queue){ PV_RECORD_NONE, PV_RECORD_NONE };
	pv_record_pool_reset(&time_wait->pool);
}
