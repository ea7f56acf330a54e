/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BASE_WHEEL_H
#define PV_BASE_WHEEL_H

/*
 * Hierarchical timing wheel: arming, moving and cancelling cost a few stores, whatever the number
 * of timers; a turn in which nothing is due costs one comparison. One wheel belongs to one thread,
 * and must not be moved.
 *
 * Resolution: a timer fires in the first pv_wheel_run whose time is >= its deadline, never before
 * it; timers of one run fire in the order of their deadlines (exactly, also within one slot), equal
 * deadlines in the order they were armed. pv_wheel_next is exact, so that a virtual clock that
 * jumps from deadline to deadline meets each of them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_ctx;
struct pv_timer;

typedef void (*pv_timer_fn)(struct pv_ctx *ctx, struct pv_timer *timer);

/* Embedded in what it belongs to (pv_container_of gives that back). All zero: not armed. */
struct pv_timer {
	struct pv_timer *next, **prev; /* slot list; prev is NULL when not armed */
	uint64_t deadline;             /* ns */
	uint32_t slot;
	uint32_t kind; /* index into the wheel's functions */
};

/* What a timer can belong to; each registers one function (pv_wheel_set). */
enum pv_timer_kind {
	PV_TIMER_CONNECTION, /* tcp/: a control block's next deadline */
	PV_TIMER_HALF_OPEN,  /* tcp/: head of a half-open class */
	PV_TIMER_TIME_WAIT,  /* tcp/: head of the TIME-WAIT queue */
	PV_TIMER_LAST_ACK,   /* tcp/: head of a class of FINs */
	PV_TIMER_HELD,       /* tcp/: held requests */
	PV_TIMER_LISTENER,   /* tcp/: housekeeping of listeners and worker: secrets, cookie mode */
	PV_TIMER_NEIGHBOUR,  /* ip/ */
	PV_TIMER_FRAGMENT,   /* ip/ */
	PV_TIMER_ADDRESS,    /* ip/: duplicate address detection, announcements */
	PV_TIMER_WIRE,       /* io/: emulated wire */
	PV_TIMER_SERVICE,    /* worker/: generator, services */
	PV_TIMER_KINDS
};

#define PV_WHEEL_LEVELS     6 /* with the tick these are the 64 bits of a deadline */
#define PV_WHEEL_SLOTS      256
#define PV_WHEEL_TICK_SHIFT 16 /* a level-0 slot is 2^16 ns, 65.5 us */

struct pv_wheel {
	uint64_t now;     /* ns of the last run */
	uint64_t soonest; /* no timer is due before it; the next deadline itself when `exact`;
			     UINT64_MAX: none */
	uint64_t armed;   /* timers in the wheel */
	uint64_t tick;    /* slots are counted from here: no timer of a tick before it is left */
	struct pv_timer *due; /* during a run: what comes next, in order */
	uint64_t due_last;    /* no deadline in the due list is after it */
	bool exact;
	uint8_t pad[7];
	pv_timer_fn fn[PV_TIMER_KINDS];
	uint64_t busy[PV_WHEEL_LEVELS][PV_WHEEL_SLOTS / 64]; /* bit: slot not empty */
	struct pv_timer *slot[PV_WHEEL_LEVELS][PV_WHEEL_SLOTS];
};

void pv_wheel_init(struct pv_wheel *wheel, uint64_t now);
void pv_wheel_set(struct pv_wheel *wheel, enum pv_timer_kind kind, pv_timer_fn fn);
/* Arms or moves. A deadline in the past fires at the next run. */
void pv_timer_arm(struct pv_wheel *wheel, struct pv_timer *timer, enum pv_timer_kind kind,
		uint64_t deadline);
void pv_timer_cancel(struct pv_wheel *wheel, struct pv_timer *timer);
/* Fires what is due at `now`; a function may arm and cancel anything, itself included. What is
 * armed for <= now during the run fires in the same run. Returns how many fired. */
uint32_t pv_wheel_run(struct pv_wheel *wheel, struct pv_ctx *ctx, uint64_t now);
/* The exact next deadline, UINT64_MAX when none. Walks one slot when the timer that was next has
 * been moved or cancelled, and remembers. Not from within a run. */
uint64_t pv_wheel_next(struct pv_wheel *wheel);

static inline bool
pv_timer_armed(const struct pv_timer *timer)
{
	return timer->prev != NULL;
}

#endif
