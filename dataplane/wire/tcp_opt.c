/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP options: the general parser and the builders. */
#include "wire/tcp_opt.h"

enum {
	LEN_MSS = 4,
	LEN_WSCALE = 3,
	LEN_SACKOK = 2,
	LEN_TS = 10,
	LEN_SACK_HEAD = 2,
	LEN_SACK_BLOCK = 8,
	LEN_EXID = 6, /* kind, length and a 32-bit experiment identifier */
};

/* Marks an option present if its length is what its kind demands; another one is as good as
 * unknown. */
static bool
take(struct pv_tcp_opts *out, unsigned int len, unsigned int want, unsigned int bit)
{
	out->present = (uint8_t)(out->present | (len == want ? bit : PV_TCP_OPT_UNKNOWN));
	return len == want;
}

static void
read_sack(const uint8_t *p, unsigned int len, struct pv_tcp_opts *out)
{
	unsigned int n = (len - LEN_SACK_HEAD) / LEN_SACK_BLOCK;

	if (n == 0 || n > PV_TCP_SACK_MAX)
		n = 1; /* so that the length below is wrong */
	if (!take(out, len, LEN_SACK_HEAD + n * LEN_SACK_BLOCK, PV_TCP_OPT_SACK))
		return;
	out->n_sack = (uint8_t)n;
	p += LEN_SACK_HEAD;
	for (unsigned int i = 0; i < n; i++, p += LEN_SACK_BLOCK) {
		out->sack[i].left = pv_ld32be(p);
		out->sack[i].right = pv_ld32be(p + 4);
	}
}

static void
read_experiment(const uint8_t *p, unsigned int len, struct pv_tcp_opts *out)
{
	if (len < LEN_EXID || !pv_hs_option_is(p)) {
		out->present |= PV_TCP_OPT_UNKNOWN;
	} else if (len != PV_HS_LEN) {
		out->present |= PV_TCP_OPT_MALFORMED;
	} else {
		out->present |= PV_TCP_OPT_HS;
		pv_hs_option_get(p, &out->hs);
	}
}

/* One option of len bytes, all of them within the header. */
static void
read_option(const uint8_t *p, unsigned int len, struct pv_tcp_opts *out)
{
	switch (p[0]) {
	case PV_TCP_KIND_MSS:
		if (take(out, len, LEN_MSS, PV_TCP_OPT_MSS))
			out->mss = pv_ld16be(p + 2);
		break;
	case PV_TCP_KIND_WSCALE:
		if (take(out, len, LEN_WSCALE, PV_TCP_OPT_WSCALE))
			out->wscale = p[2] > PV_TCP_WSCALE_MAX ? PV_TCP_WSCALE_MAX : p[2];
		break;
	case PV_TCP_KIND_SACKOK:
		take(out, len, LEN_SACKOK, PV_TCP_OPT_SACKOK);
		break;
	case PV_TCP_KIND_SACK:
		read_sack(p, len, out);
		break;
	case PV_TCP_KIND_TS:
		if (take(out, len, LEN_TS, PV_TCP_OPT_TS)) {
			out->tsval = pv_ld32be(p + 2);
			out->tsecr = pv_ld32be(p + 6);
		}
		break;
	case PV_HS_KIND:
		read_experiment(p, len, out);
		break;
	default:
		out->present |= PV_TCP_OPT_UNKNOWN;
		break;
	}
}

void
pv_tcp_opt_walk(const uint8_t *p, size_t n, struct pv_tcp_opts *out)
{
	out->present = 0;
	out->n_sack = 0;
	while (n != 0 && p[0] != PV_TCP_KIND_END) {
		unsigned int len = 1;

		if (p[0] != PV_TCP_KIND_NOP) {
			if (n < 2 || p[1] < 2 || p[1] > n) {
				out->present |= PV_TCP_OPT_MALFORMED;
				return;
			}
			len = p[1];
			read_option(p, len, out);
		}
		p += len;
		n -= len;
	}
}

static uint8_t *
put_nops(uint8_t *p, unsigned int n)
{
	while (n-- != 0)
		*p++ = PV_TCP_KIND_NOP;
	return p;
}

static uint8_t *
put_mss(uint8_t *p, const struct pv_tcp_opts *o)
{
	p[0] = PV_TCP_KIND_MSS;
	p[1] = LEN_MSS;
	pv_st16be(p + 2, o->mss);
	return p + LEN_MSS;
}

/* Always behind one nop, so that it fills a word. */
static uint8_t *
put_wscale(uint8_t *p, const struct pv_tcp_opts *o)
{
	p = put_nops(p, 1);
	p[0] = PV_TCP_KIND_WSCALE;
	p[1] = LEN_WSCALE;
	p[2] = o->wscale;
	return p + LEN_WSCALE;
}

static uint8_t *
put_sackok(uint8_t *p)
{
	p[0] = PV_TCP_KIND_SACKOK;
	p[1] = LEN_SACKOK;
	return p + LEN_SACKOK;
}

static uint8_t *
put_ts(uint8_t *p, const struct pv_tcp_opts *o)
{
	p[0] = PV_TCP_KIND_TS;
	p[1] = LEN_TS;
	pv_st32be(p + 2, o->tsval);
	pv_st32be(p + 6, o->tsecr);
	return p + LEN_TS;
}

static uint8_t *
put_hs(uint8_t *p, const struct pv_tcp_opts *o)
{
	p = put_nops(p, 2);
	pv_hs_option_put(p, &o->hs);
	return p + PV_HS_LEN;
}

/*
 * SACK-permitted and timestamps make three words together. Alone they are padded in front, but
 * FreeBSD ends the list behind a lone SACK-permitted (it is its last option, unless HS follows).
 */
static uint8_t *
put_sackok_ts(uint8_t *p, const struct pv_tcp_opts *o, enum pv_tcp_order order)
{
	bool sackok = (o->present & PV_TCP_OPT_SACKOK) != 0;
	bool ts = (o->present & PV_TCP_OPT_TS) != 0;

	if (order == PV_TCP_ORDER_FREEBSD && sackok && !ts && (o->present & PV_TCP_OPT_HS) == 0) {
		p = put_sackok(p);
		*p++ = PV_TCP_KIND_END;
		*p++ = 0;
		return p;
	}
	if (sackok != ts)
		p = put_nops(p, 2);
	if (sackok)
		p = put_sackok(p);
	if (ts)
		p = put_ts(p, o);
	return p;
}

size_t
pv_tcp_opt_build_syn(uint8_t *p, const struct pv_tcp_opts *o, enum pv_tcp_order order)
{
	uint8_t *end = p;

	if (o->present & PV_TCP_OPT_MSS)
		end = put_mss(end, o);
	if ((o->present & PV_TCP_OPT_WSCALE) != 0 && order == PV_TCP_ORDER_FREEBSD)
		end = put_wscale(end, o);
	end = put_sackok_ts(end, o, order);
	if ((o->present & PV_TCP_OPT_WSCALE) != 0 && order == PV_TCP_ORDER_LINUX)
		end = put_wscale(end, o);
	if (o->present & PV_TCP_OPT_HS)
		end = put_hs(end, o);
	return (size_t)(end - p);
}

size_t
pv_tcp_opt_build(uint8_t *p, const struct pv_tcp_opts *o)
{
	uint8_t *end = p;
	unsigned int n = pv_tcp_opt_sack_room(o->present);

	if (o->present & PV_TCP_OPT_TS)
		end = put_ts(put_nops(end, 2), o);
	if (o->present & PV_TCP_OPT_HS)
		end = put_hs(end, o);
	if ((o->present & PV_TCP_OPT_SACK) == 0 || o->n_sack == 0)
		return (size_t)(end - p);
	if (n > o->n_sack)
		n = o->n_sack;
	end = put_nops(end, 2);
	*end++ = PV_TCP_KIND_SACK;
	*end++ = (uint8_t)(LEN_SACK_HEAD + n * LEN_SACK_BLOCK);
	for (unsigned int i = 0; i < n; i++, end += LEN_SACK_BLOCK) {
		pv_st32be(end, o->sack[i].left);
		pv_st32be(end + 4, o->sack[i].right);
	}
	return (size_t)(end - p);
}
