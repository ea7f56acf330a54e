/* SPDX-License-Identifier: BSD-3-Clause */
/* The IPv4 header and its addresses. */
#include "base/check.h"
#include "base/rng.h"
#include "bytes.h"
#include "tap.h"
#include "wire/ip4.h"

#define SYN_HEADER "4500003c12344000400614740a0900010a090002"
#define SYN_REST "9c4000500102030400000000a002faf053fe0000020405b40402080a112233440000000001030307"

/* Rows with a wrong checksum say so or fail earlier. */
static const struct {
	const char *name;
	const char *packet;
	enum pv_ip4_error error;
} rows[] = {
	{ "a SYN", SYN_HEADER SYN_REST, PV_IP4_OK },
	{ "link padding behind it", SYN_HEADER SYN_REST "000000000000", PV_IP4_OK },
	{ "router alert", "460000180007000001063899c0000201c633640794040000", PV_IP4_OK },
	{ "first fragment",
			"45000024beef20b94011aee4c0000201c633640778787878787878787878787878787878",
			PV_IP4_OK },
	{ "empty", "", PV_IP4_TRUNCATED },
	{ "19 bytes", "4500001412344000400614740a0900010a0900", PV_IP4_TRUNCATED },
	{ "version 6", "6500003c12344000400614740a0900010a090002" SYN_REST, PV_IP4_VERSION },
	{ "version 0", "0500003c12344000400614740a0900010a090002" SYN_REST, PV_IP4_VERSION },
	{ "header length 16", "4400003c12344000400614740a0900010a090002" SYN_REST, PV_IP4_IHL },
	{ "header length 0", "4000003c12344000400614740a0900010a090002" SYN_REST, PV_IP4_IHL },
	{ "options beyond the frame", "4f00001412344000400614740a0900010a090002",
			PV_IP4_TRUNCATED },
	{ "total length below the header", "4500001312344000400614740a0900010a090002" SYN_REST,
			PV_IP4_LENGTH },
	{ "total length 0", "4500000012344000400614740a0900010a090002" SYN_REST, PV_IP4_LENGTH },
	{ "total length beyond the frame", "4500003d12344000400614740a0900010a090002" SYN_REST,
			PV_IP4_LENGTH },
	{ "total length below the options", "460000170007000001063899c0000201c633640794040000",
			PV_IP4_LENGTH },
	{ "wrong checksum", "4500003c12344000400614750a0900010a090002" SYN_REST, PV_IP4_CHECKSUM },
	{ "changed option", "460000180007000001063899c0000201c633640794040001", PV_IP4_CHECKSUM },
};

static void
test_parse(void)
{
	struct pv_ip4 ip;
	uint8_t packet[128];

	for (unsigned int i = 0; i < PV_COUNT_OF(rows); i++) {
		size_t n = hex(packet, rows[i].packet);

		CHECK_EQ(pv_ip4_parse(tight(packet, n), n, true, &ip), rows[i].error, rows[i].name);
		if (rows[i].error == PV_IP4_CHECKSUM)
			CHECK_EQ(pv_ip4_parse(packet, n, false, &ip), PV_IP4_OK,
					"unless the device has looked");
	}
}

static void
test_fields(void)
{
	struct pv_ip4 ip;
	uint8_t packet[128];

	pv_ip4_parse(packet, hex(packet, SYN_HEADER SYN_REST "00"), true, &ip);
	CHECK(ip.src == PV_IP4_ADDR(10, 9, 0, 1) && ip.dst == PV_IP4_ADDR(10, 9, 0, 2),
			"addresses");
	CHECK(ip.total_len == 60 && ip.hdr_len == 20 && pv_ip4_payload_len(&ip) == 40, "lengths");
	CHECK(ip.ident == 0x1234 && ip.tos == 0 && ip.ttl == 64 && ip.proto == PV_PROTO_TCP,
			"rest");
	CHECK(ip.flags == PV_IP4_DF && !pv_ip4_is_fragment(&ip), "may not be fragmented");
	pv_ip4_parse(packet, hex(packet, rows[2].packet), true, &ip);
	CHECK(ip.hdr_len == 24, "options");
	pv_ip4_parse(packet, hex(packet, rows[3].packet), true, &ip);
	CHECK(pv_ip4_is_fragment(&ip) && ip.flags == PV_IP4_MF && ip.frag_off == 185 * 8,
			"fragment");
	CHECK(ip.proto == PV_PROTO_UDP, "of UDP");
}

/* Fragments that no packet of at most 65,535 bytes can have. */
static void
test_fragments(void)
{
	static const struct {
		const char *name;
		uint16_t flags, frag_off, payload;
		enum pv_ip4_error error;
	} frags[] = {
		{ "middle", PV_IP4_MF, 1480, 1480, PV_IP4_OK },
		{ "last, of any length", 0, 1480, 3, PV_IP4_OK },
		{ "last, empty", 0, 1480, 0, PV_IP4_OK },
		{ "not last, not of whole units", PV_IP4_MF, 1480, 1479, PV_IP4_FRAG_BOUNDS },
		{ "not last, empty", PV_IP4_MF, 1480, 0, PV_IP4_FRAG_BOUNDS },
		{ "ends at 65,535", 0, 65512, 3, PV_IP4_OK },
		{ "ends behind 65,535", 0, 65512, 4, PV_IP4_FRAG_BOUNDS },
		{ "begins behind it", 0, 65528, 1, PV_IP4_FRAG_BOUNDS },
	};
	static uint8_t packet[2048];

	for (unsigned int i = 0; i < PV_COUNT_OF(frags); i++) {
		struct pv_ip4 ip = {
			.src = PV_IP4_ADDR(1, 2, 3, 4),
			.dst = PV_IP4_ADDR(5, 6, 7, 8),
			.total_len = (uint16_t)(20 + frags[i].payload),
			.flags = frags[i].flags,
			.frag_off = frags[i].frag_off,
			.ttl = 1,
		};

		pv_ip4_build(packet, &ip);
		CHECK_EQ(pv_ip4_parse(packet, ip.total_len, true, &ip), frags[i].error,
				frags[i].name);
	}
}

static void
test_build(void)
{
	struct pv_ip4 ip = {
		.src = PV_IP4_ADDR(10, 9, 0, 1),
		.dst = PV_IP4_ADDR(10, 9, 0, 2),
		.total_len = 60,
		.ident = 0x1234,
		.flags = PV_IP4_DF,
		.hdr_len = 99,
		.ttl = 64,
		.proto = PV_PROTO_TCP,
	};
	uint8_t want[20], got[20];

	hex(want, SYN_HEADER);
	pv_ip4_build(got, &ip);
	CHECK(memcmp(got, want, 20) == 0, "a known header, byte for byte");
}

static void
test_round_trips(void)
{
	struct pv_rng rng;
	unsigned int wrong = 0;
	uint8_t packet[256 + 8];

	pv_rng_seed(&rng, 791);
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t r = pv_rng_u64(&rng), r2 = pv_rng_u64(&rng);
		struct pv_ip4 back = { 0 }, ip = {
			.src = (pv_be32)r,
			.dst = (pv_be32)(r >> 32),
			.total_len = (uint16_t)(20 + r2 % 200),
			.ident = (uint16_t)(r2 >> 8),
			.flags = r2 & PV_IP4_DF,
			.hdr_len = 20,
			.tos = (uint8_t)(r2 >> 24),
			.ttl = (uint8_t)(r2 >> 32),
			.proto = (uint8_t)(r2 >> 40),
		};
		uint8_t *p = packet + i % 8;

		pv_ip4_build(p, &ip);
		wrong += pv_ip4_parse(p, 220, true, &back) != PV_IP4_OK;
		wrong += back.src != ip.src || back.dst != ip.dst || back.flags != ip.flags ||
			 back.total_len != ip.total_len || back.ident != ip.ident ||
			 back.hdr_len != 20 || back.tos != ip.tos || back.ttl != ip.ttl ||
			 back.proto != ip.proto || back.frag_off != 0;
		p[r % 20] ^= (uint8_t)(1U << r2 % 8);
		wrong += pv_ip4_parse(p, 220, true, &back) == PV_IP4_OK;
	}
	CHECK_EQ(wrong, 0, "random headers come back at any alignment, with one bit wrong never");
}

static void
test_addresses(void)
{
	static const struct {
		pv_be32 a;
		const char *kinds; /* loopback, multicast, broadcast */
		const char *name;
		bool source, unicast;
	} addresses[] = {
		{ PV_IP4_ADDR(0, 0, 0, 0), "", "0.0.0.0", false, false },
		{ PV_IP4_ADDR(0, 1, 2, 3), "", "0.1.2.3", false, false },
		{ PV_IP4_ADDR(1, 0, 0, 0), "", "1.0.0.0", true, true },
		{ PV_IP4_ADDR(10, 9, 0, 1), "", "10.9.0.1", true, true },
		{ PV_IP4_ADDR(126, 255, 255, 255), "", "126.255.255.255", true, true },
		{ PV_IP4_ADDR(127, 0, 0, 1), "l", "127.0.0.1", false, true },
		{ PV_IP4_ADDR(127, 255, 0, 1), "l", "127.255.0.1", false, true },
		{ PV_IP4_ADDR(128, 0, 0, 1), "", "128.0.0.1", true, true },
		{ PV_IP4_ADDR(169, 254, 3, 4), "", "169.254.3.4", true, true },
		{ PV_IP4_ADDR(223, 255, 255, 255), "", "223.255.255.255", true, true },
		{ PV_IP4_ADDR(224, 0, 0, 1), "m", "224.0.0.1", false, false },
		{ PV_IP4_ADDR(239, 255, 255, 255), "m", "239.255.255.255", false, false },
		{ PV_IP4_ADDR(240, 0, 0, 1), "", "240.0.0.1", false, false },
		{ PV_IP4_ADDR(255, 255, 255, 255), "b", "255.255.255.255", false, false },
	};

	for (unsigned int i = 0; i < PV_COUNT_OF(addresses); i++) {
		const char *kinds = addresses[i].kinds;
		pv_be32 a = addresses[i].a;

		CHECK(pv_ip4_is_loopback(a) == (strchr(kinds, 'l') != NULL) &&
						pv_ip4_is_multicast(a) ==
								(strchr(kinds, 'm') != NULL) &&
						pv_ip4_is_broadcast(a) ==
								(strchr(kinds, 'b') != NULL) &&
						pv_ip4_valid_source(a) == addresses[i].source &&
						pv_ip4_valid_unicast(a) == addresses[i].unicast,
				addresses[i].name);
	}
}

int
main(void)
{
	test_parse();
	test_fields();
	test_fragments();
	test_build();
	test_round_trips();
	test_addresses();
	return tap_done();
}
