/* SPDX-License-Identifier: BSD-3-Clause */
#include "peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pair.h"
#include "tap.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/ip4.h"

#define ENGINE_IP PV_IP4_ADDR(10, 9, 0, 2)
#define PEER_IP   PV_IP4_ADDR(10, 9, 0, 1)

static const uint8_t engine_mac[6] = { 2, 0, 0, 0, 0, 2 }, peer_mac[6] = { 2, 0, 0, 0, 0, 1 };

/* Positions in both streams, for their bytes. */
static uint64_t written, taken;

static struct pv_addr
addr_of(pv_be32 v4)
{
	struct pv_addr a = { .b = { [10] = 0xff, [11] = 0xff } };

	memcpy(a.b + 12, &v4, 4);
	return a;
}

bool
peer_open(struct peer *peer, void (*change)(struct pv_config *config))
{
	static struct pv_config configs[2];
	struct pair pair;

	for (unsigned int i = 0; i < 2; i++)
		pair_config(&configs[i], i);
	configs[1].port[0].neighbour[0].addr = addr_of(PEER_IP);
	memcpy(configs[1].port[0].neighbour[0].mac, peer_mac, 6);
	configs[1].port[0].n_neighbour = 1;
	if (change != NULL)
		change(&configs[1]);
	memset(peer, 0, sizeof(*peer));
	/* The pair starts EAL; its other engine is not needed. */
	if (!pair_open(&pair, 1, configs))
		return false;
	pv_engine_stop(pair.side[0], 0);
	peer->engine = pair.side[1];
	peer->start = peer->now = pair.now;
	peer->peer_iss = 0xffffff00; /* wraps early */
	peer->port = PEER_LISTEN;
	peer->peer_port = PEER_PORT;
	peer->mss = 1460;
	peer->rtt = 100;
	peer->wscale = 7;
	peer->sack = true;
	peer->ts = 1000;
	written = taken = 0;
	peer_drain(peer);
	return true;
}

void
peer_close(struct peer *peer)
{
	pv_engine_stop(peer->engine, 0);
}

void
peer_advance(struct peer *peer, uint64_t ms)
{
	uint64_t until = peer->now + ms * MS, next;

	while ((next = pv_engine_deadline(peer->engine, true)) <= until) {
		peer->now = next > peer->now ? next : peer->now;
		pv_engine_step(peer->engine, peer->now);
	}
	peer->now = until;
	pv_engine_step(peer->engine, peer->now);
	if (peer->ts != 0)
		peer->ts += (uint32_t)ms;
}

bool
peer_next(struct peer *peer, uint64_t ms)
{
	uint64_t until = peer->now + ms * MS, before = peer->now;

	peer->ahead = peer_receive(peer);
	while (peer->ahead.none) {
		uint64_t next = pv_engine_deadline(peer->engine, false);

		if (next > until)
			return false;
		peer->now = next > peer->now ? next : peer->now;
		pv_engine_step(peer->engine, peer->now);
		peer->ahead = peer_receive(peer);
	}
	peer->has_ahead = true;
	if (peer->ts != 0)
		peer->ts += (uint32_t)((peer->now - before) / MS);
	return true;
}

static void
inject_ip(struct peer *peer, const uint8_t *payload, uint32_t len, uint8_t proto, uint8_t tos)
{
	uint8_t frame[PEER_DATA + 200];
	struct pv_ip4 ip = {
		.src = PEER_IP,
		.dst = ENGINE_IP,
		.total_len = (uint16_t)(PV_IP4_HDR_LEN + len),
		.ttl = 64,
		.proto = proto,
		.tos = tos,
	};

	pv_eth_build(frame, engine_mac, peer_mac, PV_ETHERTYPE_IP4);
	pv_ip4_build(frame + PV_ETH_HDR_LEN, &ip);
	memcpy(frame + PV_ETH_HDR_LEN + PV_IP4_HDR_LEN, payload, len);
	pv_engine_inject(peer->engine, 0, frame, PV_ETH_HDR_LEN + PV_IP4_HDR_LEN + len);
	pv_engine_step(peer->engine, peer->now);
}

void
peer_send(struct peer *peer, const struct seg *seg)
{
	uint8_t p[PEER_DATA + PV_TCP_HDR_MAX];
	struct pv_tcp_opts o = seg->opts;
	struct pv_tcp_hdr h = {
		.sport = peer->peer_port,
		.dport = peer->port,
		.seq = peer->peer_iss + seg->seq,
		.ack = (seg->flags & PV_TCP_ACK) != 0 ? peer->our_iss + seg->ack : 0,
		.wnd = seg->win,
		.urg = seg->urg,
		.flags = seg->flags,
	};

	for (unsigned int i = 0; i < o.n_sack; i++) {
		o.sack[i].left += peer->our_iss;
		o.sack[i].right += peer->our_iss;
	}
	if (o.n_sack != 0)
		o.present |= PV_TCP_OPT_SACK;
	if (peer->ts != 0 && (seg->flags & PV_TCP_RST) == 0 && (o.present & PV_TCP_OPT_TS) == 0) {
		o.present |= PV_TCP_OPT_TS;
		o.tsval = peer->ts;
		o.tsecr = peer->ts_recent;
	}
	if (o.present & PV_TCP_OPT_UNKNOWN) /* none at all */
		o.present = 0;
	h.hdr_len = (uint8_t)(PV_TCP_HDR_LEN +
			      ((seg->flags & PV_TCP_SYN) != 0 ?
							      pv_tcp_opt_build_syn(
									      p + PV_TCP_HDR_LEN,
									      &o,
									      PV_TCP_ORDER_LINUX) :
							      pv_tcp_opt_build(p + PV_TCP_HDR_LEN,
									      &o)));
	pv_tcp_build(p, &h);
	for (uint32_t i = 0; i < seg->len; i++)
		p[h.hdr_len + i] = (uint8_t)(seg->seq - ((seg->flags & PV_TCP_SYN) == 0) + i);
	pv_tcp_csum4_set(p, (uint16_t)(h.hdr_len + seg->len), PEER_IP, ENGINE_IP);
	inject_ip(peer, p, h.hdr_len + seg->len, PV_PROTO_TCP, seg->tos);
}

static struct seg
parse(struct peer *peer, const uint8_t *frame, uint64_t when)
{
	const uint8_t *p = frame + PV_ETH_HDR_LEN;
	struct seg seg = { .when = (when - peer->start) / MS };
	struct pv_tcp_hdr h;
	struct pv_ip4 ip;

	if (pv_ip4_parse(p, 2000, true, &ip) != PV_IP4_OK || ip.proto != PV_PROTO_TCP ||
			pv_tcp_parse(p + 20, pv_ip4_payload_len(&ip), &h) != PV_TCP_OK ||
			!pv_tcp_csum4_ok(p + 20, pv_ip4_payload_len(&ip), ip.src, ip.dst)) {
		printf("# not an intact segment\n");
		abort();
	}
	pv_tcp_opt_parse(p + 20 + PV_TCP_HDR_LEN, (size_t)h.hdr_len - PV_TCP_HDR_LEN, &seg.opts);
	if ((h.flags & PV_TCP_SYN) != 0)
		peer->our_iss = h.seq;
	if ((seg.opts.present & PV_TCP_OPT_TS) != 0)
		peer->ts_recent = seg.opts.tsval;
	for (unsigned int i = 0; i < seg.opts.n_sack; i++) {
		seg.opts.sack[i].left -= peer->peer_iss;
		seg.opts.sack[i].right -= peer->peer_iss;
	}
	seg.seq = h.seq - peer->our_iss;
	seg.ack = (h.flags & PV_TCP_ACK) != 0 ? h.ack - peer->peer_iss : 0;
	seg.len = (uint32_t)pv_ip4_payload_len(&ip) - h.hdr_len;
	seg.flags = h.flags;
	seg.win = h.wnd;
	seg.urg = h.urg;
	seg.tos = ip.tos;
	peer->port = h.sport;
	for (uint32_t i = 0; i < seg.len; i++)
		seg.bad_bytes |= p[20 + h.hdr_len + i] != (uint8_t)(seg.seq - 1 + i);
	return seg;
}

struct seg
peer_receive(struct peer *peer)
{
	static uint8_t frame[10000];
	uint64_t when;
	int len;

	if (peer->has_ahead) {
		peer->has_ahead = false;
		return peer->ahead;
	}
	while ((len = pv_engine_collect(peer->engine, 0, frame, sizeof(frame), &when)) > 0) {
		struct pv_eth eth;

		if (pv_eth_parse(frame, (size_t)len, &eth) == PV_ETH_OK &&
				eth.type == PV_ETHERTYPE_IP4)
			return parse(peer, frame, when);
	}
	return (struct seg){ .none = true };
}

bool
peer_is_silent(struct peer *peer)
{
	struct seg seg = peer_receive(peer);

	if (!seg.none)
		printf("# seq %u ack %u len %u flags %#x\n", seg.seq, seg.ack, seg.len, seg.flags);
	return seg.none;
}

uint32_t
peer_drain(struct peer *peer)
{
	uint32_t n = 0;

	while (!peer_receive(peer).none)
		n++;
	return n;
}

static struct pv_tcp_opts
syn_options(const struct peer *peer)
{
	struct pv_tcp_opts o = { .present = PV_TCP_OPT_MSS, .mss = peer->mss };

	if (peer->sack)
		o.present |= PV_TCP_OPT_SACKOK;
	if (peer->wscale != 0xff) {
		o.present |= PV_TCP_OPT_WSCALE;
		o.wscale = peer->wscale;
	}
	return o;
}

bool
peer_connect(struct peer *peer, uint16_t window)
{
	struct pv_listen_params listen = {
		.local = addr_of(ENGINE_IP), .backlog = 16, .port = PEER_LISTEN, .family = 4
	};
	struct pv_request request;
	struct seg syn_ack;

	if (peer->listener == 0 && pv_listen(peer->engine, &listen, &peer->listener) != 0)
		return false;
	SEND(peer, .flags = PV_TCP_SYN, .win = window, .opts = syn_options(peer));
	syn_ack = peer_receive(peer);
	if (syn_ack.flags != (PV_TCP_SYN | PV_TCP_ACK))
		return false;
	peer_advance(peer, peer->rtt);
	SEND(peer, .seq = 1, .ack = 1, .flags = PV_TCP_ACK, .win = window);
	if (pv_accept(peer->engine, peer->listener, &request, 1) != 1)
		return false;
	peer->handle = request.handle;
	return peer_drain(peer) == 0;
}

void
peer_with(struct peer *peer, const char *what, void (*change)(struct pv_config *config),
		void (*body)(void))
{
	printf("# %s\n", what);
	if (!CHECK(peer_open(peer, change), "an engine"))
		return;
	if (CHECK(peer_connect(peer, 65535), "a connection"))
		body();
	peer_close(peer);
}

bool
peer_start_connect(struct peer *peer, struct seg *syn)
{
	struct pv_connect_params connect = {
		.peer = addr_of(PEER_IP), .peer_port = PEER_PORT, .local_port = peer->local_port
	};

	if (pv_connect(peer->engine, &connect, &peer->handle) != 0)
		return false;
	*syn = peer_receive(peer);
	return syn->flags == PV_TCP_SYN;
}

bool
peer_accept(struct peer *peer, uint16_t window)
{
	struct seg syn, ack;

	if (!peer_start_connect(peer, &syn))
		return false;
	peer_advance(peer, peer->rtt);
	SEND(peer, .ack = 1, .flags = PV_TCP_SYN | PV_TCP_ACK, .win = window,
			.opts = syn_options(peer));
	ack = peer_receive(peer);
	return ack.flags == PV_TCP_ACK && ack.ack == 1;
}

int64_t
peer_write(struct peer *peer, uint32_t len)
{
	uint8_t *buf = malloc(len);
	struct pv_iov iov = { .base = buf, .len = len };
	int64_t n;

	for (uint32_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(written + i);
	n = pv_send(peer->engine, peer->handle, &iov, 1, 0);
	if (n > 0)
		written += (uint64_t)n;
	free(buf);
	return n;
}

int64_t
peer_read(struct peer *peer, uint32_t len)
{
	uint8_t *buf = malloc(len);
	struct pv_iov iov = { .base = buf, .len = len };
	int64_t n = pv_recv(peer->engine, peer->handle, &iov, 1, 0), result = n;

	for (int64_t i = 0; i < n; i++) {
		if (buf[i] != (uint8_t)(taken + (uint64_t)i))
			result = -EILSEQ;
	}
	if (n > 0)
		taken += (uint64_t)n;
	free(buf);
	return result;
}

struct pv_info
peer_info(struct peer *peer)
{
	struct pv_info info = { 0 };

	pv_get_info(peer->engine, peer->handle, &info);
	return info;
}

uint64_t
peer_counter(struct peer *peer, const char *name)
{
	struct pair pair = { .side = { peer->engine, peer->engine } };

	return pair_counter(&pair, 0, name);
}

int32_t
peer_error(struct peer *peer)
{
	const struct pv_status *status = pv_status_of(peer->engine, peer->handle);

	return status != NULL ? status->error : -1;
}

void
peer_icmp(struct peer *peer, uint8_t type, uint8_t code, uint16_t mtu, uint32_t seq,
		uint16_t quoted_len)
{
	uint8_t p[8 + 20 + 8] = { type, code };
	struct pv_ip4 ip = {
		.src = ENGINE_IP,
		.dst = PEER_IP,
		.total_len = quoted_len,
		.ttl = 64,
		.proto = PV_PROTO_TCP,
	};

	pv_st16be(p + 6, mtu);
	pv_ip4_build(p + 8, &ip);
	pv_st16be(p + 28, peer->port);
	pv_st16be(p + 30, peer->peer_port);
	pv_st32be(p + 32, peer->our_iss + seq);
	pv_st16(p + 2, pv_csum(p, sizeof(p)));
	inject_ip(peer, p, sizeof(p), PV_PROTO_ICMP, 0);
}
