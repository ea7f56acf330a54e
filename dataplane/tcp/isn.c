/* SPDX-License-Identifier: BSD-3-Clause */
#include "tcp/isn.h"

#include "tcp/record.h"
#include "wire/byteorder.h"
#include "wire/tcp_hdr.h"

/* Messages: the addresses (of IPv4 the four bytes that differ), both ports, and for the PRF the
 * peer's ISS. */
enum {
	HASH4_LEN = 12,
	HASH6_LEN = 36,
	PRF4_LEN = 16,
	PRF6_LEN = 40,
};

/* The largest MSS of each class, and the smallest that is put into it. Most peers say exactly one
 * of these. */
static const uint16_t mss_class[PV_ISN_MSS_CLASSES] = { 64, 536, 1220, 1360, 1400, 1440, 1460,
	8940 };

/* Without timestamps a window scale is rounded down to one of these; class 0 is none at all. */
static const uint8_t wscale_class[4] = { 0, 0, 6, 7 };

static struct pv_siphash_key
derive(const struct pv_siphash_key *secret, uint64_t purpose, uint64_t number)
{
	struct pv_siphash_key key;

	for (uint64_t half = 0; half < 2; half++) {
		const uint64_t message[3] = { purpose, number, half };

		key.k[half] = pv_siphash24(secret, message, sizeof(message));
	}
	return key;
}

enum { FOR_HASH = 1, FOR_ACTIVE, FOR_EPOCH };

void
pv_isn_init(struct pv_isn *isn, const uint8_t secret[16])
{
	isn->secret.k[0] = pv_ld64(secret);
	isn->secret.k[1] = pv_ld64(secret + 8);
	isn->hash = derive(&isn->secret, FOR_HASH, 0);
	isn->active = derive(&isn->secret, FOR_ACTIVE, 0);
	pv_isn_rotate(isn, 2);
}

void
pv_isn_rotate(struct pv_isn *isn, uint32_t epoch)
{
	isn->epoch = epoch;
	isn->now = derive(&isn->secret, FOR_EPOCH, epoch);
	isn->before = derive(&isn->secret, FOR_EPOCH, epoch - 1);
}

static inline uint64_t
addresses4(const struct pv_tuple *tuple)
{
	return pv_addr_v4(&tuple->peer) | (uint64_t)pv_addr_v4(&tuple->local) << 32;
}

static inline uint64_t
ports(const struct pv_tuple *tuple)
{
	return tuple->local_port | (uint32_t)tuple->peer_port << 16;
}

static inline uint32_t
peer_iss(const struct pv_packet *packet)
{
	return packet->seq - ((packet->flags & PV_TCP_SYN) == 0);
}

static inline void
store_hash(struct pv_packet *packet, uint64_t hash)
{
	static_assert(offsetof(struct pv_packet, ts_offset) == offsetof(struct pv_packet, hash) + 4,
			"both are stored at once");
	pv_st64(&packet->hash, hash);
}

static inline void
addresses6(const struct pv_tuple *tuple, pv_siphash_words *word, uint32_t i)
{
	word[0][i] = pv_ld64(tuple->peer.b);
	word[1][i] = pv_ld64(tuple->peer.b + 8);
	word[2][i] = pv_ld64(tuple->local.b);
	word[3][i] = pv_ld64(tuple->local.b + 8);
}

/* Lanes that carry no message are computed all the same: let them be defined. */
static inline void
pad(pv_siphash_words *word, uint32_t words, uint32_t n)
{
	for (; n % PV_SIPHASH_LANES != 0; n++) {
		for (uint32_t w = 0; w < words; w++)
			word[w][n] = 0;
	}
}

/* Of all, as if they were IPv4. Returns how many are. */
static uint32_t
hash4(const struct pv_isn *isn, struct pv_packet *packets, uint32_t n)
{
	pv_siphash_words word[2];
	uint64_t out[PV_BURST];
	uint32_t n_v4 = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct pv_tuple *tuple = &packets[i].tuple;

		n_v4 += packets[i].is_v4;
		word[0][i] = addresses4(tuple);
		word[1][i] = pv_siphash_final(ports(tuple), HASH4_LEN);
	}
	pad(word, 2, n);
	pv_siphash13_burst(&isn->hash, word, 2, n, out);
	for (uint32_t i = 0; i < n; i++)
		store_hash(&packets[i], out[i]);
	return n_v4;
}

/* The packets listed, all IPv6. */
static pv_cold void
hash6(const struct pv_isn *isn, struct pv_packet *packets, const uint8_t *which, uint32_t n)
{
	pv_siphash_words word[5];
	uint64_t out[PV_BURST];

	for (uint32_t i = 0; i < n; i++) {
		const struct pv_tuple *tuple = &packets[which[i]].tuple;

		addresses6(tuple, word, i);
		word[4][i] = pv_siphash_final(ports(tuple), HASH6_LEN);
	}
	pad(word, 5, n);
	pv_siphash13_burst(&isn->hash, word, 5, n, out);
	for (uint32_t i = 0; i < n; i++)
		store_hash(&packets[which[i]], out[i]);
}

void
pv_isn_hash(const struct pv_isn *isn, struct pv_packet *packets, uint32_t n)
{
	uint8_t v6[PV_BURST];
	uint32_t n6 = 0;

	if (packets[0].is_v4 && pv_likely(hash4(isn, packets, n) == n))
		return;
	for (uint32_t i = 0; i < n; i++) {
		v6[n6] = (uint8_t)i;
		n6 += packets[i].is_v4 == 0;
	}
	/* A mixed burst is rare: its IPv6 packets are hashed as if they were IPv4, and then again.
	 */
	if (!packets[0].is_v4 && n6 < n)
		hash4(isn, packets, n);
	hash6(isn, packets, v6, n6);
}

/* Of those listed, as if they were IPv4. Returns how many are. */
static uint32_t
prf4(const struct pv_isn *isn, struct pv_packet *packets, const uint8_t *which, uint32_t n)
{
	pv_siphash_words word[3];
	uint64_t out[PV_BURST];
	uint32_t n_v4 = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct pv_packet *packet = &packets[which[i]];

		n_v4 += packet->is_v4;
		word[0][i] = addresses4(&packet->tuple);
		word[1][i] = ports(&packet->tuple) | (uint64_t)peer_iss(packet) << 32;
		word[2][i] = pv_siphash_final(0, PRF4_LEN);
	}
	pad(word, 3, n);
	pv_siphash24_burst(&isn->now, word, 3, n, out);
	for (uint32_t i = 0; i < n; i++)
		packets[which[i]].isn = (uint32_t)out[i];
	return n_v4;
}

static void
prf6(const struct pv_isn *isn, struct pv_packet *packets, const uint8_t *which, uint32_t n)
{
	pv_siphash_words word[6];
	uint64_t out[PV_BURST];

	for (uint32_t i = 0; i < n; i++) {
		const struct pv_packet *packet = &packets[which[i]];

		addresses6(&packet->tuple, word, i);
		word[4][i] = ports(&packet->tuple) | (uint64_t)peer_iss(packet) << 32;
		word[5][i] = pv_siphash_final(0, PRF6_LEN);
	}
	pad(word, 6, n);
	pv_siphash24_burst(&isn->now, word, 6, n, out);
	for (uint32_t i = 0; i < n; i++)
		packets[which[i]].isn = (uint32_t)out[i];
}

void
pv_isn_prf(const struct pv_isn *isn, struct pv_packet *packets, const uint8_t *which, uint32_t n)
{
	uint8_t v6[PV_BURST];
	uint32_t n6 = 0;

	if (n == 0 || (packets[which[0]].is_v4 && prf4(isn, packets, which, n) == n))
		return;
	for (uint32_t i = 0; i < n; i++) {
		v6[n6] = which[i];
		n6 += packets[which[i]].is_v4 == 0;
	}
	if (!packets[which[0]].is_v4 && n6 < n)
		prf4(isn, packets, which, n);
	prf6(isn, packets, v6, n6);
}

/* The message of a tuple and a number behind it. Returns its length without the number. */
static uint32_t
message(const struct pv_tuple *tuple, uint32_t number, uint8_t out[PRF6_LEN])
{
	uint32_t len = 0;

	if (pv_addr_is_v4(&tuple->peer)) {
		pv_st64(out, addresses4(tuple));
		len = 8;
	} else {
		memcpy(out, tuple->peer.b, 16);
		memcpy(out + 16, tuple->local.b, 16);
		len = 32;
	}
	pv_st32(out + len, (uint32_t)ports(tuple));
	pv_st32(out + len + 4, number);
	return len + 4;
}

uint32_t
pv_isn_hash_one(const struct pv_isn *isn, const struct pv_tuple *tuple, uint32_t *ts_offset)
{
	uint8_t m[PRF6_LEN];
	uint32_t len = message(tuple, 0, m);
	uint64_t hash = pv_siphash13(&isn->hash, m, len);

	if (ts_offset != NULL)
		*ts_offset = (uint32_t)(hash >> 32);
	return (uint32_t)hash;
}

uint32_t
pv_isn_prf_one(const struct pv_siphash_key *key, const struct pv_tuple *tuple, uint32_t iss)
{
	uint8_t m[PRF6_LEN];
	uint32_t len = message(tuple, iss, m);

	return (uint32_t)pv_siphash24(key, m, len + 4);
}

uint32_t
pv_isn_active_one(const struct pv_isn *isn, const struct pv_tuple *tuple)
{
	uint8_t m[PRF6_LEN];
	uint32_t len = message(tuple, 0, m);

	return (uint32_t)pv_siphash24(&isn->active, m, len);
}

static uint32_t
mss_class_of(uint16_t mss)
{
	uint32_t class = PV_ISN_MSS_CLASSES - 1;

	while (class > 0 && mss < mss_class[class])
		class--;
	return class;
}

static uint32_t
wscale_class_of(uint8_t agreed)
{
	uint32_t class = PV_COUNT_OF(wscale_class) - 1;

	if ((agreed & PV_AGREED_WSCALE) == 0)
		return 0;
	while (class > 1 && (agreed & PV_AGREED_WSCALE_MASK) < wscale_class[class])
		class--;
	return class;
}

uint32_t
pv_cookie_index(const struct pv_isn *isn, const struct pv_cookie *cookie)
{
	uint32_t resend = cookie->resend != 0, decided = cookie->decided != 0;
	uint32_t index = resend << 9 | (isn->epoch & 1) << 8 | mss_class_of(cookie->mss) << 5 |
			 decided << 1;
	uint32_t sack = (cookie->agreed & PV_AGREED_SACK) != 0;

	if (cookie->agreed & PV_AGREED_TIMESTAMPS)
		return index;
	return index | wscale_class_of(cookie->agreed) << 3 | sack << 2;
}

/* The options in the low bits of a timestamp. */
static uint32_t
ts_bits(uint8_t agreed)
{
	uint32_t bits = PV_AGREED_WSCALE_MASK;

	if (agreed & PV_AGREED_WSCALE)
		bits = agreed & PV_AGREED_WSCALE_MASK;
	if (agreed & PV_AGREED_SACK)
		bits |= 0x10;
	if (agreed & PV_AGREED_ECN)
		bits |= 0x20;
	return bits;
}

static uint8_t
ts_agreed(uint32_t tsecr)
{
	uint32_t agreed = PV_AGREED_TIMESTAMPS;

	if ((tsecr & PV_AGREED_WSCALE_MASK) != PV_AGREED_WSCALE_MASK)
		agreed |= PV_AGREED_WSCALE | (tsecr & PV_AGREED_WSCALE_MASK);
	if (tsecr & 0x10)
		agreed |= PV_AGREED_SACK;
	if (tsecr & 0x20)
		agreed |= PV_AGREED_ECN;
	return (uint8_t)agreed;
}

uint32_t
pv_cookie_tsval(uint32_t now, const struct pv_cookie *cookie)
{
	const uint32_t low = (1u << PV_ISN_TS_BITS) - 1;
	uint32_t tsval = (now & ~low) | ts_bits(cookie->agreed);

	return tsval - now < 1u << 31 && tsval != now ? tsval - low - 1 : tsval;
}

/* An index of this epoch's parity, well formed. */
static bool
index_open(uint32_t index, uint32_t epoch, const struct pv_packet *packet, bool timestamps,
		struct pv_cookie *cookie)
{
	if (index >> PV_ISN_INDEX_BITS != 0 || (index >> 8 & 1) != (epoch & 1) || (index & 1) != 0)
		return false;
	cookie->resend = (uint8_t)(index >> 9);
	cookie->mss = mss_class[index >> 5 & 7];
	cookie->decided = index >> 1 & 1;
	if (timestamps) {
		cookie->agreed = ts_agreed(packet->tsecr);
		return (index & 0x1c) == 0;
	}
	cookie->agreed = 0;
	if (index & 0x04)
		cookie->agreed |= PV_AGREED_SACK;
	if (index & 0x18)
		cookie->agreed |= (uint8_t)(PV_AGREED_WSCALE | wscale_class[index >> 3 & 3]);
	return true;
}

bool
pv_cookie_open(const struct pv_isn *isn, const struct pv_packet *packet, bool timestamps,
		struct pv_cookie *cookie)
{
	uint32_t iss = packet->ack - 1;

	if (index_open(iss - packet->isn, isn->epoch, packet, timestamps, cookie))
		return true;
	return index_open(iss - pv_isn_prf_one(&isn->before, &packet->tuple, peer_iss(packet)),
			isn->epoch - 1, packet, timestamps, cookie);
}
