/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_API_CONDITION_H
#define PV_API_CONDITION_H

/* The conditions that an engine owns, by listener. */

#include <stdint.h>

struct pv_engine;

/* The listener is gone from all workers. */
void pv_conditions_forget(struct pv_engine *engine, uint64_t listener);
/* No worker runs any more. */
void pv_conditions_free(struct pv_engine *engine);

#endif
