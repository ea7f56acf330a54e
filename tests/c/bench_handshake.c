/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a passive open costs a worker, stage by stage: a generator and ip/ + tcp/ take turns on one
 * core, frames go by pointer. Not a test: run it by hand.
 *
 *	bench_handshake [flows] [cookies] [v6] [flood] [whole]
 *
 * flows connections are kept alive; each new one sends SYN, ACK, and much later RST. Cycles are TSC
 * cycles of the server's side, for a handshake.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

/* The stages are static functions: this is the only way to time each. */
#include "../../dataplane/tcp/input.c"
#include "bridge/backlog.h"
#include "bridge/bridge.h"
#include "bridge/transfer.h"
#include "ip/ip.h"
#include "tcp/conns.h"
#include "tcp_defaults.h"
#include "wire/eth.h"
#include "wire/ip6.h"

enum { WINDOWS = 1001, WINDOW = 1000, BURST = 64, PORT = 80, OPENS = 21, MBUFS = 4095 };

enum stage { IP, PARSE, HASH, PRF, LOOK, ACT, FLUSH, END, TIMERS, DRAIN, CLOSE, STAGES };
static const char *const stage_name[] = { "ip", "parse", "hash", "prf", "look", "act", "flush",
	"end", "timers", "drain", "close" };

static uint64_t cycles[STAGES];
static struct pv_ctx ctx;
static struct pv_config config;
static uint32_t flows = 10000;
static bool v6, flood, whole;
static uint64_t listener;

/* A client's frame in full; only what differs is filled in. */
static struct {
	uint8_t bytes[128];
	uint32_t len, l4;
} syn_frame, ack_frame;

/* Connections alive: (client, seq, ack), oldest first. */
struct alive {
	uint32_t client, ack, tsecr;
};
static struct alive *ring;
static uint64_t ring_head, ring_tail;
static uint32_t ring_mask;

/* What the server sent in this round. */
static struct rte_mbuf *sent[1024];
static uint32_t n_sent;
static uint64_t refused;

static inline uint64_t
tick(enum stage stage, uint64_t since)
{
	uint64_t now;

	if (whole && stage != DRAIN)
		return since;
	now = rte_rdtsc();
	cycles[stage] += now - since;
	return now;
}

static void
transmit(struct pv_ctx *c, uint16_t port, struct rte_mbuf *frame)
{
	(void)c;
	(void)port;
	sent[n_sent++] = frame;
}

static uint64_t
timed_burst(struct pv_packet *packets, uint32_t n, uint64_t t)
{
	parse(packets, n);
	t = tick(PARSE, t);
	hash(ctx.tcp, packets, n);
	t = tick(HASH, t);
	prf(ctx.tcp, packets, n);
	t = tick(PRF, t);
	for (uint32_t i = 0; i < n; i += SPAN) {
		uint32_t some = RTE_MIN(n - i, (uint32_t)SPAN);

		look(&ctx, packets + i, some);
		t = tick(LOOK, t);
		act(&ctx, packets + i, some);
		t = tick(ACT, t);
	}
	pv_handshake_flush(&ctx);
	t = tick(FLUSH, t);
	end(&ctx, packets, n);
	return tick(END, t);
}

static uint64_t
serve(struct rte_mbuf **frames, uint32_t n, uint64_t t)
{
	static struct pv_packet packets[PV_BURST];

	ctx.now = t * 10 / 26;
	ctx.tcp->bursts++;
	ctx.tcp->ms = pv_tcp_ms(&ctx);
	ctx.tcp->offer = pv_syn_offer(&ctx.tcp_config);
	n = pv_ip_input(&ctx, 0, frames, n, packets);
	return timed_burst(packets, n, tick(IP, t));
}

/* The end of a turn, and the control plane: takes what waits, and lets each connection go on alone.
 */
static void
end_turn(uint64_t t)
{
	static struct pv_request requests[64];
	int n;

	pv_wheel_run(&ctx.wheel, &ctx, ctx.now);
	pv_tcp_output(&ctx);
	pv_bridge_flush(&ctx);
	t = tick(TIMERS, t);
	while ((n = pv_backlog_take_own(&ctx, listener, requests, 64)) > 0) {
		if (!whole)
			t = tick(DRAIN, t);
		for (int i = 0; i < n; i++) {
			pv_tcp_close(&ctx, requests[i].handle, PV_CLOSE_DETACH);
			pv_slot_release(&ctx, pv_handle_index(requests[i].handle), PV_SLOT_CONTROL);
		}
		t = tick(CLOSE, t);
	}
	tick(DRAIN, t);
}

/* ---- generator ----------------------------------------------------------------------------------
 */

static uint32_t
put32(uint8_t *p, uint32_t v)
{
	pv_st32be(p, v);
	return pv_hton32(v);
}

static struct rte_mbuf *
build(bool syn, uint32_t client, uint8_t flags, uint32_t ack, uint32_t tsecr)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(ctx.mbufs);
	uint8_t *p, *l4;
	uint32_t len = syn ? syn_frame.len : ack_frame.len, l4_at = syn_frame.l4;
	/* 16 million addresses times 64 ports, scattered */
	uint32_t host = client * 0x9e3779b1u;

	if (m == NULL)
		exit(1);
	p = rte_pktmbuf_mtod(m, uint8_t *);
	memcpy(p, syn ? syn_frame.bytes : ack_frame.bytes, 128);
	l4 = p + l4_at;
	pv_st16be(l4, (uint16_t)(1024 + (host & 0xff) * 200));
	put32(l4 + 4, syn ? client : client + 1);
	put32(l4 + 8, ack);
	l4[13] = flags;
	put32(l4 + (syn ? 28 : 24), (uint32_t)(ctx.now / 1000000));
	put32(l4 + (syn ? 32 : 28), tsecr);
	if (v6) {
		put32(p + 14 + 8 + 12, host >> 8);
		pv_tcp_csum6_set(l4, len - l4_at, p + 14 + 8, p + 14 + 24);
	} else {
		put32(p + 14 + 12, 0xc6000000 | host >> 8);
		pv_st16(p + 14 + 10, 0);
		pv_st16(p + 14 + 10, pv_csum(p + 14, 20));
		pv_tcp_csum4_set(l4, (uint16_t)(len - l4_at), pv_ld32(p + 26), pv_ld32(p + 30));
	}
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	return m;
}

static void
init_frame(bool syn)
{
	struct pv_tcp_opts opts = {
		.present = syn ? 0xf : PV_TCP_OPT_TS, .mss = 1460, .wscale = 7
	};
	struct pv_tcp_hdr hdr = { .dport = PORT, .wnd = syn ? 64240 : 502 };
	uint8_t *p = syn ? syn_frame.bytes : ack_frame.bytes, *l3 = p + 14, *l4;
	uint32_t l4_at = 14 + (v6 ? 40 : 20), len;
	static const uint8_t us[6] = { 2, 0, 0, 0, 0, 2 }, peer[6] = { 2, 0, 0, 0, 0, 1 };

	l4 = p + l4_at;
	hdr.hdr_len = (uint8_t)(20 + (syn ? pv_tcp_opt_build_syn(l4 + 20, &opts, 0) :
					    pv_tcp_opt_build(l4 + 20, &opts)));
	len = l4_at + hdr.hdr_len;
	pv_tcp_build(l4, &hdr);
	pv_eth_build(p, us, peer, v6 ? PV_ETHERTYPE_IP6 : PV_ETHERTYPE_IP4);
	if (v6) {
		struct pv_ip6 ip = { .payload_len = hdr.hdr_len, .next = 6, .hop_limit = 64 };

		memcpy(ip.dst, config.port[0].address[1].addr.b, 16);
		memcpy(ip.src, ip.dst, 16);
		ip.src[1] = 0x18;
		pv_ip6_build(l3, &ip);
	} else {
		pv_ip4_build(l3, &(struct pv_ip4){
						 .dst = pv_addr_v4(&config.port[0].address[0].addr),
						 .total_len = (uint16_t)(20 + hdr.hdr_len),
						 .ttl = 64,
						 .proto = 6 });
	}
	syn_frame.l4 = l4_at;
	if (syn)
		syn_frame.len = len;
	else
		ack_frame.len = len;
}

static uint32_t next_client = 1;

/* The answers of the last round become ACKs. */
static uint32_t
acks(struct rte_mbuf **out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < n_sent; i++) {
		const uint8_t *l4 = rte_pktmbuf_mtod_offset(sent[i], const uint8_t *, syn_frame.l4);
		struct alive a;

		if (l4[13] == (PV_TCP_SYN | PV_TCP_ACK)) {
			a.client = pv_ld32be(l4 + 8) - 1;
			a.ack = pv_ld32be(l4 + 4) + 1;
			a.tsecr = pv_ld32be(l4 + 28);
			if (!flood) {
				ring[ring_tail++ & ring_mask] = a;
				out[n++] = build(false, a.client, PV_TCP_ACK, a.ack, a.tsecr);
			}
		} else {
			refused++;
		}
		rte_pktmbuf_free(sent[i]);
	}
	n_sent = 0;
	return n;
}

/* One round: its frames interleaved as a wire would have them. Returns handshakes completed. */
static uint32_t
round_of(uint32_t opens)
{
	static struct rte_mbuf *out[1024], *mixed[1024];
	uint32_t n_ack = acks(out), n = n_ack, n_rst = 0, k = 0;
	uint64_t t;

	for (uint32_t i = 0; i < opens; i++)
		out[n++] = build(true, next_client++, PV_TCP_SYN, 0, 0);
	while (!flood && ring_tail - ring_head > flows + n_ack && n_rst++ < 2 * OPENS) {
		struct alive *a = &ring[ring_head++ & ring_mask];

		out[n++] = build(false, a->client, PV_TCP_RST | PV_TCP_ACK, a->ack, a->tsecr);
	}
	for (uint32_t step = 0; step < 3; step++) {
		for (uint32_t i = step; i < n; i += 3)
			mixed[k++] = out[i];
	}
	t = rte_rdtsc();
	for (uint32_t at = 0; at < n; at += BURST)
		t = serve(mixed + at, n - at < BURST ? n - at : BURST, t);
	end_turn(t);
	return flood ? opens : n_ack;
}

/* ---- set up ---------------------------------------------------------------------------------- */

static void
configure(void)
{
	struct pv_port_config *port = &config.port[0];

	config.tcp = tcp_defaults();
	config.n_port = config.n_worker = 1;
	config.max_connections = flows + 65536;
	config.half_open_max = 65536;
	config.time_wait_max = 65536;
	config.backlog_max = 65536;
	config.listeners_max = 16;
	config.mbufs = MBUFS;
	config.chunk_memory = 4;
	config.huge = 1;
	config.step = 1;
	port->n_address = 2;
	port->address[0].addr = pv_addr_from_v4(PV_IP4_ADDR(10, 9, 0, 2));
	port->address[0].prefix = 120;
	port->address[1].addr.b[0] = 0xfd;
	port->address[1].addr.b[1] = 9;
	port->address[1].addr.b[15] = 2;
	port->address[1].prefix = 64;
	port->gateway4 = pv_addr_from_v4(PV_IP4_ADDR(10, 9, 0, 1));
	port->gateway6 = port->address[1].addr;
	port->gateway6.b[15] = 1;
	port->n_neighbour = 2;
	for (uint32_t i = 0; i < 2; i++) {
		port->neighbour[i].addr = i ? port->gateway6 : port->gateway4;
		memcpy(port->neighbour[i].mac, (uint8_t[]){ 2, 0, 0, 0, 0, 1 }, 6);
	}
	port->mtu = 1500;
}

static void
start(bool cookies)
{
	const struct pv_port_facts facts = { .mac = { 2, 0, 0, 0, 0, 2 }, .mtu = 1500 };
	struct pv_listen_params params = { .port = PORT, .backlog = 1024, .family = 46 };

	configure();
	ctx.config = &config;
	ctx.tcp_config = config.tcp;
	ctx.n_worker = 1;
	ctx.now = rte_rdtsc() * 10 / 26;
	ctx.transmit = transmit;
	pv_rng_seed(&ctx.rng, 1);
	pv_wheel_init(&ctx.wheel, ctx.now);
	pv_wheel_init(&ctx.housekeeping, ctx.now);
	ctx.mbufs = rte_pktmbuf_pool_create("bench", MBUFS, 256, 0, 512, 0);
	ctx.bridge = pv_bridge_new(&config);
	if (ctx.mbufs == NULL || ctx.bridge == NULL || pv_ip_init(&ctx, &config) != 0 ||
			pv_tcp_init(&ctx, &config, (const uint8_t *)"sixteen bytes...") != 0)
		exit(1);
	pv_ip_port(&ctx, 0, &facts);
	params.syn_cookies = cookies ? PV_SYN_COOKIES_ALWAYS : PV_SYN_COOKIES_AUTO;
	if (pv_tcp_listen(&ctx, pv_listener_open(ctx.bridge, &params, &listener)) != 0)
		exit(1);
	ring_mask = 1;
	while (ring_mask < flows + 4096)
		ring_mask *= 2;
	ring = malloc(ring_mask * sizeof(*ring));
	ring_mask--;
	init_frame(true);
	init_frame(false);
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
measure(void)
{
	static double result[STAGES + 1][WINDOWS];
	uint64_t warm = 2ull * flows + 20000;

	for (uint64_t done = 0; done < warm;)
		done += round_of(OPENS);
	for (uint32_t w = 0; w < WINDOWS; w++) {
		uint64_t done = 0, sum = 0;

		memset(cycles, 0, sizeof(cycles));
		while (done < WINDOW)
			done += round_of(OPENS);
		for (uint32_t s = 0; s < STAGES; s++) {
			result[s][w] = (double)cycles[s] / (double)done;
			sum += cycles[s];
		}
		result[STAGES][w] = (double)sum / (double)done;
	}
	for (uint32_t s = 0; s <= STAGES; s++) {
		qsort(result[s], WINDOWS, sizeof(double), by_value);
		if (!whole || s == STAGES)
			printf("%s %.1f%s", s < STAGES ? stage_name[s] : "| all",
					result[s][WINDOWS / 10], s < STAGES ? "  " : "");
	}
	printf(" (median %.1f, p90 %.1f)\n", result[STAGES][WINDOWS / 2],
			result[STAGES][WINDOWS * 9 / 10]);
}

int
main(int argc, char **argv)
{
	char *eal[] = { (char[]){ "bench" }, (char[]){ "--no-huge" }, (char[]){ "--no-shconf" },
		(char[]){ "--no-pci" }, (char[]){ "--no-telemetry" }, (char[]){ "-m" },
		(char[]){ "64" }, (char[]){ "--log-level=lib.eal:error" }, NULL };
	bool cookies = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "v6") == 0)
			v6 = true;
		else if (strcmp(argv[i], "cookies") == 0)
			cookies = true;
		else if (strcmp(argv[i], "flood") == 0)
			flood = true;
		else if (strcmp(argv[i], "whole") == 0)
			whole = true;
		else
			flows = (uint32_t)strtoul(argv[i], NULL, 0);
	}
	if (rte_eal_init(8, eal) < 0)
		return 1;
	start(cookies);
	measure();
	printf("refused %lu, established %lu, live %u\n", refused,
			ctx.counters.value[PV_C_TCP_ESTABLISHED], ctx.tcp->live);
	for (uint32_t i = 0; i < PV_C_COUNT; i++) {
		if (ctx.counters.value[i] != 0 && getenv("COUNTERS") != NULL)
			printf("%s %lu\n", pv_counters_name(i), ctx.counters.value[i]);
	}
	return 0;
}
