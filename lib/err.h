/* lib/err.h: what failed, in a sentence. One list gives codes, exit statuses and the manual's table. */
#ifndef GW_ERR_H
#define GW_ERR_H

#define GW_ERRORS(X) /* code, exit status of sysexits, sentence for the operator */ \
	X(GW_EUSAGE,  64, "the command line is not valid") \
	X(GW_EUNAVAIL, 69, "something needed is not available") \
	X(GW_EPLUGIN, 69, "a plugin was refused") \
	X(GW_ECRYPTO, 70, "a cryptographic operation failed") \
	X(GW_ESYS,    71, "the operating system refused") \
	X(GW_ETEMP,   75, "a temporary failure; try again") \
	X(GW_EPEER,   76, "the peer broke the protocol") \
	X(GW_ECONF,   78, "the configuration is not valid") \
	X(GW_ESTORE,  78, "the store cannot be used")
#define GW_X(code, status, text) code,
enum gw_code { GW_OK, GW_ERRORS(GW_X) };
#undef GW_X

struct gw_err { enum gw_code code; int sys; char text[480]; };	/* the caller's, on its stack */

/* Fills *err with the code, errno as it stands, and the sentence. Returns -1. err may be NULL. */
int gw_fail(struct gw_err *err, enum gw_code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Puts "channel 7: " in front of the sentence. Returns -1. */
int gw_wrap(struct gw_err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Logs at err; returns the exit status of the code. */
int gw_die(const struct gw_err *err);
/* Exit status of a code. */
int gw_exit_status(enum gw_code);
#endif
