/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WIRE_HS_BLOCK_H
#define PV_WIRE_HS_BLOCK_H

/*
 * The block: what two providers of this family tell each other while they connect, change the QoS
 * of a connection, or part. It is announced by the option of hs_option.h and lies at the start of
 * the payload, as a row of type (1 byte), length (2 bytes, network order), value.
 *
 * A block is p[0..n), put together from all segments that carry parts of it. All numbers are in
 * host order. "Sending" and "receiving" are those of whoever sent the block: a receiver swaps them.
 * Pure functions; any thread.
 */

#include <stddef.h>
#include <stdint.h>

enum {
	PV_HS_BLOCK_MAX = 1220,
	PV_HS_DATA_MAX = 1024,
	PV_HS_FLOWSPEC_LEN = 32,
	PV_HS_TLV_HEAD = 3,
};

enum pv_hs_type {
	PV_HS_TYPE_DATA = 1, /* caller, callee or disconnect data, 0 to PV_HS_DATA_MAX bytes */
	PV_HS_TYPE_SENDING = 2,
	PV_HS_TYPE_RECEIVING = 3,
	PV_HS_TYPE_PROVIDER = 4, /* provider-specific QoS bytes, opaque */
	PV_HS_TYPE_GROUP = 5,
	PV_HS_TYPE_STATUS = 6,
};

/* Bits of pv_hs_block.present. */
enum pv_hs_block_bit {
	PV_HS_HAS_DATA = 0x01,
	PV_HS_HAS_SENDING = 0x02,
	PV_HS_HAS_RECEIVING = 0x04,
	PV_HS_HAS_PROVIDER = 0x08,
	PV_HS_HAS_GROUP = 0x10,
	PV_HS_HAS_STATUS = 0x20,
};

enum pv_hs_block_error {
	PV_HS_BLOCK_OK,
	PV_HS_BLOCK_SIZE,     /* more than PV_HS_BLOCK_MAX bytes */
	PV_HS_BLOCK_HEAD,     /* ends within a type or length */
	PV_HS_BLOCK_VALUE,    /* a value goes past the end */
	PV_HS_BLOCK_LENGTH,   /* a length that its type cannot have */
	PV_HS_BLOCK_REPEATED, /* a known type twice */
};

/* What one direction of a flow may do (the shape of RFC 1363); ~0 where nothing is specified. */
struct pv_hs_flowspec {
	uint32_t token_rate;        /* bytes a second */
	uint32_t token_bucket_size; /* bytes */
	uint32_t peak_bandwidth;    /* bytes a second */
	uint32_t latency;           /* microseconds */
	uint32_t delay_variation;   /* microseconds */
	uint32_t service_type;
	uint32_t max_sdu_size;         /* bytes */
	uint32_t minimum_policed_size; /* bytes */
};

/* What was there, and input of pv_hs_block_encode. A field counts only where its bit is set. */
struct pv_hs_block {
	const uint8_t *data;
	const uint8_t *provider;
	uint16_t data_len;
	uint16_t provider_len;
	uint32_t group;
	uint32_t priority;
	uint32_t status;
	uint32_t present; /* PV_HS_HAS_* */
	struct pv_hs_flowspec sending;
	struct pv_hs_flowspec receiving;
};

/*
 * Reads a block; types that are not known are skipped. out->data and out->provider point into p. On
 * an error *out is undefined, and nothing of the block may be used.
 */
enum pv_hs_block_error pv_hs_block_decode(const uint8_t *p, size_t n, struct pv_hs_block *out);

/* How many bytes a block would take, whether or not they are allowed. */
size_t pv_hs_block_len(const struct pv_hs_block *b);

/*
 * Writes what is present, in the order of the types, and returns the length. It is 0, with nothing
 * written, where that is more than cap or PV_HS_BLOCK_MAX bytes, more than PV_HS_DATA_MAX of data,
 * or where nothing is present.
 */
size_t pv_hs_block_encode(uint8_t *p, size_t cap, const struct pv_hs_block *b);

#endif
