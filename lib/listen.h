/* lib/listen.h: the listening sockets behind links and the operator's door: stale Unix paths, modes, shortage of descriptors. */
#ifndef GW_LISTEN_H
#define GW_LISTEN_H
#include <sys/socket.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/err.h"

struct gw_accept;
/*
 * take: gets each connection, non-blocking, and owns fd. A Unix path nobody answers at is replaced, a live one refused; its mode
 * is 0660. While there are no descriptors the listener rests, and connections wait in the kernel's backlog.
 */
struct gw_accept *gw_accept_open(uv_loop_t *, const struct gw_addr *, void (*take)(void *owner, int fd, const struct sockaddr *from),
    void *owner, struct gw_err *);
/*
 * Keeps a descriptor in reserve: in a shortage it is given up for one newcomer, who is handed to refuse (which owns fd) to be told
 * so; nobody else is taken until gw_accept_regain() says that fd is closed.
 */
void gw_accept_reserve(struct gw_accept *, void (*refuse)(void *owner, int fd, const struct sockaddr *from));
void gw_accept_regain(struct gw_accept *);
const struct gw_addr *gw_accept_addr(const struct gw_accept *);	/* with the port the kernel picked */
/* Frees itself when its handles have closed; done may be NULL. */
void gw_accept_close(struct gw_accept *, void (*done)(void *owner));
#endif
