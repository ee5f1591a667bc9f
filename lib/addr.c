/* lib/addr.c: addresses as people write them */
#include "lib/addr.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static const struct { const char *name; int scheme; } schemes_known[] = {
	{ "tcp", GW_TCP }, { "tls", GW_TLS }, { "udp", GW_UDP }, { "unix", GW_UNIX },
};
enum { NSCHEMES = sizeof(schemes_known) / sizeof(schemes_known[0]) };

static const char *
scheme_name(int scheme)
{
	for (size_t i = 0; i < NSCHEMES; i++)
		if (schemes_known[i].scheme == scheme)
			return schemes_known[i].name;
	return "";
}

static int
refuse(struct gw_err *err, const char *text, const char *why)
{
	return gw_fail(err, GW_ECONF, "%s is not an address: %s", text, why);
}

/* "tcp://" in front: which one, and what follows. */
static int
parse_scheme(const char *text, int schemes, const char **rest, struct gw_err *err)
{
	char allowed[40] = "";

	for (size_t i = 0; i < NSCHEMES; i++) {
		const char *name = schemes_known[i].name;
		size_t n = strlen(name);

		if (!(schemes & schemes_known[i].scheme))
			continue;
		if (strncasecmp(text, name, n) == 0 && strncmp(text + n, "://", 3) == 0) {
			*rest = text + n + 3;
			return schemes_known[i].scheme;
		}
		snprintf(allowed + strlen(allowed), sizeof(allowed) - strlen(allowed), "%s%s://", *allowed ? " or " : "", name);
	}
	return gw_fail(err, GW_ECONF, "%s is not an address: it begins with %s here", text, allowed);
}

static int
parse_unix(const char *text, const char *path, struct gw_addr *a, struct gw_err *err)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t n = strlen(path);

	if (*path != '/')
		return refuse(err, text, "a Unix socket has an absolute path, unix:///run/…");
	if (n >= sizeof(un.sun_path) || n >= sizeof(a->path))
		return refuse(err, text, "the path of a Unix socket has at most 107 bytes");
	memcpy(a->path, path, n + 1);
	memcpy(un.sun_path, path, n + 1);
	memcpy(&a->ss, &un, sizeof(un));
	a->sslen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	a->numeric = true;
	return 0;
}

/* HOST or [HOST]: a name, or a numeric address in its canonical text. */
static int
parse_host(const char *text, const char *p, size_t n, bool bracketed, struct gw_addr *a, struct gw_err *err)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_family = bracketed ? AF_INET6 : AF_INET }, *ai;
	struct in_addr v4;
	char port[8];

	if (n == 0)
		return refuse(err, text, "the host is missing");
	if (n >= sizeof(a->host))
		return refuse(err, text, "the host is too long");
	memcpy(a->host, p, n);
	a->host[n] = '\0';
	/* inet_pton, too: getaddrinfo would take "10.1" for 10.0.0.1 */
	if (bracketed || inet_pton(AF_INET, a->host, &v4) == 1) {
		snprintf(port, sizeof(port), "%u", a->port);
		if (getaddrinfo(a->host, port, &hints, &ai) != 0)
			return refuse(err, text, "what stands in brackets is no IPv6 address");
		memcpy(&a->ss, ai->ai_addr, ai->ai_addrlen);
		a->sslen = ai->ai_addrlen;
		a->numeric = true;
		freeaddrinfo(ai);
		memset(a->host, 0, sizeof(a->host));	/* equal addresses are equal bytes */
		if (getnameinfo((struct sockaddr *)&a->ss, a->sslen, a->host, sizeof(a->host), NULL, 0, NI_NUMERICHOST) != 0)
			return refuse(err, text, "the address has no text");
		return 0;
	}
	if (strspn(a->host, "0123456789.") == n)
		return refuse(err, text, "an IPv4 address has four numbers from 0 to 255");
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)p[i]) && !strchr("-._", p[i]))
			return refuse(err, text, "a host name has letters, digits, '-', '.' and '_'; an IPv6 address stands in brackets");
	return 0;
}

/* Those of ISO/IEC 13818-1 table 2-3 that tables, null packets and DVB's own (EN 300 468) leave. */
enum { PID_MIN = 0x0020, PID_MAX = 0x1ffe };

static int
parse_number(const char *value, unsigned long least, unsigned long most, unsigned long *out)
{
	char *end;

	if (!isdigit((unsigned char)*value))
		return -1;
	*out = strtoul(value, &end, value[0] == '0' && (value[1] | 0x20) == 'x' ? 16 : 10);
	return *end || *out < least || *out > most ? -1 : 0;
}

/* Canonical, so that equal addresses have equal text. */
static int
parse_source(const char *value, struct gw_addr *a)
{
	int family = strchr(a->host, ':') ? AF_INET6 : AF_INET;
	uint8_t bytes[16];

	return inet_pton(family, value, bytes) == 1 && inet_ntop(family, bytes, a->source, sizeof(a->source)) ? 0 : -1;
}

static int
parse_query(const char *text, const char *q, int schemes, struct gw_addr *a, struct gw_err *err)
{
	const char *const keys = schemes & GW_PID ? "the keys after '?' are interface, ttl, dscp, source and pid" :
	    "the keys after '?' are interface, ttl, dscp and source";

	while (*q) {
		size_t n = strcspn(q, "&");
		char pair[64], *value;
		unsigned long n_value;

		if (n == 0 || n >= sizeof(pair))
			return refuse(err, text, "after '?' stand KEY=VALUE, parted by '&'");
		memcpy(pair, q, n);
		pair[n] = '\0';
		value = strchr(pair, '=');
		if (!value)
			return refuse(err, text, "a key after '?' has a value, ttl=4");
		*value++ = '\0';
		if (strcmp(pair, "interface") == 0) {
			if (!*value || strlen(value) >= sizeof(a->interface) || strpbrk(value, "/?&= "))
				return refuse(err, text, "interface= wants the name of a network interface, of at most 15 bytes");
			memcpy(a->interface, value, strlen(value) + 1);
		} else if (strcmp(pair, "ttl") == 0) {
			if (parse_number(value, 0, 255, &n_value) < 0)
				return refuse(err, text, "ttl= wants a number from 0 to 255");
			a->ttl = (uint8_t)n_value;
		} else if (strcmp(pair, "dscp") == 0) {
			if (parse_number(value, 0, 63, &n_value) < 0)
				return refuse(err, text, "dscp= wants a number from 0 to 63");
			a->dscp = (uint8_t)n_value;
		} else if (strcmp(pair, "source") == 0) {
			if (parse_source(value, a) < 0)
				return refuse(err, text, "source= wants a numeric address of the same family, IPv6 without brackets");
		} else if (strcmp(pair, "pid") == 0 && schemes & GW_PID) {
			if (parse_number(value, PID_MIN, PID_MAX, &n_value) < 0)
				return refuse(err, text, "pid= wants a number from 0x0020 to 0x1ffe");
			a->pid = (uint16_t)n_value;
		} else {
			return refuse(err, text, keys);
		}
		q += n + (q[n] == '&');
	}
	return 0;
}

int
gw_addr_parse(const char *text, int schemes, struct gw_addr *a, struct gw_err *err)
{
	const char *p = text, *host, *colon, *query;
	unsigned long port;
	bool bracketed;
	size_t len;
	char *end;

	*a = (struct gw_addr){ .ttl = 1 };
	int scheme = parse_scheme(text, schemes, &p, err);
	if (scheme < 0)
		return -1;
	a->scheme = scheme;
	if (scheme == GW_UNIX)
		return parse_unix(text, p, a, err);

	bracketed = *p == '[';
	host = p + bracketed;
	len = strcspn(host, bracketed ? "]" : ":?/");
	colon = host + len;
	if (bracketed && *colon++ != ']')
		return refuse(err, text, "the closing bracket is missing");
	if (*colon != ':' || !isdigit((unsigned char)colon[1]))
		return refuse(err, text, "the port is missing, HOST:PORT");
	port = strtoul(colon + 1, &end, 10);
	if (port > 65535)
		return refuse(err, text, "a port is a number up to 65535");
	a->port = (uint16_t)port;
	query = *end == '?' && scheme == GW_UDP ? end + 1 : end;
	if (query == end && *end)
		return refuse(err, text, "nothing may follow the port");
	if (query > end && !*query)
		return refuse(err, text, "after '?' stand KEY=VALUE, parted by '&'");
	if (parse_host(text, host, len, bracketed, a, err) < 0)
		return -1;
	return parse_query(text, query, schemes, a, err);
}

char *
gw_addr_text(const struct gw_addr *a, char *out, size_t cap)
{
	bool v6 = strchr(a->host, ':') != NULL;
	char options[sizeof(a->interface) + sizeof(a->source) + 60] = "";
	size_t n = 0;

	if (a->scheme == GW_UNIX) {
		snprintf(out, cap, "unix://%s", a->path);
		return out;
	}
	if (a->interface[0])
		n += (size_t)snprintf(options + n, sizeof(options) - n, "&interface=%s", a->interface);
	if (a->ttl != 1 && a->scheme == GW_UDP)
		n += (size_t)snprintf(options + n, sizeof(options) - n, "&ttl=%u", a->ttl);
	if (a->dscp)
		n += (size_t)snprintf(options + n, sizeof(options) - n, "&dscp=%u", a->dscp);
	if (a->source[0])
		n += (size_t)snprintf(options + n, sizeof(options) - n, "&source=%s", a->source);
	if (a->pid)
		n += (size_t)snprintf(options + n, sizeof(options) - n, "&pid=0x%04x", a->pid);
	if (n > 0)
		options[0] = '?';
	snprintf(out, cap, "%s%s%s%s%s:%u%s", scheme_name(a->scheme), a->scheme ? "://" : "", v6 ? "[" : "", a->host,
	    v6 ? "]" : "", a->port, options);
	return out;
}

char *
gw_sockaddr_text(const struct sockaddr *sa, char *out, size_t cap)
{
	socklen_t len = sa->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1], port[8];

	if (sa->sa_family == AF_UNIX)
		snprintf(out, cap, "unix");
	else if (getnameinfo(sa, len, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(out, cap, "unknown");
	else
		snprintf(out, cap, sa->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return out;
}

static const void *
in_bytes(const void *ss, bool *v6)
{
	const struct sockaddr *sa = ss;

	*v6 = sa->sa_family == AF_INET6;
	if (*v6)
		return &((const struct sockaddr_in6 *)ss)->sin6_addr;
	return sa->sa_family == AF_INET ? &((const struct sockaddr_in *)ss)->sin_addr : NULL;
}

bool
gw_addr_multicast(const struct gw_addr *a)
{
	bool v6;
	const uint8_t *b = in_bytes(&a->ss, &v6);

	return b && (v6 ? b[0] == 0xff : (b[0] & 0xf0) == 0xe0);
}

bool
gw_addr_loopback(const struct gw_addr *a)
{
	bool v6;
	const uint8_t *b = in_bytes(&a->ss, &v6);

	if (a->scheme == GW_UNIX)
		return true;
	return b && (v6 ? memcmp(b, &in6addr_loopback, sizeof(in6addr_loopback)) == 0 : b[0] == 127);
}

socklen_t
gw_addr_source(const struct gw_addr *a, struct sockaddr_storage *ss)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;

	memset(ss, 0, sizeof(*ss));
	if (!a->source[0])
		return 0;
	if (strchr(a->source, ':')) {
		v6->sin6_family = AF_INET6;
		return inet_pton(AF_INET6, a->source, &v6->sin6_addr) == 1 ? sizeof(*v6) : 0;
	}
	v4->sin_family = AF_INET;
	return inet_pton(AF_INET, a->source, &v4->sin_addr) == 1 ? sizeof(*v4) : 0;
}

int
gw_addr_resolve(struct gw_addr *a, struct gw_err *err)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICSERV, .ai_family = AF_UNSPEC,
		.ai_socktype = a->scheme == GW_UDP ? SOCK_DGRAM : SOCK_STREAM }, *ai;
	char port[8];
	int rc;

	if (a->numeric)
		return 0;
	snprintf(port, sizeof(port), "%u", a->port);
	rc = getaddrinfo(a->host, port, &hints, &ai);
	if (rc != 0)
		return gw_fail(err, rc == EAI_AGAIN ? GW_ETEMP : GW_EUNAVAIL, "%s: %s", a->host,
		    rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
	memcpy(&a->ss, ai->ai_addr, ai->ai_addrlen);
	a->sslen = ai->ai_addrlen;
	a->numeric = true;
	freeaddrinfo(ai);
	return 0;
}

/* Not by bind(): where addresses float between hosts (ip_nonlocal_bind), that takes any. */
bool
gw_addr_local(const struct gw_addr *addr)
{
	struct gw_addr a = *addr;
	struct ifaddrs *list, *i;
	const void *want, *have;
	bool found, v6, other6;

	if (a.scheme != GW_UNIX && gw_addr_resolve(&a, NULL) < 0)
		return false;
	if (gw_addr_loopback(&a))
		return true;
	want = in_bytes(&a.ss, &v6);
	found = want && memcmp(want, &in6addr_any, v6 ? 16 : 4) == 0;
	if (!want || found || getifaddrs(&list) < 0)
		return found;
	for (i = list; i && !found; i = i->ifa_next) {
		have = i->ifa_addr ? in_bytes(i->ifa_addr, &other6) : NULL;
		found = have && v6 == other6 && memcmp(have, want, v6 ? 16 : 4) == 0;
	}
	freeifaddrs(list);
	return found;
}
