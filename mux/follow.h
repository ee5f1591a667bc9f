/* mux/follow.h: the mux's end of the playout link (proto/playout.h): follows the SCS's committed records, asks again for ever */
#ifndef MUX_FOLLOW_H
#define MUX_FOLLOW_H
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>
#include "lib/addr.h"
#include "lib/fsm.h"
#include "mux/carousel.h"
#include "mux/output.h"

struct mux_follow;
extern const struct gw_fsm mux_follow_fsm;	/* for the golden page */
struct mux_follow_conf {
	const char *name;			/* follower_name */
	struct mux_carousel *carousel;
	struct mux_outputs *outputs;
	void (*changed)(void *self);		/* the carousel wants to run */
	void *self;
	unsigned quiet_ms;			/* an SCS that says nothing for so long is tested; 0: 5,000 */
};
struct mux_follow *mux_follow_open(uv_loop_t *, const struct gw_addr *scs, const struct mux_follow_conf *);
/* Frees itself when its handles have closed; quiet on NULL. */
void mux_follow_close(struct mux_follow *);

struct mux_follow_view { bool up; const char *state; char head_end[65]; int64_t since_us; uint64_t records, refused, losses; };
void mux_follow_look(const struct mux_follow *, struct mux_follow_view *);
#endif
