/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_CONDITION_H
#define PV_TCP_CONDITION_H

/*
 * A compiled condition: an eBPF program, verified and made native by rte_bpf, and what each worker
 * keeps for it. Loaded by the control plane; handed from listener to listener by commands, so that
 * a worker that has answered the command does not run the old one any more.
 */

#include "api/pv_condition.h"
#include "base/ctx.h"
#include "base/packet.h"
#include "tcp/listener.h"

struct pv_block;

/* For a SYN to a listener that has a condition. block: what the SYN brought, well formed; NULL:
 * nothing. A request that would reserve bandwidth is never accepted without the control plane,
 * which keeps the account: ACCEPT is ASK then. */
enum pv_verdict pv_condition_ask(struct pv_ctx *ctx, const struct pv_packet *packet,
		const struct pv_listener *listener, const struct pv_block *block);

/* Before it is installed: the key of its tables, so that nobody can choose sources that fall
 * together. */
void pv_condition_key(struct pv_condition *condition, uint64_t key);

#endif
