/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_CONN_H
#define PV_TCP_CONN_H

/*
 * Between the handshake side of tcp/ (flow_table, listener, half_open, isn, input, reset,
 * time_wait) and its stream side (established, reassembly, output, recovery, congestion control,
 * timers, close, connect).
 */

#include "tcp/pcb.h"
#include "tcp/tcp.h"

struct pv_flow_place;

/*
 * A passive connection reaches ESTABLISHED on the handshake side, which fills lines 0 and 1 of the
 * control block (all of it, rcv_adv from the window of the SYN-ACK, snd_wnd and max_wnd from the
 * ACK), takes the status record's generation and handle as they are, sets its state and WRITE
 * (writes = 1), and hands the very segment to pv_conn_segment if it carries more than the ACK (data
 * or FIN).
 */

/* ---- stream side, called by the handshake side ----------------------------------------------- */

/* Makes ctx->conns and registers PV_TIMER_CONNECTION; before any connection exists. -ENOMEM. */
int pv_conns_init(struct pv_ctx *ctx, const struct pv_config *config);
void pv_conns_fini(struct pv_ctx *ctx);

/* A segment for an existing control block, in any state from SYN-SENT on, checksum and options
 * verified. Sets packet->outcome; may take the mbuf (sets it NULL). */
void pv_conn_segment(struct pv_ctx *ctx, struct pv_pcb *pcb, struct pv_packet *packet);
/* Established, and neither carried anything nor was used in any other way since. */
static inline bool
pv_conn_is_idle(const struct pv_pcb *pcb)
{
	return pcb->state == PV_ESTABLISHED &&
	       (pcb->flags & (PV_PCB_TOUCHED | PV_PCB_EXCHANGE | PV_PCB_CONNECTING)) == 0;
}
/* A RST for such a connection whose number is not exactly the next one. */
enum pv_counter pv_conn_reset_other(
		struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_packet *packet);
/* An ICMP error whose tuple is this connection's; false: ignored. */
bool pv_conn_icmp(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_icmp_error *error);
/* Graceful close from inside: FIN after what was written, nobody reads any more (the control plane
 * has let go, or the engine stops). */
void pv_conn_close(struct pv_ctx *ctx, struct pv_pcb *pcb);
/* Ends a connection now: optional RST, status (error = -errno, 0: none), timers, queues, flow
 * table, control block. */
void pv_conn_destroy(struct pv_ctx *ctx, struct pv_pcb *pcb, int error, bool send_rst);

/* ---- handshake side, called by the stream side ----------------------------------------------- */

/* Control blocks by slot index; NULL: that index has none, or the handle is stale. */
struct pv_pcb *pv_pcb_at(struct pv_ctx *ctx, uint32_t index);
struct pv_pcb *pv_pcb_of(struct pv_ctx *ctx, uint64_t handle);
/* Fills identity (free blocks are zero); not yet in the flow table. NULL: no such slot. */
struct pv_pcb *pv_pcb_adopt(struct pv_ctx *ctx, uint64_t handle, const struct pv_tuple *tuple,
		uint32_t hash); /* slot reserved by the control plane (connect) */
void pv_pcb_free(struct pv_ctx *ctx, struct pv_pcb *pcb); /* out of the flow table, zeroed, TCP's
							     hold on the slot released */

uint32_t pv_flow_hash(const struct pv_ctx *ctx, const struct pv_tuple *tuple);
int pv_flow_insert(struct pv_ctx *ctx, const struct pv_pcb *pcb); /* -EEXIST, -ENOBUFS */
bool pv_flow_exists(struct pv_ctx *ctx, const struct pv_tuple *tuple);

/* Turns a connection whose both FINs are acknowledged into a TIME-WAIT record (<= 64 bytes) and
 * frees the control block. */
void pv_time_wait_enter(struct pv_ctx *ctx, struct pv_pcb *pcb);

/* An active open of this tuple may follow the one in TIME-WAIT, whose record is gone then; *iss
 * lies beyond its numbers. */
bool pv_time_wait_reuse(struct pv_ctx *ctx, const struct pv_tuple *tuple, uint32_t *iss);

/* RFC 6528: M + F(tuple, key): for active opens and for a SYN into TIME-WAIT. */
uint32_t pv_isn_active(struct pv_ctx *ctx, const struct pv_tuple *tuple);
uint32_t pv_ts_offset(struct pv_ctx *ctx, const struct pv_tuple *tuple);

/* RST in answer to a packet by the rules of RFC 9293 3.10.7.1; rate limited. */
void pv_reset_reply(struct pv_ctx *ctx, const struct pv_packet *packet);
/* True: a challenge ACK may be sent now (RFC 5961 7; limit drawn anew each second). */
bool pv_challenge_allowed(struct pv_ctx *ctx);

#endif
