/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_OFFER_H
#define PV_OFFER_H

/*
 * Requests and offers, the third part of the border to the control plane (pv_api.h, whose rules
 * apply): what a peer says beside the stream, what is known of a request, and verdicts.
 */

#include "api/pv_api.h"

/* One direction of a flow (the shape of RFC 1363); rates in bytes a second, times in microseconds;
 * ~0: not specified. */
struct pv_flowspec {
	uint32_t token_rate, token_bucket_size, peak_bandwidth;
	uint32_t latency, delay_variation;
	uint32_t service_type;
	uint32_t max_sdu_size, minimum_policed_size;
};

#define PV_OFFER_DATA_MAX 1024
#define PV_OFFER_MAX      1220 /* data and provider-specific bytes together */

/* Bits of pv_offer.present. */
enum pv_offer_bits {
	PV_OFFER_DATA = 0x01,
	PV_OFFER_SENDING = 0x02,
	PV_OFFER_RECEIVING = 0x04,
	PV_OFFER_PROVIDER = 0x08,
	PV_OFFER_GROUP = 0x10,
	PV_OFFER_STATUS = 0x20,
};

/*
 * What one side of a connection tells the other beside the stream: connect data and flow
 * specifications with a request and its answer, disconnect data, changes of the QoS. "Sending" and
 * "receiving" are those of whoever says it. A field counts only where its bit is present.
 */
struct pv_offer {
	uint32_t present; /* PV_OFFER_* */
	uint16_t data_len, provider_len;
	uint32_t group, priority;
	uint32_t status; /* a Winsock code */
	uint8_t reason;  /* with a refusal */
	uint8_t kind;    /* enum pv_offer_kind */
	uint8_t pad[2];
	struct pv_flowspec sending, receiving;
	uint8_t bytes[PV_OFFER_MAX]; /* data, then provider-specific bytes */
};

/* What an offer is about, and where pv_offer_read finds the peer's last one. */
enum pv_offer_kind {
	PV_OFFER_REQUEST = 0,    /* came with the connection request */
	PV_OFFER_ANSWER = 1,     /* answered it, with or without success */
	PV_OFFER_QOS_ASK = 2,    /* asks for another QoS on a connection */
	PV_OFFER_QOS_AGREE = 3,  /* what holds from now on */
	PV_OFFER_QOS_REFUSE = 4, /* the old level stays; the reason says why */
	PV_OFFER_DISCONNECT = 5,
	PV_OFFER_KINDS
};

/* What is known of a connection request: what a condition sees, in Python and compiled alike. */
struct pv_request_facts {
	uint64_t when_ns; /* arrival of its first SYN */
	struct pv_addr peer, local;
	uint16_t peer_port, local_port;
	uint32_t flags;         /* PV_REQUEST_* */
	uint32_t backlog;       /* requests that wait at the listener, over all workers */
	uint32_t backlog_limit; /* and how many may */
	uint32_t half_open;     /* of the listener in this worker, and all that it holds */
	uint32_t load;          /* of the worker: busy time in thousandths */
	uint32_t tsval;         /* options of the SYN, with `options` */
	uint16_t mss;           /* 0: not said */
	uint16_t window;
	uint8_t options; /* 1 timestamps, 2 SACK, 4 window scale, 8 ECN, 16 MSS */
	uint8_t wscale, ttl, dscp;
	uint32_t offer;                        /* PV_OFFER_* */
	uint32_t data_len;                     /* of the caller's data */
	uint8_t data[64];                      /* its first bytes */
	struct pv_flowspec sending, receiving; /* the caller's */
};

/* Why a request or a change of QoS is refused. */
enum pv_reason {
	PV_REASON_REFUSED = 0,
	PV_REASON_QOS_ADMISSION = 1,
	PV_REASON_QOS_POLICY = 2,
	PV_REASON_QOS_INVALID = 3,
	PV_REASON_BACKLOG = 4,
};

/*
 * The verdict on a request with PV_REQUEST_HELD or PV_REQUEST_OFFER: ACCEPT or REJECT. Every such
 * request that is taken gets one, a pv_defer, or a pv_close (which rejects). After ACCEPT its
 * handle is a connection's; after REJECT it is to be closed. answer: what the peer is told, if it
 * speaks the option; NULL: nothing. -EBADF: stale; the end of one that died shows in its status.
 */
int pv_decide(struct pv_engine *engine, uint64_t handle, int verdict, int reason,
		const struct pv_offer *answer);
/* The same for many, without an answer; returns how many were put. */
int pv_decide_many(struct pv_engine *engine, const uint64_t *handles, uint32_t n, int verdict);
/* What is known of a request that was taken and not yet decided (facts, offer; each may be NULL).
 * -ENOENT: nothing beyond what pv_request has. */
int pv_request_read(struct pv_engine *engine, uint64_t handle, struct pv_request_facts *facts,
		struct pv_offer *offer);

/* The peer's last offer of a kind, also after the connection has ended, as long as the handle is
 * held. -ENOENT: there was none. */
int pv_offer_read(struct pv_engine *engine, uint64_t handle, int kind, struct pv_offer *offer);
/*
 * Tells the peer of a connection, behind what was sent: QOS_ASK, QOS_AGREE, QOS_REFUSE, or
 * DISCONNECT, which goes with the FIN of the pv_shutdown_send that follows. -EOPNOTSUPP: the peer
 * does not speak the option. -EALREADY: one of this kind is still on its way. -EMSGSIZE.
 */
int pv_offer_send(struct pv_engine *engine, uint64_t handle, const struct pv_offer *offer);

#endif
