/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_PCB_H
#define PV_TCP_PCB_H

/*
 * The control block of a connection (RFC 9293 3.3.1). It exists from a valid ACK, an accept verdict
 * or an active open on, until both FINs are acknowledged (TIME-WAIT is a record of its own), a
 * reset, or a time-out. Owned by one worker; nobody else reads it. Index = slot index of its
 * handle.
 *
 * Lines are cut by use: line 0 and 1 are written at the handshake; line 2 stays zero until the
 * connection carries data, closes or needs a timer (a control block is all zero when it is free),
 * so that an accepted and reset connection touches little memory.
 */

#include <stdint.h>

#include "base/check.h"
#include "base/types.h"
#include "base/wheel.h"

/*
 * States (RFC 9293 3.3.2), numbered so that predicates are comparisons. LISTEN, passive
 * SYN-RECEIVED and TIME-WAIT are records of their own, not control blocks.
 *
 *	(none) -> SYN-SENT [pv_tcp_connect]
 *	SYN-SENT -> ESTABLISHED, SYN-RECEIVED [pv_connect_segment]
 *	SYN-RECEIVED -> ESTABLISHED [pv_conn_segment: ACK step]      after a simultaneous open only
 *	(half-open) -> ESTABLISHED [handshake side]
 *	ESTABLISHED -> FIN-WAIT-1, CLOSE-WAIT -> LAST-ACK [pv_conn_fin_queued]
 *	ESTABLISHED -> CLOSE-WAIT, FIN-WAIT-1 -> CLOSING, FIN-WAIT-2 -> TIME-WAIT
 * [pv_conn_fin_received] FIN-WAIT-1 -> FIN-WAIT-2, CLOSING -> TIME-WAIT, LAST-ACK -> (none)
 * [pv_conn_fin_acked] any -> (none) [pv_conn_destroy]
 *
 * Guaranteed, and checked by pv_conn_assert_valid at entry and exit of every event of a connection:
 *	from SYN-SENT on	in the flow table; snd_una <= snd_nxt; a retransmission timer runs
 * while something is unacknowledged from ESTABLISHED on	iss < snd_una, irs < rcv_nxt <=
 * rcv_adv; snd_mss > 0; bytes in [snd_una, snd_nxt) are in the tx stream FIN-WAIT-1, CLOSING,
 * LAST-ACK	PV_PCB_FIN_QUEUED; the FIN follows the last byte and is sent once the windows permit
 *	FIN-WAIT-2	our FIN is acknowledged: snd_una == snd_nxt
 *	CLOSE-WAIT, CLOSING, LAST-ACK	PV_PCB_FIN_RECEIVED: rcv_nxt is behind the peer's FIN and
 * stays
 */
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
	PV_PCB_WSCALE = 1u << 0, /* agreed on both SYNs; in the order of enum pv_agreed */
	PV_PCB_SACK = 1u << 1,
	PV_PCB_TIMESTAMPS = 1u << 2,
	PV_PCB_ECN = 1u << 3,
	PV_PCB_ACTIVE = 1u << 4, /* we sent the first SYN */
	PV_PCB_NODELAY = 1u << 5,
	PV_PCB_KEEPALIVE = 1u << 6,
	PV_PCB_ACK_NOW = 1u << 7, /* an ACK is due at the end of the burst */
	PV_PCB_ACK_DELAYED = 1u << 8,
	PV_PCB_FIN_QUEUED = 1u << 9, /* FIN follows the last byte of the tx stream */
	PV_PCB_FIN_SENT = 1u << 10,
	PV_PCB_FIN_RECEIVED = 1u << 11,
	PV_PCB_RECEIVE_SHUT = 1u << 12, /* application takes no more data */
	PV_PCB_ORPHAN = 1u << 13,       /* the control plane has let go */
	PV_PCB_OUTPUT = 1u << 14,  /* on the worker's list of those to look at for output at the end
				      of the turn */
	PV_PCB_QUEUED = 1u << 15,  /* in a backlog, not yet taken */
	PV_PCB_TOUCHED = 1u << 16, /* lines beyond the first two are in use (to be cleared at the
				      end) */
	/* the SYN or SYN-ACK was sent more than once: initial window of one segment (RFC 5681 3.1)
	 */
	PV_PCB_SYN_LOST = 1u << 17,
	PV_PCB_RECV_FIXED = 1u << 18, /* the receive buffer was asked for: it does not grow */
	PV_PCB_EXCHANGE = 1u << 19,   /* its slot has an exchange (exchange.h) */
	PV_PCB_CONNECTING = 1u << 20, /* established, but the connect waits for a verdict */
	PV_PCB_COOKIE = 1u << 21,     /* it came by a SYN cookie */
	PV_PCB_DETACHED = 1u << 22,   /* an orphan that nobody has closed */
	PV_PCB_MSS_SAID = 1u << 23,   /* snd_mss is what the peer's SYN said, rcv_mss unknown: see
					 pv_pmtu_settle */
	PV_PCB_HELD = 1u << 24,       /* it came by a verdict on its SYN */
				      /* bits 25..31: free for tcp/ files */
};

struct pv_conn_data;

#define PV_MSS_FLOOR 48 /* what a peer may shrink our segments to, options not counted */

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
	uint32_t syn_rtt_us; /* from SYN-ACK (or SYN) to its acknowledgment, at least 1; 0: unknown
				or ambiguous (Karn) */

	/* line 1: where we are in both sequence spaces */
	uint32_t iss, irs;
	uint32_t snd_una, snd_nxt; /* snd_nxt: behind the highest ever sent; retransmissions do not
				      move it */
	uint32_t snd_wnd, snd_wl1, snd_wl2; /* window scaled to bytes */
	uint32_t max_wnd;          /* largest snd_wnd so far (RFC 5961 5.2, RFC 9293 3.8.6.2.1) */
	uint32_t rcv_nxt, rcv_adv; /* rcv_adv: right edge last advertised */
	uint32_t last_ack_sent;
	uint32_t ts_recent, ts_recent_ms; /* and when it was set, in ms of ctx->now; at the
					     handshake also without timestamps */
	uint32_t ts_offset;               /* ours = ms of ctx->now + offset (RFC 7323 7.1) */
	uint16_t snd_mss, rcv_mss; /* snd_mss: payload of a full segment, own options already taken
				      off */
	uint8_t snd_wscale, rcv_wscale, tos, ttl;

	/* line 2: all zero until first used, which sets PV_PCB_TOUCHED */
	struct pv_timer timer;           /* armed for the earliest deadline of `data` or before */
	struct pv_conn_data *data;       /* everything else; from a pool at the first data, timer or
					    close; tcp/conn_data.h */
	uint64_t established_ns;         /* 0: was never touched since, so ts_recent_ms tells */
	uint32_t rcv_buffer, snd_buffer; /* bytes; 0: as configured */
	uint32_t invalid_ack_ms;         /* when an unacceptable segment was last answered, in ms of
					    ctx->now | 1; 0: never */
	uint32_t rest; /* number of its record while it rests (rest.h); 0: it does not */
} pv_cache_aligned;

static_assert(sizeof(struct pv_pcb) == 192,
		"an idle connection stays below 512 bytes with its status and streams in use");

#endif
