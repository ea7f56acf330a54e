/* SPDX-License-Identifier: BSD-3-Clause */
/* Which frames become packets for TCP, and in which counter every other one ends. */
#include <string.h>

#include "ip_rig.h"
#include "tap.h"
#include "wire/eth.h"
#include "wire/icmp6.h"
#include "wire/ip4.h"
#include "wire/ip6.h"

static struct rig rig;
static uint8_t frame[RIG_FRAME];
static const uint8_t tcp[24] = { 0x12, 0x34, 0x00, 0x50, [12] = 0x50, [20] = 'd', 'a', 't', 'a' };

/* One frame, one outcome, the expected one. */
static void
expect(size_t len, enum pv_counter outcome, const char *what)
{
	uint64_t before = rig_outcomes(&rig), counted = rig_count(&rig, outcome);

	rig_feed(&rig, 0, frame, len);
	CHECK(rig_outcomes(&rig) == before + 1 && rig_count(&rig, outcome) == counted + 1, what);
	rig_drain(&rig);
}

static void
expect_tcp(size_t len, const char *what)
{
	uint64_t before = rig_outcomes(&rig);
	uint32_t n = rig.n_tcp;

	rig_feed(&rig, 0, frame, len);
	CHECK(rig.n_tcp == n + 1 && rig_outcomes(&rig) == before, what);
}

static size_t
v4(void)
{
	return rig_ip4(frame, 1, PV_PROTO_TCP, tcp, sizeof(tcp));
}

static size_t
v6(void)
{
	return rig_ip6(frame, 1, PV_PROTO_TCP, tcp, sizeof(tcp));
}

static uint8_t *const ip = frame + PV_ETH_HDR_LEN;

static void
set_source4(uint32_t be)
{
	pv_st32(ip + 12, be);
	rig_fix4(frame);
}

static void
set_destination4(uint32_t be)
{
	pv_st32(ip + 16, be);
	rig_fix4(frame);
}

static void
test_link(void)
{
	size_t len = v4();

	expect(13, PV_C_ETH_TRUNCATED, "a frame of 13 bytes is too short");
	frame[5] = 0x77;
	expect(len, PV_C_ETH_NOT_OURS, "another unicast MAC is not ours");
	v4();
	pv_st16be(frame + 12, 0x88cc);
	expect(len, PV_C_ETH_TYPE, "LLDP is not for us");
	pv_st16be(frame + 12, 46);
	expect(len, PV_C_ETH_TYPE, "an 802.3 length is no type of ours");
	memmove(frame + 18, frame + 14, len);
	pv_st16be(frame + 12, PV_ETHERTYPE_VLAN);
	pv_st16be(frame + 14, 7);
	pv_st16be(frame + 16, PV_ETHERTYPE_IP4);
	v4();
	memmove(frame + 16, frame + 12, len - 12);
	pv_st16be(frame + 12, PV_ETHERTYPE_VLAN);
	pv_st16be(frame + 14, 7);
	expect(len + 4, PV_C_ETH_VLAN, "a VLAN that is not configured is refused");
	pv_st16be(frame + 14, 5);
	expect_tcp(len + 4, "a configured one is taken");
	pv_st16be(frame + 14, 0x6000);
	expect_tcp(len + 4, "a priority tag is no VLAN");
	expect(16, PV_C_ETH_TRUNCATED, "a tag cut off");
	CHECK_EQ(rig.tcp.l4_offset, 38, "behind the tag the transport header is found");
}

static void
test_ip4_header(void)
{
	size_t len = v4();

	expect_tcp(len, "a plain segment reaches TCP");
	CHECK(rig.tcp.l4_len == sizeof(tcp) && memcmp(rig.segment, tcp, sizeof(tcp)) == 0,
			"with its bytes");
	CHECK(rig.tcp.is_v4 && rig.tcp.ttl == 64 && rig.tcp.port == 0 && !rig.tcp.l4_checksum_good,
			"and what its header says");
	expect_tcp(len + 6, "padding behind it is left out");
	CHECK_EQ(rig.tcp.l4_len, sizeof(tcp), "of its length too");
	expect(len - 1, PV_C_IP4_TRUNCATED, "a payload cut off is no packet");
	expect(30, PV_C_IP4_TRUNCATED, "nor is a header cut off");
	ip[10] ^= 1;
	expect(len, PV_C_IP4_CHECKSUM, "the header checksum is looked at");
	v4();
	ip[0] = 0x55;
	rig_fix4(frame);
	expect(len, PV_C_IP4_MALFORMED, "version 5");
	v4();
	ip[0] = 0x44;
	expect(len, PV_C_IP4_MALFORMED, "a header of 16 bytes");
	v4();
	pv_st16be(ip + 2, 19);
	rig_fix4(frame);
	expect(len, PV_C_IP4_MALFORMED, "a total length below the header's");
	v4();
	ip[9] = 132;
	rig_fix4(frame);
	expect(len, PV_C_IP4_PROTOCOL, "SCTP is not spoken");
	memmove(ip + 24, ip + 20, sizeof(tcp));
	v4();
	memmove(ip + 24, ip + 20, sizeof(tcp));
	memset(ip + 20, 1, 4);
	ip[0] = 0x46;
	pv_st16be(ip + 2, (uint16_t)(24 + sizeof(tcp)));
	rig_fix4(frame);
	expect_tcp(len + 4, "IP options are passed over (MUST-50)");
	CHECK(memcmp(rig.segment, tcp, sizeof(tcp)) == 0, "to what lies behind them");
}

static void
test_ip4_addresses(void)
{
	static const uint32_t bad_sources[] = {
		PV_IP4_ADDR(0, 0, 0, 0),
		PV_IP4_ADDR(127, 0, 0, 1),
		PV_IP4_ADDR(224, 0, 0, 5),
		PV_IP4_ADDR(255, 255, 255, 255),
		PV_IP4_ADDR(240, 1, 2, 3),
		PV_IP4_ADDR(10, 9, 0, 255), /* our subnet's broadcast */
		PV_IP4_ADDR(10, 9, 0, 2),   /* ourselves */
	};
	size_t len = v4();

	for (size_t i = 0; i < PV_COUNT_OF(bad_sources); i++) {
		v4();
		set_source4(bad_sources[i]);
		expect(len, PV_C_IP4_SOURCE, "a source that no host can have");
	}
	v4();
	set_destination4(PV_IP4_ADDR(10, 9, 0, 3));
	expect(len, PV_C_IP4_NOT_OURS, "somebody else's address");
	v4();
	set_destination4(PV_IP4_ADDR(127, 0, 0, 1));
	expect(len, PV_C_IP4_NOT_OURS, "127.0.0.1 is ours on the inside only");
	v4();
	set_destination4(PV_IP4_ADDR(10, 9, 0, 255));
	expect(len, PV_C_IP4_BROADCAST, "TCP to the subnet's broadcast address");
	v4();
	set_destination4(UINT32_MAX);
	expect(len, PV_C_IP4_BROADCAST, "TCP to everybody");
	v4();
	set_destination4(PV_IP4_ADDR(224, 0, 0, 1));
	expect(len, PV_C_IP4_BROADCAST, "TCP to all hosts");
	v4();
	memset(frame, 0xff, 6);
	expect(len, PV_C_IP4_BROADCAST, "TCP to us in a broadcast frame");
}

static void
test_ip6(void)
{
	struct pv_addr a;
	size_t len = v6();

	expect_tcp(len, "a plain IPv6 segment reaches TCP");
	CHECK(!rig.tcp.is_v4 && memcmp(rig.segment, tcp, sizeof(tcp)) == 0, "with its bytes");
	expect_tcp(len + 5, "padding is left out");
	CHECK_EQ(rig.tcp.l4_len, sizeof(tcp), "of its length too");
	expect(len - 1, PV_C_IP6_TRUNCATED, "a payload cut off");
	expect(14 + 39, PV_C_IP6_TRUNCATED, "a header cut off");
	ip[0] = 0x50;
	expect(len, PV_C_IP6_MALFORMED, "version 5");
	v6();
	ip[39] = 9;
	expect(len, PV_C_IP6_NOT_OURS, "somebody else's address");
	v6();
	a = rig_addr("::1");
	memcpy(ip + 24, a.b, 16);
	expect(len, PV_C_IP6_NOT_OURS, "::1 is ours on the inside only");
	v6();
	memcpy(ip + 8, a.b, 16);
	expect(len, PV_C_IP6_SOURCE, "nobody is called ::1 outside");
	v6();
	memset(ip + 8, 0, 16);
	expect(len, PV_C_IP6_SOURCE, "TCP from the unspecified address");
	v6();
	a = rig_addr("ff02::1");
	memcpy(ip + 8, a.b, 16);
	expect(len, PV_C_IP6_SOURCE, "a group is no source");
	v6();
	memcpy(ip + 24, a.b, 16);
	expect(len, PV_C_IP6_MULTICAST, "TCP to all nodes");
	v6();
	ip[6] = PV_IP6_NO_NEXT;
	expect(len, PV_C_IP6_PROTOCOL, "no next header, nothing to do");
	v6();
	a = rig_addr("fe80::1");
	memcpy(ip + 8, a.b, 16);
	a = rig_addr("fe80::ff:fe00:2");
	memcpy(ip + 24, a.b, 16);
	expect_tcp(len, "the link-local address of the port's MAC is ours");
}

static void
test_ip6_extensions(void)
{
	uint8_t payload[8 + sizeof(tcp)] = { PV_PROTO_TCP, 0, 1, 4 };
	size_t len;

	memcpy(payload + 8, tcp, sizeof(tcp));
	len = rig_ip6(frame, 1, PV_IP6_HOP_BY_HOP, payload, sizeof(payload));
	expect_tcp(len, "padding options are skipped");
	CHECK(memcmp(rig.segment, tcp, sizeof(tcp)) == 0, "to the segment behind them");
	payload[2] = 0x80 | 0x3e;
	len = rig_ip6(frame, 1, PV_IP6_DEST_OPTS, payload, sizeof(payload));
	expect(len, PV_C_IP6_MALFORMED, "an unknown option that asks for an answer");
	CHECK_EQ(rig_count(&rig, PV_C_ICMP_SENT), 2, "gets one, as SCTP did before");
	payload[2] = 1;
	payload[1] = 9;
	len = rig_ip6(frame, 1, PV_IP6_DEST_OPTS, payload, sizeof(payload));
	expect(len, PV_C_IP6_MALFORMED, "an extension header beyond the packet");
}

int
main(void)
{
	static struct pv_config config;

	rig_config(&config);
	config.port[0].vlan[0] = 5;
	config.port[0].n_vlan = 1;
	rig_start(&rig, &config);
	test_link();
	test_ip4_header();
	test_ip4_addresses();
	test_ip6();
	test_ip6_extensions();
	rig_stop(&rig);
	return tap_done();
}
