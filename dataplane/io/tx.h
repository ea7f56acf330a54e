/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IO_TX_H
#define PV_IO_TX_H

/*
 * Frames on their way out of one worker, staged by port until the end of the turn, so that a device
 * sees bursts. Owned by the worker.
 */

#include "base/ctx.h"
#include "io/port.h"

/* Makes ctx->tx and sets ctx->transmit. ports: the engine's. -ENOMEM. */
int pv_tx_init(struct pv_ctx *ctx, struct pv_port *ports, uint16_t n_port);
void pv_tx_fini(struct pv_ctx *ctx);
/* Hands everything staged to the devices; what stays unsent after a few tries is dropped and
 * counted. */
void pv_tx_flush(struct pv_ctx *ctx);

#endif
