/* SPDX-License-Identifier: BSD-3-Clause */
/* The handshake block: a row of type, length, value. */
#include "wire/hs_block.h"

#include <stdbool.h>
#include <string.h>

#include "wire/byteorder.h"

enum {
	GROUP_LEN = 8,
	STATUS_LEN = 4,
};

static void
get_flowspec(const uint8_t *p, struct pv_hs_flowspec *f)
{
	f->token_rate = pv_ld32be(p);
	f->token_bucket_size = pv_ld32be(p + 4);
	f->peak_bandwidth = pv_ld32be(p + 8);
	f->latency = pv_ld32be(p + 12);
	f->delay_variation = pv_ld32be(p + 16);
	f->service_type = pv_ld32be(p + 20);
	f->max_sdu_size = pv_ld32be(p + 24);
	f->minimum_policed_size = pv_ld32be(p + 28);
}

static void
put_flowspec(uint8_t *p, const struct pv_hs_flowspec *f)
{
	pv_st32be(p, f->token_rate);
	pv_st32be(p + 4, f->token_bucket_size);
	pv_st32be(p + 8, f->peak_bandwidth);
	pv_st32be(p + 12, f->latency);
	pv_st32be(p + 16, f->delay_variation);
	pv_st32be(p + 20, f->service_type);
	pv_st32be(p + 24, f->max_sdu_size);
	pv_st32be(p + 28, f->minimum_policed_size);
}

/* Marks a type as present; not twice, and not if its length is wrong. */
static enum pv_hs_block_error
take(struct pv_hs_block *out, uint32_t bit, bool length_fits)
{
	if (!length_fits)
		return PV_HS_BLOCK_LENGTH;
	if (out->present & bit)
		return PV_HS_BLOCK_REPEATED;
	out->present |= bit;
	return PV_HS_BLOCK_OK;
}

static enum pv_hs_block_error
get_value(uint8_t type, const uint8_t *p, uint16_t len, struct pv_hs_block *out)
{
	enum pv_hs_block_error error = PV_HS_BLOCK_OK;

	switch (type) {
	case PV_HS_TYPE_DATA:
		error = take(out, PV_HS_HAS_DATA, len <= PV_HS_DATA_MAX);
		out->data = p;
		out->data_len = len;
		break;
	case PV_HS_TYPE_SENDING:
		error = take(out, PV_HS_HAS_SENDING, len == PV_HS_FLOWSPEC_LEN);
		if (error == PV_HS_BLOCK_OK)
			get_flowspec(p, &out->sending);
		break;
	case PV_HS_TYPE_RECEIVING:
		error = take(out, PV_HS_HAS_RECEIVING, len == PV_HS_FLOWSPEC_LEN);
		if (error == PV_HS_BLOCK_OK)
			get_flowspec(p, &out->receiving);
		break;
	case PV_HS_TYPE_PROVIDER:
		error = take(out, PV_HS_HAS_PROVIDER, true);
		out->provider = p;
		out->provider_len = len;
		break;
	case PV_HS_TYPE_GROUP:
		error = take(out, PV_HS_HAS_GROUP, len == GROUP_LEN);
		if (error == PV_HS_BLOCK_OK) {
			out->group = pv_ld32be(p);
			out->priority = pv_ld32be(p + 4);
		}
		break;
	case PV_HS_TYPE_STATUS:
		error = take(out, PV_HS_HAS_STATUS, len == STATUS_LEN);
		if (error == PV_HS_BLOCK_OK)
			out->status = pv_ld32be(p);
		break;
	default:
		break;
	}
	return error;
}

enum pv_hs_block_error
pv_hs_block_decode(const uint8_t *p, size_t n, struct pv_hs_block *out)
{
	if (n > PV_HS_BLOCK_MAX)
		return PV_HS_BLOCK_SIZE;
	memset(out, 0, sizeof(*out));
	while (n != 0) {
		enum pv_hs_block_error error;
		uint16_t len;

		if (n < PV_HS_TLV_HEAD)
			return PV_HS_BLOCK_HEAD;
		len = pv_ld16be(p + 1);
		if (len > n - PV_HS_TLV_HEAD)
			return PV_HS_BLOCK_VALUE;
		error = get_value(p[0], p + PV_HS_TLV_HEAD, len, out);
		if (error != PV_HS_BLOCK_OK)
			return error;
		p += PV_HS_TLV_HEAD + len;
		n -= PV_HS_TLV_HEAD + (size_t)len;
	}
	return PV_HS_BLOCK_OK;
}

size_t
pv_hs_block_len(const struct pv_hs_block *b)
{
	size_t len = 0;

	if (b->present & PV_HS_HAS_DATA)
		len += PV_HS_TLV_HEAD + (size_t)b->data_len;
	if (b->present & PV_HS_HAS_SENDING)
		len += PV_HS_TLV_HEAD + PV_HS_FLOWSPEC_LEN;
	if (b->present & PV_HS_HAS_RECEIVING)
		len += PV_HS_TLV_HEAD + PV_HS_FLOWSPEC_LEN;
	if (b->present & PV_HS_HAS_PROVIDER)
		len += PV_HS_TLV_HEAD + (size_t)b->provider_len;
	if (b->present & PV_HS_HAS_GROUP)
		len += PV_HS_TLV_HEAD + GROUP_LEN;
	if (b->present & PV_HS_HAS_STATUS)
		len += PV_HS_TLV_HEAD + STATUS_LEN;
	return len;
}

/* Returns where the value goes. */
static uint8_t *
put_head(uint8_t *p, enum pv_hs_type type, size_t len)
{
	p[0] = (uint8_t)type;
	pv_st16be(p + 1, (uint16_t)len);
	return p + PV_HS_TLV_HEAD;
}

/* Returns the end. */
static uint8_t *
put_bytes(uint8_t *p, enum pv_hs_type type, const uint8_t *value, uint16_t len)
{
	p = put_head(p, type, len);
	if (len != 0)
		memcpy(p, value, len);
	return p + len;
}

static uint8_t *
put_rate(uint8_t *p, enum pv_hs_type type, const struct pv_hs_flowspec *f)
{
	p = put_head(p, type, PV_HS_FLOWSPEC_LEN);
	put_flowspec(p, f);
	return p + PV_HS_FLOWSPEC_LEN;
}

size_t
pv_hs_block_encode(uint8_t *p, size_t cap, const struct pv_hs_block *b)
{
	size_t len = pv_hs_block_len(b);

	if (len > cap || len > PV_HS_BLOCK_MAX)
		return 0;
	if ((b->present & PV_HS_HAS_DATA) != 0 && b->data_len > PV_HS_DATA_MAX)
		return 0;
	if (b->present & PV_HS_HAS_DATA)
		p = put_bytes(p, PV_HS_TYPE_DATA, b->data, b->data_len);
	if (b->present & PV_HS_HAS_SENDING)
		p = put_rate(p, PV_HS_TYPE_SENDING, &b->sending);
	if (b->present & PV_HS_HAS_RECEIVING)
		p = put_rate(p, PV_HS_TYPE_RECEIVING, &b->receiving);
	if (b->present & PV_HS_HAS_PROVIDER)
		p = put_bytes(p, PV_HS_TYPE_PROVIDER, b->provider, b->provider_len);
	if (b->present & PV_HS_HAS_GROUP) {
		p = put_head(p, PV_HS_TYPE_GROUP, GROUP_LEN);
		pv_st32be(p, b->group);
		pv_st32be(p + 4, b->priority);
		p += GROUP_LEN;
	}
	if (b->present & PV_HS_HAS_STATUS)
		pv_st32be(put_head(p, PV_HS_TYPE_STATUS, STATUS_LEN), b->status);
	return len;
}
