/* SPDX-License-Identifier: BSD-3-Clause */
/* Test programs speak TAP: one line a check, the plan at the end. */
#ifndef PV_TESTS_TAP_H
#define PV_TESTS_TAP_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Weak: one of each for a test program of several files. */
__attribute__((weak)) unsigned int tap_checks;
__attribute__((weak)) unsigned int tap_failures;

static inline bool
tap_check(bool ok, const char *what, const char *file, int line)
{
	tap_checks++;
	printf("%s %u - %s\n", ok ? "ok" : "not ok", tap_checks, what);
	if (!ok) {
		tap_failures++;
		printf("# at %s:%d\n", file, line);
	}
	return ok;
}

static inline bool
tap_equal(uint64_t got, uint64_t want, const char *what, const char *file, int line)
{
	bool ok = tap_check(got == want, what, file, line);

	if (!ok)
		printf("# got %" PRIu64 " (0x%" PRIx64 "), want %" PRIu64 " (0x%" PRIx64 ")\n", got,
				got, want, want);
	return ok;
}

/** Print the plan; what main returns. */
static inline int
tap_done(void)
{
	printf("1..%u\n", tap_checks);
	return tap_failures != 0;
}

/** One check: a condition and, in words, what holds when it is true. */
#define CHECK(cond, what) tap_check(cond, what, __FILE__, __LINE__)
/** One check of two integers, both shown when they differ. */
#define CHECK_EQ(got, want, what)                                                                  \
	tap_equal((uint64_t)(got), (uint64_t)(want), what, __FILE__, __LINE__)

#endif
