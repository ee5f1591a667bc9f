/*
 * tests/integration/digest_server.c: an HTTP server that asks for Digest by kms/digest and answers one request a connection, so that clients
 * which are not ours can say whether they agree. digest_server USER PASSWORD REALM: its port, then a line a request: what it made of it.
 * The path says what is offered: /auth, /auth-int, /both, /stale (the first nonce has expired), /count (all
 * challenges have one nonce).
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "kms/digest.h"

enum { REQUEST = 65536, LIFE_US = 300 * 1000 * 1000 };
static const uint8_t key[32] = "of a test: nobody's secret here";
static const char *user, *password, *realm;
static uint32_t last_nc;
static char last_nonce[DIGEST_TEXT];
static bool expired;

/* A whole request, NUL-terminated. Where its body begins; NULL: none came. */
static char *
receive(int fd, char *buf, size_t *body_len)
{
	size_t len = 0, want = 0;
	char *body = NULL;

	while (!body || len < want) {
		ssize_t n = len < REQUEST ? read(fd, buf + len, REQUEST - len) : -1;
		if (n <= 0)
			return NULL;
		len += (size_t)n;
		buf[len] = '\0';
		if (!body && (body = strstr(buf, "\r\n\r\n")) != NULL) {
			const char *length = strcasestr(buf, "\r\nContent-Length:");
			body += 4;
			*body_len = length && length < body ? strtoul(length + 17, NULL, 10) : 0;
			want = (size_t)(body - buf) + *body_len;
		}
	}
	return body;
}

/* The value of a header of the request, cut out of a copy; "" when it has none. */
static const char *
header_of(const char *request, const char *name)
{
	static char value[8192];
	const char *at = strcasestr(request, name);

	snprintf(value, sizeof(value), "%s", at ? at + strlen(name) : "");
	value[strcspn(value, "\r\n")] = '\0';
	return value;
}

static const char *
verdict(const struct digest_credentials *c, const char *method, const char *target, const char *body, size_t len, bool *stale)
{
	enum digest_qop least = strcmp(target, "/auth-int") == 0 ? DIGEST_AUTH_INT : DIGEST_AUTH;
	int64_t age = digest_nonce_age(key, 1, c->nonce, realm, strlen(realm));

	if (age < 0 || strcmp(c->realm, realm) != 0 || strcmp(c->uri, target) != 0 || strcmp(c->username, user) != 0)
		return "foreign";
	if (!digest_right(c, least, password, strlen(password), method, body, len))
		return "wrong";
	if (*stale && !expired) {
		expired = true;
		return "stale";
	}
	*stale = false;
	if (strcmp(c->nonce, last_nonce) == 0 && c->nc <= last_nc)
		return "replayed";
	last_nc = c->nc;
	memcpy(last_nonce, c->nonce, sizeof(last_nonce));
	return "right";
}

static void
answer(int fd, const char *request, const char *body, size_t len)
{
	static const char reply[] = "agreed\n";
	static char counted[DIGEST_NONCE];
	struct digest_challenge ch = { .auth = false };
	char method[16] = "", target[256] = "", header[DIGEST_HEADER];
	struct digest_credentials c;
	const char *said = "none";

	sscanf(request, "%15s %255s", method, target);
	ch.stale = strcmp(target, "/stale") == 0;
	ch.auth = strcmp(target, "/auth-int") != 0;
	ch.auth_int = strcmp(target, "/auth-int") == 0 || strcmp(target, "/both") == 0;
	const char *sent = header_of(request, "\r\nAuthorization:");
	if (sent[0])
		said = digest_credentials_parse(sent, &c) < 0 ? "malformed" : verdict(&c, method, target, body, len, &ch.stale);
	else
		ch.stale = false;
	printf("%s %s %s%s%s\n", method, target, said, strcmp(said, "right") == 0 ? " nc " : "", strcmp(said, "right") == 0 ? c.nc_text : "");
	fflush(stdout);
	if (strcmp(said, "right") == 0) {
		digest_info_print(&c, password, strlen(password), reply, strlen(reply), NULL, header, sizeof(header));
		dprintf(fd, "HTTP/1.1 200 OK\r\nAuthentication-Info: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s", header, strlen(reply),
		    reply);
		return;
	}
	snprintf(ch.realm, sizeof(ch.realm), "%s", realm);
	snprintf(ch.opaque, sizeof(ch.opaque), "5ccc069c403ebaf9f0171e9517f40e41");
	if (!counted[0])
		digest_nonce_make(key, 1, realm, strlen(realm), counted, sizeof(counted));
	if (strcmp(target, "/count") == 0)
		snprintf(ch.nonce, sizeof(ch.nonce), "%s", counted);
	else
		digest_nonce_make(key, 1, realm, strlen(realm), ch.nonce, sizeof(ch.nonce));
	digest_challenge_print(&ch, header, sizeof(header));
	dprintf(fd, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", header);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	static char request[REQUEST + 1];

	if (argc != 4 || bind(s, (struct sockaddr *)&at, len) < 0 || listen(s, 8) < 0 || getsockname(s, (struct sockaddr *)&at, &len) < 0)
		return 1;
	user = argv[1];
	password = argv[2];
	realm = argv[3];
	printf("port %u\n", ntohs(at.sin_port));
	fflush(stdout);
	for (int fd; (fd = accept(s, NULL, NULL)) >= 0; close(fd)) {
		size_t n = 0;
		const char *body = receive(fd, request, &n);
		if (body)
			answer(fd, request, body, n);
		shutdown(fd, SHUT_WR);
	}
	return 0;
}
