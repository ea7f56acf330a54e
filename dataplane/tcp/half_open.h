/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_HALF_OPEN_H
#define PV_TCP_HALF_OPEN_H

/*
 * Half-open connections: SYN-RECEIVED by a passive open (RFC 9293 3.10.7.4), in a bounded table of
 * records. Those whose SYN-ACK was sent again equally often wait in one queue, with one timer for
 * the head: the next SYN-ACK, or the end, comes rto_initial << level after the last one.
 */

#include <stdint.h>

#include "base/ctx.h"
#include "base/packet.h"
#include "tcp/flow_table.h"
#include "tcp/listener.h"
#include "tcp/record.h"

enum { PV_HALF_OPEN_LEVELS = 16 };

struct pv_half_open_level {
	struct pv_record_queue queue;
	struct pv_timer timer;
};

struct pv_half_open {
	struct pv_record_pool pool;
	struct pv_half_open_level level[PV_HALF_OPEN_LEVELS];
};

int pv_half_open_init(struct pv_ctx *ctx, struct pv_half_open *half_open, uint32_t size, bool huge);
void pv_half_open_fini(struct pv_half_open *half_open);
void pv_half_open_reset(struct pv_ctx *ctx); /* all forgotten; the flow table is the caller's */

/* All of a listener that closes. */
void pv_half_open_drop_all(struct pv_ctx *ctx, const struct pv_listener *listener);
/* Makes room in a full table for a peer whose network has not had its share: forgets one of the
 * oldest of a network that has more than that. False: nobody has. */
bool pv_half_open_displace(struct pv_ctx *ctx, const struct pv_addr *peer);
/* Sends the SYN-ACK again. */
void pv_half_open_answer(struct pv_ctx *ctx, const struct pv_record *record);
/* A segment for a half-open connection (half_open_segment.c). Returns the packet's outcome. */
enum pv_counter pv_half_open_segment(struct pv_ctx *ctx, struct pv_packet *packet,
		struct pv_record *record, const struct pv_flow_place *place);

#endif
