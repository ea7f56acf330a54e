/* SPDX-License-Identifier: BSD-3-Clause */
/* What the stress tests share: threads on CPUs of their own, and how long to go on. */
#ifndef PV_TESTS_STRESS_H
#define PV_TESTS_STRESS_H

#include <pthread.h>
#include <sched.h>

#include <rte_pause.h>

#include "tap.h"

/* Sanitized builds are many times slower. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STRESS(rounds) ((rounds) / 10)
#else
#define STRESS(rounds) (rounds)
#endif

/* Restricts the calling thread to the n-th CPU that the process may use; false: there are fewer. */
static inline bool
stress_pin(unsigned int n)
{
	cpu_set_t allowed, one;
	unsigned int seen = 0;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	CPU_ZERO(&one);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &allowed) && seen++ == n) {
			CPU_SET(cpu, &one);
			return sched_setaffinity(0, sizeof(one), &one) == 0;
		}
	}
	return false;
}

static inline unsigned int
stress_cpus(void)
{
	cpu_set_t allowed;

	sched_getaffinity(0, sizeof(allowed), &allowed);
	return (unsigned int)CPU_COUNT(&allowed);
}

static inline void
stress_run(unsigned int n, void *(*body[])(void *), void *arg[])
{
	pthread_t thread[16];

	for (unsigned int i = 0; i < n; i++)
		pthread_create(&thread[i], NULL, body[i], arg[i]);
	for (unsigned int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

/* Two sides that meet at the start and the end of each round. */
struct stress_meeting {
	uint32_t at[2][16]; /* each side's count in a cache line of its own */
} __attribute__((aligned(64)));

/* Waits for the other side, then wastes a little time, so that they meet in different ways. */
static inline void
stress_meet(struct stress_meeting *meeting, unsigned int side, uint32_t waste)
{
	uint32_t mine = meeting->at[side][0] + 1;
	unsigned int spins = 0;

	__atomic_store_n(&meeting->at[side][0], mine, __ATOMIC_RELEASE);
	while ((int32_t)(__atomic_load_n(&meeting->at[!side][0], __ATOMIC_ACQUIRE) - mine) < 0) {
		if (++spins % 1024 == 0)
			sched_yield();
		rte_pause();
	}
	for (uint32_t i = 0; i < waste; i++)
		__asm__ volatile("" ::: "memory");
}

#endif
