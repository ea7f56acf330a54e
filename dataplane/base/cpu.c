/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/cpu.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cpu_need.h"

#define FEATURE(name) { name, __builtin_cpu_supports(name) != 0 },

int
pv_cpu_check(char *why, size_t n)
{
	/* The last row is there so that the table is never empty. */
	const struct {
		const char *name;
		int present;
	} features[] = { PV_CPU_NEED(FEATURE){ NULL, 1 } };
	char missing[256] = "";
	size_t i;

	for (i = 0; features[i].name != NULL; i++) {
		if (features[i].present)
			continue;
		strncat(missing, " ", sizeof(missing) - strlen(missing) - 1);
		strncat(missing, features[i].name, sizeof(missing) - strlen(missing) - 1);
	}
	if (n > 0)
		why[0] = '\0';
	if (missing[0] == '\0')
		return 0;
	snprintf(why, n,
			"pyprov was built for a CPU with%s, which this one lacks: "
			"build it on this machine, or with -Dcpu=x86-64-v2",
			missing);
	return -ENOTSUP;
}
