/* SPDX-License-Identifier: BSD-3-Clause */
/* Keyed numbers: the burst against one by one, cookies, epochs, and how hard they are to guess. */
#include <string.h>

#include "base/rng.h"
#include "tap.h"
#include "tcp/isn.h"
#include "tcp/record.h"
#include "wire/tcp_hdr.h"
#include "wire/tcp_opt.h"

static const uint8_t secret[16] = "sixteen bytes...";
static struct pv_isn isn;

static struct pv_packet
packet_of(uint32_t i, bool v4)
{
	struct pv_packet packet = {
		.tuple = { .local_port = 80, .peer_port = (uint16_t)(i * 13 + 5) },
		.is_v4 = v4,
		.seq = i * 0x9e3779b1,
		.flags = PV_TCP_SYN,
	};

	packet.tuple.local = pv_addr_from_v4(0x0200090a);
	packet.tuple.peer = pv_addr_from_v4(0x0a000000 + i);
	if (!v4) {
		packet.tuple.local.b[0] = 0xfd;
		packet.tuple.peer.b[0] = 0xfd;
	}
	return packet;
}

static void
test_burst(bool some_v4, bool some_v6)
{
	static struct pv_packet packets[PV_BURST];
	uint8_t which[PV_BURST];
	uint32_t wrong = 0, offset;

	for (uint32_t n = 1; n <= PV_BURST; n++) {
		for (uint32_t i = 0; i < n; i++) {
			packets[i] = packet_of(i, some_v4 && (!some_v6 || i % 3 != 0));
			which[i] = (uint8_t)i;
		}
		packets[n - 1].flags = PV_TCP_ACK;
		pv_isn_hash(&isn, packets, n);
		pv_isn_prf(&isn, packets, which, n);
		for (uint32_t i = 0; i < n; i++) {
			uint32_t iss = packets[i].seq - (i == n - 1);

			wrong += packets[i].hash !=
				 pv_isn_hash_one(&isn, &packets[i].tuple, &offset);
			wrong += packets[i].ts_offset != offset;
			wrong += packets[i].isn != pv_isn_prf_one(&isn.now, &packets[i].tuple, iss);
		}
	}
	CHECK_EQ(wrong, 0, "a burst gives what each packet alone gives");
}

/* The ACK of a SYN that was answered with this cookie. */
static struct pv_packet
ack_of(const struct pv_packet *syn, const struct pv_cookie *cookie)
{
	struct pv_packet ack = *syn;

	ack.ack = pv_isn_prf_one(&isn.now, &syn->tuple, syn->seq) + pv_cookie_index(&isn, cookie) +
		  1;
	ack.seq = syn->seq + 1;
	ack.flags = PV_TCP_ACK;
	ack.tsecr = pv_cookie_tsval(123456, cookie);
	return ack;
}

static bool
open(struct pv_packet *ack, bool timestamps, struct pv_cookie *cookie)
{
	ack->isn = pv_isn_prf_one(&isn.now, &ack->tuple, ack->seq - 1);
	return pv_cookie_open(&isn, ack, timestamps, cookie);
}

static void
test_timestamps(void)
{
	struct pv_packet syn = packet_of(1, true);
	uint32_t wrong = 0;

	for (uint32_t agreed = 0; agreed < 256; agreed++) {
		struct pv_cookie cookie = { .mss = 1460, .agreed = (uint8_t)agreed }, back;
		struct pv_packet ack = ack_of(&syn, &cookie);

		if ((agreed & PV_AGREED_TIMESTAMPS) == 0 ||
				(agreed & PV_AGREED_WSCALE_MASK) > PV_TCP_WSCALE_MAX ||
				((agreed & PV_AGREED_WSCALE) == 0 &&
						(agreed & PV_AGREED_WSCALE_MASK) != 0))
			continue;
		wrong += !open(&ack, true, &back) || back.agreed != agreed || back.mss != 1460;
	}
	CHECK_EQ(wrong, 0, "with timestamps a cookie keeps all that was agreed on");
	for (uint32_t now = 0; now < 300; now++) {
		struct pv_cookie cookie = { .agreed = (uint8_t)(PV_AGREED_TIMESTAMPS | now % 4) };
		uint32_t tsval = pv_cookie_tsval(now, &cookie);

		wrong += (int32_t)(tsval - now) > 0 || now - tsval > 64;
	}
	CHECK_EQ(wrong, 0, "and our timestamp is never ahead, nor far behind");
}

static void
test_without_timestamps(void)
{
	static const uint8_t scale_back[] = { 0, 0, 0, 0, 0, 0, 6, 7, 7, 7, 7, 7, 7, 7, 7 };
	struct pv_packet syn = packet_of(2, true);
	uint32_t wrong = 0;

	for (uint8_t scale = 0; scale <= PV_TCP_WSCALE_MAX; scale++) {
		struct pv_cookie cookie = { .mss = 1460,
			.agreed = (uint8_t)(PV_AGREED_SACK | PV_AGREED_WSCALE | scale) },
				 back;
		struct pv_packet ack = ack_of(&syn, &cookie);

		wrong += !open(&ack, false, &back) ||
			 back.agreed != (PV_AGREED_SACK | PV_AGREED_WSCALE | scale_back[scale]);
	}
	CHECK_EQ(wrong, 0, "without timestamps SACK is kept, the window scale rounded down");
	for (uint32_t mss = 0; mss < 65536; mss += 7) {
		struct pv_cookie cookie = { .mss = (uint16_t)mss }, back;
		struct pv_packet ack = ack_of(&syn, &cookie);

		wrong += !open(&ack, false, &back) || back.agreed != 0;
		wrong += mss >= 64 ? back.mss > mss : back.mss != 64;
	}
	CHECK_EQ(wrong, 0, "the MSS is rounded down, but not below the floor");
	for (uint8_t decided = 0; decided <= 1; decided++) {
		for (uint32_t agreed = 0; agreed <= 0xff; agreed += 0x33) {
			struct pv_cookie cookie = { .mss = 1460,
				.agreed = (uint8_t)agreed,
				.decided = decided },
					 back;
			struct pv_packet ack = ack_of(&syn, &cookie);
			bool timestamps = (agreed & PV_AGREED_TIMESTAMPS) != 0;

			wrong += !open(&ack, timestamps, &back) || back.decided != decided;
		}
	}
	CHECK_EQ(wrong, 0, "with and without timestamps it tells who was accepted by a program");
}

/* Whatever the clock says. */
static void
test_record_indexes(const struct pv_packet *syn)
{
	const struct pv_cookie cookie = { .mss = 1460 };
	struct pv_packet ack = ack_of(syn, &cookie);
	uint32_t prf = pv_isn_prf_one(&isn.now, &syn->tuple, syn->seq), last = 0;
	struct pv_cookie back;
	int taken = 0;

	for (uint64_t now = 0; now < UINT64_C(1) << 46; now = 2 * now + 4096) {
		uint32_t index = pv_isn_record_index(&isn, now);

		ack.ack = prf + index + 1;
		taken += open(&ack, true, &back) + open(&ack, false, &back) + (index == last);
		last = pv_isn_record_index(&isn, now);
		taken += index == last;
	}
	CHECK_EQ(taken, 0, "the ISS of a connection with a record is no cookie, and each another");
}

static void
test_epochs(void)
{
	const struct pv_cookie cookie = { .mss = 1460, .agreed = PV_AGREED_TIMESTAMPS };
	struct pv_packet syn = packet_of(3, false), ack;
	struct pv_cookie back;

	pv_isn_init(&isn, secret);
	ack = ack_of(&syn, &cookie);
	CHECK(open(&ack, true, &back), "a cookie is good in its epoch");
	pv_isn_rotate(&isn, isn.epoch + 1);
	CHECK(open(&ack, true, &back), "and in the next");
	pv_isn_rotate(&isn, isn.epoch + 1);
	CHECK(!open(&ack, true, &back), "but not in the one after that");
	test_record_indexes(&syn);
	CHECK(pv_isn_fresh(&isn, isn.epoch) && pv_isn_fresh(&isn, isn.epoch - 1) &&
					!pv_isn_fresh(&isn, isn.epoch - 2) &&
					!pv_isn_fresh(&isn, 0),
			"stamps are fresh for two epochs");
}

/* Only one segment was answered: any change of it is no cookie. */
static void
test_bound(void)
{
	const struct pv_cookie cookie = { .mss = 1460, .agreed = PV_AGREED_TIMESTAMPS };
	struct pv_packet syn = packet_of(4, true), ack = ack_of(&syn, &cookie), other;
	struct pv_cookie back;
	uint32_t taken = 0;

	for (uint32_t bit = 0; bit < 32; bit++) {
		other = ack;
		other.seq ^= 1u << bit;
		taken += open(&other, true, &back);
		other = ack;
		other.tuple.peer.b[12 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		taken += open(&other, true, &back);
		other = ack;
		other.tuple.local.b[12 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		taken += open(&other, true, &back);
	}
	for (uint32_t bit = 0; bit < 16; bit++) {
		other = ack;
		other.tuple.peer_port ^= (uint16_t)(1u << bit);
		taken += open(&other, true, &back);
	}
	CHECK_EQ(taken, 0, "a cookie is bound to both addresses, the ports and the peer's ISS");
}

/* All acknowledgment numbers of one tuple: as many are taken as the header says. */
static void
test_odds(void)
{
	struct pv_packet ack = packet_of(5, true);
	uint32_t with = 0, without = 0, again = 0, prf[2];
	struct pv_cookie cookie;

	ack.flags = PV_TCP_ACK;
	ack.isn = prf[0] = pv_isn_prf_one(&isn.now, &ack.tuple, ack.seq - 1);
	prf[1] = pv_isn_prf_one(&isn.before, &ack.tuple, ack.seq - 1);
	/* Everything near the two valid ranges, and a sample of the rest. */
	for (uint32_t i = 0; i < 2; i++) {
		for (uint32_t index = 0; index < 70000; index++) {
			ack.ack = prf[i] + index - 35000 + 1;
			with += pv_cookie_open(&isn, &ack, true, &cookie) && !cookie.resend;
			again += pv_cookie_open(&isn, &ack, true, &cookie) && cookie.resend;
			without += pv_cookie_open(&isn, &ack, false, &cookie) && !cookie.resend;
		}
	}
	CHECK_EQ(with, 2 * 16, "of 2^32 guesses with timestamps 32 are right: odds of 2^-27");
	CHECK_EQ(again, 2 * 16, "as many others are for a segment that brings its block again");
	CHECK_EQ(without, 2 * 128, "without timestamps 256 are: odds of 2^-24");
	with = 0;
	for (uint32_t i = 0; i < 1000000; i++) {
		ack.ack = i * 4294;
		with += pv_cookie_open(&isn, &ack, false, &cookie);
	}
	CHECK(with <= 1, "and none elsewhere");
}

/* ISSs of many connections: all bits look random, whatever the index. */
static void
test_looks_random(void)
{
	uint32_t ones[32] = { 0 }, low[256] = { 0 }, worst = 0, most = 0;
	const struct pv_cookie cookie = { .mss = 1460, .agreed = PV_AGREED_TIMESTAMPS };
	enum { MANY = 1 << 16 };

	for (uint32_t i = 0; i < MANY; i++) {
		struct pv_packet syn = packet_of(i, true);
		uint32_t iss = ack_of(&syn, &cookie).ack - 1;

		for (uint32_t bit = 0; bit < 32; bit++)
			ones[bit] += iss >> bit & 1;
		low[iss & 255]++;
	}
	for (uint32_t bit = 0; bit < 32; bit++) {
		uint32_t off = ones[bit] > MANY / 2 ? ones[bit] - MANY / 2 : MANY / 2 - ones[bit];

		worst = off > worst ? off : worst;
	}
	for (uint32_t i = 0; i < 256; i++)
		most = low[i] > most ? low[i] : most;
	/* Five standard deviations: 128 each for a bit, 16 for one of 256 values. */
	CHECK(worst < 5 * 128, "every bit of an ISS is 1 as often as 0");
	CHECK(most < 256 + 5 * 16, "the index does not show in the low byte");
}

int
main(void)
{
	pv_isn_init(&isn, secret);
	test_burst(true, false);
	test_burst(false, true);
	test_burst(true, true);
	test_timestamps();
	test_without_timestamps();
	test_epochs();
	test_bound();
	test_odds();
	test_looks_random();
	return tap_done();
}
