/* SPDX-License-Identifier: BSD-3-Clause */
#include "stress_doorbell_impl.h"

int
main(void)
{
	if (stress_cpus() < 2) {
		printf("1..0 # SKIP two threads must run at the same time\n");
		return 0;
	}
	CHECK_EQ(doorbell_stress_run(STRESS(300000)), 0, "no wake-up is lost");
	CHECK(doorbell_stress.met > 0, "and the two sides did meet");
	return tap_done();
}
