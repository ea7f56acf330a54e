/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip/ of one or two workers without devices: frames in as bytes, frames out into a list, a clock
 * that moves when told. Port 0 is 10.9.0.2/24 and fd09::2/64 with MAC 02:00:00:00:00:02, and
 * gateways 10.9.0.254 and fd09::fe.
 */
#ifndef PV_TESTS_IP_RIG_H
#define PV_TESTS_IP_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/packet.h"
#include "ip/ip.h"
#include "wire/byteorder.h"

#define RIG_OUT   256
#define RIG_FRAME 2048

struct rig_frame {
	uint16_t port;
	uint16_t len;
	uint8_t l2_len; /* as the device is told */
	uint8_t bytes[RIG_FRAME];
};

struct rig {
	struct pv_config config;
	struct pv_ctx ctx[2];
	uint32_t n_out, next_out;
	struct rig_frame out[RIG_OUT];
	/* what tcp/ would have got */
	uint32_t n_tcp;
	struct pv_packet tcp; /* the last one; its mbuf has been freed */
	uint8_t segment[RIG_FRAME];
	uint32_t n_errors;
	struct pv_icmp_error error;
	bool error_is_ours; /* what tcp_error answers */
};

extern const uint8_t rig_mac[6], rig_peer_mac[6], rig_broadcast[6];

void rig_config(struct pv_config *config);
void rig_start(struct rig *rig, const struct pv_config *config);
/* Every packet buffer must be back; says so as a check. */
void rig_stop(struct rig *rig);

/* A frame for worker w; what tcp/ would get is noted and freed. */
void rig_feed(struct rig *rig, unsigned int w, const void *frame, size_t len);
void rig_advance(struct rig *rig, uint64_t ns);
/* The oldest frame sent; NULL: none. */
const struct rig_frame *rig_take(struct rig *rig);
void rig_drain(struct rig *rig);
uint64_t rig_count(const struct rig *rig, enum pv_counter counter);
/* Sum of all counters that end a frame, over the workers. */
uint64_t rig_outcomes(const struct rig *rig);

/* Frames from 10.9.0.<host> (or fd09::<host>), MAC 02:00:00:00:00:<host>, to us. They return their
 * length. */
size_t rig_arp(uint8_t *p, uint16_t op, uint8_t host, const char *target);
size_t rig_ip4(uint8_t *p, uint8_t host, uint8_t proto, const void *payload, size_t len);
size_t rig_ip6(uint8_t *p, uint8_t host, uint8_t next, const void *payload, size_t len);
size_t rig_nd(uint8_t *p, uint8_t type, uint8_t flags, uint8_t host, const char *target);
/* Sets the header checksum after a change. */
void rig_fix4(uint8_t *frame);

struct pv_addr rig_addr(const char *text); /* either family */

/* Sends a TCP segment of len bytes of payload to a peer, from worker w. */
void rig_send_tcp(struct rig *rig, unsigned int w, const char *peer, size_t len);

#endif
