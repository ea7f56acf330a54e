/* SPDX-License-Identifier: BSD-3-Clause */
/* What the control plane sees of the dataplane. Needs stdint.h, stddef.h and stdbool.h, no more. */
#ifndef PV_API_H
#define PV_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Version of everything in this header; Python refuses a library with another one. */
#define PV_ABI_VERSION 1

/**
 * The PV_ABI_VERSION that the library was built with.
 */
uint32_t pv_abi_version(void);

#endif
