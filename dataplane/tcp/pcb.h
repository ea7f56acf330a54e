/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_PCB_H
#define PV_TCP_PCB_H

/*
 * The control block of a connection (RFC 9293 3.3.1). It exists from a valid ACK, an accept verdict or an active open on, until both FINs are acknowledged (TIME-WAIT is a
 * record of its own), a reset, or a time-out. Owned by one worker; nobody else reads it. Index = slot index of its handle.
 *
 * Lines are cut by use: line 0 and 1 are written at the handshake; the others stay zero until the connection carries data (a control block
 * is all zero when it is free), so that an accepted and reset connection touches little memory.
 */

#include <stdint.h>

#include "base/check.h"
#include "base/types.h"
#include "base/wheel.h"

/* Ordered so that predicates are comparisons; the numbers are those of RFC 9293's diagram order. */
enum pv_tcp_state {
	PV_CLOSED = 0,
	PV_LISTEN,
	PV_SYN_SENT,
	PV_SYN_RECEIVED,
	PV_ESTABLISHED,
	PV_CLOSE_WAIT,
	PV_FIN_WAIT_1,
	PV_CLOSING,
	PV_LAST_ACK,
	PV_FIN_WAIT_2,
	PV_TIME_WAIT,
};

enum pv_pcb_flags {
	PV_PCB_TIMESTAMPS = 1u << 0, /* agreed on both SYNs */
	PV_PCB_SACK = 1u << 1,
	PV_PCB_WSCALE = 1u << 2,
	PV_PCB_ECN = 1u << 3,
	PV_PCB_ACTIVE = 1u << 4,     /* we sent the first SYN */
	PV_PCB_NODELAY = 1u << 5,
	PV_PCB_KEEPALIVE = 1u << 6,
	PV_PCB_ACK_NOW = 1u << 7,    /* an ACK is due at the end of the burst */
	PV_PCB_ACK_DELAYED = 1u << 8,
	PV_PCB_FIN_QUEUED = 1u << 9, /* FIN follows the last byte of the tx stream */
	PV_PCB_FIN_SENT = 1u << 10,
	PV_PCB_FIN_RECEIVED = 1u << 11,
	PV_PCB_RECEIVE_SHUT = 1u << 12, /* application takes no more data */
	PV_PCB_ORPHAN = 1u << 13,    /* the control plane has let go */
	PV_PCB_OUTPUT = 1u << 14,    /* on the worker's list of those to look at for output at the end of the turn */
	PV_PCB_QUEUED = 1u << 15,    /* in a backlog, not yet taken */
	PV_PCB_TOUCHED = 1u << 16,   /* lines beyond the first two are in use (to be cleared at the end) */
	/* bits 17..31: free for tcp/ files */
};

struct pv_conn_data;

struct pv_pcb {
	/* line 0: who */
	struct pv_tuple tuple;
	uint32_t hash;
	uint64_t handle;
	uint8_t state; /* enum pv_tcp_state */
	uint8_t is_v4;
	uint16_t listener; /* index; 0xffff: none */
	uint32_t flags;
	uint32_t index;
	uint32_t pad0;

	/* line 1: where we are in both sequence spaces */
	uint32_t iss, irs;
	uint32_t snd_una, snd_nxt, snd_max; /* snd_max: highest ever sent + 1; snd_nxt goes back after a timeout */
	uint32_t snd_wnd, snd_wl1, snd_wl2; /* window scaled to bytes */
	uint32_t rcv_nxt, rcv_adv;          /* rcv_adv: right edge last advertised */
	uint32_t last_ack_sent;
	uint32_t ts_recent, ts_recent_ms; /* and when it was set, in ms of ctx->now */
	uint32_t ts_offset;               /* ours = ms of ctx->now + offset (RFC 7323 7.1) */
	uint16_t snd_mss, rcv_mss;        /* snd_mss: payload of a full segment, own options already taken off */
	uint8_t snd_wscale, rcv_wscale, tos, ttl;

	/* lines 2 on: tcp/'s stream side (see tcp/conn.h); all zero until first used */
	struct pv_timer timer; /* armed for the earliest of `deadline` */
	uint64_t deadline[6];  /* enum pv_conn_timer; ns, 0: off */
	uint64_t established_ns;
	uint32_t output_next; /* list of control blocks to look at for output at the end of the turn; index + 1 */
	uint32_t rcv_buffer, snd_buffer;
	struct pv_conn_data *data; /* congestion control, RTT, retransmission queue, reassembly, urgent, statistics: from a pool at the first data; tcp/conn_data.h */
} pv_cache_aligned;

static_assert(sizeof(struct pv_pcb) <= 320, "an idle connection stays below 512 bytes with its status and streams in use");

#endif
