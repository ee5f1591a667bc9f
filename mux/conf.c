/* mux/conf.c */
#include "mux/conf.h"
#include <stdio.h>
#include "lib/ops.h"

int
mux_conf_load(struct mux_conf *c, const char *path, const struct gw_addr *status, struct gw_err *err)
{
	char text[GW_ADDR_TEXT];

	*c = (struct mux_conf){ .status = *status };
	c->file = headend_load(path, err);
	if (!c->file)
		return -1;
	c->rep_ms = c->file->mux.repetition_ms;
	snprintf(text, sizeof(text), "unix://%s/scs.sock", c->file->playout);
	if (gw_addr_parse(text, GW_UNIX, &c->scs, err) < 0 ||
	    (!status->scheme && gw_ops_default_addr(c->file->playout, "mux", "", &c->status, err) < 0)) {
		mux_conf_free(c);
		return -1;
	}
	return 0;
}

void
mux_conf_free(struct mux_conf *c)
{
	headend_free(c->file);
	c->file = NULL;
}
