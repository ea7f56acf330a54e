/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_CONDITION_H
#define PV_CONDITION_H

/*
 * Compiled conditions: eBPF programs that workers run for each connection request. The second part
 * of the border to the control plane (pv_api.h), and all that a program in C has to know:
 *
 *	#include "pv_condition.h"
 *	__attribute__((section("condition"))) uint64_t
 *	decide(struct pv_condition_context *request)
 *
 * It may call pv_per_source and pv_count, may read the context and use the 512 bytes of its stack,
 * and has neither loops nor variables outside. Built by clang -O2 -target bpf -mcpu=v2.
 */

#include <stddef.h>
#include <stdint.h>

enum pv_verdict {
	PV_VERDICT_ACCEPT = 0, /* the handshake goes on; no Python condition function is asked */
	PV_VERDICT_REJECT = 1, /* RST */
	PV_VERDICT_DROP = 2,   /* silence */
	PV_VERDICT_ASK = 3,    /* as if there were no program */
	PV_VERDICTS
};

#define PV_CONDITION_DATA     64
#define PV_CONDITION_COUNTERS 16
/* Places in the result of pv_condition_stats: four verdicts, then these. */
#define PV_CONDITION_CLAMPED   4 /* the program returned something else: taken for REJECT */
#define PV_CONDITION_FORGOTTEN 5 /* buckets that were not full yet and had to make room */
#define PV_CONDITION_OWN       6 /* the program's counters */
#define PV_CONDITION_STATS     (PV_CONDITION_OWN + PV_CONDITION_COUNTERS)

/* What a program sees of a request. 200 bytes, host order; a scratch copy. */
struct pv_condition_context {
	uint64_t time;                 /* arrival of the SYN, ns of the engine's clock */
	uint64_t caller[2], callee[2]; /* addresses, the more significant half first; IPv4 as
					  ::ffff:a.b.c.d */
	uint16_t caller_port, callee_port;
	uint16_t mss;             /* 536 or 1220 where the SYN has none */
	uint16_t window;          /* unscaled */
	uint8_t scale;            /* 0 where the SYN has none */
	uint8_t sack, timestamps; /* booleans */
	uint8_t family;           /* 4, 6 */
	uint8_t ttl, dscp;
	uint16_t data_length;              /* of the caller data */
	uint32_t backlog;                  /* requests that wait at the listener */
	uint32_t half_open;                /* of the listener, at this worker */
	uint32_t load;                     /* per cent of the worker's time spent on work */
	uint32_t qos_given;                /* boolean; else the flowspecs have their defaults */
	uint32_t sending[8], receiving[8]; /* FLOWSPECs, in the acceptor's perspective */
	uint8_t data[PV_CONDITION_DATA];   /* first bytes of the caller data, then zeroes */
};

#ifdef __bpf__

/* Takes a token of the source's bucket: 1, or 0 when it is empty. rate: tokens a second. */
extern uint64_t pv_per_source(struct pv_condition_context *request, uint64_t rate, uint64_t burst);
/* Counts one; counter < PV_CONDITION_COUNTERS. */
extern uint64_t pv_count(struct pv_condition_context *request, uint64_t counter);

#else

struct pv_engine;
struct pv_condition;

/*
 * Verifies and compiles n instructions of 8 bytes for an engine of so many workers. Calls have the
 * immediate 0 for pv_per_source, 1 for pv_count. -EINVAL: the verifier refuses; err says what it
 * said.
 */
int pv_condition_load(const void *code, uint32_t n, uint32_t workers,
		struct pv_condition **condition, char *err, size_t err_cap);
void pv_condition_free(struct pv_condition *condition); /* one that is not installed */
/* Decides n requests, as worker 0 would. Not at the same time by two threads. */
int pv_condition_run(struct pv_condition *condition, const struct pv_condition_context *requests,
		uint8_t *verdicts, uint32_t n);
/* Reads PV_CONDITION_STATS numbers, summed over workers. */
int pv_condition_stats(const struct pv_condition *condition, uint64_t *out);

/* Installs it on a listener in place of the one before, which is freed; NULL: none any more. The
 * engine owns it from then on, whatever the result. Returns when no worker runs the old one. */
int pv_listener_condition(
		struct pv_engine *engine, uint64_t listener, struct pv_condition *condition);
/* Numbers of the installed one. -ENOENT: there is none. */
int pv_listener_condition_stats(struct pv_engine *engine, uint64_t listener, uint64_t *out);

#endif

#endif
