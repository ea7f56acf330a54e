/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/check.h"

#ifdef PV_CHECKS
#include <stdio.h>

_Noreturn void
pv_assert_failed(const char *expression, const char *file, int line)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expression);
	__builtin_trap();
}
#else
typedef int pv_check_is_empty;
#endif
