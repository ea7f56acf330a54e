/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef PV_WORKER_HTTP_H
#define PV_WORKER_HTTP_H

/*
 * As much of HTTP/1.0 and 1.1 (RFC 9112) as a static service needs. Pure functions of bytes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PV_HTTP_HEAD_MAX  8192 /* of a request */
#define PV_HTTP_REPLY_MAX 256  /* head of an answer */

enum pv_http_method { PV_HTTP_OTHER, PV_HTTP_GET, PV_HTTP_HEAD_ONLY, PV_HTTP_PUT };

struct pv_http_request {
	size_t head_len; /* with the empty line */
	uint64_t length; /* of the body that follows */
	uint64_t wanted; /* GET /N: N; GET /: the greeting's */
	uint8_t method;  /* enum pv_http_method; PUT is POST too */
	bool keep_alive;
	bool expects;    /* waits for "100 Continue" */
	bool greeting;   /* GET / */
	uint16_t status; /* 200, or why it is refused */
};

extern const char pv_http_greeting[];
size_t pv_http_greeting_len(void);

/* Reads the head of a request from its first n bytes. False: it is not complete yet (and n <
 * PV_HTTP_HEAD_MAX). A head that is too long or makes no sense comes with a status other than 200,
 * keep_alive false and head_len n. */
bool pv_http_parse(const char *p, size_t n, struct pv_http_request *out);
/* Writes the head of an answer; returns its length, below PV_HTTP_REPLY_MAX. */
size_t pv_http_reply(char *p, uint16_t status, uint64_t length, bool keep_alive);

#endif
