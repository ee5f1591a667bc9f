/* lib/log.h: logfmt lines on stderr: ts level prog event fields msg. Never a secret. */
#ifndef GW_LOG_H
#define GW_LOG_H
#include <stdbool.h>
#include <stdint.h>

enum gw_level { GW_ERR, GW_WARNING, GW_NOTICE, GW_INFO, GW_DEBUG };	/* err: a person is needed; notice: tomorrow */

/* program: stands in every line; lent for ever. Lines above max are dropped. */
void gw_log_init(const char *program, enum gw_level max);
/* "err", "warning" ... ; -1 if it is none of them. */
int gw_log_level(const char *name);
bool gw_log_on(enum gw_level);
/*
 * One line. event: a stable name; msg: the sentence, put last, or NULL; fields: "kms=%s peer=%s channel=%u", printf, keys
 * and conversions parted by single spaces; values are quoted and escaped here where logfmt needs it. May be "".
 */
void gw_log(enum gw_level, const char *event, const char *msg, const char *fields, ...)
	__attribute__((format(printf, 4, 5)));

/* At most `burst` lines per `per_ms`; what was left out is said ("suppressed=N") with the next line that passes. */
struct gw_rate { uint32_t burst, per_ms; int64_t since_us; uint32_t n, suppressed; };
void gw_log_limited(struct gw_rate *, enum gw_level, const char *event, const char *msg, const char *fields, ...)
	__attribute__((format(printf, 5, 6)));
#endif
