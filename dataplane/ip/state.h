/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IP_STATE_H
#define PV_IP_STATE_H

/* What ctx->ip points to. Only ip/ looks inside; a worker owns its own. */

#include <rte_mbuf.h>

#include "ip/ip.h"
#include "ip/address.h"
#include "ip/fragment.h"
#include "ip/hint.h"
#include "ip/neigh.h"
#include "ip/pmtu.h"
#include "ip/route.h"
#include "wire/eth.h"

struct pv_ip_port {
	struct pv_port_facts facts;
	uint8_t up;  /* facts are known */
	uint8_t dad; /* new IPv6 addresses are tentative first */
	uint16_t n_vlan;
	uint16_t vlan[PV_MAX_VLANS];
	struct pv_own_addresses own;
};

/* So many messages a second, and so many at once after a pause. */
struct pv_ip_limit {
	uint64_t last;   /* ns of the last refill */
	uint64_t credit; /* in ns: one message costs 1 s / rate */
	uint32_t rate, burst;
};

#define PV_LOOPBACK_FRAMES 1024
#define PV_NO_TAG          0xffff
#define PV_PATH_MEMO       64

/* The neighbour by which a peer was reached last. */
struct pv_path_memo {
	struct pv_addr peer;
	struct pv_neighbour *neighbour;
	uint64_t generation; /* of the neighbours; 0: empty */
};

struct pv_ip {
	struct pv_ip_port port[PV_MAX_PORTS];
	uint16_t n_port;
	uint16_t ident; /* of IPv4 packets that may be fragmented */
	uint32_t flow_key;
	struct pv_routes routes;
	struct pv_neighbours neigh;
	struct pv_pmtu pmtu;
	struct pv_fragments fragments;
	struct pv_path_memo memo[PV_PATH_MEMO];
	struct pv_path_hint hint[2]; /* IPv6, IPv4 */
	struct pv_path loopback;
	struct pv_ip_limit echo_limit, error_limit;
	bool (*tcp_error)(struct pv_ctx *ctx, const struct pv_icmp_error *error);
	uint8_t (*owner)(const struct pv_ctx *ctx, const struct pv_tuple *tuple);
	uint32_t looped_head, looped_n;
	struct rte_mbuf *looped[PV_LOOPBACK_FRAMES];
};

/* Takes one message's worth; false: over the limit. */
bool pv_ip_limit_take(struct pv_ip_limit *limit, uint64_t now);
/* For an error message, within their rate; NULL: not now, and counted. */
struct rte_mbuf *pv_icmp_alloc_error(struct pv_ctx *ctx);

/* An empty frame buffer; NULL is counted. */
struct rte_mbuf *pv_ip_alloc(struct pv_ctx *ctx);
/* Bytes behind and before the data, where the room is known to be there: PV_HEADROOM before, a
 * whole buffer behind. */
static inline uint8_t *
pv_ip_append(struct rte_mbuf *m, uint16_t len)
{
	uint8_t *p = rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len);

	PV_ASSERT(len <= rte_pktmbuf_tailroom(m) && m->nb_segs == 1);
	m->data_len = (uint16_t)(m->data_len + len);
	m->pkt_len += len;
	return p;
}

static inline uint8_t *
pv_ip_prepend(struct rte_mbuf *m, uint16_t len)
{
	PV_ASSERT(len <= rte_pktmbuf_headroom(m));
	m->data_off = (uint16_t)(m->data_off - len);
	m->data_len = (uint16_t)(m->data_len + len);
	m->pkt_len += len;
	return rte_pktmbuf_mtod(m, uint8_t *);
}

/* One that begins with a link header from us to dst, under a VLAN tag or PV_NO_TAG. */
struct rte_mbuf *pv_ip_alloc_frame(struct pv_ctx *ctx, uint16_t port, const uint8_t dst[6],
		uint16_t tag, uint16_t type);
/* The VLAN tags under which everybody on a port hears a request: n of them, PV_NO_TAG first. */
uint16_t pv_ip_tags(const struct pv_ip_port *port, uint16_t tags[PV_MAX_VLANS + 1]);
static inline uint16_t
pv_path_tag(const struct pv_path *path)
{
	return path->l2_len > PV_ETH_HDR_LEN ? pv_ld16be(path->l2 + 14) : PV_NO_TAG;
}

/* output.c: the neighbour by which a peer is reached; NULL: none. */
struct pv_neighbour *pv_ip_neighbour(struct pv_ctx *ctx, const struct pv_addr *peer);
/* pieces.c: the message, without its IP header, in fragments. Takes ownership. */
void pv_ip_send_pieces(struct pv_ctx *ctx, struct rte_mbuf *message, const struct pv_ip_send *how,
		uint16_t mtu);

/* input.c: a frame whose link header is known. Each of these consumes the frame. */
struct pv_ip_frame {
	struct rte_mbuf *mbuf;
	const uint8_t *packet; /* from the IP or ARP header on */
	uint16_t port;         /* PV_PORT_LOOPBACK */
	uint16_t offset;       /* of packet in the mbuf's data */
	uint16_t len;          /* bytes from packet on */
	uint16_t tag;          /* VLAN tag control to answer with; PV_NO_TAG */
	bool group;            /* Ethernet destination is multicast or broadcast */
};

/* Ends the frame: counted and freed. */
static inline void
pv_ip_end(struct pv_ctx *ctx, struct pv_ip_frame *frame, enum pv_counter outcome)
{
	pv_count(&ctx->counters, outcome);
	rte_pktmbuf_free(frame->mbuf);
}

/* True: the frame belongs to `worker`, was given to it (or dropped) and counted. */
bool pv_ip_give(struct pv_ctx *ctx, struct pv_ip_frame *frame, uint8_t worker);

/* True: *out is a TCP packet; false: the frame has been dealt with. */
bool pv_ip4_input(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_packet *out);
bool pv_ip6_input(struct pv_ctx *ctx, struct pv_ip_frame *frame, struct pv_packet *out);
void pv_arp_input(struct pv_ctx *ctx, struct pv_ip_frame *frame);

struct pv_ip4;
struct pv_ip6;
struct pv_ip6_upper;
void pv_icmp_input(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip4 *ip);
void pv_icmp6_input(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip6 *ip,
		const struct pv_ip6_upper *upper);
void pv_nd_input(struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_ip6 *ip,
		const struct pv_ip6_upper *upper);

/* Hands an error up to tcp/ on the worker that owns the quoted connection, and ends the frame. */
void pv_icmp_report(
		struct pv_ctx *ctx, struct pv_ip_frame *frame, const struct pv_icmp_error *error);
/* Tells the sender that a packet could not be delivered, as far as the limit and RFC 1122 3.2.2,
 * RFC 4443 2.4 (e) allow. */
void pv_icmp_refuse(struct pv_ctx *ctx, const struct pv_ip_frame *frame, const struct pv_ip4 *ip,
		uint8_t type, uint8_t code);
void pv_icmp6_refuse(struct pv_ctx *ctx, const struct pv_ip_frame *frame, const struct pv_ip6 *ip,
		uint8_t type, uint8_t code, uint32_t pointer);

/* Requests and announcements. path NULL: to everybody it may concern, on each VLAN of the port. */
void pv_arp_ask(struct pv_ctx *ctx, uint16_t port, const struct pv_addr *target,
		const struct pv_path *path);
void pv_arp_announce(struct pv_ctx *ctx, uint16_t port, uint32_t addr);
void pv_nd_ask(struct pv_ctx *ctx, uint16_t port, const struct pv_addr *target,
		const struct pv_path *path);
void pv_nd_announce(struct pv_ctx *ctx, uint16_t port, const uint8_t addr[16]);
void pv_nd_probe(struct pv_ctx *ctx, uint16_t port, const uint8_t addr[16]); /* DAD */

#endif
