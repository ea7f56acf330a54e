/* SPDX-License-Identifier: BSD-3-Clause */
/* The scoreboard: whatever is done to it, its counters and lists agree with a recount. */
#include "base/rng.h"
#include "tap.h"
#include "tcp/rtx_queue.h"

enum { STEPS = 20000, SEGMENT = 100 };

static struct pv_pool pool;

static struct pv_rtx *
random_one(const struct pv_rtx_queue *queue, struct pv_rng *rng)
{
	struct pv_rtx *rtx = queue->first;

	for (uint32_t i = queue->n != 0 ? pv_rng_below(rng, queue->n) : 0; i > 0; i--)
		rtx = rtx->next;
	return rtx;
}

static void
change(struct pv_rtx_queue *queue, struct pv_rng *rng, uint32_t *nxt, uint64_t now)
{
	struct pv_rtx *rtx = random_one(queue, rng);

	switch (pv_rng_below(rng, 12)) {
	case 0:
	case 1:
	case 2:
		pv_rtx_append(&pool, queue, *nxt, *nxt + SEGMENT, now);
		*nxt += SEGMENT;
		break;
	case 3:
	case 4:
		if (rtx != NULL)
			pv_rtx_pop(&pool, queue);
		break;
	case 5:
		if (rtx != NULL && pv_rtx_len(queue->first) > 1)
			pv_rtx_trim(queue, queue->first, queue->first->seq + 1);
		break;
	case 6:
		if (rtx != NULL && pv_rtx_len(rtx) > 10)
			pv_rtx_split(&pool, queue, rtx, rtx->seq + 7);
		break;
	case 7:
		if (rtx != NULL && (rtx->flags & PV_RTX_SACKED) == 0)
			pv_rtx_mark_sacked(queue, rtx);
		break;
	case 8:
		if (rtx != NULL && (rtx->flags & PV_RTX_SACKED) == 0)
			pv_rtx_mark_lost(queue, rtx);
		break;
	case 9:
		rtx = pv_rtx_next_lost(queue);
		if (rtx != NULL)
			pv_rtx_mark_resent(queue, rtx, now);
		break;
	case 10:
		if (pv_rng_below(rng, 10) == 0)
			pv_rtx_mark_all_lost(queue, pv_rng_below(rng, 2) != 0,
					pv_rng_below(rng, 2) != 0 ? UINT64_MAX :
								    now - pv_rng_below(rng, 10));
		break;
	default:
		if (pv_rng_below(rng, 10) == 0)
			pv_rtx_unmark_lost(queue);
		break;
	}
}

/* The first one that is lost and not resent, found the slow way. */
static const struct pv_rtx *
first_lost(const struct pv_rtx_queue *queue)
{
	const struct pv_rtx *rtx = queue->first;

	while (rtx != NULL && (rtx->flags & (PV_RTX_LOST | PV_RTX_RESENT)) != PV_RTX_LOST)
		rtx = rtx->next;
	return rtx;
}

static void
random_walk(uint64_t seed)
{
	struct pv_rtx_queue queue = { 0 };
	struct pv_rng rng;
	uint32_t nxt = 0xffff0000;
	uint64_t now = 1;
	bool valid = true, lost = true, most = false;

	pv_rng_seed(&rng, seed);
	for (int i = 0; i < STEPS; i++) {
		change(&queue, &rng, &nxt, now);
		now += pv_rng_below(&rng, 3);
		valid &= pv_rtx_valid(&queue);
		lost &= pv_rtx_next_lost(&queue) == first_lost(&queue);
		most |= queue.n > 50;
	}
	CHECK(valid, "counters and lists agree with the records");
	CHECK(lost, "the next lost one is the first");
	CHECK(most, "there were many");
	pv_rtx_clear(&pool, &queue);
	CHECK(pool.used == 0 && queue.first == NULL && queue.oldest == NULL && queue.sacked == 0 &&
					queue.lost == 0 && queue.retrans == 0,
			"nothing is left");
}

static void
marks(void)
{
	struct pv_rtx_queue queue = { 0 };
	struct pv_rtx *a = pv_rtx_append(&pool, &queue, 0, 100, 1);
	struct pv_rtx *b = pv_rtx_append(&pool, &queue, 100, 200, 2);
	struct pv_rtx *c = pv_rtx_append(&pool, &queue, 200, 300, 3);

	CHECK_EQ(pv_rtx_pipe(&queue, 300), 300, "all is in flight");
	pv_rtx_mark_sacked(&queue, c);
	CHECK_EQ(pv_rtx_pipe(&queue, 300), 200, "what is SACKed is not");
	pv_rtx_mark_lost(&queue, a);
	CHECK_EQ(pv_rtx_pipe(&queue, 300), 100, "nor what is lost");
	CHECK(pv_rtx_next_lost(&queue) == a, "it is to be resent");
	pv_rtx_mark_resent(&queue, a, 4);
	CHECK_EQ(pv_rtx_pipe(&queue, 300), 200, "its copy is in flight");
	CHECK(queue.oldest == b && queue.newest == a, "and younger than what was sent once");
	CHECK(pv_rtx_next_lost(&queue) == NULL, "no other is to be resent");
	pv_rtx_mark_lost(&queue, a);
	CHECK(pv_rtx_next_lost(&queue) == a && pv_rtx_pipe(&queue, 300) == 100,
			"the copy is lost too");
	pv_rtx_mark_sacked(&queue, a);
	CHECK_EQ(pv_rtx_pipe(&queue, 300), 100, "in the end it arrived");
	pv_rtx_append(&pool, &queue, 300, 400, 5);
	pv_rtx_unappend(&pool, &queue);
	CHECK(queue.n == 3 && queue.last == c && pv_rtx_valid(&queue),
			"one that was not sent goes");
	pv_rtx_clear(&pool, &queue);
}

int
main(void)
{
	pv_pool_init(&pool, sizeof(struct pv_rtx), 100000, false);
	marks();
	for (uint64_t seed = 1; seed <= 3; seed++)
		random_walk(seed);
	pv_pool_fini(&pool);
	return tap_done();
}
