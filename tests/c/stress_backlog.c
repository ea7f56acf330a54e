/* SPDX-License-Identifier: BSD-3-Clause */
/* Two workers that fill a backlog, two threads that take from it, put back and resize. */
#include <string.h>

#include "base/rng.h"
#include "bridge_fixture.h"
#include "stress.h"

#define EACH   STRESS(2000000u)
#define LIMIT  37
#define TAKERS 2

static struct fixture *f;
static struct pv_listener_shared *listener;
static uint64_t handle;
static uint8_t seen[2][2000000];
static uint32_t taken_all;
static unsigned int wrong;

static void *
put(void *arg)
{
	struct pv_ctx *ctx = arg;
	struct pv_request requests[32];
	struct pv_rng rng;
	uint32_t next = 0;

	pv_rng_seed(&rng, ctx->worker);
	while (next < EACH) {
		uint32_t n = 1 + pv_rng_below(&rng, 32), in;

		if (n > EACH - next)
			n = EACH - next;
		for (uint32_t i = 0; i < n; i++)
			requests[i] = (struct pv_request){
				.handle = next + i, .listener = ctx->worker, .when_ns = next + i
			};
		in = pv_backlog_put(ctx, listener, requests, n);
		next += in;
		if (in == 0)
			sched_yield();
	}
	return NULL;
}

static void
defer_some(struct pv_rng *rng, struct pv_request *requests, uint32_t *n)
{
	if (*n > 0 && pv_rng_below(rng, 4) == 0 &&
			pv_backlog_defer(f->bridge, handle, &requests[*n - 1]) == 0)
		--*n;
}

static void *
take(void *arg)
{
	struct pv_request requests[20];
	struct pv_rng rng;

	pv_rng_seed(&rng, (uintptr_t)arg);
	while (__atomic_load_n(&taken_all, __ATOMIC_RELAXED) < 2 * EACH) {
		uint32_t n;

		/* A shrink within what the other test expects of the limit. */
		if (pv_rng_below(&rng, 64) == 0)
			n = (uint32_t)pv_backlog_resize(f->bridge, handle,
					1 + pv_rng_below(&rng, LIMIT), requests, 20);
		else
			n = (uint32_t)pv_backlog_take(
					f->bridge, handle, requests, 1 + pv_rng_below(&rng, 20));
		if (__atomic_load_n(&pv_listener_status(listener)->queued, __ATOMIC_RELAXED) >
				LIMIT + 2 * TAKERS)
			__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
		defer_some(&rng, requests, &n);
		for (uint32_t i = 0; i < n; i++)
			if (__atomic_fetch_add(&seen[requests[i].listener][requests[i].handle], 1,
					    __ATOMIC_RELAXED) != 0)
				__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&taken_all, n, __ATOMIC_RELAXED);
		if (n == 0)
			sched_yield();
	}
	return NULL;
}

/* With one taker nothing but arrival decides: each worker's requests come in their order, and no
 * more than the limit wait. */
static void *
take_in_order(void *arg)
{
	struct pv_request requests[20];
	uint64_t next[2] = { 0 };

	(void)arg;
	while (next[0] + next[1] < 2 * EACH) {
		uint32_t queued = __atomic_load_n(
				&pv_listener_status(listener)->queued, __ATOMIC_RELAXED);
		uint32_t n = (uint32_t)pv_backlog_take(f->bridge, handle, requests, 20);

		wrong += queued > LIMIT;
		for (uint32_t i = 0; i < n; i++)
			wrong += requests[i].handle != next[requests[i].listener]++;
		if (n == 0)
			sched_yield();
	}
	return NULL;
}

static void
start_listener(void)
{
	struct pv_listen_params params = { .backlog = LIMIT };

	listener = pv_listener_open(f->bridge, &params, &handle);
}

static void
end_listener(void)
{
	struct pv_status *status = pv_listener_status(listener);

	CHECK_EQ(status->queued, 0, "nothing waits any more");
	CHECK_EQ(status->ready & PV_READY_ACCEPT, 0, "and the level says so");
	CHECK_EQ(status->accepts, 2 * EACH, "every arrival was counted");
	pv_listener_free(f->bridge, handle);
}

int
main(void)
{
	void *(*one[])(void *) = { put, put, take_in_order };
	void *(*two[])(void *) = { put, put, take, take };
	void *arg[] = { NULL, NULL, (void *)1, (void *)2 };

	f = fixture_new(2);
	fixture_start(f);
	arg[0] = &f->ctx[0];
	arg[1] = &f->ctx[1];
	start_listener();
	stress_run(3, one, arg);
	CHECK_EQ(wrong, 0,
			"one taker gets each worker's requests in order, never more than the limit "
			"wait");
	end_listener();
	start_listener();
	stress_run(4, two, arg);
	CHECK_EQ(wrong, 0, "two takers who put back and resize get each request once");
	end_listener();
	fixture_free(f);
	return tap_done();
}
