/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BASE_CHECK_H
#define PV_BASE_CHECK_H

/*
 * Four grades of check. Which one to take says who is at fault:
 *   static_assert          a layout is not what it must be; found by the compiler
 *   PV_ASSERT              our own bug; debug builds stop (option "checks"), release builds contain
 * nothing pv_never(ctx..)        believed impossible, yet survived: counted (see base/counters.h)
 *   a counter              the peer's fault; bytes of a packet never reach an assert
 */

#include <assert.h>

#define pv_likely(x)         __builtin_expect(!!(x), 1)
#define pv_unlikely(x)       __builtin_expect(!!(x), 0)
#define pv_prefetch(p)       __builtin_prefetch((p), 0, 3)
#define pv_prefetch_write(p) __builtin_prefetch((p), 1, 3)
#define pv_cold              __attribute__((cold, noinline))
#define pv_container_of(ptr, type, member)                                                         \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))
#define PV_COUNT_OF(a)   (sizeof(a) / sizeof((a)[0]))
#define PV_CACHE_LINE    64
#define pv_cache_aligned __attribute__((aligned(PV_CACHE_LINE)))

#ifdef PV_CHECKS
_Noreturn void pv_assert_failed(const char *expression, const char *file, int line);
#define PV_ASSERT(x) ((x) ? (void)0 : pv_assert_failed(#x, __FILE__, __LINE__))
#else
#define PV_ASSERT(x) ((void)sizeof((x) ? 1 : 0))
#endif

#endif
