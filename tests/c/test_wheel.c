/* SPDX-License-Identifier: BSD-3-Clause */
/* The timing wheel against a plain array of timers that is searched in full. */
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "base/wheel.h"
#include "tap.h"

#define TIMERS 200
#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)
#define DAY    (86400 * SECOND)

/* What the wheel should know: armed timers with the order of their arming. */
struct model {
	struct pv_timer timer;
	uint64_t deadline, order;
	bool armed;
};

static struct pv_wheel wheel;
static struct model model[TIMERS];
static struct pv_rng rng;
static uint64_t arming, fired, now;
static unsigned int wrong;

static struct model *
model_next(void)
{
	struct model *next = NULL;

	for (unsigned int i = 0; i < TIMERS; i++) {
		struct model *m = &model[i];

		if (m->armed && (next == NULL || m->deadline < next->deadline ||
						(m->deadline == next->deadline &&
								m->order < next->order)))
			next = m;
	}
	return next;
}

static void
arm(struct model *m, uint64_t deadline)
{
	pv_timer_arm(&wheel, &m->timer, PV_TIMER_CONNECTION, deadline);
	m->deadline = deadline;
	m->order = arming++;
	m->armed = true;
}

static void
cancel(struct model *m)
{
	pv_timer_cancel(&wheel, &m->timer);
	m->armed = false;
}

/* Short and long, on and off the borders of slots, equal ones too. */
static uint64_t
random_span(void)
{
	uint64_t span = pv_rng_u64(&rng) >> (pv_rng_below(&rng, 44) + 12);

	switch (pv_rng_below(&rng, 4)) {
	case 0:
		return span & ~UINT64_C(0xffff);
	case 1:
		return span % 7;
	default:
		return span;
	}
}

static void
random_change(void)
{
	struct model *m = &model[pv_rng_below(&rng, TIMERS)];
	uint64_t span = random_span();

	if (pv_rng_below(&rng, 4) == 0)
		cancel(m);
	else if (pv_rng_below(&rng, 16) == 0)
		arm(m, span > now ? 0 : now - span);
	else
		arm(m, now + span + 1);
}

static void
on_model(struct pv_ctx *ctx, struct pv_timer *timer)
{
	struct model *m = pv_container_of(timer, struct model, timer), *expected = model_next();

	wrong += ctx != NULL || m != expected || m->deadline > now || pv_timer_armed(timer);
	m->armed = false;
	fired++;
	/* Below one change for each that fired, or it would go on for ever. */
	if (pv_rng_below(&rng, 3) == 0)
		random_change();
	if (pv_rng_below(&rng, 5) == 0)
		cancel(&model[pv_rng_below(&rng, TIMERS)]);
}

static void
check_next(void)
{
	struct model *next = model_next();

	wrong += pv_wheel_next(&wheel) != (next == NULL ? UINT64_MAX : next->deadline);
}

static void
random_rounds(unsigned int rounds)
{
	for (unsigned int round = 0; round < rounds; round++) {
		uint64_t before = fired, next;
		uint32_t ran;

		for (unsigned int i = pv_rng_below(&rng, 6); i > 0; i--)
			random_change();
		if (pv_rng_below(&rng, 2) == 0)
			check_next();
		next = pv_wheel_next(&wheel);
		if (pv_rng_below(&rng, 3) == 0 && next != UINT64_MAX && next > now)
			now = next - pv_rng_below(&rng, 2);
		else
			now += random_span();
		ran = pv_wheel_run(&wheel, NULL, now);
		wrong += ran != fired - before;
		next = model_next() == NULL ? UINT64_MAX : model_next()->deadline;
		wrong += next <= now;
	}
}

static void
test_random(void)
{
	for (unsigned int seed = 1; seed <= 20; seed++) {
		memset(model, 0, sizeof(model));
		pv_rng_seed(&rng, seed);
		now = random_span();
		pv_wheel_init(&wheel, now);
		pv_wheel_set(&wheel, PV_TIMER_CONNECTION, on_model);
		random_rounds(5000);
	}
	CHECK_EQ(wrong, 0, "order, exactness and the next deadline are those of the model");
	CHECK(fired > 100000, "many timers fired");
}

/* Fixed cases: what fired, in order. */
static struct pv_timer *seen[16];
static unsigned int n_seen;

static void
on_seen(struct pv_ctx *ctx, struct pv_timer *timer)
{
	(void)ctx;
	if (n_seen < PV_COUNT_OF(seen))
		seen[n_seen++] = timer;
}

static struct pv_timer cases[4];

static void
on_rearm(struct pv_ctx *ctx, struct pv_timer *timer)
{
	on_seen(ctx, timer);
	if (n_seen < 3)
		pv_timer_arm(&wheel, timer, PV_TIMER_HELD, timer->deadline + 5 * SECOND);
}

static void
on_cancel_next(struct pv_ctx *ctx, struct pv_timer *timer)
{
	on_seen(ctx, timer);
	pv_timer_cancel(&wheel, &cases[1]);
	/* Between this one and the last that is due, and both in one slot with them. */
	pv_timer_arm(&wheel, &cases[3], PV_TIMER_CONNECTION, timer->deadline + 3);
}

static void
start(uint64_t at)
{
	memset(cases, 0, sizeof(cases));
	n_seen = 0;
	pv_wheel_init(&wheel, at);
	pv_wheel_set(&wheel, PV_TIMER_CONNECTION, on_seen);
	pv_wheel_set(&wheel, PV_TIMER_HELD, on_rearm);
	pv_wheel_set(&wheel, PV_TIMER_SERVICE, on_cancel_next);
}

static void
test_far(void)
{
	static const uint64_t far[] = { 3 * DAY, 400 * DAY, 4000 * DAY, UINT64_MAX - 1 };
	bool exact = true, early = false;

	for (unsigned int i = 0; i < PV_COUNT_OF(far); i++) {
		start(12345);
		pv_timer_arm(&wheel, &cases[0], PV_TIMER_CONNECTION, far[i]);
		exact &= pv_wheel_next(&wheel) == far[i];
		early |= pv_wheel_run(&wheel, NULL, far[i] / 2) != 0;
		exact &= pv_wheel_next(&wheel) == far[i];
		early |= pv_wheel_run(&wheel, NULL, far[i] - 1) != 0;
		exact &= pv_wheel_next(&wheel) == far[i];
		exact &= pv_wheel_run(&wheel, NULL, far[i]) == 1;
	}
	CHECK(exact, "deadlines of days and years are exact");
	CHECK(!early, "and never early");
}

static void
test_long_jump(void)
{
	start(0);
	pv_timer_arm(&wheel, &cases[0], PV_TIMER_HELD, 7);
	CHECK_EQ(pv_wheel_run(&wheel, NULL, DAY), 3,
			"a jump over a day fires what is rearmed within it");
	CHECK_EQ(pv_wheel_next(&wheel), UINT64_MAX, "an empty wheel has no next deadline");
}

static void
test_within_a_slot(void)
{
	start(0);
	pv_timer_arm(&wheel, &cases[2], PV_TIMER_CONNECTION, MS + 9);
	pv_timer_arm(&wheel, &cases[1], PV_TIMER_CONNECTION, MS + 1);
	pv_timer_arm(&wheel, &cases[0], PV_TIMER_SERVICE, MS);
	CHECK_EQ(pv_wheel_run(&wheel, NULL, MS - 1), 0, "nothing fires a nanosecond early");
	CHECK_EQ(pv_wheel_run(&wheel, NULL, MS + 9), 3, "all that is due fires in one run");
	CHECK(seen[0] == &cases[0] && seen[1] == &cases[3] && seen[2] == &cases[2],
			"a function can cancel the next one and put another in its place");
	CHECK_EQ(wheel.armed, 0, "no timer is left");
}

static void
test_equal_deadlines(void)
{
	start(0);
	pv_timer_arm(&wheel, &cases[0], PV_TIMER_CONNECTION, SECOND);
	pv_timer_arm(&wheel, &cases[1], PV_TIMER_CONNECTION, SECOND - 300 * MS);
	pv_timer_arm(&wheel, &cases[2], PV_TIMER_CONNECTION, SECOND);
	pv_wheel_run(&wheel, NULL, SECOND - 300 * MS);
	pv_timer_arm(&wheel, &cases[1], PV_TIMER_CONNECTION, SECOND);
	pv_timer_arm(&wheel, &cases[0], PV_TIMER_CONNECTION, SECOND);
	n_seen = 0;
	pv_wheel_run(&wheel, NULL, 2 * SECOND);
	CHECK(n_seen == 3 && seen[0] == &cases[2] && seen[1] == &cases[1] && seen[2] == &cases[0],
			"equal deadlines fire in the order they were armed, from whichever level "
			"they come");
}

int
main(void)
{
	test_random();
	test_far();
	test_long_jump();
	test_within_a_slot();
	test_equal_deadlines();
	return tap_done();
}
