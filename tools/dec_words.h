/* tools/dec_words.h: what messages and parameters mean, and where the standard says so; what lies within datagrams */
#ifndef TOOLS_DEC_WORDS_H
#define TOOLS_DEC_WORDS_H
#include <stddef.h>
#include <stdint.h>
#include "proto/sim.h"

/* "TS 103 197, 5.5.7"; the clause of the interface where a message's own is not known. Text in out. */
const char *dec_clause_message(const struct sim_iface *, uint16_t type, char *out, size_t cap);
const char *dec_clause_param(const struct sim_iface *, uint16_t type);
/* A sentence; NULL: none is known. */
const char *dec_meaning(const struct sim_iface *, uint16_t param);
/* A value in words: error_status, flags; NULL: its number says all. */
const char *dec_value_words(const struct sim_iface *, uint16_t param, int64_t value);

/* Parameters that hold what goes on air. */
int dec_is_datagram(const struct sim_iface *, uint16_t param);
/*
 * What a datagram is: by section_TSpkt (-1: not known), else by its look. The short name ("STKM", "LTKM", "BCRO", "section", "TS"), NULL for
 * octets that are nothing known; out: a line about it, without key material. Octets after cap - 1 are left out.
 */
const char *dec_payload(int section_TSpkt, const uint8_t *p, size_t len, char *out, size_t cap);
#endif
