/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_IP_NEIGH_H
#define PV_IP_NEIGH_H

/*
 * Neighbours: who has which Ethernet address on which port. One table and one state machine for ARP
 * and ND (RFC 4861 7.3; RFC 1122 2.3.2 for ARP):
 *
 *	INCOMPLETE   asked, no answer yet; packets wait (bounded); asked once a second, three times,
 * then given up REACHABLE    confirmed within the last 30 s (by an answer, or by TCP:
 * pv_neigh_confirm) STALE        known, not confirmed lately; used as it is, the first use starts
 *	DELAY        five seconds in which TCP may confirm, then
 *	PROBE        asked directly, once a second, three times, then forgotten
 *	PERMANENT    configured, never changes
 *
 * The worker that owns the port runs this machine. Another worker asks the owner instead of the
 * wire (message ASK), is told (TELL) and passes on what its TCP confirms; its entries are REACHABLE
 * until told otherwise, and asked for again every 30 s.
 */

#include <stdint.h>

#include "base/ctx.h"
#include "base/types.h"
#include "base/wheel.h"
#include "ip/ip.h"

struct rte_mbuf;

#define PV_NEIGHBOURS        1024 /* entries a worker */
#define PV_NEIGHBOUR_BUCKETS 512
#define PV_NEIGHBOUR_WAITING 512 /* packets waiting a worker, at most a quarter of its buffers */
#define PV_NEIGHBOUR_QUEUE                                                                         \
	128 /* packets waiting for one neighbour: the oldest goes when another comes */

enum pv_neighbour_state {
	PV_NEIGH_FREE, /* no entry */
	PV_NEIGH_NEW,  /* looked up, nothing sent yet */
	PV_NEIGH_INCOMPLETE,
	PV_NEIGH_REACHABLE,
	PV_NEIGH_STALE,
	PV_NEIGH_DELAY,
	PV_NEIGH_PROBE,
	PV_NEIGH_PERMANENT,
};

struct pv_neighbour {
	struct pv_addr addr;
	struct pv_path path;   /* what pv_ip_path gives out */
	struct pv_timer timer; /* on ctx->wheel while INCOMPLETE, else on ctx->housekeeping */
	uint64_t confirmed;    /* ns */
	uint64_t used;         /* ns of the last look-up; 0: never */
	uint16_t next;         /* of the bucket or the free list; index + 1 */
	uint16_t first, last;  /* of the packets that wait; index + 1 */
	uint16_t waiting;
	uint8_t state;  /* enum pv_neighbour_state */
	uint8_t asked;  /* requests since the state began */
	uint8_t unsure; /* somebody else's port: its owner would like to hear that TCP does */
	uint8_t pad[5];
};

struct pv_waiting {
	struct rte_mbuf *packet; /* from its IP header on */
	uint16_t next;
	uint16_t pad[3];
};

struct pv_neighbours {
	struct pv_neighbour *last; /* found last */
	struct pv_path none;       /* for a full table: never resolved */
	uint64_t generation;       /* raised when an entry goes */
	uint32_t learned;          /* entries in use */
	uint32_t n_waiting;
	uint16_t free, free_waiting; /* index + 1 */
	uint16_t hand;               /* where the next look for an entry to push out begins */
	uint16_t waiting_max;
	uint16_t bucket[PV_NEIGHBOUR_BUCKETS]; /* index + 1 */
	struct pv_neighbour entry[PV_NEIGHBOURS];
	struct pv_waiting waiting[PV_NEIGHBOUR_WAITING];
};

void pv_neigh_init(struct pv_ctx *ctx, struct pv_neighbours *neigh); /* all zero before */
void pv_neigh_reset(struct pv_ctx *ctx); /* all but the configured ones */
void pv_neigh_timer(struct pv_ctx *ctx, struct pv_timer *timer);

/* NULL: not known. */
struct pv_neighbour *pv_neigh_find(struct pv_ctx *ctx, uint16_t port, const struct pv_addr *addr);
/* The entry to send by, made when there is none (no packet goes out yet); NULL: table full. */
struct pv_neighbour *pv_neigh_use(struct pv_ctx *ctx, uint16_t port, const struct pv_addr *addr);
/* A packet that begins with its IP header, sent now or when the neighbour is known. Takes
 * ownership. */
void pv_neigh_send(struct pv_ctx *ctx, struct pv_neighbour *n, struct rte_mbuf *packet);
/* TCP heard from it. */
void pv_neigh_confirm(struct pv_ctx *ctx, struct pv_neighbour *n);
/* TCP does not hear from it. */
void pv_neigh_doubt(struct pv_ctx *ctx, struct pv_neighbour *n);

/* What a packet said about a neighbour. */
struct pv_neigh_news {
	struct pv_addr addr;
	uint8_t mac[6];
	uint16_t port;
	uint16_t tag;  /* VLAN it was heard on; PV_NO_TAG */
	bool create;   /* also if nobody asked for it */
	bool confirms; /* an answer to our question: REACHABLE, else STALE when the address is new
			*/
	bool keep_address; /* an advertisement without the override flag: another address only makes
			      it STALE */
};
void pv_neigh_learn(struct pv_ctx *ctx, const struct pv_neigh_news *news);
void pv_neigh_permanent(
		struct pv_ctx *ctx, uint16_t port, const struct pv_neighbour_config *config);

/* Between neigh.c and neigh_share.c. */
bool pv_neigh_is_owner(const struct pv_ctx *ctx, uint16_t port);
void pv_neigh_ask(struct pv_ctx *ctx, struct pv_neighbour *n);       /* starts INCOMPLETE */
void pv_neigh_reachable(struct pv_ctx *ctx, struct pv_neighbour *n); /* now */
void pv_neigh_resolved(struct pv_ctx *ctx,
		struct pv_neighbour *n); /* n->path.l2 is new: sends what waits */
void pv_neigh_give_up(
		struct pv_ctx *ctx, struct pv_neighbour *n); /* the entry is gone afterwards */
void pv_neigh_tell_all(struct pv_ctx *ctx, const struct pv_neighbour *n, bool known);
void pv_neigh_tell_owner(struct pv_ctx *ctx, const struct pv_neighbour *n, bool confirmed);
/* From another worker. Takes ownership. */
void pv_neigh_message(struct pv_ctx *ctx, struct rte_mbuf *message);

#endif
