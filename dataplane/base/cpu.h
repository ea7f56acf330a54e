/* SPDX-License-Identifier: BSD-3-Clause */
/* Does the CPU we run on have what this library was built for? */
#ifndef PV_BASE_CPU_H
#define PV_BASE_CPU_H

#include <stddef.h>

/**
 * Compare the CPU features that the compiler was allowed to use with those of the running CPU.
 *
 * Built for the plainest CPU of the architecture, so it can be called before any other function.
 * Thread rule: any thread, any time.
 *
 * @param why
 *   Where one sentence about the missing features and the cure goes; always ends in a NUL.
 * @param n
 *   Size of why in bytes; 0 if no sentence is wanted.
 * @return
 *   0 if every feature is there, -ENOTSUP if one is missing.
 */
int pv_cpu_check(char *why, size_t n);

#endif
