/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/pv_api.h"

uint32_t
pv_abi_version(void)
{
	return PV_ABI_VERSION;
}
