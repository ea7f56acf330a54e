/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads beside Python's: signals are not theirs, and some keep to one CPU. */
#ifndef PV_BASE_THREAD_H
#define PV_BASE_THREAD_H

#include <pthread.h>

/* Runs on a new thread that has every signal blocked from its first instruction on. Returns 0 or
 * a negative errno of pthread_create. */
int pv_thread_start(pthread_t *thread, void *(*run)(void *), void *arg);

/* Keeps the calling thread on one CPU; negative: wherever it may be already. */
void pv_thread_pin(int cpu);

#endif
