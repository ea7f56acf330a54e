/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_TIME_WAIT_H
#define PV_TCP_TIME_WAIT_H

/*
 * TIME-WAIT (RFC 9293 3.10.7.4, RFC 1337, RFC 6191): a record in a queue; a repeated FIN moves it
 * to the end. When the table is full, a connection that would enter is forgotten instead (counted).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/packet.h"
#include "tcp/flow_table.h"
#include "tcp/record.h"

struct pv_time_wait {
	struct pv_record_pool pool;
	struct pv_record_queue queue;
	struct pv_timer timer;
};

int pv_time_wait_init(struct pv_ctx *ctx, struct pv_time_wait *time_wait, uint32_t size, bool huge);
void pv_time_wait_fini(struct pv_time_wait *time_wait);
void pv_time_wait_reset(struct pv_ctx *ctx); /* all forgotten; the flow table is the caller's */

/* A record for a control block takes its place in the flow table; it stands in no queue yet. Its
 * index, or PV_RECORD_NONE. */
uint32_t pv_time_wait_record(struct pv_ctx *ctx, const struct pv_pcb *pcb);

/* A segment for a connection in TIME-WAIT. Returns the packet's outcome. */
enum pv_counter pv_time_wait_segment(struct pv_ctx *ctx, struct pv_packet *packet,
		struct pv_record *record, const struct pv_flow_place *place);

#endif
