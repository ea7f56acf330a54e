/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/rtx_queue.h"

#include "base/check.h"

static void
list_newest(struct pv_rtx_queue *queue, struct pv_rtx *rtx)
{
	rtx->later = NULL;
	rtx->earlier = queue->newest;
	if (queue->newest != NULL)
		queue->newest->later = rtx;
	else
		queue->oldest = rtx;
	queue->newest = rtx;
	rtx->flags |= PV_RTX_LISTED;
}

static void
unlist(struct pv_rtx_queue *queue, struct pv_rtx *rtx)
{
	if ((rtx->flags & PV_RTX_LISTED) == 0)
		return;
	if (rtx->earlier != NULL)
		rtx->earlier->later = rtx->later;
	else
		queue->oldest = rtx->later;
	if (rtx->later != NULL)
		rtx->later->earlier = rtx->earlier;
	else
		queue->newest = rtx->earlier;
	rtx->flags &= (uint8_t)~PV_RTX_LISTED;
}

/* Adds `len` numbers of a record with these marks to the counters; a negative len takes them away.
 */
static void
count(struct pv_rtx_queue *queue, uint8_t flags, uint32_t len)
{
	if (flags & PV_RTX_SACKED)
		queue->sacked += len;
	if (flags & PV_RTX_LOST)
		queue->lost += len;
	if (flags & PV_RTX_RESENT)
		queue->retrans += len;
}

struct pv_rtx *
pv_rtx_append(struct pv_pool *pool, struct pv_rtx_queue *queue, uint32_t seq, uint32_t end,
		uint64_t now)
{
	struct pv_rtx *rtx = pv_pool_take(pool);

	if (pv_unlikely(rtx == NULL))
		return NULL;
	rtx->seq = seq;
	rtx->end = end;
	rtx->sent = now;
	rtx->flags = 0;
	rtx->times = 1;
	rtx->next = NULL;
	rtx->prev = queue->last;
	if (queue->last != NULL)
		queue->last->next = rtx;
	else
		queue->first = rtx;
	queue->last = rtx;
	queue->n++;
	list_newest(queue, rtx);
	return rtx;
}

void
pv_rtx_unappend(struct pv_pool *pool, struct pv_rtx_queue *queue)
{
	struct pv_rtx *rtx = queue->last;

	PV_ASSERT((rtx->flags & ~PV_RTX_LISTED) == 0);
	unlist(queue, rtx);
	if (queue->hint == rtx)
		queue->hint = NULL;
	queue->last = rtx->prev;
	if (rtx->prev != NULL)
		rtx->prev->next = NULL;
	else
		queue->first = NULL;
	queue->n--;
	pv_pool_give(pool, rtx);
}

void
pv_rtx_pop(struct pv_pool *pool, struct pv_rtx_queue *queue)
{
	struct pv_rtx *rtx = queue->first;

	count(queue, rtx->flags, -pv_rtx_len(rtx));
	queue->n_sacked -= (rtx->flags & PV_RTX_SACKED) != 0;
	unlist(queue, rtx);
	queue->first = rtx->next;
	if (rtx->next != NULL)
		rtx->next->prev = NULL;
	else
		queue->last = NULL;
	if (queue->lost_from == rtx)
		queue->lost_from = rtx->next;
	if (queue->hint == rtx)
		queue->hint = NULL;
	queue->n--;
	pv_pool_give(pool, rtx);
}

void
pv_rtx_trim(struct pv_rtx_queue *queue, struct pv_rtx *rtx, uint32_t at)
{
	PV_ASSERT(pv_seq_lt(rtx->seq, at) && pv_seq_lt(at, rtx->end));
	count(queue, rtx->flags, rtx->seq - at);
	rtx->seq = at;
}

bool
pv_rtx_split(struct pv_pool *pool, struct pv_rtx_queue *queue, struct pv_rtx *rtx, uint32_t at)
{
	struct pv_rtx *rest = pv_pool_take(pool);

	PV_ASSERT(pv_seq_lt(rtx->seq, at) && pv_seq_lt(at, rtx->end));
	if (rest == NULL)
		return false;
	*rest = *rtx;
	rest->seq = at;
	rtx->end = at;
	rtx->flags &= (uint8_t)~(PV_RTX_FIN | PV_RTX_PUSH);
	rest->prev = rtx;
	rtx->next = rest;
	if (rest->next != NULL)
		rest->next->prev = rest;
	else
		queue->last = rest;
	if (rtx->flags & PV_RTX_LISTED) {
		rest->earlier = rtx;
		rtx->later = rest;
		if (rest->later != NULL)
			rest->later->earlier = rest;
		else
			queue->newest = rest;
	}
	queue->n++;
	queue->n_sacked += (rtx->flags & PV_RTX_SACKED) != 0;
	return true;
}

void
pv_rtx_mark_sacked(struct pv_rtx_queue *queue, struct pv_rtx *rtx)
{
	PV_ASSERT((rtx->flags & PV_RTX_SACKED) == 0);
	count(queue, rtx->flags, -pv_rtx_len(rtx));
	unlist(queue, rtx);
	rtx->flags &= (uint8_t)~(PV_RTX_LOST | PV_RTX_RESENT);
	rtx->flags |= PV_RTX_SACKED;
	count(queue, rtx->flags, pv_rtx_len(rtx));
	queue->n_sacked++;
}

void
pv_rtx_mark_lost(struct pv_rtx_queue *queue, struct pv_rtx *rtx)
{
	PV_ASSERT((rtx->flags & PV_RTX_SACKED) == 0);
	count(queue, rtx->flags, -pv_rtx_len(rtx));
	unlist(queue, rtx);
	rtx->flags &= (uint8_t)~PV_RTX_RESENT;
	rtx->flags |= PV_RTX_LOST;
	count(queue, rtx->flags, pv_rtx_len(rtx));
	if (queue->lost_from == NULL || pv_seq_lt(rtx->seq, queue->lost_from->seq))
		queue->lost_from = rtx;
}

void
pv_rtx_mark_resent(struct pv_rtx_queue *queue, struct pv_rtx *rtx, uint64_t now)
{
	count(queue, rtx->flags, -pv_rtx_len(rtx));
	unlist(queue, rtx);
	rtx->flags |= PV_RTX_RESENT | PV_RTX_EVER;
	if (rtx->times < UINT8_MAX)
		rtx->times++;
	rtx->sent = now;
	count(queue, rtx->flags, pv_rtx_len(rtx));
	list_newest(queue, rtx);
}

void
pv_rtx_mark_all_lost(struct pv_rtx_queue *queue, bool reneged, uint64_t until)
{
	for (struct pv_rtx *rtx = queue->first; rtx != NULL; rtx = rtx->next) {
		if (rtx->flags & PV_RTX_SACKED) {
			if (!reneged)
				continue;
			rtx->flags &= (uint8_t)~PV_RTX_SACKED;
			queue->sacked -= pv_rtx_len(rtx);
			queue->n_sacked--;
		} else if (rtx->sent > until && rtx != queue->first) {
			continue;
		}
		pv_rtx_mark_lost(queue, rtx);
	}
}

/* Back into the list by time, behind all that were sent before it. */
static void
list_by_time(struct pv_rtx_queue *queue, struct pv_rtx *rtx)
{
	struct pv_rtx *earlier = queue->newest;

	while (earlier != NULL &&
			(earlier->sent > rtx->sent ||
					(earlier->sent == rtx->sent &&
							pv_seq_gt(earlier->seq, rtx->seq))))
		earlier = earlier->earlier;
	rtx->earlier = earlier;
	rtx->later = earlier != NULL ? earlier->later : queue->oldest;
	if (rtx->later != NULL)
		rtx->later->earlier = rtx;
	else
		queue->newest = rtx;
	if (earlier != NULL)
		earlier->later = rtx;
	else
		queue->oldest = rtx;
	rtx->flags |= PV_RTX_LISTED;
}

void
pv_rtx_unmark_lost(struct pv_rtx_queue *queue)
{
	for (struct pv_rtx *rtx = queue->first; rtx != NULL; rtx = rtx->next) {
		if ((rtx->flags & PV_RTX_LOST) == 0)
			continue;
		rtx->flags &= (uint8_t)~PV_RTX_LOST;
		queue->lost -= pv_rtx_len(rtx);
		if ((rtx->flags & PV_RTX_LISTED) == 0)
			list_by_time(queue, rtx);
	}
	queue->lost_from = NULL;
}

void
pv_rtx_clear(struct pv_pool *pool, struct pv_rtx_queue *queue)
{
	while (queue->first != NULL)
		pv_rtx_pop(pool, queue);
}

struct pv_rtx *
pv_rtx_next_lost(struct pv_rtx_queue *queue)
{
	struct pv_rtx *rtx = queue->lost_from;

	while (rtx != NULL && (rtx->flags & (PV_RTX_LOST | PV_RTX_RESENT)) != PV_RTX_LOST)
		rtx = rtx->next;
	queue->lost_from = rtx;
	return rtx;
}

bool
pv_rtx_valid(const struct pv_rtx_queue *queue)
{
	struct pv_rtx_queue sum = { 0 };
	const struct pv_rtx *before = NULL;
	uint32_t listed = 0;

	for (const struct pv_rtx *rtx = queue->first; rtx != NULL; rtx = rtx->next) {
		if (rtx->prev != before || pv_rtx_len(rtx) == 0)
			return false;
		if (before != NULL && before->end != rtx->seq)
			return false;
		count(&sum, rtx->flags, pv_rtx_len(rtx));
		sum.n++;
		sum.n_sacked += (rtx->flags & PV_RTX_SACKED) != 0;
		listed += (rtx->flags & PV_RTX_LISTED) != 0;
		before = rtx;
	}
	if (before != queue->last)
		return false;
	before = NULL;
	for (const struct pv_rtx *rtx = queue->oldest; rtx != NULL; rtx = rtx->later) {
		if (rtx->earlier != before || (before != NULL && before->sent > rtx->sent))
			return false;
		listed--;
		before = rtx;
	}
	return listed == 0 && before == queue->newest && sum.sacked == queue->sacked &&
	       sum.lost == queue->lost && sum.retrans == queue->retrans && sum.n == queue->n &&
	       sum.n_sacked == queue->n_sacked;
}
