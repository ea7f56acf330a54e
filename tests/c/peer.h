/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One engine in step mode and, by hand, the other host: segments out of the test, one by one, and
 * what comes back.
 *
 * Sequence numbers are relative as tshark shows them: both initial numbers are 0. The engine
 * is 10.9.0.2, the peer 10.9.0.1.
 */
#ifndef PV_TESTS_PEER_H
#define PV_TESTS_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "api/pv_api.h"
#include "wire/tcp_hdr.h"
#include "wire/tcp_opt.h"

#define MS UINT64_C(1000000)

enum { PEER_PORT = 40000, PEER_LISTEN = 80, PEER_DATA = 2000 };

/* A segment as the test sees it. */
struct seg {
	uint32_t seq, ack; /* relative */
	uint32_t len;      /* payload; byte i of a stream is (uint8_t)i */
	uint16_t win, urg; /* as in the header */
	uint8_t flags, tos;
	struct pv_tcp_opts opts;
	bool bad_bytes; /* received: the payload is not what its position says */
	bool none;      /* received: there was none */
	uint64_t when;  /* received: ms since the peer began */
};

struct peer {
	struct pv_engine *engine;
	struct seg ahead; /* already taken from the engine */
	bool has_ahead;
	uint64_t start, now;
	uint64_t listener, handle;
	uint32_t our_iss, peer_iss;
	uint16_t port, peer_port; /* the engine's, the peer's */
	uint16_t local_port;      /* for peer_start_connect; 0: any */
	uint32_t ts;              /* the peer's timestamp clock; 0: no timestamps */
	uint32_t ts_recent;
	uint32_t rtt; /* ms between the engine's SYN or SYN-ACK and its answer */
	uint16_t mss;
	uint8_t wscale; /* 0xff: none */
	bool sack;
};

/* Starts an engine with pair_config's, changed by `change`. */
bool peer_open(struct peer *peer, void (*change)(struct pv_config *config));
void peer_close(struct peer *peer);
void peer_advance(struct peer *peer, uint64_t ms);
/* Until the next segment is sent, at most `ms`; false: none was. */
bool peer_next(struct peer *peer, uint64_t ms);
void peer_send(struct peer *peer, const struct seg *seg);
struct seg peer_receive(struct peer *peer); /* the next segment, .none if there is none now */
bool peer_is_silent(struct peer *peer);     /* there is none; else it is told */
uint32_t peer_drain(struct peer *peer);     /* lets all that was sent go; how many */
/* The peer opens a connection with these options (peer->ts, mss, wscale, sack) and it is accepted.
 */
bool peer_connect(struct peer *peer, uint16_t window);
/* The same with a connected peer for a body of its own. */
void peer_with(struct peer *peer, const char *what, void (*change)(struct pv_config *config),
		void (*body)(void));
/* The engine opens one; the peer has answered its SYN. */
bool peer_accept(struct peer *peer, uint16_t window);
/* The SYN and its answer, by themselves. */
bool peer_start_connect(struct peer *peer, struct seg *syn);
int64_t peer_write(struct peer *peer, uint32_t len); /* the application of the engine writes */
int64_t peer_read(struct peer *peer,
		uint32_t len); /* and reads: bytes, or what pv_recv says; -EILSEQ: wrong ones */
struct pv_info peer_info(struct peer *peer);
uint64_t peer_counter(struct peer *peer, const char *name);
int32_t peer_error(struct peer *peer); /* status.error */
/* An ICMP error about a segment that was sent at seq. */
void peer_icmp(struct peer *peer, uint8_t type, uint8_t code, uint16_t mtu, uint32_t seq,
		uint16_t quoted_len);

#define SEND(p, ...) peer_send(p, &(struct seg){ __VA_ARGS__ })

#endif
