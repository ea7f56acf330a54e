/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One worker's ip/ and tcp/ without devices: frames in by hand, frames out into a list, and a clock
 * that only moves when told. We are 10.9.0.2 and fd09::2; clients are 198.18.x.y and fd18::x:y,
 * behind a gateway.
 */
#ifndef PV_TESTS_HARNESS_H
#define PV_TESTS_HARNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/packet.h"
#include "bridge/backlog.h"
#include "tcp/tcp.h"
#include "wire/tcp_hdr.h"
#include "wire/tcp_opt.h"

#define HARNESS_OUT 1024

struct harness_frame {
	uint64_t when;
	uint16_t port, len;
	uint8_t bytes[256];
};

struct harness {
	struct pv_ctx ctx;
	struct pv_config config;
	uint32_t n_out, next_out;
	struct harness_frame out[HARNESS_OUT];
};

/* One TCP segment between a client and us, either way. */
struct segment {
	uint32_t client; /* low bits of its address */
	bool v6;
	uint16_t client_port, our_port;
	uint32_t seq, ack;
	uint16_t window, urgent;
	uint8_t flags;
	struct pv_tcp_opts opts; /* of a SYN: those of a SYN */
	uint8_t raw_len;         /* options as bytes, instead of opts */
	uint8_t raw[40];
	uint16_t data_len;
	uint8_t data[128];
	bool bad_checksum;
};

/* EAL once; a worker configured as a test wants it: *config after harness_config. */
void harness_config(struct pv_config *config);
void harness_start(struct harness *h, const struct pv_config *config);
void harness_stop(struct harness *h); /* checks that no mbuf is missing */

/* What WSPListen would say: any address, backlog 128, both families. */
struct pv_listen_params harness_params(uint16_t port);
uint64_t harness_listen(struct harness *h, const struct pv_listen_params *params);
/* Takes what waits in the backlog. */
uint32_t harness_accept(struct harness *h, uint64_t listener, struct pv_request *out, uint32_t n);

/* A burst of segments from clients, at the present time. */
void harness_inject(struct harness *h, const struct segment *segments, uint32_t n);
/* To a later time, timers on the way included. */
void harness_advance(struct harness *h, uint64_t ns);
/* The oldest segment sent, checked to be well formed. False: none. */
bool harness_take(struct harness *h, struct segment *out);
void harness_drain(struct harness *h); /* forgets what was sent */
/* One segment in, and the one that answers it. False: no answer. */
bool harness_exchange(struct harness *h, const struct segment *in, struct segment *out);

uint64_t harness_counter(const struct harness *h, enum pv_counter counter);

/* The segments that a correct client sends: its SYN with Linux's options, its answer to a SYN-ACK.
 */
struct segment client_syn(uint32_t client, uint16_t client_port, uint16_t our_port, uint32_t iss);
struct segment client_ack(const struct segment *syn, const struct segment *syn_ack);

#endif
