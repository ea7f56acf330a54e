/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/last_ack.h"

#include "base/seq.h"
#include "tcp/bare.h"
#include "tcp/conn.h"
#include "tcp/conns.h"
#include "tcp/established.h"
#include "tcp/state.h"

enum {
	CONTROL = PV_TCP_FIN | PV_TCP_SYN | PV_TCP_RST | PV_TCP_ACK | PV_TCP_URG,
	/* what makes a connection more than an idle one that nobody holds */
	MORE = PV_PCB_TOUCHED | PV_PCB_EXCHANGE | PV_PCB_SYN_LOST | PV_PCB_CONNECTING,
};

/* Between the FIN of this level and the next. */
static inline uint64_t
rto(const struct pv_ctx *ctx, uint32_t level)
{
	uint64_t ms = (uint64_t)ctx->tcp_config.rto_initial << level;

	return (ms < ctx->tcp_config.rto_max ? ms : ctx->tcp_config.rto_max) * 1000000;
}

/* To the end of a queue. A deadline before its neighbour's (the configuration changed) waits for
 * that. */
static void
enqueue(struct pv_ctx *ctx, uint32_t i, uint32_t level)
{
	struct pv_record_pool *pool = &ctx->tcp->time_wait.pool;
	struct pv_record_queue *queue = &ctx->tcp->last_ack.level[level].queue;
	struct pv_record *record = pv_record_at(pool, i);
	uint32_t deadline = pv_record_ticks(ctx->now + rto(ctx, level));

	if (queue->tail == PV_RECORD_NONE)
		pv_timer_arm(&ctx->wheel, &ctx->tcp->last_ack.level[level].timer, PV_TIMER_LAST_ACK,
				pv_record_ns(deadline, ctx->now));
	else if ((int32_t)(pv_record_at(pool, queue->tail)->deadline - deadline) > 0)
		deadline = pv_record_at(pool, queue->tail)->deadline;
	record->deadline = deadline;
	record->time_wait.level = level & 15u;
	pv_record_append(pool, queue, i);
}

/* The timer stays where it is when the head goes: it finds a later deadline, and waits for that. */
static void
dequeue(struct pv_ctx *ctx, uint32_t i)
{
	struct pv_record_pool *pool = &ctx->tcp->time_wait.pool;
	uint32_t level = pv_record_at(pool, i)->time_wait.level;
	struct pv_record_queue *queue = &ctx->tcp->last_ack.level[level].queue;

	pv_record_unlink(pool, queue, i);
	if (queue->head == PV_RECORD_NONE)
		pv_timer_cancel(&ctx->wheel, &ctx->tcp->last_ack.level[level].timer);
}

static void
end(struct pv_ctx *ctx, uint32_t i, uint32_t hash, const struct pv_flow_place *place)
{
	struct pv_tcp *tcp = ctx->tcp;
	const struct pv_record *record = pv_record_at(&tcp->time_wait.pool, i);

	/* Behind the ISS stand our SYN and our FIN. */
	if (pv_unlikely(record->time_wait.cookie))
		pv_ended_note(tcp, hash, record->time_wait.snd_nxt - 2);
	pv_flow_remove(&tcp->flows, place);
	dequeue(ctx, i);
	pv_record_give(&tcp->time_wait.pool, i);
	tcp->last_ack.in_use--;
}

/* Without a packet at hand. */
static void
forget(struct pv_ctx *ctx, uint32_t i)
{
	const struct pv_record *record = pv_record_at(&ctx->tcp->time_wait.pool, i);
	struct pv_flow_place place;
	struct pv_tuple tuple;
	uint32_t hash;

	pv_record_tuple(record, record->local_port, &tuple);
	hash = pv_flow_hash(ctx, &tuple);
	if (!pv_never(ctx, !pv_flow_place_of(&ctx->tcp->flows, hash,
					   pv_flow_entry(PV_FLOW_TIME_WAIT, i), &place)))
		end(ctx, i, hash, &place);
}

/* What a record says, without options yet; the tuple is the caller's. */
static struct pv_bare
segment(const struct pv_record *record, const struct pv_tuple *tuple, uint8_t flags)
{
	return (struct pv_bare){
		.tuple = tuple,
		.seq = record->time_wait.snd_nxt - ((flags & PV_TCP_FIN) != 0),
		.ack = record->time_wait.rcv_nxt,
		.window = record->time_wait.window,
		.flags = flags,
		.tos = record->time_wait.tos & 0xfc,
	};
}

/* Without a packet at hand. */
static void
send(struct pv_ctx *ctx, const struct pv_record *record, uint8_t flags)
{
	struct pv_tuple tuple;
	struct pv_bare bare;

	pv_record_tuple(record, record->local_port, &tuple);
	bare = segment(record, &tuple, flags);
	if (record->time_wait.timestamps)
		pv_bare_timestamps(&bare, pv_tcp_ms(ctx) + pv_ts_offset(ctx, &tuple),
				record->ts_recent);
	pv_bare_send(ctx, &bare);
}

/* ---- the FIN that begins it ------------------------------------------------------------------ */

/* Such a connection: nothing was ever sent or received on it, nor its time-outs set. */
static inline bool
is_idle(const struct pv_ctx *ctx, const struct pv_pcb *pcb)
{
	return (pcb->flags & MORE) == 0 && ctx->tcp_config.user_timeout == 0 &&
	       ctx->tcp_config.data_retries < PV_LAST_ACK_LEVELS;
}

/* In order, alone, acknowledging all that was sent. */
static inline bool
is_plain(const struct pv_pcb *pcb, const struct pv_packet *p)
{
	uint8_t timestamps = (pcb->flags & PV_PCB_TIMESTAMPS) != 0 ? PV_TCP_OPT_TS : 0;

	return (p->flags & CONTROL) == (PV_TCP_FIN | PV_TCP_ACK) && p->payload_len == 0 &&
	       p->seq == pcb->rcv_nxt && p->seq != pcb->rcv_adv && p->ack == pcb->snd_nxt &&
	       (p->options & (PV_TCP_OPT_TS | PV_TCP_OPT_HS)) == timestamps &&
	       (timestamps == 0 || pv_seq_le(pcb->ts_recent, p->tsval));
}

/* The record that follows the control block, whose FIN is to be sent. PV_RECORD_NONE: none left. */
static uint32_t
begin(struct pv_ctx *ctx, struct pv_pcb *pcb)
{
	uint32_t i = pv_time_wait_record(ctx, pcb);
	struct pv_record *record;

	if (pv_unlikely(i == PV_RECORD_NONE))
		return i;
	record = pv_record_at(&ctx->tcp->time_wait.pool, i);
	record->time_wait.last_ack = 1;
	record->time_wait.cookie = (pcb->flags & PV_PCB_COOKIE) != 0;
	record->time_wait.snd_nxt++;
	enqueue(ctx, i, 0);
	ctx->tcp->last_ack.in_use++;
	pv_close_no_orphan(ctx, pcb);
	pv_count(&ctx->counters, PV_C_TCP_CLOSED);
	pv_pcb_free(ctx, pcb);
	return i;
}

static bool
answer(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet)
{
	const struct pv_record *record;
	struct pv_bare fin;
	uint32_t i;

	pcb->rcv_nxt++;
	pcb->ts_recent = packet->tsval;
	i = begin(ctx, pcb);
	if (pv_unlikely(i == PV_RECORD_NONE)) {
		pcb->rcv_nxt--;
		return false;
	}
	record = pv_record_at(&ctx->tcp->time_wait.pool, i);
	fin = segment(record, &packet->tuple, PV_TCP_FIN | PV_TCP_ACK);
	if (record->time_wait.timestamps)
		pv_bare_timestamps(&fin, ctx->tcp->ms + packet->ts_offset, packet->tsval);
	pv_bare_reply(ctx, packet, &fin);
	return true;
}

bool
pv_last_ack_fin(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet)
{
	if (pcb->state != PV_ESTABLISHED || !is_idle(ctx, pcb) || !is_plain(pcb, packet))
		return false;
	if (pcb->flags & PV_PCB_ORPHAN)
		return answer(ctx, pcb, packet);
	pv_acked_window(pcb, packet);
	pcb->ts_recent = packet->tsval;
	pcb->ts_recent_ms = ctx->tcp->ms;
	pv_conn_fin_taken(ctx, pcb);
	pv_conn_set_state(ctx, pcb, PV_CLOSE_WAIT);
	pv_ack_send(ctx, pcb);
	return true;
}

bool
pv_last_ack_close(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_shared *shared)
{
	uint32_t i;

	if (pcb->state != PV_CLOSE_WAIT || !is_idle(ctx, pcb) ||
			pv_stream_waiting(&shared->tx) != 0)
		return false;
	i = begin(ctx, pcb);
	if (i == PV_RECORD_NONE)
		return false;
	send(ctx, pv_record_at(&ctx->tcp->time_wait.pool, i), PV_TCP_FIN | PV_TCP_ACK);
	return true;
}

/* ---- the segments behind it ------------------------------------------------------------------ */

/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, as far as the limit on such answers allows. */
static enum pv_counter
challenge(struct pv_ctx *ctx, const struct pv_record *record, enum pv_counter outcome)
{
	if (pv_challenge_allowed(ctx))
		send(ctx, record, PV_TCP_ACK);
	return outcome;
}

/* RFC 5961 3.2. */
static enum pv_counter
rst(struct pv_ctx *ctx, const struct pv_packet *packet, const struct pv_record *record,
		const struct pv_flow_place *place)
{
	uint32_t offset = packet->seq - record->time_wait.rcv_nxt;

	if (offset == 0) {
		end(ctx, pv_flow_index(place->bucket->entry[place->slot]), packet->hash, place);
		return PV_C_TCP_RST;
	}
	if (offset < record->time_wait.window)
		return challenge(ctx, record, PV_C_TCP_RST_CHALLENGED);
	return PV_C_TCP_RST_IGNORED;
}

/* What is not the next acknowledgment: the peer's FIN again, above all, whose ACK is our FIN. */
static pv_cold enum pv_counter
unacceptable(struct pv_ctx *ctx, const struct pv_packet *packet, const struct pv_record *record)
{
	uint32_t len = pv_tcp_seg_len(packet->flags, packet->payload_len);

	if ((packet->flags & PV_TCP_FIN) != 0 && packet->seq + len == record->time_wait.rcv_nxt) {
		send(ctx, record, PV_TCP_FIN | PV_TCP_ACK);
		return PV_C_TCP_DUPLICATE;
	}
	return challenge(ctx, record, PV_C_TCP_OUT_OF_WINDOW);
}

enum pv_counter
pv_last_ack_segment(struct pv_ctx *ctx, struct pv_packet *packet, struct pv_record *record,
		const struct pv_flow_place *place)
{
	uint32_t snd_nxt = record->time_wait.snd_nxt;

	if (pv_unlikely((packet->flags & (PV_TCP_RST | PV_TCP_SYN)) != 0)) {
		if (packet->flags & PV_TCP_RST)
			return rst(ctx, packet, record, place);
		return challenge(ctx, record, PV_C_TCP_SYN_CHALLENGED);
	}
	if (record->time_wait.timestamps) {
		if (pv_unlikely((packet->options & PV_TCP_OPT_TS) == 0))
			return PV_C_TCP_NO_TIMESTAMP;
		if (pv_unlikely(pv_seq_lt(packet->tsval, record->ts_recent)))
			return challenge(ctx, record, PV_C_TCP_PAWS);
	}
	/* Nothing follows the peer's FIN: where it says more, that is not looked at. */
	if (pv_unlikely(packet->seq != record->time_wait.rcv_nxt))
		return unacceptable(ctx, packet, record);
	if (pv_unlikely((packet->flags & PV_TCP_ACK) == 0))
		return PV_C_TCP_NO_ACK;
	if (pv_likely(packet->ack == snd_nxt)) {
		end(ctx, pv_flow_index(place->bucket->entry[place->slot]), packet->hash, place);
		return PV_C_TCP_ACK;
	}
	if (pv_seq_gt(packet->ack, snd_nxt))
		return challenge(ctx, record, PV_C_TCP_ACK_TOO_NEW);
	return PV_C_TCP_ACK;
}

/* ---- timers ---------------------------------------------------------------------------------- */

/* The head of a queue is due: its FIN again, or the end. */
static void
due(struct pv_ctx *ctx, uint32_t i)
{
	const struct pv_record *record = pv_record_at(&ctx->tcp->time_wait.pool, i);
	uint32_t level = record->time_wait.level;

	if (level >= ctx->tcp_config.data_retries || level + 1 == PV_LAST_ACK_LEVELS) {
		pv_count(&ctx->counters, PV_C_TCP_TIMED_OUT);
		forget(ctx, i);
		return;
	}
	pv_count(&ctx->counters, PV_C_TCP_RTO);
	pv_count(&ctx->counters, PV_C_TCP_RETRANSMITTED);
	send(ctx, record, PV_TCP_FIN | PV_TCP_ACK);
	dequeue(ctx, i);
	enqueue(ctx, i, level + 1);
}

static void
on_timer(struct pv_ctx *ctx, struct pv_timer *timer)
{
	const struct pv_record_pool *pool = &ctx->tcp->time_wait.pool;
	uint32_t level = 0;

	while (&ctx->tcp->last_ack.level[level].timer != timer)
		level++;
	for (;;) {
		uint32_t head = ctx->tcp->last_ack.level[level].queue.head;

		if (head == PV_RECORD_NONE)
			return;
		if (!pv_record_due(pv_record_at(pool, head), ctx->now)) {
			pv_timer_arm(&ctx->wheel, timer, PV_TIMER_LAST_ACK,
					pv_record_ns(pv_record_at(pool, head)->deadline, ctx->now));
			return;
		}
		due(ctx, head);
	}
}

void
pv_last_ack_abort_all(struct pv_ctx *ctx)
{
	for (uint32_t level = 0; level < PV_LAST_ACK_LEVELS; level++) {
		const struct pv_record_queue *queue = &ctx->tcp->last_ack.level[level].queue;

		while (queue->head != PV_RECORD_NONE) {
			send(ctx, pv_record_at(&ctx->tcp->time_wait.pool, queue->head),
					PV_TCP_RST | PV_TCP_ACK);
			pv_count(&ctx->counters, PV_C_TCP_RST_SENT);
			forget(ctx, queue->head);
		}
	}
}

void
pv_last_ack_init(struct pv_ctx *ctx)
{
	pv_wheel_set(&ctx->wheel, PV_TIMER_LAST_ACK, on_timer);
	pv_last_ack_reset(ctx);
}

void
pv_last_ack_reset(struct pv_ctx *ctx)
{
	struct pv_last_ack *last_ack = &ctx->tcp->last_ack;

	for (uint32_t level = 0; level < PV_LAST_ACK_LEVELS; level++) {
		pv_timer_cancel(&ctx->wheel, &last_ack->level[level].timer);
		last_ack->level[level].queue =
				(struct pv_record_queue){ PV_RECORD_NONE, PV_RECORD_NONE };
	}
	last_ack->in_use = 0;
}
