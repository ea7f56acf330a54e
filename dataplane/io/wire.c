/* SPDX-License-Identifier: BSD-3-Clause */
#include "io/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

#define MILLION      1000000U
#define SECOND       1000000000ULL
#define ETH_HEADER   14
#define ETH_OVERHEAD 24 /* preamble, check sequence and gap */
#define ETH_MIN      60

int
pv_wire_check(const struct pv_wire_params *p, char *err, size_t cap)
{
	const char *name = p->loss > MILLION      ? "loss" :
			   p->duplicate > MILLION ? "duplicate" :
			   p->reorder > MILLION   ? "reorder" :
			   p->corrupt > MILLION   ? "corrupt" :
						    NULL;

	if (name != NULL)
		snprintf(err, cap, "%s is a number of frames in a million", name);
	else if (p->delay > 3600 * SECOND || p->jitter > 3600 * SECOND ||
			p->reorder_delay > 3600 * SECOND)
		snprintf(err, cap, "a frame may travel for an hour at most");
	else if (p->loss == MILLION && p->burst > 1)
		snprintf(err, cap, "losses in bursts need some frames between them");
	else
		return 0;
	return -EINVAL;
}

void
pv_wire_way_init(struct pv_wire_way *way, const struct pv_wire_params *params, uint64_t seed)
{
	*way = (struct pv_wire_way){ .params = *params };
	pv_rng_seed(&way->rng, seed);
}

void
pv_wire_way_fini(struct pv_wire_way *way)
{
	free(way->heap);
	way->heap = NULL;
	way->n = way->cap = 0;
}

/* ---- fate ---- */

static bool
draw(struct pv_wire_way *way, uint32_t share)
{
	return pv_rng_below(&way->rng, MILLION) < share;
}

/* Independent, or by two states (Gilbert 1960): runs of `burst` losses on average, so seldom that
 * the share is as asked. */
static bool
draw_loss(struct pv_wire_way *way)
{
	const struct pv_wire_params *p = &way->params;
	uint64_t begin;

	if (p->burst <= 1)
		return draw(way, p->loss);
	if (way->in_burst) {
		way->in_burst = !draw(way, MILLION / p->burst);
	} else {
		begin = (uint64_t)p->loss * MILLION / ((uint64_t)p->burst * (MILLION - p->loss));
		way->in_burst = draw(way, begin < MILLION ? (uint32_t)begin : MILLION);
	}
	return way->in_burst;
}

/* When a frame has left; UINT64_MAX: the queue before the wire is full. */
static uint64_t
serialise(struct pv_wire_way *way, uint64_t now, uint32_t len)
{
	const struct pv_wire_params *p = &way->params;
	uint64_t bits = ((len < ETH_MIN ? ETH_MIN : len) + ETH_OVERHEAD) * 8ULL;
	uint64_t start = way->free_at > now ? way->free_at : now;

	if (p->rate == 0)
		return now;
	if (p->queue != 0 && (start - now) / 8 > p->queue * SECOND / p->rate)
		return UINT64_MAX;
	way->free_at = start + bits * SECOND / p->rate;
	return way->free_at;
}

/* Jitter keeps the order; only who is drawn for it is overtaken. */
static uint64_t
arrival(struct pv_wire_way *way, uint64_t left)
{
	const struct pv_wire_params *p = &way->params;
	uint64_t when = left + p->delay;

	if (p->jitter != 0)
		when += pv_rng_u64(&way->rng) % p->jitter;
	if (p->reorder != 0 && draw(way, p->reorder)) {
		way->stats.reordered++;
		return when + p->reorder_delay;
	}
	if (when < way->latest)
		when = way->latest;
	way->latest = when;
	return when;
}

struct pv_wire_fate
pv_wire_decide(struct pv_wire_way *way, uint64_t now, uint32_t len)
{
	struct pv_wire_fate fate = { .corrupt = UINT32_MAX };
	const struct pv_wire_params *p = &way->params;
	uint64_t left;

	way->stats.frames++;
	way->stats.bytes += len;
	if (p->mtu != 0 && len > p->mtu + ETH_HEADER) {
		way->stats.too_large++;
		return fate;
	}
	left = serialise(way, now, len);
	if (left == UINT64_MAX) {
		way->stats.queue_lost++;
		return fate;
	}
	if ((p->loss != 0 || way->in_burst) && draw_loss(way)) {
		way->stats.lost++;
		return fate;
	}
	fate.when[fate.copies++] = arrival(way, left);
	if (p->duplicate != 0 && draw(way, p->duplicate)) {
		way->stats.duplicated++;
		fate.when[fate.copies++] = arrival(way, left);
	}
	if (p->corrupt != 0 && len > ETH_HEADER && draw(way, p->corrupt)) {
		way->stats.corrupted++;
		fate.corrupt = ETH_HEADER * 8 + pv_rng_below(&way->rng, (len - ETH_HEADER) * 8);
	}
	return fate;
}

/* ---- flight ---- */

static bool
before(const struct pv_wire_flight *a, const struct pv_wire_flight *b)
{
	return a->when != b->when ? a->when < b->when : a->number < b->number;
}

static bool
grow(struct pv_wire_way *way)
{
	uint32_t cap = way->cap == 0 ? 64 : way->cap * 2;
	struct pv_wire_flight *heap = realloc(way->heap, cap * sizeof(*heap));

	if (heap == NULL)
		return false;
	way->heap = heap;
	way->cap = cap;
	return true;
}

bool
pv_wire_fly(struct pv_wire_way *way, uint64_t when, void *frame)
{
	struct pv_wire_flight flight = { when, way->number, frame };
	uint32_t i;

	if (way->n == way->cap && !grow(way))
		return false;
	way->number++;
	for (i = way->n++; i > 0 && before(&flight, &way->heap[(i - 1) / 2]); i = (i - 1) / 2)
		way->heap[i] = way->heap[(i - 1) / 2];
	way->heap[i] = flight;
	way->stats.flying = way->n;
	return true;
}

uint64_t
pv_wire_next(const struct pv_wire_way *way)
{
	return way->n == 0 ? UINT64_MAX : way->heap[0].when;
}

void *
pv_wire_land(struct pv_wire_way *way, uint64_t now)
{
	struct pv_wire_flight *heap = way->heap, last;
	void *frame;
	uint32_t i = 0;

	if (way->n == 0 || heap[0].when > now)
		return NULL;
	frame = heap[0].frame;
	last = heap[--way->n];
	way->stats.flying = way->n;
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child + 1 < way->n && before(&heap[child + 1], &heap[child]))
			child++;
		if (child >= way->n || !before(&heap[child], &last))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return frame;
}
