/*
 * tests/bench/bare.h: what HTTP servers are held against: a bare libwebsockets server, its HTTP role on its libuv plugin, which answers every POST at
 * once with what it was given before. And servers as processes of their own on the highest CPU, whose time on it is what counts, so that a client that is
 * slower than they does not.
 */
#ifndef TESTS_BENCH_BARE_H
#define TESTS_BENCH_BARE_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* header: its name in lower case and with a colon; NULL: none */
struct bare_answer { unsigned status; const char *type, *header, *value, *body; size_t len; };
struct bare_conf { struct bare_answer plain, authorized; };	/* without and with an Authorization header */
/* Tells its port and serves until it is killed. */
void bare_serve(const void *conf, int port_fd);

/* serve() in a process of its own that ends with this one; its id, and the port that it writes (16 bits). */
pid_t bench_server(void (*serve)(const void *self, int port_fd), const void *self, uint16_t *port);
double bench_cpu_of(pid_t);	/* seconds */
void bench_cpu(int);		/* this process on that one */
int bench_connect(uint16_t port);	/* to 127.0.0.1, without delay; exits */
#endif
