/* lib/hex.h: hexadecimal text */
#ifndef GW_HEX_H
#define GW_HEX_H
#include <stddef.h>
#include <stdint.h>

/* Lower-case digits and NUL into out (needs 2 len + 1); cut to fit cap. Returns out. */
char *gw_hex(const void *bytes, size_t len, char *out, size_t cap);
/* Bytes of an even run of digits (no prefix, no spaces); the count, or -1. */
int gw_unhex(const char *text, void *out, size_t cap);
#endif
