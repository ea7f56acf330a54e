/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine_rig.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/types.h"
#include "tcp_defaults.h"
#include "wire/arp.h"
#include "wire/eth.h"
#include "wire/ip4.h"

#define COUNTERS 512
#define LOOKS    10000

static const uint8_t engine_mac[6] = { 0x02, 'p', 'v', 0, 0, 0 };

static void
fail(const char *what, const char *why)
{
	printf("Bail out! %s: %s\n", what, why);
	exit(1);
}

void
engine_eal(void)
{
	char prefix[40], err[256] = "";
	const char *argv[] = { "test", "--no-huge", "--no-pci", "-m", "256", "--no-telemetry",
		"--no-shconf", "--log-level=lib.eal:error", prefix };

	snprintf(prefix, sizeof(prefix), "--file-prefix=pvtest%d", (int)getpid());
	if (pv_eal_start((int)PV_COUNT_OF(argv), argv, err, sizeof(err)) != 0)
		fail("EAL", err);
}

static struct pv_addr
addr4(uint8_t host)
{
	return pv_addr_from_v4(PV_IP4_ADDR(10, 9, 0, 0) | pv_hton32(host));
}

void
engine_config(struct pv_config *config, uint16_t workers)
{
	struct pv_port_config *port = &config->port[0];

	memset(config, 0, sizeof(*config));
	config->tcp = tcp_defaults();
	snprintf(port->device, sizeof(port->device), "ring");
	port->address[0] = (struct pv_cidr){ .addr = addr4(2), .prefix = 120 };
	port->address[1] = (struct pv_cidr){ .addr = { { 0xfd, 0x09, [15] = 2 } }, .prefix = 64 };
	port->n_address = 2;
	port->mtu = 1500;
	config->n_port = 1;
	config->n_worker = workers;
	config->idle_turns = 200;
	config->nap_us = 20;
	config->nap_max_us = 200;
	config->max_connections = 1024;
	config->half_open_max = 1024;
	config->time_wait_max = 1024;
	config->backlog_max = 1024;
	config->listeners_max = 16;
	config->mbufs = 1023;
	config->chunk_memory = 16;
	config->spin_us = 20;
	config->seed = 7;
	config->has_secret = 1;
	for (int i = 0; i < PV_MAX_WORKERS; i++)
		config->lcore[i] = -1;
}

struct pv_engine *
engine_start(const struct pv_config *config)
{
	struct pv_engine *engine = NULL;
	char err[256] = "";

	if (pv_engine_start(config, &engine, err, sizeof(err)) != 0)
		fail("engine", err);
	return engine;
}

void
engine_stop(struct pv_engine *engine)
{
	if (pv_engine_stop(engine, 0) != 0)
		fail("engine", "does not stop");
}

uint64_t
engine_count(struct pv_engine *engine, const char *counter)
{
	uint64_t value[COUNTERS];
	int n = pv_counters(engine, -1, value, COUNTERS);

	for (int i = 0; i < n; i++) {
		if (strcmp(pv_counter_name((uint32_t)i), counter) == 0)
			return value[i];
	}
	fail(counter, "no such counter");
	return 0;
}

static bool
accounts_now(struct pv_engine *engine)
{
	uint64_t value[COUNTERS], sum = 0;
	int n = pv_counters(engine, -1, value, COUNTERS);

	for (int i = 0; i < n; i++) {
		if (pv_counter_kind((uint32_t)i) == 0)
			sum += value[i];
	}
	return sum == engine_count(engine, "RX_FRAMES") + engine_count(engine, "LOOPBACK") +
				      engine_count(engine, "HANDED_OVER");
}

/* A live worker may be in the middle of a burst. */
bool
engine_accounts(struct pv_engine *engine)
{
	for (int i = 0; i < LOOKS; i++) {
		if (accounts_now(engine))
			return true;
		sched_yield();
	}
	return false;
}

uint64_t
engine_listen(struct pv_engine *engine, uint16_t port, uint32_t backlog)
{
	struct pv_listen_params params = { .backlog = backlog,
		.port = port,
		.family = 46,
		.backlog_overflow = PV_OVERFLOW_RESET };
	uint64_t listener = 0;
	int rc = pv_listen(engine, &params, &listener);

	if (rc != 0)
		fail("listen", strerror(-rc));
	return listener;
}

static void
mac_of(uint8_t mac[6], uint8_t host)
{
	const uint8_t bytes[6] = { 0x02, 0, 0, 0, 0, host };

	memcpy(mac, bytes, sizeof(bytes));
}

size_t
client_segment(struct client *client, uint8_t *frame, uint8_t flags, const void *data, size_t len)
{
	struct pv_ip4 ip = { .src = pv_ntoh32(0),
		.ttl = 64,
		.proto = PV_PROTO_TCP,
		.flags = PV_IP4_DF,
		.total_len = (uint16_t)(PV_IP4_HDR_LEN + PV_TCP_HDR_LEN + len) };
	struct pv_tcp_hdr tcp = { .sport = client->port,
		.dport = client->server_port,
		.seq = client->seq,
		.ack = client->ack,
		.flags = flags,
		.wnd = 65535,
		.hdr_len = PV_TCP_HDR_LEN };
	struct pv_addr from = addr4(client->host), to = addr4(2);
	uint8_t *p = frame + PV_ETH_HDR_LEN, mac[6];

	ip.src = pv_addr_v4(&from);
	ip.dst = pv_addr_v4(&to);
	mac_of(mac, client->host);
	pv_eth_build(frame, engine_mac, mac, PV_ETHERTYPE_IP4);
	pv_ip4_build(p, &ip);
	pv_tcp_build(p + PV_IP4_HDR_LEN, &tcp);
	if (len != 0)
		memcpy(p + PV_IP4_HDR_LEN + PV_TCP_HDR_LEN, data, len);
	pv_tcp_csum4_set(p + PV_IP4_HDR_LEN, (uint16_t)(PV_TCP_HDR_LEN + len), ip.src, ip.dst);
	client->seq += pv_tcp_seg_len(flags, (uint32_t)len);
	return PV_ETH_HDR_LEN + (size_t)ip.total_len;
}

bool
client_take(struct client *client, const uint8_t *frame, size_t n, struct pv_tcp_hdr *header,
		const uint8_t **data, size_t *len)
{
	struct pv_addr peer = addr4(client->host);
	const uint8_t *p = frame + PV_ETH_HDR_LEN;
	struct pv_ip4 ip;

	if (n < PV_ETH_HDR_LEN + PV_IP4_HDR_LEN || pv_ld16be(frame + 12) != PV_ETHERTYPE_IP4 ||
			pv_ip4_parse(p, n - PV_ETH_HDR_LEN, true, &ip) != PV_IP4_OK ||
			ip.proto != PV_PROTO_TCP || ip.dst != pv_addr_v4(&peer))
		return false;
	p += ip.hdr_len;
	if (!pv_tcp_csum4_ok(p, pv_ip4_payload_len(&ip), ip.src, ip.dst) ||
			pv_tcp_parse(p, pv_ip4_payload_len(&ip), header) != PV_TCP_OK ||
			header->dport != client->port)
		return false;
	*data = p + header->hdr_len;
	*len = (size_t)pv_ip4_payload_len(&ip) - header->hdr_len;
	if ((header->flags & PV_TCP_SYN) != 0)
		client->ack = header->seq;
	if (header->seq == client->ack)
		client->ack += pv_tcp_seg_len(header->flags, (uint32_t)*len);
	return true;
}

size_t
client_arp(uint8_t host, uint8_t *frame)
{
	struct pv_addr from = addr4(host), to = addr4(2);
	struct pv_arp arp = {
		.op = PV_ARP_REQUEST, .spa = pv_addr_v4(&from), .tpa = pv_addr_v4(&to)
	};
	static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	mac_of(arp.sha, host);
	pv_eth_build(frame, everybody, arp.sha, PV_ETHERTYPE_ARP);
	pv_arp_build(frame + PV_ETH_HDR_LEN, &arp);
	return PV_ETH_HDR_LEN + PV_ARP_LEN;
}
