/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_TCP_H
#define PV_TCP_TCP_H

/*
 * TCP of one worker, as worker/ sees it. All functions run on the worker (in step mode on the
 * caller's thread) inside a turn.
 */

#include "base/ctx.h"
#include "base/packet.h"
#include "bridge/bridge.h"
#include "bridge/command.h"
#include "ip/ip.h"
#include "tcp/pcb.h"

struct pv_condition;
struct pv_listener_shared;
struct pv_offer;
struct pv_request_facts;

int pv_tcp_init(struct pv_ctx *ctx, const struct pv_config *config, const uint8_t secret[16]);
void pv_tcp_fini(struct pv_ctx *ctx);
/* Another [tcp] table, for what begins from now on; handshakes under way get its times. */
void pv_tcp_configure(struct pv_ctx *ctx, const struct pv_tcp_config *config);
void pv_tcp_reset(struct pv_ctx *ctx); /* everything gone, nothing sent; listeners stay */

/* A burst of TCP packets from ip/, all owned by this worker. Parses, verifies, looks up, acts;
 * frees the mbufs it did not keep; counts each in one outcome. */
void pv_tcp_input(struct pv_ctx *ctx, struct pv_packet *packets, uint32_t n);
/* End of the turn: segments and ACKs that the burst made due. */
void pv_tcp_output(struct pv_ctx *ctx);
/* Has it left something for the next turn (ctx->tx_stalled)? */
bool pv_tcp_output_waiting(const struct pv_ctx *ctx);
/* The 4-tuple's owner among n workers: symmetric Toeplitz hash as RSS computes it (ip order of
 * addresses and ports). */
uint8_t pv_tcp_owner(const struct pv_ctx *ctx, const struct pv_tuple *tuple);

/* Commands (worker/commands.c calls them). */
int pv_tcp_listen(struct pv_ctx *ctx, struct pv_listener_shared *shared);
int pv_tcp_listener_update(
		struct pv_ctx *ctx, uint64_t listener, const struct pv_listen_params *params);
/* What runs for each SYN to it from now on; NULL: nothing. -ENOENT: no such listener. */
int pv_tcp_listener_condition(
		struct pv_ctx *ctx, uint64_t listener, struct pv_condition *condition);
/* Its half-open connections are dropped; requests that wait in its backlog are the caller's. */
int pv_tcp_listener_close(struct pv_ctx *ctx, uint64_t listener);
int pv_tcp_connect(struct pv_ctx *ctx, uint64_t handle, struct pv_connect_params *params);
void pv_tcp_send_ready(struct pv_ctx *ctx, uint64_t handle);
void pv_tcp_window_update(struct pv_ctx *ctx, uint64_t handle);
void pv_tcp_shutdown_receive(struct pv_ctx *ctx, uint64_t handle);
void pv_tcp_close(struct pv_ctx *ctx, uint64_t handle, int how);
int pv_tcp_option(struct pv_ctx *ctx, uint64_t handle, int option, uint64_t value);
int pv_tcp_info(struct pv_ctx *ctx, uint64_t handle, struct pv_info *out);
/* A verdict (PV_CMD_DECIDE), what is known of a request, and offers; see pv_api.h. */
int pv_tcp_decide(struct pv_ctx *ctx, const struct pv_command *c);
int pv_tcp_request_read(struct pv_ctx *ctx, uint64_t handle, struct pv_request_facts *facts,
		struct pv_offer *offer);
int pv_tcp_offer_read(struct pv_ctx *ctx, uint64_t handle, int kind, struct pv_offer *offer);
int pv_tcp_offer_send(struct pv_ctx *ctx, uint64_t handle, const struct pv_offer *offer);
/* Closes all listeners and connections gracefully; pv_tcp_idle tells when nothing is left to flush.
 * pv_tcp_abort_all resets the rest. */
void pv_tcp_flush(struct pv_ctx *ctx);
bool pv_tcp_idle(struct pv_ctx *ctx);
void pv_tcp_abort_all(struct pv_ctx *ctx);

#endif
