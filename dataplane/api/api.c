/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/pv_api.h"

uint32_t
pv_api_version(void)
{
	return PV_API_VERSION;
}
