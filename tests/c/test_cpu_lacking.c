/* SPDX-License-Identifier: BSD-3-Clause */
/* base/cpu.c built for a CPU that cannot be: no maker put XOP and AVX-512 into one. */
#include <errno.h>
#include <string.h>

#include "base/cpu.h"
#include "tap.h"

int
main(void)
{
	char why[256], shorter[16];

	CHECK_EQ(pv_cpu_check(why, sizeof(why)), -ENOTSUP, "a CPU without a feature is refused");
	CHECK(strstr(why, " xop") != NULL || strstr(why, " avx512f") != NULL,
			"the feature is named");
	CHECK(strstr(why, "-Dcpu=") != NULL, "and so is the cure");

	CHECK_EQ(pv_cpu_check(shorter, sizeof(shorter)), -ENOTSUP,
			"a short buffer changes nothing");
	CHECK(memcmp(shorter, why, sizeof(shorter) - 1) == 0 &&
					shorter[sizeof(shorter) - 1] == '\0',
			"it holds the beginning of the sentence");
	CHECK_EQ(pv_cpu_check(NULL, 0), -ENOTSUP, "nor does no buffer at all");
	return tap_done();
}
