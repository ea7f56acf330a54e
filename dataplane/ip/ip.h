/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IP_IP_H
#define PV_IP_IP_H

/*
 * The network layer of one worker: own addresses, routes, neighbours, ICMP, fragments, loopback.
 * Sans I/O: time, output and randomness come from the context. One worker (the first of a port's
 * queues) owns a port: it answers ARP and ND there, ages the neighbours, and reassembles fragments;
 * the others ask it and are told (messages over the worker-to-worker rings). All functions run on
 * the worker inside a turn, except init, fini and port, which run before and after it lives.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/ctx.h"
#include "base/packet.h"

struct rte_mbuf;

int pv_ip_init(struct pv_ctx *ctx, const struct pv_config *config); /* makes ctx->ip; -ENOMEM */
void pv_ip_fini(struct pv_ctx *ctx);
void pv_ip_reset(struct pv_ctx *ctx); /* forgets learned neighbours, fragments, path MTUs */

/* What io/ found out of a started port: its MAC and what it can do for us. */
struct pv_port_facts {
	uint8_t mac[6];
	uint8_t tx_ip_checksum, tx_tcp_checksum; /* offloads on */
	uint16_t mtu;
	uint16_t tso;  /* payload bytes the device cuts into segments by itself; 0: it can't */
	uint8_t owner; /* worker that answers ARP and ND here */
	uint8_t pad;
};
void pv_ip_port(struct pv_ctx *ctx, uint16_t port, const struct pv_port_facts *facts);
/* The port is up: gratuitous ARP, unsolicited advertisements, DAD (owner only). Step-mode ports
 * don't announce. */
void pv_ip_announce(struct pv_ctx *ctx, uint16_t port);
/* Only DAD, where the port wants it. */
void pv_ip_probe(struct pv_ctx *ctx, uint16_t port);

/*
 * Takes a burst of frames of one port (PV_PORT_LOOPBACK and PV_PORT_MESSAGE included). Fills `out`
 * with the TCP packets among them (addresses, l4_*; the IP header is checked) and returns how many;
 * every other frame is dealt with, counted and freed here. `out` has room for n (reassembly gives
 * at most one packet a fragment). A device's RX_FRAMES are the caller's to count.
 */
uint32_t pv_ip_input(struct pv_ctx *ctx, uint16_t port, struct rte_mbuf **frames, uint32_t n,
		struct pv_packet *out);

/* How to send to a peer: one of a few entries a worker keeps per next hop, valid until the end of
 * the turn. */
struct pv_path {
	uint8_t l2[18];   /* Ethernet header, VLAN tag included */
	uint8_t l2_len;   /* 0 on PV_PORT_LOOPBACK: frames begin with the IP header there */
	uint8_t resolved; /* l2 is complete: a finished frame may go to ctx->transmit */
	uint16_t port;    /* PV_PORT_LOOPBACK for ourselves */
	uint16_t mtu;     /* of the port */
	uint8_t tx_ip_checksum, tx_tcp_checksum;
	uint16_t tso; /* as in the port's facts */
	uint8_t pad[4];
};

/* NULL: no route. An unresolved path starts resolution when something is sent on it. */
const struct pv_path *pv_ip_path(struct pv_ctx *ctx, const struct pv_addr *peer);
/* Peers around one: all that have `net` in common, in the first eight bytes of their address (IPv4:
 * in all four), as these lie in memory. */
struct pv_path_block {
	uint64_t net, mask;
};

static inline uint64_t
pv_path_key(const struct pv_addr *peer, bool v4)
{
	uint64_t high;

	if (v4)
		return pv_addr_v4(peer);
	memcpy(&high, peer->b, sizeof(high));
	return high;
}

static inline bool
pv_path_block_has(const struct pv_path_block *block, const struct pv_addr *peer, bool v4)
{
	return (pv_path_key(peer, v4) & block->mask) == block->net;
}

/* The same as pv_ip_path, and whom that path leads to besides, until another one is asked for. */
const struct pv_path *pv_ip_path_around(
		struct pv_ctx *ctx, const struct pv_addr *peer, struct pv_path_block *block);
/* Starts resolution without sending anything. NULL: no route, no room, or ourselves. */
const struct pv_path *pv_ip_resolve(struct pv_ctx *ctx, const struct pv_addr *peer);
/* Source address for a peer (RFC 6724 in small: same family, on-link, then by route). False: no
 * route. */
bool pv_ip_source(struct pv_ctx *ctx, const struct pv_addr *peer, struct pv_addr *local);
bool pv_ip_is_local(
		struct pv_ctx *ctx, const struct pv_addr *addr); /* own unicast, 127.0.0.0/8, ::1 */
/* A possible peer of a TCP connection: unicast, not zero, no subnet's broadcast (RFC 9293 3.9.2.3).
 */
bool pv_ip_is_unicast(struct pv_ctx *ctx, const struct pv_addr *addr);
/* Path MTU to a peer: the route's, lowered by what ICMP told (kept 10 minutes, never lower than 552
 * / 1280). */
uint16_t pv_ip_mtu(struct pv_ctx *ctx, const struct pv_addr *peer);
void pv_ip_mtu_lower(struct pv_ctx *ctx, const struct pv_addr *peer, uint16_t mtu);
void pv_ip_mtu_raise(struct pv_ctx *ctx, const struct pv_addr *peer, uint16_t mtu);
/* The peer proved reachable (an ACK of new data came): keeps its neighbour entry fresh (RFC
 * 4861 7.3.1). Cheap. */
void pv_ip_confirm(struct pv_ctx *ctx, const struct pv_addr *peer);
/* Retransmission R1 was reached: probe the neighbour again. */
void pv_ip_doubt(struct pv_ctx *ctx, const struct pv_addr *peer);

struct pv_ip_send {
	struct pv_addr local, peer;
	uint8_t protocol, tos, ttl;
	uint8_t no_df;    /* IPv4: leave DF clear */
	uint16_t tso_mss; /* the device shall cut the payload into pieces of this (only where
			     path->tso allows); 0: one segment */
	uint8_t pad[2];
};

/*
 * Sends one transport segment: `m` (one segment or a chain) starts at the transport header, with at
 * least PV_HEADROOM before it. IP and Ethernet header go in front; TCP's checksum field is filled
 * here, in software or by the device. ICMP and others come with theirs. Waits in a bounded queue
 * while the neighbour is unresolved. Takes ownership.
 */
#define PV_HEADROOM 64
void pv_ip_send(struct pv_ctx *ctx, struct rte_mbuf *m, const struct pv_ip_send *how);
/* The IPv6 flow label of a connection; `tcp`: one of its headers as we send it. */
uint32_t pv_ip_flow_label(const struct pv_ctx *ctx, const struct pv_addr *local,
		const struct pv_addr *peer, const uint8_t *tcp);

/* A frame to ourselves (transmit to PV_PORT_LOOPBACK ends here), and how worker/ gets them back: up
 * to n, oldest first. */
void pv_ip_loopback(struct pv_ctx *ctx, struct rte_mbuf *frame);
uint32_t pv_ip_loopback_take(struct pv_ctx *ctx, struct rte_mbuf **frames, uint32_t n);
bool pv_ip_loopback_waiting(const struct pv_ctx *ctx);

/* ICMP errors that concern TCP, handed up after the quoted packet was parsed; also (soft) that a
 * neighbour did not answer. */
struct pv_icmp_error {
	struct pv_tuple tuple; /* ours: local is the quoted source */
	uint32_t seq;          /* quoted sequence number */
	uint16_t mtu;          /* frag needed / packet too big; 0: old style */
	uint16_t quoted_len;   /* total length of the quoted packet, for the plateau table */
	uint8_t kind;          /* enum pv_icmp_error_kind */
	uint8_t pad[3];
};
enum pv_icmp_error_kind { PV_ICMP_TOO_BIG = 1, PV_ICMP_HARD, PV_ICMP_SOFT };
/* Set by tcp/: returns whether the error was for one of our connections (the counter depends on
 * it). */
void pv_ip_on_error(struct pv_ctx *ctx,
		bool (*tcp_error)(struct pv_ctx *, const struct pv_icmp_error *));
/* Set by worker/: whose connection a tuple is (pv_tcp_owner). Unset: ours. */
void pv_ip_owned_by(struct pv_ctx *ctx,
		uint8_t (*owner)(const struct pv_ctx *, const struct pv_tuple *));

#endif
