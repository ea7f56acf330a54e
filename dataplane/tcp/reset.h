/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_RESET_H
#define PV_TCP_RESET_H

/* RSTs in answer to segments (RFC 9293 3.10.7.1), and what limits them and challenge ACKs. See also
 * conn.h. */

#include "base/ctx.h"
#include "base/packet.h"

/* Sends the RST that answers this segment, which must not have RST itself. */
void pv_reset_send(struct pv_ctx *ctx, const struct pv_packet *packet);
/* The same for what we could answer but do not want, within config.reset_limit a second. */
void pv_reset_refuse(struct pv_ctx *ctx, const struct pv_packet *packet);
/* For a segment that nothing knows (state CLOSED), RST or not: answers within config.reset_limit a
 * second, and says how it ended. */
enum pv_counter pv_reset_closed(
		struct pv_ctx *ctx, const struct pv_packet *packet, enum pv_counter outcome);

#endif
