/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "base/cpu.h"
#include "tap.h"

int
main(void)
{
	char why[256] = "x";

	CHECK_EQ(pv_cpu_check(why, sizeof(why)), 0, "the CPU that built the tests can run them");
	CHECK(strlen(why) == 0, "and nothing is said about it");
	return tap_done();
}
