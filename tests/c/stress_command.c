/* SPDX-License-Identifier: BSD-3-Clause */
/* Three producers and a worker that sleeps whenever it finds its ring empty. A lost wake-up hangs
 * it. */
#include <poll.h>

#include "bridge_fixture.h"
#include "stress.h"

#define PRODUCERS 3u
#define EACH      STRESS(1000000u)

static struct fixture *f;
static unsigned int wrong, sleeps;

static void *
put(void *arg)
{
	uint64_t me = (uintptr_t)arg;
	struct pv_command burst[7];

	for (uint32_t next = 0; next < EACH;) {
		uint32_t n = 1 + next % PV_COUNT_OF(burst);

		n = n < EACH - next ? n : EACH - next;
		for (uint32_t i = 0; i < n; i++)
			burst[i] = (struct pv_command){ .kind = PV_CMD_SEND,
				.handle = me,
				.a = next + i,
				.c = ~(uint64_t)(next + i) };
		if (n == 1)
			n = pv_command_put(f->bridge, 0, burst) == 0;
		else
			pv_command_put_all(f->bridge, 0, burst, n);
		next += n;
		if (next % 1000 < 5)
			sched_yield();
	}
	return NULL;
}

static void
sleep_if_idle(void)
{
	struct pv_doorbell *bell = pv_bridge_doorbell(f->bridge, 0);
	struct pollfd p = { .fd = bell->fd, .events = POLLIN };

	pv_doorbell_arm(bell);
	if (!pv_command_waiting(f->bridge, 0)) {
		poll(&p, 1, -1);
		sleeps++;
	}
	pv_doorbell_disarm(bell);
	pv_doorbell_clear(bell);
}

static void *
work(void *arg)
{
	uint64_t next[PRODUCERS] = { 0 }, all = 0;
	struct pv_command commands[16];

	(void)arg;
	while (all < PRODUCERS * EACH) {
		uint32_t n = pv_command_take(f->bridge, 0, commands, PV_COUNT_OF(commands));

		for (uint32_t i = 0; i < n; i++) {
			wrong += commands[i].a != next[commands[i].handle]++;
			wrong += commands[i].c != ~commands[i].a;
		}
		all += n;
		if (n == 0)
			sleep_if_idle();
	}
	return NULL;
}

int
main(void)
{
	void *(*body[])(void *) = { work, put, put, put };
	void *arg[] = { NULL, (void *)0, (void *)1, (void *)2 };

	f = fixture_new(1);
	fixture_start(f);
	stress_run(PRODUCERS + 1, body, arg);
	CHECK_EQ(wrong, 0, "each producer's commands come whole, once and in order");
	CHECK(sleeps > 0, "and the worker has slept");
	printf("# %u sleeps\n", sleeps);
	fixture_free(f);
	return tap_done();
}
