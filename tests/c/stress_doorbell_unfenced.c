/* SPDX-License-Identifier: BSD-3-Clause */
/* The same without its fence: if this lost nothing, the other would prove nothing. */
#define PV_DOORBELL_FENCE() __atomic_signal_fence(__ATOMIC_SEQ_CST)
#include "stress_doorbell_impl.h"

#define BATCH 100000

int
main(void)
{
	uint32_t lost = 0;

	if (stress_cpus() < 2) {
		printf("1..0 # SKIP two threads must run at the same time\n");
		return 0;
	}
	for (unsigned int i = 0; i < 100 && lost == 0; i++)
		lost = doorbell_stress_run(BATCH);
	CHECK(lost > 0, "without the fence wake-ups are lost");
	return tap_done();
}
