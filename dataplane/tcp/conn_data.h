/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_CONN_DATA_H
#define PV_TCP_CONN_DATA_H

/*
 * What a connection needs once it carries data or a timer. From a pool of the worker (conns.h);
 * owned like the control block.
 *
 * Stream positions are 64-bit counts of bytes, sequence numbers 32 bits with SYN and FIN counted.
 * One mapping for each direction: sent:		position(seq) = una_pos + (seq - SND.UNA),
 * for SND.UNA <= seq <= SND.NXT, once our SYN is acknowledged; una_pos is the tx stream's `taken`,
 * and our FIN has the number behind the position `written` received:	RCV.NXT stands for the rx
 * stream's `written` (plus the urgent bytes that went past the stream, plus one once the peer's FIN
 * is received) Times are ns of ctx->now; 0 means never or off.
 */

#include <stdint.h>

#include "bridge/bridge.h"
#include "tcp/cc.h"
#include "tcp/pcb.h"
#include "tcp/reassembly.h"
#include "tcp/rtt.h"
#include "tcp/rtx_queue.h"

struct pv_conn_config;
struct pv_exchange;

enum pv_conn_timer {
	PV_CONN_LOSS,       /* tail loss probe or end of the reordering window (RFC 8985) */
	PV_CONN_RETRANSMIT, /* retransmission, or zero-window probe and SWS override while nothing
			       is in flight */
	PV_CONN_DELAYED_ACK,
	PV_CONN_KEEPALIVE,
	PV_CONN_LIMIT, /* user time-out; FIN-WAIT-2 */
	PV_CONN_PACE,
	PV_CONN_TIMERS
};

enum pv_recovery {
	PV_OPEN = 0,
	PV_DISORDER, /* something above SND.UNA was SACKed, or duplicate ACKs came */
	PV_RECOVERY, /* fast recovery until `recover` is acknowledged */
	PV_LOSS,     /* after a time-out, until `recover` is acknowledged */
};

enum pv_conn_data_flags {
	PV_DATA_PERSIST = 1u << 0,  /* the RETRANSMIT timer probes a closed window */
	PV_DATA_REORDER = 1u << 1,  /* the LOSS timer ends a reordering window; otherwise it is the
				       probe's */
	PV_DATA_DSACK = 1u << 2,    /* `dsack` is to be sent */
	PV_DATA_FIN_SEEN = 1u << 3, /* a FIN lies at fin_seq, before or behind a gap */
	PV_DATA_TLP_RESENT = 1u << 4, /* the probe of tlp_end was a retransmission */
	PV_DATA_TLP_OPEN = 1u << 5,   /* a probe is under way */
	PV_DATA_UNDO = 1u << 6,       /* undo_* can restore what the last reduction took */
	PV_DATA_ECE = 1u << 7,        /* CE came: ECE until CWR comes */
	PV_DATA_CWR = 1u << 8,        /* the next new data carries CWR */
	PV_DATA_RESCUED = 1u
			<< 10, /* the rescue retransmission of this recovery is done (RFC 6675 4) */
	PV_DATA_RACK_RESENT = 1u << 11, /* rack_* are of a retransmission */
	PV_DATA_REORDER_SEEN = 1u << 12,
	PV_DATA_OVERRIDE = 1u << 13, /* the SWS override timer fired: send what the window takes */
	PV_DATA_RECEIVED = 1u << 14, /* ... since the last end of a turn: data */
	PV_DATA_ROOM = 1u << 15,     /* acknowledged data */
	PV_DATA_URGENT = 1u << 16,   /* urgent mark */
	PV_DATA_SND_URGENT = 1u << 19, /* snd_up lies ahead */
};

/* What holds sending back for a while. */
enum pv_limited { PV_LIMITED_NOT, PV_LIMITED_WINDOW, PV_LIMITED_BUFFER };

struct pv_conn_stats {
	uint64_t bytes_sent, bytes_received, bytes_resent;
	uint64_t segs_out, segs_in, data_segs_out, data_segs_in;
	uint64_t limited[3]; /* ns, by enum pv_limited */
	uint64_t bytes_reordered;
	uint32_t resent, dsacks; /* segments */
	uint32_t fast, timeouts; /* episodes */
	uint32_t dup_acks, syns_resent;
};

struct pv_conn_data {
	/* both directions */
	struct pv_shared *shared;
	const struct pv_tcp_config *config;
	struct pv_conn_config *config_owner;
	struct pv_exchange *exchange; /* NULL: the handshake option is not in use */
	uint32_t flags;               /* enum pv_conn_data_flags */
	uint8_t recovery;             /* enum pv_recovery */
	uint8_t backoff;              /* time-outs since the last progress */
	uint8_t probes;               /* zero-window or keepalive probes unanswered */
	uint8_t frto;                 /* RFC 5682: the ACK it waits for, 0: off */
	uint64_t deadline[PV_CONN_TIMERS];

	/* receiving */
	uint64_t last_received; /* any acceptable segment */
	uint64_t last_data;
	uint32_t fin_seq;
	uint16_t peer_mss;   /* largest segment that came */
	uint16_t quick_acks; /* segments still to be acknowledged at once */
	struct pv_range dsack;
	uint32_t urgent[3]; /* octets ahead that pointers have named, in order */
	uint32_t n_urgent;
	uint32_t tune_seq; /* window measurement for autotuning: began at tune_at, ends when
			      tune_seq is received */
	uint32_t tune_max; /* the buffer grows up to here */
	uint64_t tune_at, tune_taken, rcv_rtt;
	struct pv_reassembly ooo;

	/* sending: positions, windows */
	uint64_t una_pos; /* of SND.UNA */
	uint64_t written; /* of the tx stream, as last looked at */
	struct pv_stream_cursor cursor, resend_cursor;
	uint64_t last_sent;  /* data */
	uint64_t last_acked; /* any ACK came */
	struct pv_rtx_queue rtx;
	struct pv_tcp_sack sack_seen[PV_TCP_SACK_MAX]; /* of the last ACK that had some */
	struct pv_rtt rtt;
	uint32_t rtt_mark;  /* the next sample is smoothed when more than this is acknowledged */
	uint32_t small_end; /* behind the last segment sent that was not full (Minshall's Nagle) */
	uint32_t max_acked; /* largest segment acknowledged (RFC 5927 7.2) */
	uint32_t snd_up;
	uint32_t snd_limit; /* of the tx stream, which grows with cwnd */
	uint8_t limited;    /* enum pv_limited, since limited_since */
	uint8_t pad2[3];
	uint16_t mss_bad;   /* segments of this size vanish without a word; 0: of none */
	uint16_t probe_mss; /* a segment larger than SND.MSS is in flight, of this size; 0: none */
	uint64_t limited_since;

	/* congestion */
	uint32_t cwnd, ssthresh;
	uint32_t limited_end; /* cwnd held sending back when SND.NXT stood here */
	uint32_t recover;     /* SND.NXT when recovery began */
	uint32_t dup_acks;
	uint32_t prr_delivered, prr_out, prr_flight;
	uint32_t undo_cwnd, undo_ssthresh;
	uint32_t undo_una; /* SND.UNA when the reduction was made */
	uint32_t undo_resent,
			undo_dups; /* retransmissions since, and those reported as duplicates */
	uint32_t undo_ts;          /* our timestamp at the first retransmission */
	uint32_t cwr_end; /* no further ECN reduction until more than this is acknowledged */
	uint32_t tlp_end;
	uint32_t probe_seq; /* where the segment of probe_mss begins */
	uint32_t probe_ms;  /* no other one before */
	const struct pv_cc *cc;
	union pv_cc_state cc_state;

	/* RACK (RFC 8985 5.2) */
	uint64_t rack_sent, rack_rtt;
	uint32_t rack_end, rack_fack;
	uint32_t rack_dsack_end;
	uint16_t rack_mult, rack_persist;

	/* options of the connection, limits */
	uint64_t user_timeout, keepalive_idle, keepalive_interval; /* ns */
	uint64_t stalled_since; /* something waits for the peer since then; 0: no */
	uint64_t pace_rate, pace_next;
	uint32_t keepalive_count;
	uint16_t mss_most; /* SND.MSS at the start: it never grows beyond */
	uint8_t syn_retries;
	uint8_t pad1;
	int32_t soft_error;   /* what ICMP said last; reported if the connection times out */
	uint32_t mtu_claim;   /* an ICMP message's, not believed while segments of that size arrive;
				 0: none */
	uint64_t mtu_checked; /* when the path MTU was last looked up */

	struct pv_conn_stats stats;
} pv_cache_aligned;

static inline uint64_t
pv_conn_pos(const struct pv_pcb *pcb, const struct pv_conn_data *d, uint32_t seq)
{
	return d->una_pos + (uint32_t)(seq - pcb->snd_una);
}

static inline uint32_t
pv_conn_flight(const struct pv_pcb *pcb)
{
	return pcb->snd_nxt - pcb->snd_una;
}

/* Without SACK each duplicate ACK stands for a segment that has left the network (RFC 6582 3.2). */
static inline uint32_t
pv_conn_pipe(const struct pv_pcb *pcb, const struct pv_conn_data *d)
{
	uint32_t pipe = pv_rtx_pipe(&d->rtx, pv_conn_flight(pcb)), left;

	if (pv_likely(d->dup_acks == 0 || (pcb->flags & PV_PCB_SACK) != 0))
		return pipe;
	left = d->dup_acks * pcb->snd_mss;
	return pipe > left ? pipe - left : 0;
}

#endif
