/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_BASE_PACKET_H
#define PV_BASE_PACKET_H

/*
 * What is known of one received packet while its burst is being worked on: ip/ fills the first
 * part, tcp/ the second. Lives in the worker's scratch array for one burst; `mbuf` is freed by the
 * end of the burst unless somebody took it and set it to NULL. The headers lie in the mbuf's first
 * segment; only the payload of TCP may go on in others. A device, or io/coalesce.h, may have made
 * one packet of several segments: the mbuf says so. Numbers are host order. Seen from us: local is
 * the destination, peer the source.
 */

#include <stdint.h>

#include "base/check.h"
#include "base/types.h"

struct rte_mbuf;
struct pv_flow_bucket;

#define PV_BURST 64

struct pv_packet {
	/* ip/ */
	struct rte_mbuf *mbuf;
	struct pv_tuple tuple; /* addresses by ip/, ports by tcp/ */
	/* tcp/: with both ports the first 16 bytes of its header, in another order (parse.h) */
	uint32_t ack, seq;
	uint16_t window;     /* as sent, unscaled */
	uint8_t data_offset; /* of the header: its length, in the upper four bits */
	uint8_t flags;       /* TCP control bits */
	/* ip/ */
	uint16_t l4_offset; /* from the start of the mbuf's data */
	uint16_t l4_len; /* transport header and payload; trailing padding of the frame is left out
			  */
	uint16_t port;   /* device port it came from; PV_PORT_LOOPBACK */
	uint8_t tos, ttl;
	uint8_t l4_checksum_good; /* verified by the device, or not needed (loopback) */
	uint8_t is_v4;
	uint8_t is_broadcast; /* to a broadcast or multicast address, of either layer */
	uint8_t protocol;
	/* tcp/ */
	struct pv_flow_bucket *home; /* where the flow table has the tuple, if it is there */
	uint32_t hash;           /* keyed, of the tuple: bucket and signature of the flow table */
	uint32_t ts_offset;      /* keyed, of the tuple: of our timestamps (RFC 7323 7.1) */
	uint32_t isn;            /* keyed, of tuple, peer's ISS and epoch; see tcp/isn.h */
	uint32_t tsecr, tsval;   /* the other way round than on the wire; 0: no such option */
	uint16_t payload_offset; /* from the start of the mbuf's data */
	uint16_t payload_len;
	uint16_t mss;    /* 0: no such option */
	uint8_t options; /* PV_TCP_OPT_* that were present */
	uint8_t wscale;
	uint8_t outcome; /* enum pv_counter that ended it; 0 while undecided */
	uint8_t decided; /* a SYN: the listener's program accepted it */
	uint8_t pad[2];
};

#define PV_PORT_LOOPBACK 0xffff /* frames begin with the IP header */
#define PV_PORT_MESSAGE  0xfffe /* from worker to worker within ip/, no frame at all */

#endif
