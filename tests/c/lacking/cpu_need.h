/* SPDX-License-Identifier: BSD-3-Clause */
/* Stands in for the generated header in test_cpu_lacking. */
#define PV_CPU_NEED(NEED) NEED("xop") NEED("avx512f")
