/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_TCP_CC_H
#define PV_TCP_CC_H

/*
 * Congestion control behind one table of functions: NewReno (RFC 5681), CUBIC (RFC 9438), DCTCP
 * (RFC 8257). A controller grows cwnd outside recovery and says where ssthresh goes; when to
 * reduce, recovery itself, and what may be sent is not its business.
 */

#include <stdint.h>

struct pv_conn_data;
struct pv_ctx;
struct pv_pcb;
struct pv_tcp_config;

/* HyStart++ (RFC 9406 4.2); times in ns. */
struct pv_hystart {
	uint64_t last_round_min, round_min, css_baseline;
	uint32_t round_end;
	uint8_t samples, css_rounds, in_css, off;
};

/* CUBIC; windows in bytes, times in ns. */
struct pv_cubic {
	double w_max, w_est, k; /* k in seconds */
	double spare;           /* part of a byte not yet added */
	uint64_t epoch;         /* when congestion avoidance began; 0: begins with the next ACK */
	uint64_t limited_at;    /* the last ACK of what cwnd had held back */
	double undo_w_max, undo_k;
	uint64_t undo_epoch;
	struct pv_hystart hystart;
	uint32_t cwnd_prior; /* at the last reduction */
	uint32_t paused;     /* since limited_at something else set the pace */
};

struct pv_newreno {
	uint32_t acked; /* bytes toward the next increase */
	uint32_t pad;
	struct pv_hystart hystart;
};

struct pv_dctcp {
	uint32_t acked;
	uint32_t alpha; /* in 1/1024 */
	uint32_t window_end, bytes, marked;
	uint32_t pad;
};

union pv_cc_state {
	struct pv_newreno newreno;
	struct pv_cubic cubic;
	struct pv_dctcp dctcp;
};

/* What one ACK brought. */
struct pv_cc_ack {
	uint64_t rtt;   /* ns; 0: no sample */
	uint32_t bytes; /* newly acknowledged */
	uint32_t una;   /* SND.UNA before */
	uint8_t ece;
	uint8_t limited; /* cwnd held sending back when this was in flight */
};

struct pv_cc {
	char name[16];
	uint8_t ect; /* data is sent ECN capable whenever ECN was agreed, with per-packet feedback
		      */
	void (*start)(struct pv_ctx *ctx, struct pv_pcb *pcb);
	/* New data was acknowledged, outside fast recovery. */
	void (*acked)(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_cc_ack *ack);
	/* Loss or ECN: the new ssthresh, in bytes. */
	uint32_t (*reduce)(struct pv_ctx *ctx, struct pv_pcb *pcb, uint8_t ecn);
	/* These may be NULL. */
	void (*timeout)(struct pv_ctx *ctx, struct pv_pcb *pcb);
	/* The last reduction was made in error. */
	void (*undo)(struct pv_ctx *ctx, struct pv_pcb *pcb);
	/* Nothing was sent for longer than the time-out. */
	void (*idle)(struct pv_ctx *ctx, struct pv_pcb *pcb);
};

extern const struct pv_cc pv_cc_newreno, pv_cc_cubic, pv_cc_dctcp;

/* enum pv_congestion. */
const struct pv_cc *pv_cc_of(uint32_t congestion);
uint8_t pv_cc_number(const struct pv_cc *cc);
#define PV_SSTHRESH_FIRST (UINT32_MAX / 2)
/* RFC 6928; one segment after a lost SYN (RFC 5681 3.1). */
uint32_t pv_cc_initial_window(const struct pv_pcb *pcb, const struct pv_tcp_config *config);
/* Slow start by at most so many segments an ACK (RFC 3465), divided; returns the bytes that were
 * acknowledged beyond ssthresh. */
uint32_t pv_cc_slow_start(struct pv_pcb *pcb, uint32_t bytes, uint32_t segments, uint32_t divisor);
/* The same under HyStart++. */
uint32_t pv_cc_exponential(struct pv_ctx *ctx, struct pv_pcb *pcb, const struct pv_cc_ack *ack,
		struct pv_hystart *h);

#endif
