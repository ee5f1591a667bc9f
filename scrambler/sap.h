/*
 * scrambler/sap.h: announces the session description of each service by SAP, RFC 2974: again and again, anew when it has changed, and
 * deleted when its service goes. On the main loop; nothing waits for it.
 */
#ifndef SCR_SAP_H
#define SCR_SAP_H
#include <uv.h>
#include "lib/err.h"
#include "lib/headend.h"

struct scr_sap;
/* NULL: with *err. Without scrambler.sap in the file it announces nothing until a reload brings one. Nothing of headend is kept. */
struct scr_sap *scr_sap_open(uv_loop_t *, const struct headend *, struct gw_err *);
/* What a new file says. When it cannot be done the log says why, and what there was goes on. Quiet on NULL. */
void scr_sap_reload(struct scr_sap *, const struct headend *);
/* Deletes all announcements; frees itself when its timer has closed. Quiet on NULL. */
void scr_sap_close(struct scr_sap *);
#endif
