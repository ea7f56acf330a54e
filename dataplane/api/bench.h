/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_API_BENCH_H
#define PV_API_BENCH_H

struct pv_engine;

/* Ends the generator of an engine that stops; without one nothing. */
void pv_bench_end(struct pv_engine *engine);

#endif
