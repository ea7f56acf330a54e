/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_mbuf.h>

#include "bridge/bridge.h"
#include "ip/ip.h"
#include "tap.h"
#include "tcp_defaults.h"
#include "wire/eth.h"
#include "wire/ip6.h"

enum { MBUFS = 1023, OUR_HOST = 2, GATEWAY = 1 };

static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 2 };
static const uint8_t gateway_mac[6] = { 2, 0, 0, 0, 0, 1 };

static struct pv_addr
address(bool v6, uint32_t net, uint32_t host)
{
	struct pv_addr a = { 0 };

	if (!v6)
		return pv_addr_from_v4(pv_hton32(net + host));
	a.b[0] = 0xfd;
	a.b[1] = net >> 24 == 10 ? 0x09 : 0x18;
	pv_st32be(a.b + 12, host);
	return a;
}

#define OUR_NET    0x0a090000u
#define CLIENT_NET 0xc6120000u

void
harness_config(struct pv_config *config)
{
	struct pv_port_config *port = &config->port[0];

	memset(config, 0, sizeof(*config));
	config->tcp = tcp_defaults();
	config->tcp.invalid_ack_limit = 0;
	config->n_port = 1;
	config->n_worker = 1;
	config->max_connections = 1024;
	config->half_open_max = 256;
	config->time_wait_max = 256;
	config->backlog_max = 1024;
	config->listeners_max = 16;
	config->mbufs = MBUFS;
	config->chunk_memory = 4;
	config->step = 1;
	config->seed = 1;
	port->n_address = 2;
	port->address[0] = (struct pv_cidr){ address(false, OUR_NET, OUR_HOST), 120, { 0 } };
	port->address[1] = (struct pv_cidr){ address(true, OUR_NET, OUR_HOST), 64, { 0 } };
	port->gateway4 = address(false, OUR_NET, GATEWAY);
	port->gateway6 = address(true, OUR_NET, GATEWAY);
	port->n_neighbour = 2;
	for (int v6 = 0; v6 < 2; v6++) {
		port->neighbour[v6].addr = address(v6 != 0, OUR_NET, GATEWAY);
		memcpy(port->neighbour[v6].mac, gateway_mac, 6);
	}
	memcpy(port->mac, our_mac, 6);
	port->mtu = 1500;
}

static void
start_eal(void)
{
	static bool started;
	char *argv[] = { (char[]){ "test" }, (char[]){ "--no-huge" }, (char[]){ "--no-shconf" },
		(char[]){ "--no-pci" }, (char[]){ "--no-telemetry" }, (char[]){ "-m" },
		(char[]){ "64" }, (char[]){ "--log-level=lib.eal:error" }, NULL };

	if (started)
		return;
	started = true;
	if (rte_eal_init(8, argv) < 0) {
		printf("Bail out! EAL does not start\n");
		exit(1);
	}
}

static void
transmit(struct pv_ctx *ctx, uint16_t port, struct rte_mbuf *frame)
{
	struct harness *h = pv_container_of(ctx, struct harness, ctx);
	struct harness_frame *out = &h->out[h->n_out];

	if (h->n_out == HARNESS_OUT || frame->pkt_len > sizeof(out->bytes)) {
		CHECK(false, "a sent frame fits the harness");
		rte_pktmbuf_free(frame);
		return;
	}
	h->n_out++;
	out->when = ctx->now;
	out->port = port;
	out->len = (uint16_t)frame->pkt_len;
	memcpy(out->bytes, rte_pktmbuf_mtod(frame, const void *), frame->data_len);
	rte_pktmbuf_free(frame);
}

void
harness_start(struct harness *h, const struct pv_config *config)
{
	static const uint8_t secret[16] = "sixteen bytes...";
	const struct pv_port_facts facts = { .mac = { 2, 0, 0, 0, 0, 2 }, .mtu = 1500 };
	struct pv_ctx *ctx = &h->ctx;

	start_eal();
	memset(h, 0, sizeof(*h));
	h->config = *config;
	ctx->config = &h->config;
	ctx->tcp_config = config->tcp;
	ctx->n_worker = 1;
	ctx->now = 1000000000;
	ctx->transmit = transmit;
	pv_rng_seed(&ctx->rng, config->seed);
	pv_wheel_init(&ctx->wheel, ctx->now);
	pv_wheel_init(&ctx->housekeeping, ctx->now);
	ctx->mbufs = rte_pktmbuf_pool_create("harness", MBUFS, 0, 0, 2048 + 128, 0);
	ctx->bridge = pv_bridge_new(&h->config);
	if (ctx->mbufs == NULL || ctx->bridge == NULL || pv_ip_init(ctx, &h->config) != 0 ||
			pv_tcp_init(ctx, &h->config, secret) != 0) {
		printf("Bail out! no memory\n");
		exit(1);
	}
	pv_ip_port(ctx, 0, &facts);
}

void
harness_stop(struct harness *h)
{
	pv_tcp_fini(&h->ctx);
	pv_ip_fini(&h->ctx);
	pv_bridge_free(h->ctx.bridge);
	CHECK_EQ(rte_mempool_avail_count(h->ctx.mbufs), MBUFS, "every packet buffer came back");
	rte_mempool_free(h->ctx.mbufs);
}

struct pv_listen_params
harness_params(uint16_t port)
{
	return (struct pv_listen_params){
		.port = port,
		.backlog = 128,
		.family = 46,
		.backlog_overflow = PV_OVERFLOW_RESET,
	};
}

uint64_t
harness_listen(struct harness *h, const struct pv_listen_params *params)
{
	uint64_t handle = 0;
	struct pv_listener_shared *shared = pv_listener_open(h->ctx.bridge, params, &handle);

	CHECK(shared != NULL && pv_tcp_listen(&h->ctx, shared) == 0, "a listener is installed");
	return handle;
}

uint32_t
harness_accept(struct harness *h, uint64_t listener, struct pv_request *out, uint32_t n)
{
	return (uint32_t)pv_backlog_take(h->ctx.bridge, listener, out, n);
}

static uint32_t
put_segment(const struct segment *s, uint8_t *p)
{
	struct pv_tcp_hdr hdr = {
		.sport = s->client_port,
		.dport = s->our_port,
		.seq = s->seq,
		.ack = s->ack,
		.flags = s->flags,
		.wnd = s->window,
		.urg = s->urgent,
	};
	size_t options = s->raw_len;

	memcpy(p + PV_TCP_HDR_LEN, s->raw, s->raw_len);
	if (s->raw_len == 0 && (s->flags & PV_TCP_SYN) != 0)
		options = pv_tcp_opt_build_syn(p + PV_TCP_HDR_LEN, &s->opts, PV_TCP_ORDER_LINUX);
	else if (s->raw_len == 0)
		options = pv_tcp_opt_build(p + PV_TCP_HDR_LEN, &s->opts);
	hdr.hdr_len = (uint8_t)(PV_TCP_HDR_LEN + options);
	pv_tcp_build(p, &hdr);
	memcpy(p + hdr.hdr_len, s->data, s->data_len);
	return hdr.hdr_len + (uint32_t)s->data_len;
}

static struct rte_mbuf *
frame_of(struct harness *h, const struct segment *s)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->ctx.mbufs);
	struct pv_addr client = address(s->v6, CLIENT_NET, s->client);
	struct pv_addr us = address(s->v6, OUR_NET, OUR_HOST);
	uint32_t ip_len = s->v6 ? PV_IP6_HDR_LEN : PV_IP4_HDR_LEN, len;
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *), *l3 = p + PV_ETH_HDR_LEN, *l4 = l3 + ip_len;

	len = put_segment(s, l4);
	pv_eth_build(p, our_mac, gateway_mac, s->v6 ? PV_ETHERTYPE_IP6 : PV_ETHERTYPE_IP4);
	if (s->v6) {
		struct pv_ip6 ip = { .payload_len = (uint16_t)len, .next = 6, .hop_limit = 64 };

		memcpy(ip.src, client.b, 16);
		memcpy(ip.dst, us.b, 16);
		pv_ip6_build(l3, &ip);
		pv_tcp_csum6_set(l4, len, ip.src, ip.dst);
	} else {
		pv_ip4_build(l3, &(struct pv_ip4){ .src = pv_addr_v4(&client),
						 .dst = pv_addr_v4(&us),
						 .total_len = (uint16_t)(ip_len + len),
						 .ttl = 64,
						 .proto = 6 });
		pv_tcp_csum4_set(l4, (uint16_t)len, pv_addr_v4(&client), pv_addr_v4(&us));
	}
	if (s->bad_checksum)
		l4[PV_TCP_CSUM_OFFSET] ^= 0x55;
	m->data_len = (uint16_t)(PV_ETH_HDR_LEN + ip_len + len);
	m->pkt_len = m->data_len;
	return m;
}

void
harness_inject(struct harness *h, const struct segment *segments, uint32_t n)
{
	struct rte_mbuf *frames[PV_BURST];
	static struct pv_packet packets[PV_BURST];

	for (uint32_t i = 0; i < n; i++)
		frames[i] = frame_of(h, &segments[i]);
	pv_tcp_input(&h->ctx, packets, pv_ip_input(&h->ctx, 0, frames, n, packets));
	pv_tcp_output(&h->ctx);
	pv_bridge_flush(&h->ctx);
}

void
harness_advance(struct harness *h, uint64_t ns)
{
	struct pv_ctx *ctx = &h->ctx;
	uint64_t end = ctx->now + ns;

	for (;;) {
		uint64_t next = pv_wheel_next(&ctx->wheel),
			 other = pv_wheel_next(&ctx->housekeeping);

		if (other < next)
			next = other;
		ctx->now = next < end ? (next > ctx->now ? next : ctx->now) : end;
		pv_wheel_run(&ctx->wheel, ctx, ctx->now);
		pv_wheel_run(&ctx->housekeeping, ctx, ctx->now);
		pv_tcp_output(ctx);
		pv_bridge_flush(ctx);
		if (next >= end)
			return;
	}
}

static bool
read_segment(const uint8_t *p, uint32_t n, struct segment *out)
{
	struct pv_tcp_hdr hdr;

	if (pv_tcp_parse(p, n, &hdr) != PV_TCP_OK)
		return false;
	out->our_port = hdr.sport;
	out->client_port = hdr.dport;
	out->seq = hdr.seq;
	out->ack = hdr.ack;
	out->flags = hdr.flags;
	out->window = hdr.wnd;
	out->urgent = hdr.urg;
	out->raw_len = (uint8_t)(hdr.hdr_len - PV_TCP_HDR_LEN);
	memcpy(out->raw, p + PV_TCP_HDR_LEN, out->raw_len);
	pv_tcp_opt_walk(out->raw, out->raw_len, &out->opts);
	out->data_len = (uint16_t)(n - hdr.hdr_len);
	memcpy(out->data, p + hdr.hdr_len,
			out->data_len < sizeof(out->data) ? out->data_len : sizeof(out->data));
	return (out->opts.present & PV_TCP_OPT_MALFORMED) == 0;
}

static bool
read_frame(const struct harness_frame *frame, struct segment *out)
{
	const uint8_t *p = frame->bytes + PV_ETH_HDR_LEN;
	struct pv_eth eth;
	struct pv_ip4 ip4;
	struct pv_ip6 ip6;

	if (pv_eth_parse(frame->bytes, frame->len, &eth) != PV_ETH_OK ||
			!pv_eth_equal(pv_eth_dst(frame->bytes), gateway_mac) ||
			!pv_eth_equal(pv_eth_src(frame->bytes), our_mac))
		return false;
	memset(out, 0, sizeof(*out));
	if (eth.type == PV_ETHERTYPE_IP4) {
		if (pv_ip4_parse(p, frame->len - PV_ETH_HDR_LEN, true, &ip4) != PV_IP4_OK ||
				ip4.total_len + PV_ETH_HDR_LEN != frame->len ||
				!pv_tcp_csum4_ok(
						p + 20, pv_ip4_payload_len(&ip4), ip4.src, ip4.dst))
			return false;
		out->client = pv_ntoh32(ip4.dst) - CLIENT_NET;
		return read_segment(p + 20, pv_ip4_payload_len(&ip4), out);
	}
	if (pv_ip6_parse(p, frame->len - PV_ETH_HDR_LEN, &ip6) != PV_IP6_OK ||
			ip6.payload_len + PV_ETH_HDR_LEN + 40 != frame->len ||
			!pv_tcp_csum6_ok(p + 40, ip6.payload_len, ip6.src, ip6.dst))
		return false;
	out->v6 = true;
	out->client = pv_ld32be(ip6.dst + 12);
	return read_segment(p + 40, ip6.payload_len, out);
}

bool
harness_take(struct harness *h, struct segment *out)
{
	if (h->next_out == h->n_out)
		return false;
	if (!read_frame(&h->out[h->next_out++], out))
		CHECK(false, "what we send is well formed");
	if (h->next_out == h->n_out)
		harness_drain(h);
	return true;
}

void
harness_drain(struct harness *h)
{
	h->n_out = 0;
	h->next_out = 0;
}

bool
harness_exchange(struct harness *h, const struct segment *in, struct segment *out)
{
	harness_drain(h);
	harness_inject(h, in, 1);
	return harness_take(h, out);
}

uint64_t
harness_counter(const struct harness *h, enum pv_counter counter)
{
	return h->ctx.counters.value[counter];
}

struct segment
client_syn(uint32_t client, uint16_t client_port, uint16_t our_port, uint32_t iss)
{
	return (struct segment){
		.client = client,
		.client_port = client_port,
		.our_port = our_port,
		.seq = iss,
		.flags = PV_TCP_SYN,
		.window = 64240,
		.opts = { .present = PV_TCP_OPT_MSS | PV_TCP_OPT_SACKOK | PV_TCP_OPT_TS |
				     PV_TCP_OPT_WSCALE,
				.mss = 1460,
				.wscale = 7,
				.tsval = 1000 },
	};
}

struct segment
client_ack(const struct segment *syn, const struct segment *syn_ack)
{
	struct segment ack = {
		.client = syn->client,
		.v6 = syn->v6,
		.client_port = syn->client_port,
		.our_port = syn->our_port,
		.seq = syn->seq + 1,
		.ack = syn_ack->seq + 1,
		.flags = PV_TCP_ACK,
		.window = 502,
	};

	if (syn_ack->opts.present & PV_TCP_OPT_TS) {
		ack.opts.present = PV_TCP_OPT_TS;
		ack.opts.tsval = syn->opts.tsval + 1;
		ack.opts.tsecr = syn_ack->opts.tsval;
	}
	return ack;
}
