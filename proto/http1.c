/* proto/http1.c */
#include "proto/http1.h"
#include <string.h>

/* RFC 9110 5.6.2 */
static bool
is_token(unsigned char c)
{
	static const char other[] = "!#$%&'*+-.^_`|~";

	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c != '\0' && memchr(other, c, sizeof(other) - 1));
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

static bool
same(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return *a == *b;
}

/* A single CR or LF is an end of line for some readers and none for others: that is how requests are smuggled. */
int
http1_head_end(const char *buf, size_t len, size_t *at)
{
	size_t i = *at;

	for (; i < len && i < HTTP1_HEAD; i++) {
		unsigned char c = (unsigned char)buf[i];
		if (c == '\n') {
			if (i == 0 || buf[i - 1] != '\r')
				return -400;
			if (i >= 3 && buf[i - 2] == '\n')
				return (int)(i + 1);
		} else if (i > 0 && buf[i - 1] == '\r') {
			return -400;
		} else if ((c < ' ' && c != '\r' && c != '\t') || c == 0x7f) {
			return -400;
		}
	}
	*at = i;
	if (i < HTTP1_HEAD)
		return 0;
	return memchr(buf, '\n', HTTP1_HEAD) ? -431 : -414;
}

static int
bad(const char **why, const char *text)
{
	*why = text;
	return 400;
}

/* http://host/path, as to a proxy: every server must take it (RFC 9112 3.2.2). The authority is of no use here. */
static const char *
origin(const char *uri)
{
	const char *p = strstr(uri, "://");

	if (uri[0] == '/' || same(uri, "*"))
		return uri;
	if (!p || p == uri)
		return NULL;
	p += 3;
	return strchr(p, '/');
}

static int
parse_target(struct http1_head *h, const char **why)
{
	if (strlen(h->uri) > HTTP1_TARGET) {
		*why = "the target is too long";
		return 414;
	}
	for (const char *c = h->uri; *c; c++)
		if (*c <= ' ' || *c > '~')
			return bad(why, "the target has octets that are not of a URI");
	h->path = origin(h->uri);
	if (!h->path)
		return bad(why, "the target is no path");
	h->path_len = strcspn(h->path, "?#");
	h->query = h->path[h->path_len] == '?' ? h->path + h->path_len + 1 : "";
	return 0;
}

static int
parse_request_line(char *line, struct http1_head *h, const char **why)
{
	char *version;

	h->method = line;
	while (is_token((unsigned char)*line))
		line++;
	if (line == h->method || *line != ' ')
		return bad(why, "it does not begin with a method");
	*line++ = '\0';
	h->uri = line;
	version = strchr(line, ' ');
	if (!version)
		return bad(why, "the request line has no version");
	*version++ = '\0';
	if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[6] != '.')
		return bad(why, "the request line has no version");
	if (version[5] != '1' || (version[7] != '0' && version[7] != '1')) {
		*why = "only HTTP/1.0 and HTTP/1.1 are spoken here";
		return 505;
	}
	h->minor = (unsigned)(version[7] - '0');
	h->keep_alive = h->minor == 1;
	return parse_target(h, why);
}

/* Is that word in a list parted by commas? */
static bool
lists(const char *value, const char *word)
{
	size_t n = strlen(word);

	while (*value) {
		size_t i = 0;
		value += strspn(value, " \t,");
		while (i < n && lower(value[i]) == word[i])
			i++;
		if (i == n && strchr(" \t,", value[i]))	/* the end, too */
			return true;
		value += strcspn(value, ",");
	}
	return false;
}

/* What the fields say about the message itself: one row each. */
static int
on_length(struct http1_head *h, const char *value, const char **why)
{
	size_t digits = strspn(value, "0123456789");

	if (digits == 0 || value[digits] != '\0')
		return bad(why, "Content-Length is no number");
	if (digits > 18) {
		*why = "the body is too long";
		return 413;
	}
	for (; *value; value++)
		h->length = 10 * h->length + (uint64_t)(*value - '0');
	return 0;
}

static int
on_coding(struct http1_head *h, const char *value, const char **why)
{
	if (h->minor == 0)
		return bad(why, "Transfer-Encoding in HTTP/1.0");
	if (!same(value, "chunked")) {
		*why = "the only transfer coding is chunked";
		return 501;
	}
	h->chunked = true;
	return 0;
}

static int
on_connection(struct http1_head *h, const char *value, const char **why)
{
	(void)why;
	if (lists(value, "close"))
		h->keep_alive = false;
	else if (h->minor == 0 && lists(value, "keep-alive"))
		h->keep_alive = true;
	return 0;
}

static int
on_expect(struct http1_head *h, const char *value, const char **why)
{
	if (!same(value, "100-continue")) {
		*why = "the only expectation is 100-continue";
		return 417;
	}
	h->expects = h->minor == 1;	/* of a 1.0 client it is to be ignored (RFC 9110 10.1.1) */
	return 0;
}

static const struct field {
	const char *name;
	bool once;
	int (*take)(struct http1_head *, const char *value, const char **why);
} fields[] = {
	{ "host",              true,  NULL },
	{ "content-length",    true,  on_length },
	{ "transfer-encoding", true,  on_coding },
	{ "connection",        false, on_connection },
	{ "expect",            true,  on_expect },
	{ "content-type",      true,  NULL },
	{ "authorization",     true,  NULL },
};
enum { NFIELDS = sizeof(fields) / sizeof(fields[0]) };

static int
take_field(struct http1_head *h, const char *name, const char *value, unsigned *seen, const char **why)
{
	for (size_t i = 0; i < NFIELDS; i++) {
		if (strcmp(name, fields[i].name) != 0)
			continue;
		if (fields[i].once && *seen & 1u << i)
			return bad(why, "a field that may stand once stands twice");
		*seen |= 1u << i;
		return fields[i].take ? fields[i].take(h, value, why) : 0;
	}
	return 0;
}

static int
parse_field(char *line, struct http1_head *h, unsigned *seen, const char **why)
{
	char *name = line, *value, *end;

	for (; is_token((unsigned char)*line); line++)
		*line = lower(*line);
	if (line == name || *line != ':')	/* also a continued line, which begins with white space (RFC 9112 5.2) */
		return bad(why, "a line is no header field");
	*line++ = '\0';
	value = line + strspn(line, " \t");
	end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	if (h->n == HTTP1_HEADERS) {
		*why = "too many header fields";
		return 431;
	}
	h->header[h->n].name = name;
	h->header[h->n++].value = value;
	return take_field(h, name, value, seen, why);
}

static int
check_message(const struct http1_head *h, unsigned seen, const char **why)
{
	enum { HOST = 1 << 0, LENGTH = 1 << 1, CODING = 1 << 2 };

	if (h->minor == 1 && !(seen & HOST))
		return bad(why, "no Host");
	if ((seen & LENGTH) && (seen & CODING))
		return bad(why, "Content-Length and Transfer-Encoding contradict each other");
	return 0;
}

int
http1_head_parse(char *buf, size_t len, struct http1_head *h, const char **why)
{
	char *end = buf + len;
	unsigned seen = 0;
	int status = 0;

	memset(h, 0, sizeof(*h));
	if (len < 4 || memcmp(end - 4, "\r\n\r\n", 4) != 0 || memchr(buf, '\0', len))
		return bad(why, "it is no head");
	for (char *line = buf, *next; line < end - 2 && status == 0; line = next) {
		char *cr = strchr(line, '\r');	/* there is one: the last two octets */
		if (cr[1] != '\n')
			return bad(why, "a line ends with CR alone");
		*cr = '\0';
		if (memchr(line, '\n', (size_t)(cr - line)))
			return bad(why, "a line ends with LF alone");
		next = cr + 2;
		status = line == buf ? parse_request_line(line, h, why) : parse_field(line, h, &seen, why);
	}
	return status ? status : check_message(h, seen, why);
}

const char *
http1_header(const struct http1_head *h, const char *name)
{
	for (size_t i = 0; i < h->n; i++)
		if (strcmp(h->header[i].name, name) == 0)
			return h->header[i].value;
	return NULL;
}

/* chunks: size [;extension] CRLF data CRLF … 0 CRLF [trailer CRLF …] CRLF */

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER, TRAILER_LINE, TRAILER_LF, LAST_LF, DONE, BROKEN };
enum { OVERHEAD = 4096, DIGITS = 8 };

static int
hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static unsigned
after_size(struct http1_chunks *k, uint8_t c)
{
	if (k->digits == 0)
		return BROKEN;
	k->digits = 0;
	return c == '\r' ? SIZE_LF : c == ';' || c == ' ' || c == '\t' ? EXTENSION : BROKEN;
}

/* One octet outside the data: the next state. */
static unsigned
step(struct http1_chunks *k, uint8_t c)
{
	int v = hex(c);

	switch (k->state) {
	case SIZE:
		if (v < 0)
			return after_size(k, c);
		k->left = k->left << 4 | (unsigned)v;
		return ++k->digits > DIGITS ? BROKEN : SIZE;
	case EXTENSION:
		return c == '\r' ? SIZE_LF : c == '\n' || ++k->overhead > OVERHEAD ? BROKEN : EXTENSION;
	case SIZE_LF:
		return c != '\n' ? BROKEN : k->left > 0 ? DATA : TRAILER;
	case DATA_CR:
		return c == '\r' ? DATA_LF : BROKEN;
	case DATA_LF:
		return c == '\n' ? SIZE : BROKEN;
	case TRAILER:
		return c == '\r' ? LAST_LF : c == '\n' || ++k->overhead > OVERHEAD ? BROKEN : TRAILER_LINE;
	case TRAILER_LINE:
		return c == '\r' ? TRAILER_LF : c == '\n' || ++k->overhead > OVERHEAD ? BROKEN : TRAILER_LINE;
	case TRAILER_LF:
		return c == '\n' ? TRAILER : BROKEN;
	case LAST_LF:
		return c == '\n' ? DONE : BROKEN;
	default:
		return BROKEN;
	}
}

enum http1_chunk_event
http1_chunk(struct http1_chunks *k, const uint8_t *buf, size_t len, size_t *used, const uint8_t **data, size_t *n)
{
	*used = 0;
	while (*used < len && k->state != DONE && k->state != BROKEN) {
		if (k->state == DATA) {
			*data = buf + *used;
			*n = len - *used < k->left ? len - *used : (size_t)k->left;
			*used += *n;
			k->left -= *n;
			if (k->left == 0)
				k->state = DATA_CR;
			return HTTP1_DATA;
		}
		k->state = step(k, buf[(*used)++]);
	}
	return k->state == DONE ? HTTP1_END : k->state == BROKEN ? HTTP1_BAD : HTTP1_MORE;
}

const char *
http1_reason(unsigned status)
{
	static const struct { unsigned status; const char *text; } reasons[] = {
		{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" }, { 301, "Moved Permanently" }, { 302, "Found" },
		{ 304, "Not Modified" }, { 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 406, "Not Acceptable" }, { 408, "Request Timeout" }, { 409, "Conflict" }, { 410, "Gone" },
		{ 411, "Length Required" }, { 412, "Precondition Failed" }, { 413, "Content Too Large" }, { 414, "URI Too Long" },
		{ 415, "Unsupported Media Type" }, { 417, "Expectation Failed" }, { 422, "Unprocessable Content" }, { 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 502, "Bad Gateway" },
		{ 503, "Service Unavailable" }, { 504, "Gateway Timeout" }, { 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return status < 300 ? "OK" : status < 400 ? "Redirection" : status < 500 ? "Client Error" : "Server Error";
}
