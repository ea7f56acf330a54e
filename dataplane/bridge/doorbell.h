/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BRIDGE_DOORBELL_H
#define PV_BRIDGE_DOORBELL_H

/*
 * A doorbell wakes one side that sleeps: a waiter of the control plane, or a worker. An armed word
 * and an eventfd.
 *
 *   who sleeps                            who wakes
 *     pv_doorbell_arm        (A0, F0)       publish (list, ring, stream ...)
 *     look once more                        pv_doorbell_fence      (F1), one for a whole burst
 *     poll the eventfd                      pv_doorbell_ring       (R0) of each doorbell touched
 *     pv_doorbell_clear
 *
 * A0 stores the word before F0, the look comes after it. What is published comes before F1, R0
 * reads the word after it. The two fences are totally ordered: if F0 is first, R0 sees the word and
 * rings; if F1 is first, the look sees what was published. Without either fence both can miss each
 * other (a store may be overtaken by a later load, on x86 too).
 *
 * The word stays armed until it is rung; a bell rung for nothing costs one more look. Any thread
 * may arm and ring.
 *
 * Whose sleep ends soon by itself says so (pv_doorbell_arm_nap): what can wait so long rings by
 * pv_doorbell_ring_sleeper, which leaves him alone.
 */

#include <stdbool.h>
#include <stdint.h>

enum pv_doorbell_word {
	PV_DOORBELL_QUIET = 0,
	PV_DOORBELL_ARMED = 1,
	PV_DOORBELL_ALWAYS = 2, /* every ring is written; never armed: event objects */
	PV_DOORBELL_NAP = 3,    /* armed, for what cannot wait */
};

struct pv_doorbell {
	uint32_t armed; /* enum pv_doorbell_word */
	int32_t fd;     /* eventfd, non-blocking */
};

/* fd: an eventfd, which the doorbell takes over; -1: makes one. 0, -errno. */
int pv_doorbell_init(struct pv_doorbell *bell, int fd);
void pv_doorbell_fini(struct pv_doorbell *bell);  /* closes it: nobody may ring any more */
void pv_doorbell_write(struct pv_doorbell *bell); /* makes the eventfd readable */
/* After a sleep: empties the eventfd; true: it had been rung. */
bool pv_doorbell_clear(struct pv_doorbell *bell);

/* The stress test builds a variant without it, which must lose wake-ups. */
#ifndef PV_DOORBELL_FENCE
#define PV_DOORBELL_FENCE() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

static inline void
pv_doorbell_fence(void)
{
	PV_DOORBELL_FENCE(); /* F1 */
}

static inline void
pv_doorbell_arm_as(struct pv_doorbell *bell, enum pv_doorbell_word word)
{
	__atomic_store_n(&bell->armed, word, __ATOMIC_RELAXED); /* A0: pairs with R0 */
	PV_DOORBELL_FENCE();                                    /* F0 */
}

static inline void
pv_doorbell_arm(struct pv_doorbell *bell)
{
	pv_doorbell_arm_as(bell, PV_DOORBELL_ARMED);
}

static inline void
pv_doorbell_arm_nap(struct pv_doorbell *bell)
{
	pv_doorbell_arm_as(bell, PV_DOORBELL_NAP);
}

/* Will not sleep after all, and nobody else is asleep on it. No event object's. */
static inline void
pv_doorbell_disarm(struct pv_doorbell *bell)
{
	__atomic_store_n(&bell->armed, PV_DOORBELL_QUIET, __ATOMIC_RELAXED);
}

/* After pv_doorbell_fence. Writes the eventfd at most once for each arming. */
static inline void
pv_doorbell_ring(struct pv_doorbell *bell)
{
	uint32_t word = __atomic_load_n(&bell->armed, __ATOMIC_RELAXED); /* R0: pairs with A0 */

	if (word == PV_DOORBELL_ARMED || word == PV_DOORBELL_NAP)
		word = __atomic_exchange_n(&bell->armed, PV_DOORBELL_QUIET, __ATOMIC_RELAXED);
	if (word != PV_DOORBELL_QUIET)
		pv_doorbell_write(bell);
}

/* The same for what can wait until a nap ends. */
static inline void
pv_doorbell_ring_sleeper(struct pv_doorbell *bell)
{
	if (__atomic_load_n(&bell->armed, __ATOMIC_RELAXED) != PV_DOORBELL_NAP)
		pv_doorbell_ring(bell);
}

#endif
