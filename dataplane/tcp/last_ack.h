/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_LAST_ACK_H
#define PV_TCP_LAST_ACK_H

/*
 * LAST-ACK (RFC 9293 3.10.7.4) of connections that never carried data: nothing but our FIN waits
 * for its acknowledgment, so a record of the TIME-WAIT pool is all that is kept. Those whose FIN
 * was sent equally often wait in one queue, with one timer for the head: the next FIN, or the end,
 * comes rto_initial << level after the last one, which is no sooner than RFC 6298 (2.4) wants.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/packet.h"
#include "base/wheel.h"
#include "bridge/bridge.h"
#include "tcp/flow_table.h"
#include "tcp/pcb.h"
#include "tcp/record.h"

enum { PV_LAST_ACK_LEVELS = 16 };

struct pv_last_ack {
	struct {
		struct pv_record_queue queue;
		struct pv_timer timer;
	} level[PV_LAST_ACK_LEVELS];
	uint32_t in_use;
};

void pv_last_ack_init(struct pv_ctx *ctx);
void pv_last_ack_reset(struct pv_ctx *ctx); /* all forgotten; the records are TIME-WAIT's */
/* Resets all peers, and forgets all. */
void pv_last_ack_abort_all(struct pv_ctx *ctx);

/* The FIN of a peer that never said anything else, without more of the connection than its first
 * lines: to CLOSE-WAIT; or, where nobody holds the connection, answered by our FIN, and the control
 * block goes. False: it is not of that kind, and nothing was done. */
bool pv_last_ack_fin(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet);
/* Our FIN in such a CLOSE-WAIT; the control block goes. False: as above. */
bool pv_last_ack_close(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_shared *shared);

/* A segment for such a record. Returns the packet's outcome. */
enum pv_counter pv_last_ack_segment(struct pv_ctx *ctx, struct pv_packet *packet,
		struct pv_record *record, const struct pv_flow_place *place);

#endif
