/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Two workers report changes of some handles, three threads wait for them: two on one waiter, one
 * on another that comes and goes. Who misses the last change of a handle waits for ever.
 */
#include <poll.h>

#include "base/rng.h"
#include "bridge/watch.h"
#include "bridge_fixture.h"
#include "stress.h"

#define WORKERS 2u
#define HANDLES 20u
#define REPORTS STRESS(300000u)

static struct fixture *f;
static uint64_t handle[HANDLES];
static uint32_t known[2][HANDLES]; /* reads that the owners of each waiter have seen */
static uint32_t idle;              /* workers that have reported all */
static int shared_waiter;

static void
sleep_if_idle(struct pv_ctx *ctx)
{
	struct pv_doorbell *bell = pv_bridge_doorbell(f->bridge, ctx->worker);
	struct pollfd p = { .fd = bell->fd, .events = POLLIN };

	pv_doorbell_arm(bell);
	if (!pv_command_waiting(f->bridge, ctx->worker))
		poll(&p, 1, -1);
	pv_doorbell_disarm(bell);
	pv_doorbell_clear(bell);
}

static void *
work(void *arg)
{
	struct pv_ctx *ctx = arg;
	uint32_t reports = 0, counts[PV_CMD_KINDS] = { 0 };
	struct pv_rng rng;

	pv_rng_seed(&rng, ctx->worker);
	while (counts[PV_CMD_STOP] == 0) {
		for (uint32_t i = pv_rng_below(&rng, 4); i > 0 && reports < REPORTS;
				i--, reports++) {
			uint32_t which = pv_rng_below(&rng, HANDLES / WORKERS) * WORKERS +
					 ctx->worker;
			struct pv_status *status = &pv_slot_of(f->bridge, handle[which])->status;

			/* Before the report: who hears of the last change knows that it was the
			 * last. */
			if (reports + 1 == REPORTS)
				__atomic_fetch_add(&idle, 1, __ATOMIC_RELEASE);
			__atomic_store_n(&status->reads, status->reads + 1, __ATOMIC_RELEASE);
			pv_report(ctx, status, handle[which], PV_READY_QOS, 0, PV_READY_QOS);
		}
		if (fixture_turn(ctx, counts) == 0 && reports == REPORTS)
			sleep_if_idle(ctx);
		else if (pv_rng_below(&rng, 64) == 0)
			sched_yield();
	}
	return NULL;
}

static void
raise_to(uint32_t *word, uint32_t value)
{
	uint32_t old = __atomic_load_n(word, __ATOMIC_RELAXED);

	while (old < value && !__atomic_compare_exchange_n(word, &old, value, true,
					      __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static uint32_t
reads_of(uint64_t of)
{
	return __atomic_load_n(&pv_bridge_status(f->bridge, of)->reads, __ATOMIC_ACQUIRE);
}

/* Notes what is new; true: everything is known to the last change. */
static bool
learn(uint32_t *mine, const struct pv_ready *ready, int n)
{
	bool last = __atomic_load_n(&idle, __ATOMIC_ACQUIRE) == WORKERS;

	for (int i = 0; i < n; i++)
		raise_to(&mine[ready[i].cookie], reads_of(ready[i].handle));
	for (unsigned int i = 0; i < HANDLES; i++)
		last &= __atomic_load_n(&mine[i], __ATOMIC_ACQUIRE) == reads_of(handle[i]);
	return last;
}

static void *
wait_shared(void *arg)
{
	struct pv_ready ready[3];

	(void)arg;
	for (;;) {
		int n = pv_bridge_waiter_take(f->bridge, shared_waiter, ready, 3);

		if (learn(known[0], ready, n))
			break;
		if (n == 0)
			pv_bridge_waiter_wait(f->bridge, shared_waiter, -1, -1);
	}
	/* The other one may be asleep, and what it waited for was taken here. */
	pv_bridge_waiter_ring(f->bridge, shared_waiter);
	return NULL;
}

static void *
wait_own(void *arg)
{
	uint32_t opened = 0;
	struct pv_ready ready[5];
	bool all = false;

	while (!all) {
		int waiter = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);

		for (uint32_t i = 0; i < HANDLES; i++)
			pv_bridge_watch(f->bridge, waiter, handle[i], PV_READY_QOS, 0, i);
		opened++;
		for (unsigned int rounds = 0; rounds < 50 && !all; rounds++) {
			pv_bridge_waiter_wait(f->bridge, waiter, -1, -1);
			all = learn(known[1], ready,
					pv_bridge_waiter_take(f->bridge, waiter, ready, 5));
		}
		pv_bridge_waiter_close(f->bridge, waiter);
	}
	*(uint32_t *)arg = opened;
	return NULL;
}

static void *
wait_all(void *arg)
{
	void *(*body[])(void *) = { wait_shared, wait_shared, wait_own };
	void *args[] = { NULL, NULL, arg };
	struct pv_command stop = { .kind = PV_CMD_STOP };

	stress_run(3, body, args);
	for (uint8_t i = 0; i < WORKERS; i++)
		pv_command_put_all(f->bridge, i, &stop, 1);
	return NULL;
}

int
main(void)
{
	void *(*body[])(void *) = { work, work, wait_all };
	uint32_t opened = 0;
	void *arg[] = { NULL, NULL, &opened };

	f = fixture_new(WORKERS);
	fixture_start(f);
	arg[0] = &f->ctx[0];
	arg[1] = &f->ctx[1];
	shared_waiter = pv_bridge_waiter_open(f->bridge, PV_WAITER_QUEUE, -1);
	for (uint32_t i = 0; i < HANDLES; i++) {
		fixture_connect(&f->ctx[i % WORKERS], &handle[i]);
		pv_bridge_watch(f->bridge, shared_waiter, handle[i], PV_READY_QOS, 0, i);
	}
	stress_run(3, body, arg);
	CHECK(true, "both waiters' owners have learnt every last change");
	CHECK(opened > 10, "one of them over many waiters");
	CHECK(f->bridge->waiter_fresh < 500 && f->bridge->worker[0].watch_fresh < 1000,
			"which were used again, with their watches");
	printf("# %u waiters, %u places, %u watches\n", opened, f->bridge->waiter_fresh,
			f->bridge->worker[0].watch_fresh);
	fixture_free(f);
	return tap_done();
}
