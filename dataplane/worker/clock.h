/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_CLOCK_H
#define PV_WORKER_CLOCK_H

/*
 * The engine's time live: nanoseconds from the TSC, by one multiplication. It begins at one second,
 * so that 0 can mean "never" everywhere. Constant after its start; any thread.
 */

#include <stdint.h>

#include <rte_cycles.h>

#define PV_CLOCK_START 1000000000ull

__extension__ typedef unsigned __int128 pv_u128;

struct pv_clock {
	uint64_t base; /* TSC at the start */
	uint64_t mult; /* ns a cycle, in units of 2^-32 */
};

static inline struct pv_clock
pv_clock_start(void)
{
	return (struct pv_clock){ .base = rte_rdtsc(),
		.mult = (uint64_t)(((pv_u128)1000000000 << 32) / rte_get_tsc_hz()) };
}

static inline uint64_t
pv_clock_at(const struct pv_clock *clock, uint64_t tsc)
{
	return PV_CLOCK_START + (uint64_t)(((pv_u128)(tsc - clock->base) * clock->mult) >> 32);
}

#endif
