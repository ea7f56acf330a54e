/* SPDX-License-Identifier: BSD-3-Clause */
#include "api/pv_bench.h"
#include "api/pv_offer.h"
#include "base/check.h"

/* What Python compares with its own view of the border before it uses anything else. */

uint32_t
pv_api_version(void)
{
	return PV_API_VERSION;
}

size_t
pv_api_record_size(uint32_t n)
{
	static const size_t sizes[] = {
		sizeof(struct pv_addr),
		sizeof(struct pv_tcp_config),
		sizeof(struct pv_port_config),
		sizeof(struct pv_config),
		sizeof(struct pv_request),
		sizeof(struct pv_status),
		sizeof(struct pv_ready),
		sizeof(struct pv_info),
		sizeof(struct pv_listen_params),
		sizeof(struct pv_connect_params),
		sizeof(struct pv_generator_params),
		sizeof(struct pv_generator_stats),
		sizeof(struct pv_worker_load),
		sizeof(struct pv_wire_params),
		sizeof(struct pv_wire_stats),
		sizeof(struct pv_wire_join),
		sizeof(struct pv_service_stats),
		sizeof(struct pv_flowspec),
		sizeof(struct pv_offer),
		sizeof(struct pv_request_facts),
	};

	return n < PV_COUNT_OF(sizes) ? sizes[n] : 0;
}
