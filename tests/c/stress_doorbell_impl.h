/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Doorbell stress, instantiated with and without the fence (PV_DOORBELL_FENCE). In each round one
 * thread publishes and rings, another arms, looks and would sleep. Both start at the same moment;
 * afterwards it is known whether the sleeper would have slept on with something to do. Nobody
 * really sleeps, so a lost wake-up is counted and does not hang the test.
 */
#include "bridge/doorbell.h"
#include "stress.h"

struct doorbell_stress {
	struct pv_doorbell bell __attribute__((aligned(64)));
	uint32_t published __attribute__((aligned(64)));
	struct stress_meeting meeting;
	uint32_t lost, met, rounds;
};

static struct doorbell_stress doorbell_stress;

static void *
ringer(void *arg)
{
	struct doorbell_stress *s = arg;

	stress_pin(0);
	for (uint32_t round = 1; round <= s->rounds; round++) {
		stress_meet(&s->meeting, 0, round % 13);
		__atomic_store_n(&s->published, round, __ATOMIC_RELEASE);
		pv_doorbell_fence();
		pv_doorbell_ring(&s->bell);
		stress_meet(&s->meeting, 0, 0);
	}
	return NULL;
}

static void *
sleeper(void *arg)
{
	struct doorbell_stress *s = arg;

	stress_pin(1);
	for (uint32_t round = 1; round <= s->rounds; round++) {
		bool sleeps, rung;

		stress_meet(&s->meeting, 1, round % 17);
		pv_doorbell_arm(&s->bell);
		sleeps = __atomic_load_n(&s->published, __ATOMIC_ACQUIRE) != round;
		stress_meet(&s->meeting, 1, 0);
		rung = pv_doorbell_clear(&s->bell);
		s->lost += sleeps && !rung;
		s->met += !sleeps && rung;
		pv_doorbell_disarm(&s->bell);
	}
	return NULL;
}

/* How many wake-ups were lost in so many rounds. */
static inline uint32_t
doorbell_stress_run(uint32_t rounds)
{
	void *(*body[])(void *) = { ringer, sleeper };
	void *arg[] = { &doorbell_stress, &doorbell_stress };
	uint32_t lost;

	doorbell_stress = (struct doorbell_stress){ .rounds = rounds };
	pv_doorbell_init(&doorbell_stress.bell, -1);
	stress_run(2, body, arg);
	pv_doorbell_fini(&doorbell_stress.bell);
	lost = doorbell_stress.lost;
	printf("# %u rounds: %u lost, in %u both saw the other\n", rounds, lost,
			doorbell_stress.met);
	return lost;
}
