/* SPDX-License-Identifier: BSD-3-Clause */
#include "worker/http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LENGTH_MAX ((uint64_t)1 << 40)

const char pv_http_greeting[] =
		"Hello from a TCP outside the kernel.\n"
		"GET /N sends N bytes; PUT and POST answer with the count of what came.\n";

size_t
pv_http_greeting_len(void)
{
	return sizeof(pv_http_greeting) - 1;
}

/* A word or a line within the head. */
struct span {
	const char *p;
	size_t n;
};

static bool
is(struct span s, const char *word)
{
	return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

static struct span
trim(struct span s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Takes what comes before `stop`, and the stop with it; all when there is none. */
static struct span
cut(struct span *rest, const char *stop)
{
	const char *at = rest->n > 0 ? memmem(rest->p, rest->n, stop, strlen(stop)) : NULL;
	struct span head = { rest->p, at != NULL ? (size_t)(at - rest->p) : rest->n };
	size_t skip = head.n + (at != NULL ? strlen(stop) : 0);

	rest->p += skip;
	rest->n -= skip;
	return head;
}

static bool
number(struct span s, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(s.p[i] - '0');
		if (*out > LENGTH_MAX)
			return false;
	}
	return s.n > 0;
}

static void
refuse(struct pv_http_request *r, uint16_t status)
{
	r->status = status;
	r->keep_alive = false;
}

static void
parse_target(struct span target, struct pv_http_request *r)
{
	if (is(target, "/")) {
		r->greeting = true;
		r->wanted = pv_http_greeting_len();
	} else if (target.n < 2 || target.p[0] != '/' ||
			!number((struct span){ target.p + 1, target.n - 1 }, &r->wanted)) {
		r->status = 404;
		r->wanted = 0;
	}
}

static void
parse_request_line(struct span line, struct pv_http_request *r)
{
	struct span method = cut(&line, " "), target = cut(&line, " ");

	if (line.n < 7 || strncmp(line.p, "HTTP/1.", 7) != 0) {
		refuse(r, 400);
		return;
	}
	r->keep_alive = is(line, "HTTP/1.1");
	if (is(method, "GET") || is(method, "HEAD")) {
		r->method = is(method, "GET") ? PV_HTTP_GET : PV_HTTP_HEAD_ONLY;
		parse_target(target, r);
	} else if (is(method, "PUT") || is(method, "POST")) {
		r->method = PV_HTTP_PUT;
	} else {
		refuse(r, 405);
	}
}

static void
parse_field(struct span line, struct pv_http_request *r)
{
	struct span name = cut(&line, ":"), value = trim(line);

	if (is(name, "content-length")) {
		if (!number(value, &r->length))
			refuse(r, 400);
	} else if (is(name, "transfer-encoding")) {
		refuse(r, 411);
	} else if (is(name, "expect")) {
		r->expects = is(value, "100-continue");
	} else if (is(name, "connection")) {
		if (is(value, "close"))
			r->keep_alive = false;
		else if (is(value, "keep-alive") && r->status != 400)
			r->keep_alive = true;
	}
}

bool
pv_http_parse(const char *p, size_t n, struct pv_http_request *out)
{
	const char *end = memmem(p, n, "\r\n\r\n", 4);
	struct span rest;

	*out = (struct pv_http_request){ .status = 200, .head_len = n };
	if (end == NULL) {
		if (n < PV_HTTP_HEAD_MAX)
			return false;
		refuse(out, 431);
		return true;
	}
	out->head_len = (size_t)(end - p) + 4;
	rest = (struct span){ p, (size_t)(end - p) };
	parse_request_line(cut(&rest, "\r\n"), out);
	while (rest.n > 0 && out->status < 405)
		parse_field(cut(&rest, "\r\n"), out);
	return true;
}

static const char *
reason(uint16_t status)
{
	switch (status) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 411:
		return "Length Required";
	case 431:
		return "Request Header Fields Too Large";
	default:
		return "Bad Request";
	}
}

size_t
pv_http_reply(char *p, uint16_t status, uint64_t length, bool keep_alive)
{
	int n = snprintf(p, PV_HTTP_REPLY_MAX,
			"HTTP/1.1 %u %s\r\nServer: pyprov\r\nContent-Length: %llu\r\nConnection: "
			"%s\r\n\r\n",
			status, reason(status), (unsigned long long)length,
			keep_alive ? "keep-alive" : "close");

	return n > 0 ? (size_t)n : 0;
}
