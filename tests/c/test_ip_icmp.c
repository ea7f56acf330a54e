/* SPDX-License-Identifier: BSD-3-Clause */
/* Echo, errors that concern TCP, and errors that we send, for both families. */
#include <string.h>

#include "ip_rig.h"
#include "tap.h"
#include "wire/eth.h"
#include "wire/icmp.h"
#include "wire/icmp6.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

#define SECOND 1000000000ULL

static struct rig rig;
static uint8_t frame[RIG_FRAME];

static void
start(void)
{
	static struct pv_config config;

	rig_config(&config);
	config.port[0].neighbour[0].addr = rig_addr("10.9.0.1");
	memcpy(config.port[0].neighbour[0].mac, rig_peer_mac, 6);
	config.port[0].neighbour[1].addr = rig_addr("fd09::1");
	memcpy(config.port[0].neighbour[1].mac, rig_peer_mac, 6);
	config.port[0].n_neighbour = 2;
	rig_start(&rig, &config);
}

static size_t
echo4(size_t len)
{
	static uint8_t data[1600], message[1700];
	struct pv_icmp icmp = {
		.type = PV_ICMP_ECHO, .id = 7, .seq = 9, .data = data, .data_len = len
	};

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7);
	len = pv_icmp_build(message, sizeof(message), &icmp);
	return rig_ip4(frame, 1, PV_PROTO_ICMP, message, len);
}

static size_t
echo6(size_t len)
{
	static uint8_t data[1600], message[1700];
	struct pv_icmp6 icmp = {
		.type = PV_ICMP6_ECHO, .id = 7, .seq = 9, .data = data, .data_len = len
	};
	struct pv_addr a = rig_addr("fd09::1"), b = rig_addr("fd09::2");
	struct pv_ip6 ip = { 0 };

	memcpy(ip.src, a.b, 16);
	memcpy(ip.dst, b.b, 16);
	len = pv_icmp6_build(message, sizeof(message), &icmp, &ip);
	return rig_ip6(frame, 1, PV_PROTO_ICMP6, message, len);
}

static void
test_echo4(void)
{
	const struct rig_frame *f;
	struct pv_icmp icmp;
	struct pv_ip4 ip;
	size_t len;

	start();
	len = echo4(33);
	rig_feed(&rig, 0, frame, len + 4);
	f = rig_take(&rig);
	CHECK(f != NULL && f->len == len && memcmp(f->bytes, rig_peer_mac, 6) == 0,
			"an echo goes back");
	CHECK(pv_ip4_parse(f->bytes + 14, f->len - 14U, true, &ip) == PV_IP4_OK &&
					ip.dst == PV_IP4_ADDR(10, 9, 0, 1) &&
					ip.src == PV_IP4_ADDR(10, 9, 0, 2),
			"to the one who asked");
	CHECK(pv_icmp_parse(f->bytes + 34, ip.total_len - 20U, &icmp) == PV_ICMP_OK &&
					icmp.type == PV_ICMP_ECHO_REPLY && icmp.id == 7 &&
					icmp.seq == 9 && memcmp(icmp.data, frame + 42, 33) == 0,
			"with his data and a right checksum");
	CHECK_EQ(rig_count(&rig, PV_C_ICMP_ECHO), 1, "counted");
	frame[36] ^= 1;
	rig_feed(&rig, 0, frame, len);
	CHECK(rig_take(&rig) == NULL && rig_count(&rig, PV_C_ICMP_CHECKSUM) == 1,
			"not with a wrong one");
	len = echo4(33);
	pv_st32(frame + 30, UINT32_MAX);
	rig_fix4(frame);
	rig_feed(&rig, 0, frame, len);
	CHECK(rig_take(&rig) == NULL && rig_count(&rig, PV_C_ICMP_ECHO_LIMITED) == 1,
			"nor to a broadcast");
	rig_ip4(frame, 1, PV_PROTO_ICMP, "\x08\x00\xf7\xff", 4);
	rig_feed(&rig, 0, frame, 38);
	CHECK_EQ(rig_count(&rig, PV_C_ICMP_TRUNCATED), 1, "four bytes are no ICMP");
	rig_stop(&rig);
}

static void
test_echo_limit(void)
{
	size_t len;

	start();
	len = echo4(0);
	for (int i = 0; i < 10100; i++) {
		rig_feed(&rig, 0, frame, len);
		rig_drain(&rig);
	}
	CHECK_EQ(rig_count(&rig, PV_C_ICMP_ECHO), 10000, "ten thousand at once are answered");
	CHECK_EQ(rig_count(&rig, PV_C_ICMP_ECHO_LIMITED), 100, "not more");
	rig_advance(&rig, SECOND / 100);
	for (int i = 0; i < 200; i++) {
		rig_feed(&rig, 0, frame, len);
		rig_drain(&rig);
	}
	CHECK_EQ(rig_count(&rig, PV_C_ICMP_ECHO), 10100, "and a hundred more in ten milliseconds");
	rig_stop(&rig);
}

static void
test_echo6(void)
{
	const struct rig_frame *f;
	struct pv_icmp6 icmp;
	struct pv_ip6 ip;
	size_t len;

	start();
	len = echo6(50);
	rig_feed(&rig, 0, frame, len + 2);
	f = rig_take(&rig);
	CHECK(f != NULL && f->len == len &&
					pv_ip6_parse(f->bytes + 14, f->len - 14U, &ip) ==
							PV_IP6_OK &&
					pv_icmp6_parse(f->bytes + 54, ip.payload_len, ip.src,
							ip.dst, &icmp) == PV_ICMP6_OK,
			"an IPv6 echo goes back with a right checksum");
	CHECK(icmp.type == PV_ICMP6_ECHO_REPLY && icmp.seq == 9 && ip.dst[15] == 1 &&
					ip.src[15] == 2,
			"to the one who asked");
	rig_stop(&rig);
}

/* A reply larger than the MTU leaves in fragments that fit and add up. */
static void
test_large_echo(void)
{
	const struct rig_frame *a, *b;
	struct pv_ip4 first, second;
	size_t len;

	start();
	len = echo4(1580);
	rig_feed(&rig, 0, frame, len);
	a = rig_take(&rig);
	b = rig_take(&rig);
	CHECK(a != NULL && b != NULL && a->len <= 1514 && b->len <= 1514, "two pieces that fit");
	CHECK(pv_ip4_parse(a->bytes + 14, a->len - 14U, true, &first) == PV_IP4_OK &&
					pv_ip4_parse(b->bytes + 14, b->len - 14U, true, &second) ==
							PV_IP4_OK &&
					first.ident == second.ident && first.flags == PV_IP4_MF &&
					second.flags == 0 &&
					second.frag_off == pv_ip4_payload_len(&first),
			"one behind the other");
	CHECK_EQ(pv_ip4_payload_len(&first) + pv_ip4_payload_len(&second), 1588, "are the whole");
	rig_stop(&rig);
}

struct wanted {
	uint8_t type, code;
	uint8_t kind; /* 0: not for TCP */
};

static const struct wanted errors4[] = {
	{ PV_ICMP_UNREACH, PV_ICMP_NET_UNREACH, PV_ICMP_SOFT },
	{ PV_ICMP_UNREACH, PV_ICMP_HOST_UNREACH, PV_ICMP_SOFT },
	{ PV_ICMP_UNREACH, PV_ICMP_PROTO_UNREACH, PV_ICMP_HARD },
	{ PV_ICMP_UNREACH, PV_ICMP_PORT_UNREACH, PV_ICMP_HARD },
	{ PV_ICMP_UNREACH, PV_ICMP_FRAG_NEEDED, PV_ICMP_TOO_BIG },
	{ PV_ICMP_UNREACH, PV_ICMP_ADMIN_PROHIBITED, PV_ICMP_HARD },
	{ PV_ICMP_TIME_EXCEEDED, 0, PV_ICMP_SOFT },
	{ PV_ICMP_PARAM_PROBLEM, 0, PV_ICMP_SOFT },
	{ PV_ICMP_QUENCH, 0, 0 },
	{ PV_ICMP_REDIRECT, 1, 0 },
};

static void
quote4(uint8_t quote[28], uint32_t src)
{
	struct pv_ip4 ip = { .src = src,
		.dst = PV_IP4_ADDR(10, 9, 0, 1),
		.total_len = 1500,
		.ttl = 3,
		.proto = PV_PROTO_TCP };

	pv_ip4_build(quote, &ip);
	pv_st16be(quote + 20, 80);
	pv_st16be(quote + 22, 4444);
	pv_st32be(quote + 24, 0x12345678);
}

static size_t
error4(uint8_t type, uint8_t code, uint32_t src)
{
	uint8_t quote[28], message[64];
	struct pv_icmp icmp = {
		.type = type, .code = code, .mtu = 1400, .data = quote, .data_len = 28
	};

	quote4(quote, src);
	return rig_ip4(frame, 1, PV_PROTO_ICMP, message,
			pv_icmp_build(message, sizeof(message), &icmp));
}

static void
test_errors4(void)
{
	struct pv_addr peer = rig_addr("10.9.0.1");

	start();
	for (size_t i = 0; i < PV_COUNT_OF(errors4); i++) {
		const struct wanted *w = &errors4[i];
		uint32_t before = rig.n_errors;

		rig.error_is_ours = i % 2 == 0;
		rig_feed(&rig, 0, frame, error4(w->type, w->code, PV_IP4_ADDR(10, 9, 0, 2)));
		CHECK(rig.n_errors == before + (w->kind != 0) &&
						(w->kind == 0 || rig.error.kind == w->kind),
				"an error of this type and code is what it is");
	}
	CHECK_EQ(rig_count(&rig, PV_C_ICMP_ERROR_TAKEN), 4, "counted as taken when it was TCP's");
	CHECK_EQ(rig_count(&rig, PV_C_ICMP_ERROR_IGNORED), 6, "and as ignored otherwise");
	rig_feed(&rig, 0, frame,
			error4(PV_ICMP_UNREACH, PV_ICMP_FRAG_NEEDED, PV_IP4_ADDR(10, 9, 0, 2)));
	CHECK(rig.error.tuple.local_port == 80 && rig.error.tuple.peer_port == 4444 &&
					pv_addr_equal(&rig.error.tuple.peer, &peer) &&
					rig.error.seq == 0x12345678 && rig.error.mtu == 1400 &&
					rig.error.quoted_len == 1500,
			"TCP learns what was quoted");
	rig_feed(&rig, 0, frame, error4(PV_ICMP_UNREACH, 1, PV_IP4_ADDR(10, 9, 0, 9)));
	CHECK_EQ(rig_count(&rig, PV_C_ICMP_ERROR_IGNORED), 8,
			"a packet that we can't have sent is nobody's");
	rig_stop(&rig);
}

static void
test_errors6(void)
{
	static const struct wanted errors[] = {
		{ PV_ICMP6_UNREACH, PV_ICMP6_NO_ROUTE, PV_ICMP_SOFT },
		{ PV_ICMP6_UNREACH, PV_ICMP6_PORT_UNREACH, PV_ICMP_HARD },
		{ PV_ICMP6_UNREACH, PV_ICMP6_ADMIN_PROHIBITED, PV_ICMP_HARD },
		{ PV_ICMP6_TOO_BIG, 0, PV_ICMP_TOO_BIG },
		{ PV_ICMP6_TIME_EXCEEDED, 0, PV_ICMP_SOFT },
		{ PV_ICMP6_PARAM_PROBLEM, PV_ICMP6_PARAM_NEXT_HEADER, PV_ICMP_HARD },
	};
	uint8_t quote[48], message[128];
	struct pv_ip6 ours = { .payload_len = 1400, .next = PV_PROTO_TCP }, outer = { 0 };
	struct pv_addr a = rig_addr("fd09::2"), b = rig_addr("fd09::1");

	start();
	memcpy(ours.src, a.b, 16);
	memcpy(ours.dst, b.b, 16);
	memcpy(outer.src, b.b, 16);
	memcpy(outer.dst, a.b, 16);
	pv_ip6_build(quote, &ours);
	memset(quote + 40, 1, 8);
	for (size_t i = 0; i < PV_COUNT_OF(errors); i++) {
		struct pv_icmp6 icmp = { .type = errors[i].type,
			.code = errors[i].code,
			.mtu = 100000,
			.data = quote,
			.data_len = sizeof(quote) };
		size_t len = pv_icmp6_build(message, sizeof(message), &icmp, &outer);

		rig.error.kind = 0;
		rig_feed(&rig, 0, frame, rig_ip6(frame, 1, PV_PROTO_ICMP6, message, len));
		CHECK_EQ(rig.error.kind, errors[i].kind, "an IPv6 error is what it is");
		CHECK(errors[i].type != PV_ICMP6_TOO_BIG || rig.error.mtu == UINT16_MAX,
				"an MTU beyond 16 bits is the largest one");
	}
	rig_stop(&rig);
}

static void
test_refusals(void)
{
	static const uint8_t udp[8] = { 0, 53, 0, 53, 0, 8 };
	const struct rig_frame *f;
	struct pv_icmp icmp;
	struct pv_icmp6 icmp6;

	start();
	rig_feed(&rig, 0, frame, rig_ip4(frame, 1, PV_PROTO_UDP, udp, sizeof(udp)));
	f = rig_take(&rig);
	CHECK(f != NULL && pv_icmp_parse(f->bytes + 34, f->len - 34U, &icmp) == PV_ICMP_OK &&
					icmp.type == PV_ICMP_UNREACH &&
					icmp.code == PV_ICMP_PORT_UNREACH && icmp.data_len == 28 &&
					memcmp(icmp.data, frame + 14, 28) == 0,
			"UDP: port unreachable, with the packet quoted");
	rig_feed(&rig, 0, frame, rig_ip4(frame, 1, 132, udp, sizeof(udp)));
	f = rig_take(&rig);
	CHECK(f != NULL && f->bytes[35] == PV_ICMP_PROTO_UNREACH, "others: protocol unreachable");
	rig_feed(&rig, 0, frame, rig_ip6(frame, 1, PV_PROTO_UDP, udp, sizeof(udp)));
	f = rig_take(&rig);
	CHECK(f != NULL &&
					pv_icmp6_parse(f->bytes + 54, f->len - 54U, f->bytes + 22,
							f->bytes + 38, &icmp6) == PV_ICMP6_OK &&
					icmp6.type == PV_ICMP6_UNREACH &&
					icmp6.code == PV_ICMP6_PORT_UNREACH,
			"IPv6 UDP: port unreachable");
	rig_feed(&rig, 0, frame, rig_ip6(frame, 1, 132, udp, sizeof(udp)));
	f = rig_take(&rig);
	CHECK(f != NULL && f->bytes[54] == PV_ICMP6_PARAM_PROBLEM && f->bytes[55] == 1 &&
					pv_ld32be(f->bytes + 58) == 6,
			"others: where the unknown next header stands");
	rig_ip4(frame, 1, PV_PROTO_UDP, udp, sizeof(udp));
	pv_st32(frame + 30, PV_IP4_ADDR(10, 9, 0, 255));
	rig_fix4(frame);
	rig_feed(&rig, 0, frame, 42);
	CHECK(rig_take(&rig) == NULL, "nobody is told of what was sent to everybody");
	for (int i = 0; i < 60; i++) {
		rig_feed(&rig, 0, frame, rig_ip4(frame, 1, PV_PROTO_UDP, udp, sizeof(udp)));
		rig_drain(&rig);
	}
	CHECK_EQ(rig_count(&rig, PV_C_ICMP_SENT), 50, "fifty at once");
	CHECK_EQ(rig_count(&rig, PV_C_ICMP_LIMITED), 14, "and not one more");
	rig_stop(&rig);
}

/* Errors are looked at by the worker that has the connection. */
static void
test_two_workers(void)
{
	static struct pv_config config;

	rig_config(&config);
	config.n_worker = 2;
	rig_start(&rig, &config);
	rig.error_is_ours = true;
	error4(PV_ICMP_UNREACH, 1, PV_IP4_ADDR(10, 9, 0, 2));
	rig_feed(&rig, 1, frame, 70);
	CHECK(rig.ctx[0].counters.value[PV_C_ICMP_ERROR_TAKEN] == 1 &&
					rig.ctx[1].counters.value[PV_C_HANDED_OVER] == 1,
			"an error goes to the owner of the quoted tuple");
	rig_stop(&rig);
}

int
main(void)
{
	test_echo4();
	test_echo_limit();
	test_echo6();
	test_large_echo();
	test_errors4();
	test_errors6();
	test_refusals();
	test_two_workers();
	return tap_done();
}
