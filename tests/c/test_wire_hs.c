/* SPDX-License-Identifier: BSD-3-Clause */
/* The handshake option and block, against vectors written by hand from their description. */
#include "base/check.h"
#include "base/rng.h"
#include "bytes.h"
#include "tap.h"
#include "wire/hs_block.h"
#include "wire/hs_option.h"
#include "wire/tcp_hdr.h"

#define SYN     PV_TCP_SYN
#define SYN_ACK (PV_TCP_SYN | PV_TCP_ACK)
#define ACK     PV_TCP_ACK
#define FIN     (PV_TCP_FIN | PV_TCP_ACK)
#define RST     (PV_TCP_RST | PV_TCP_ACK)

enum {
	REQ = PV_HS_REQ,
	PEND = PV_HS_PEND,
	ACC = PV_HS_ACC,
	REJ = PV_HS_REJ,
	RESEND = PV_HS_RESEND,
	QOS = PV_HS_QOS,
	DISC = PV_HS_DISC,
	MORE = PV_HS_MORE,
};

static const struct {
	const char *name, *text;
	struct pv_hs_option want;
	unsigned int tcp_flags, data_len;
} vectors[] = {
#define OPTION(name_, text_, flags_, reason_, block_, tcp_, data_)                                 \
	{ name_, text_, { .flags = (flags_), .reason = reason_, .block_len = block_ }, tcp_,       \
		data_ },
#include "../vectors/hs_option.def"
#undef OPTION
};

static void
test_option_vectors(void)
{
	for (unsigned int i = 0; i < PV_COUNT_OF(vectors); i++) {
		const struct pv_hs_option *want = &vectors[i].want;
		uint8_t text[PV_HS_LEN], built[PV_HS_LEN];
		struct pv_hs_option got;

		CHECK_EQ(hex(text, vectors[i].text), PV_HS_LEN, vectors[i].name);
		CHECK(pv_hs_option_is(text), "is the option");
		pv_hs_option_get(tight(text, PV_HS_LEN), &got);
		CHECK(got.flags == want->flags && got.reason == want->reason &&
						got.block_len == want->block_len,
				"read");
		pv_hs_option_put(built, want);
		CHECK(memcmp(built, text, PV_HS_LEN) == 0, "written");
		CHECK_EQ(pv_hs_option_check(
					 want, (uint8_t)vectors[i].tcp_flags, vectors[i].data_len),
				PV_HS_OPTION_OK, "in its place");
	}
}

static void
test_option_check(void)
{
	static const struct {
		const char *name;
		unsigned int flags, block_len, tcp_flags, data_len;
		enum pv_hs_option_error error;
	} rows[] = {
		{ "block beyond the payload", PV_HS_REQ, 14, SYN, 13, PV_HS_OPTION_BLOCK },
		{ "stream bytes behind the block", PV_HS_REQ, 12, SYN, 13, PV_HS_OPTION_BLOCK },
		{ "block without payload", PV_HS_ACC, 1, ACK, 0, PV_HS_OPTION_BLOCK },
		{ "no block, but stream bytes", PV_HS_ACC, 0, ACK, 100, PV_HS_OPTION_OK },
		{ "more of nothing", PV_HS_REQ | PV_HS_MORE, 0, ACK, 0, PV_HS_OPTION_MORE },
		{ "a SYN that goes on", PV_HS_REQ | PV_HS_MORE, 9, SYN, 9, PV_HS_OPTION_MORE },
		{ "a SYN-ACK that goes on", PV_HS_ACC | PV_HS_MORE, 9, SYN_ACK, 9,
				PV_HS_OPTION_MORE },
		{ "a RST that goes on", PV_HS_DISC | PV_HS_MORE, 9, RST, 9, PV_HS_OPTION_MORE },
		{ "SYN that answers", PV_HS_ACC, 0, SYN, 0, PV_HS_OPTION_PLACE },
		{ "SYN that asks for nothing", 0, 9, SYN, 9, PV_HS_OPTION_PLACE },
		{ "SYN that asks and answers", PV_HS_REQ | PV_HS_ACC, 9, SYN, 9,
				PV_HS_OPTION_PLACE },
		{ "SYN-ACK with two answers", PV_HS_PEND | PV_HS_ACC, 0, SYN_ACK, 0,
				PV_HS_OPTION_PLACE },
		{ "SYN-ACK that says nothing", 0, 0, SYN_ACK, 0, PV_HS_OPTION_PLACE },
		{ "SYN-ACK that rejects", PV_HS_REJ, 0, SYN_ACK, 0, PV_HS_OPTION_PLACE },
		{ "both sides at once", PV_HS_REQ, 9, SYN_ACK, 9, PV_HS_OPTION_OK },
		{ "RST that accepts", PV_HS_ACC, 0, RST, 0, PV_HS_OPTION_PLACE },
		{ "RST with two meanings", PV_HS_REJ | PV_HS_DISC, 0, RST, 0, PV_HS_OPTION_PLACE },
		{ "RST without ACK", PV_HS_REJ, 0, PV_TCP_RST, 0, PV_HS_OPTION_OK },
		{ "late PEND", PV_HS_PEND, 0, ACK, 0, PV_HS_OPTION_PLACE },
		{ "late RESEND", PV_HS_RESEND, 0, ACK, 0, PV_HS_OPTION_PLACE },
		{ "reject without RST", PV_HS_REJ, 0, ACK, 0, PV_HS_OPTION_PLACE },
		{ "QoS alone", PV_HS_QOS, 35, ACK, 35, PV_HS_OPTION_PLACE },
		{ "QoS asked and answered", PV_HS_QOS | PV_HS_REQ | PV_HS_ACC, 35, ACK, 35,
				PV_HS_OPTION_PLACE },
		{ "QoS on a SYN", PV_HS_QOS | PV_HS_REQ, 35, SYN, 35, PV_HS_OPTION_PLACE },
		{ "QoS and parting", PV_HS_QOS | PV_HS_DISC, 35, FIN, 35, PV_HS_OPTION_PLACE },
		{ "parting without FIN", PV_HS_DISC, 9, ACK, 9, PV_HS_OPTION_PLACE },
		{ "a block for nothing", 0, 9, ACK, 9, PV_HS_OPTION_PLACE },
	};

	for (unsigned int i = 0; i < PV_COUNT_OF(rows); i++) {
		struct pv_hs_option o = { .flags = (uint8_t)rows[i].flags,
			.block_len = (uint16_t)rows[i].block_len };

		CHECK_EQ(pv_hs_option_check(&o, (uint8_t)rows[i].tcp_flags, rows[i].data_len),
				rows[i].error, rows[i].name);
	}
}

#define FLOW_A "0001e848 00003a98 0003d090 ffffffff 00002710 00000002 000005dc 00000040"
#define FLOW_B "ffffffff ffffffff ffffffff ffffffff ffffffff 00000000 ffffffff ffffffff"

static const struct pv_hs_flowspec flow_a = { 125000, 15000, 250000, UINT32_MAX, 10000, 2, 1500,
	64 };
static const struct pv_hs_flowspec flow_b = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX,
	UINT32_MAX, 0, UINT32_MAX, UINT32_MAX };
static const uint8_t hello[] = { 'h', 'e', 'l', 'l', 'o' };
static const uint8_t opaque[] = { 0xde, 0xad, 0xbe, 0xef };

enum {
#define BLOCK(symbol, name, text) symbol,
#include "../vectors/hs_block.def"
#undef BLOCK
	BLOCKS
};

static const struct {
	const char *name, *text;
} blocks[BLOCKS] = {
#define BLOCK(symbol, name, text) [symbol] = { name, text },
#include "../vectors/hs_block.def"
#undef BLOCK
};

static const struct pv_hs_block wanted[BLOCKS] = {
	[CALLER_DATA] = { .present = PV_HS_HAS_DATA, .data = hello, .data_len = 5 },
	[NO_DATA] = { .present = PV_HS_HAS_DATA },
	[BOTH_DIRECTIONS] = { .present = PV_HS_HAS_SENDING | PV_HS_HAS_RECEIVING },
	[GROUP] = { .present = PV_HS_HAS_GROUP, .group = 7, .priority = 0x80000001 },
	[STATUS] = { .present = PV_HS_HAS_STATUS, .status = 11013 },
	[EVERYTHING] = { .present = 0x3f,
			.data = hello,
			.data_len = 5,
			.provider = opaque,
			.provider_len = 4,
			.group = 7,
			.priority = 0x80000001,
			.status = 11013 },
};

static bool
same_bytes(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return a_len == b_len && (a_len == 0 || memcmp(a, b, a_len) == 0);
}

static bool
same(const struct pv_hs_block *a, const struct pv_hs_block *b)
{
	return a->present == b->present && same_bytes(a->data, a->data_len, b->data, b->data_len) &&
	       same_bytes(a->provider, a->provider_len, b->provider, b->provider_len) &&
	       a->group == b->group && a->priority == b->priority && a->status == b->status &&
	       memcmp(&a->sending, &b->sending, sizeof(a->sending)) == 0 &&
	       memcmp(&a->receiving, &b->receiving, sizeof(a->receiving)) == 0;
}

static void
test_block_vectors(void)
{
	for (unsigned int i = 0; i < PV_COUNT_OF(blocks); i++) {
		struct pv_hs_block want = wanted[i], got;
		uint8_t text[256], built[256] = { 0 }, *place;
		size_t n = hex(text, blocks[i].text);

		if (want.present & PV_HS_HAS_SENDING) {
			want.sending = flow_a;
			want.receiving = flow_b;
		}
		CHECK_EQ(pv_hs_block_decode(tight(text, n), n, &got), PV_HS_BLOCK_OK,
				blocks[i].name);
		CHECK(same(&got, &want), "read");
		CHECK_EQ(pv_hs_block_len(&want), n, "its length");
		place = tight(built, n);
		CHECK_EQ(pv_hs_block_encode(place, n, &want), n, "fits exactly");
		CHECK(memcmp(place, text, n) == 0, "written");
		CHECK_EQ(pv_hs_block_encode(built, n - 1, &want), 0, "not into a byte less");
		for (size_t cut = 0; cut < n; cut++)
			pv_hs_block_decode(tight(text, cut), cut, &got);
	}
}

static void
test_block_errors(void)
{
	static const struct {
		const char *name, *text;
		enum pv_hs_block_error error;
	} rows[] = {
		{ "nothing", "", PV_HS_BLOCK_OK },
		{ "unknown types", "00 0000 07 0001 aa ff 0002 bbcc", PV_HS_BLOCK_OK },
		{ "an unknown type twice", "07 0000 07 0001 aa", PV_HS_BLOCK_OK },
		{ "one byte", "01", PV_HS_BLOCK_HEAD },
		{ "two bytes", "01 00", PV_HS_BLOCK_HEAD },
		{ "rubbish behind", "01 0000 00", PV_HS_BLOCK_HEAD },
		{ "value cut off", "01 0005 68656c6c", PV_HS_BLOCK_VALUE },
		{ "value far beyond", "01 ffff 68656c6c", PV_HS_BLOCK_VALUE },
		{ "unknown value cut off", "ff 0001", PV_HS_BLOCK_VALUE },
		{ "flow of 31 bytes",
				"02 001f 0001e848 00003a98 0003d090 ffffffff 00002710 00000002 "
				"000005dc"
				"000000",
				PV_HS_BLOCK_LENGTH },
		{ "flow of 33 bytes", "03 0021" FLOW_A "00", PV_HS_BLOCK_LENGTH },
		{ "empty flow", "02 0000", PV_HS_BLOCK_LENGTH },
		{ "group of 4 bytes", "05 0004 00000007", PV_HS_BLOCK_LENGTH },
		{ "status of 8 bytes", "06 0008 00000000 00000000", PV_HS_BLOCK_LENGTH },
		{ "data twice", "01 0001 61 01 0001 62", PV_HS_BLOCK_REPEATED },
		{ "flow twice", "02 0020" FLOW_A "02 0020" FLOW_A, PV_HS_BLOCK_REPEATED },
		{ "other flow twice", "03 0020" FLOW_A "03 0020" FLOW_A, PV_HS_BLOCK_REPEATED },
		{ "provider bytes twice", "04 0000 04 0000", PV_HS_BLOCK_REPEATED },
		{ "status twice", "06 0004 00000001 06 0004 00000001", PV_HS_BLOCK_REPEATED },
		{ "group twice", "05 0008 00000007 00000000 05 0008 00000007 00000000",
				PV_HS_BLOCK_REPEATED },
	};

	for (unsigned int i = 0; i < PV_COUNT_OF(rows); i++) {
		struct pv_hs_block got;
		uint8_t text[256];
		size_t n = hex(text, rows[i].text);

		CHECK_EQ(pv_hs_block_decode(tight(text, n), n, &got), rows[i].error, rows[i].name);
	}
}

static void
test_block_sizes(void)
{
	static uint8_t bytes[2048], block[2048];
	struct pv_hs_block got, b = { .present = PV_HS_HAS_DATA, .data = bytes, .data_len = 1024 };

	CHECK_EQ(pv_hs_block_encode(block, sizeof(block), &b), 1027, "as much data as may be");
	CHECK_EQ(pv_hs_block_decode(block, 1027, &got), PV_HS_BLOCK_OK, "is read");
	b.data_len = 1025;
	CHECK_EQ(pv_hs_block_encode(block, sizeof(block), &b), 0, "a byte more is not written");
	memcpy(block, (uint8_t[]){ 1, 0x04, 0x01 }, 3);
	CHECK_EQ(pv_hs_block_decode(block, 1028, &got), PV_HS_BLOCK_LENGTH, "and not read");
	b = (struct pv_hs_block){
		.present = PV_HS_HAS_PROVIDER, .provider = bytes, .provider_len = 1217
	};
	CHECK_EQ(pv_hs_block_encode(block, sizeof(block), &b), 1220, "the largest block");
	CHECK_EQ(pv_hs_block_decode(block, 1220, &got), PV_HS_BLOCK_OK, "is read");
	CHECK_EQ(pv_hs_block_decode(block, 1221, &got), PV_HS_BLOCK_SIZE, "a byte more is not");
	b.provider_len = 1218;
	CHECK_EQ(pv_hs_block_encode(block, sizeof(block), &b), 0, "nor written");
	b = (struct pv_hs_block){ .present = PV_HS_HAS_STATUS, .data_len = 1025 };
	CHECK_EQ(pv_hs_block_encode(block, sizeof(block), &b), 7,
			"what is not present does not count");
	b.present = 0;
	CHECK_EQ(pv_hs_block_encode(block, sizeof(block), &b), 0, "a block of nothing is none");
}

static void
test_block_round_trips(void)
{
	static uint8_t bytes[2048], block[2048 + 8];
	struct pv_rng rng;
	unsigned int wrong = 0;

	pv_rng_seed(&rng, 6994);
	for (unsigned int i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)pv_rng_u64(&rng);
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t r = pv_rng_u64(&rng);
		struct pv_hs_block got, b = { .present = r & 0x3f };
		uint8_t *p = block + i % 8;
		size_t n;

		if (b.present & PV_HS_HAS_DATA) {
			b.data = bytes + (r >> 8) % 512;
			b.data_len = (uint16_t)((r >> 16) % 1025);
		}
		if (b.present & PV_HS_HAS_PROVIDER) {
			b.provider = bytes + (r >> 8) % 512;
			b.provider_len = (uint16_t)((r >> 32) % 80);
		}
		if (b.present & PV_HS_HAS_SENDING)
			memcpy(&b.sending, bytes + r % 1024, sizeof(b.sending));
		if (b.present & PV_HS_HAS_RECEIVING)
			memcpy(&b.receiving, bytes + r % 1000, sizeof(b.receiving));
		if (b.present & PV_HS_HAS_GROUP) {
			b.group = (uint32_t)r;
			b.priority = (uint32_t)(r >> 32);
		}
		if (b.present & PV_HS_HAS_STATUS)
			b.status = (uint32_t)(r >> 16);
		n = pv_hs_block_encode(p, PV_HS_BLOCK_MAX, &b);
		wrong += n != pv_hs_block_len(&b);
		wrong += pv_hs_block_decode(p, n, &got) != PV_HS_BLOCK_OK || !same(&got, &b);
	}
	CHECK_EQ(wrong, 0, "random blocks come back at any alignment");
}

int
main(void)
{
	test_option_vectors();
	test_option_check();
	test_block_vectors();
	test_block_errors();
	test_block_sizes();
	test_block_round_trips();
	return tap_done();
}
