/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BASE_CTX_H
#define PV_BASE_CTX_H

/*
 * What the protocol core knows of the world outside. One a worker, owned by its thread (in step
 * mode by the caller). ip/ and tcp/ take time, randomness, memory and output from here and nowhere
 * else: they read no clock and call no device.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/pv_api.h"
#include "base/counters.h"
#include "base/rng.h"
#include "base/wheel.h"

struct rte_mbuf;
struct rte_mempool;
struct pv_ip;     /* ip/ip.h: neighbours, routes, own addresses, fragments */
struct pv_tcp;    /* tcp/tcp.h: flow table, control blocks, half-open, time-wait */
struct pv_conns;  /* tcp/conns.h: what connections share once they carry data */
struct pv_bridge; /* bridge/bridge.h: what the control plane shares with the workers */
struct pv_tx;     /* io/tx.h: staging of frames until the end of the turn */

struct pv_ctx {
	uint64_t now; /* ns; sampled once a turn */
	uint8_t worker;
	uint8_t n_worker;
	uint8_t load; /* per cent of the time spent on work, of late; 0 in step mode */
	uint8_t pad0;
	uint32_t pad1;
	struct pv_counters counters;
	struct pv_tcp_config tcp_config; /* this worker's copy; replaced by the configure command */
	const struct pv_config *config;  /* the engine's, constant */
	struct pv_rng rng;
	struct pv_wheel wheel;        /* all timers of this worker */
	struct pv_wheel housekeeping; /* those that a lab may wait past: secret rotation, neighbour
					 ageing */
	struct rte_mempool *mbufs;    /* for frames we build */
	struct pv_ip *ip;
	struct pv_tcp *tcp;
	struct pv_conns *conns;
	struct pv_bridge *bridge;
	struct pv_tx *tx;
	bool tx_stalled; /* io/'s: new segments wait, for a device or for the next turn */
	/* Hands a complete frame to the device of `port`; takes ownership in every case. Set by
	 * io/. */
	void (*transmit)(struct pv_ctx *ctx, uint16_t port, struct rte_mbuf *frame);
	/* Gives a frame or an ip/ message to another worker, whose pv_ip_input gets it as from
	 * `port`. Takes ownership where it returns true; false: its ring is full. Set by io/; NULL
	 * with one worker. */
	bool (*hand_over)(
			struct pv_ctx *ctx, uint8_t worker, uint16_t port, struct rte_mbuf *frame);
};

#endif
