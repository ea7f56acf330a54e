/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_TX_H
#define PV_IO_TX_H

/*
 * Frames on their way out of one worker, staged by port until the end of the turn, so that a device
 * sees bursts. What a full device queue does not take stays for the next turn; when there is no
 * more room either, frames are dropped and counted. A worker that has no transmit queue on a port
 * gives its frames to the port's owner. Owned by the worker.
 */

#include <stdbool.h>

#include "base/ctx.h"
#include "io/port.h"

/* Makes ctx->tx and sets ctx->transmit. ports: the engine's. -ENOMEM. */
int pv_tx_init(struct pv_ctx *ctx, struct pv_port *ports, uint16_t n_port);
void pv_tx_fini(struct pv_ctx *ctx);
/* Hands everything staged to the devices. */
void pv_tx_flush(struct pv_ctx *ctx);
bool pv_tx_empty(const struct pv_ctx *ctx); /* nothing is left from the last flush */

#endif
