/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/wheel.h"

#include <stdint.h>
#include <string.h>

#include "base/check.h"

/*
 * Where a timer lies follows from the highest byte in which its tick differs from the wheel's
 * (`tick`): that byte's place is the level, its value the slot. So everything on a level is due
 * before everything on the levels above it, on one level everything in a slot before everything in
 * the next, and no timer is too far away. When the wheel enters a slot of a higher level, its
 * timers move down; by then all levels below are empty. Slot lists have the newest timer first, and
 * stay so when they move down.
 */

#define LEVEL_BITS 8
#define SLOT_DUE   (PV_WHEEL_LEVELS * PV_WHEEL_SLOTS) /* pv_timer.slot of a timer in the due list */

static_assert(PV_WHEEL_SLOTS == 1 << LEVEL_BITS, "a slot is a byte of the tick");
static_assert(PV_WHEEL_LEVELS * LEVEL_BITS + PV_WHEEL_TICK_SHIFT == 64,
		"every deadline has a place");
static_assert(sizeof(struct pv_timer) == 32, "two timers a cache line");

void
pv_wheel_init(struct pv_wheel *wheel, uint64_t now)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->now = now;
	wheel->tick = now >> PV_WHEEL_TICK_SHIFT;
	wheel->soonest = UINT64_MAX;
	wheel->exact = true;
}

void
pv_wheel_set(struct pv_wheel *wheel, enum pv_timer_kind kind, pv_timer_fn fn)
{
	wheel->fn[kind] = fn;
}

static void
link_before(struct pv_timer **at, struct pv_timer *timer)
{
	timer->next = *at;
	timer->prev = at;
	if (timer->next != NULL)
		timer->next->prev = &timer->next;
	*at = timer;
}

static void
unlink_timer(struct pv_timer *timer)
{
	*timer->prev = timer->next;
	if (timer->next != NULL)
		timer->next->prev = timer->prev;
	timer->prev = NULL;
}

static void
place(struct pv_wheel *wheel, struct pv_timer *timer)
{
	uint64_t tick = timer->deadline >> PV_WHEEL_TICK_SHIFT;
	unsigned int level = 0, slot;

	if (tick <= wheel->tick)
		tick = wheel->tick; /* the past is now */
	else
		level = (63 - (unsigned int)__builtin_clzll(tick ^ wheel->tick)) / LEVEL_BITS;
	slot = (tick >> (level * LEVEL_BITS)) % PV_WHEEL_SLOTS;
	timer->slot = level * PV_WHEEL_SLOTS + slot;
	wheel->busy[level][slot / 64] |= UINT64_C(1) << slot % 64;
	link_before(&wheel->slot[level][slot], timer);
}

/* Among the timers that are due in this run, behind those with the same deadline. */
static void
place_due(struct pv_wheel *wheel, struct pv_timer *timer)
{
	struct pv_timer **at = &wheel->due;

	while (*at != NULL && (*at)->deadline <= timer->deadline)
		at = &(*at)->next;
	timer->slot = SLOT_DUE;
	link_before(at, timer);
}

/* Out of its list; says nothing about what is soonest now. */
static void
take_out(struct pv_wheel *wheel, struct pv_timer *timer)
{
	unsigned int level = timer->slot / PV_WHEEL_SLOTS, slot = timer->slot % PV_WHEEL_SLOTS;

	unlink_timer(timer);
	wheel->armed--;
	if (timer->slot != SLOT_DUE && wheel->slot[level][slot] == NULL)
		wheel->busy[level][slot / 64] &= ~(UINT64_C(1) << slot % 64);
}

void
pv_timer_arm(struct pv_wheel *wheel, struct pv_timer *timer, enum pv_timer_kind kind,
		uint64_t deadline)
{
	if (pv_timer_armed(timer))
		pv_timer_cancel(wheel, timer);
	timer->deadline = deadline;
	timer->kind = kind;
	wheel->armed++;
	if (wheel->due != NULL && deadline < wheel->due_last)
		place_due(wheel, timer);
	else
		place(wheel, timer);
	if (deadline <= wheel->soonest) {
		wheel->soonest = deadline;
		wheel->exact = true;
	}
}

void
pv_timer_cancel(struct pv_wheel *wheel, struct pv_timer *timer)
{
	if (!pv_timer_armed(timer))
		return;
	take_out(wheel, timer);
	if (wheel->armed == 0) {
		wheel->soonest = UINT64_MAX;
		wheel->exact = true;
	} else if (timer->deadline == wheel->soonest) {
		wheel->exact = false;
	}
}

/* The lowest slot in use of the lowest level in use; false: the wheel is empty. */
static bool
first_busy(const struct pv_wheel *wheel, unsigned int *level, unsigned int *slot)
{
	for (unsigned int i = 0; i < PV_WHEEL_LEVELS * PV_WHEEL_SLOTS / 64; i++) {
		uint64_t bits = wheel->busy[i / (PV_WHEEL_SLOTS / 64)][i % (PV_WHEEL_SLOTS / 64)];

		if (bits != 0) {
			*level = i / (PV_WHEEL_SLOTS / 64);
			*slot = i % (PV_WHEEL_SLOTS / 64) * 64 +
				(unsigned int)__builtin_ctzll(bits);
			return true;
		}
	}
	return false;
}

/* The first tick of a slot in use. */
static uint64_t
slot_tick(const struct pv_wheel *wheel, unsigned int level, unsigned int slot)
{
	unsigned int shift = level * LEVEL_BITS;
	uint64_t above = wheel->tick >> shift >> LEVEL_BITS;

	return (above << LEVEL_BITS | slot) << shift;
}

/* Takes a slot's whole list, and turns it around: the oldest first, linked by `next` alone. */
static struct pv_timer *
empty_slot(struct pv_wheel *wheel, unsigned int level, unsigned int slot)
{
	struct pv_timer *timer = wheel->slot[level][slot], *oldest = NULL;

	wheel->slot[level][slot] = NULL;
	wheel->busy[level][slot / 64] &= ~(UINT64_C(1) << slot % 64);
	while (timer != NULL) {
		struct pv_timer *next = timer->next;

		timer->next = oldest;
		oldest = timer;
		timer = next;
	}
	return oldest;
}

static struct pv_timer *
merge(struct pv_timer *a, struct pv_timer *b)
{
	struct pv_timer *first, **end = &first;

	while (a != NULL && b != NULL) {
		struct pv_timer **lesser = b->deadline < a->deadline ? &b : &a;

		*end = *lesser;
		end = &(*end)->next;
		*lesser = *end;
	}
	*end = a != NULL ? a : b;
	return first;
}

/* Stable merge sort of a list linked by `next`: part[i] holds 2^i sorted timers or none. */
static struct pv_timer *
sort(struct pv_timer *list)
{
	struct pv_timer *part[64] = { NULL }, *all = NULL;
	unsigned int i;

	if (list == NULL || list->next == NULL)
		return list;
	while (list != NULL) {
		struct pv_timer *run = list;

		list = list->next;
		run->next = NULL;
		for (i = 0; part[i] != NULL; i++) {
			run = merge(part[i], run);
			part[i] = NULL;
		}
		part[i] = run;
	}
	for (i = 0; i < PV_COUNT_OF(part); i++)
		all = merge(part[i], all);
	return all;
}

/* Moves what is due of the present tick into the due list; the rest stays, and the soonest of it
 * becomes known. */
static bool
collect_due(struct pv_wheel *wheel)
{
	struct pv_timer *timer = empty_slot(wheel, 0, wheel->tick % PV_WHEEL_SLOTS);
	struct pv_timer *due = NULL, **end = &due;

	wheel->soonest = UINT64_MAX;
	wheel->exact = true;
	while (timer != NULL) {
		struct pv_timer *next = timer->next;

		if (timer->deadline <= wheel->now) {
			*end = timer;
			end = &timer->next;
		} else {
			place(wheel, timer);
			if (timer->deadline < wheel->soonest)
				wheel->soonest = timer->deadline;
		}
		timer = next;
	}
	*end = NULL;
	wheel->due = sort(due);
	for (struct pv_timer **at = &wheel->due; *at != NULL; at = &(*at)->next) {
		(*at)->prev = at;
		(*at)->slot = SLOT_DUE;
		wheel->due_last = (*at)->deadline;
	}
	return wheel->due != NULL;
}

/* Goes on to the next slot that is due at wheel->now; true: there is something in the due list. */
static bool
advance(struct pv_wheel *wheel)
{
	unsigned int level, slot;

	while (first_busy(wheel, &level, &slot)) {
		uint64_t tick = slot_tick(wheel, level, slot);

		if (tick > wheel->now >> PV_WHEEL_TICK_SHIFT) {
			wheel->soonest = tick << PV_WHEEL_TICK_SHIFT;
			wheel->exact = false;
			return false;
		}
		wheel->tick = tick;
		if (level == 0)
			return collect_due(wheel);
		for (struct pv_timer *t = empty_slot(wheel, level, slot), *next; t != NULL;
				t = next) {
			next = t->next;
			place(wheel, t);
		}
	}
	wheel->soonest = UINT64_MAX;
	wheel->exact = true;
	return false;
}

uint32_t
pv_wheel_run(struct pv_wheel *wheel, struct pv_ctx *ctx, uint64_t now)
{
	uint32_t fired = 0;

	PV_ASSERT(now >= wheel->now && wheel->due == NULL);
	wheel->now = now;
	if (pv_likely(now < wheel->soonest))
		return 0;
	while (advance(wheel)) {
		while (wheel->due != NULL) {
			struct pv_timer *timer = wheel->due;

			take_out(wheel, timer);
			wheel->fn[timer->kind](ctx, timer);
			fired++;
		}
	}
	return fired;
}

uint64_t
pv_wheel_next(struct pv_wheel *wheel)
{
	unsigned int level, slot;

	if (!wheel->exact && first_busy(wheel, &level, &slot)) {
		wheel->soonest = UINT64_MAX;
		for (struct pv_timer *t = wheel->slot[level][slot]; t != NULL; t = t->next)
			if (t->deadline < wheel->soonest)
				wheel->soonest = t->deadline;
		wheel->exact = true;
	}
	return wheel->soonest;
}
