/* tests/bench/crowd.h: a store with many subscribers, and a process that is all of their cards: the peers of bench_ltkm and bench_bsm */
#ifndef TESTS_BENCH_CROWD_H
#define TESTS_BENCH_CROWD_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "kms/store.h"

#define CROWD_NAF "bsm.example.net"
/* Number i's keys, 32 octets each, and its B-TID, as long as real ones: base64 of RAND, and a BSF. */
void crowd_smk(uint32_t i, uint8_t smk[32]);
void crowd_srk(uint32_t i, uint8_t srk[32]);
void crowd_btid(uint32_t i, char *out, size_t cap);
/*
 * Numbers 0 … n - 1 into an empty store, bootstrapped and registered at an address of 127.0.0.0/8 each for a day; those from `from` on have bought
 * service `news`, which is put. Its id. Exits on failure, as all here.
 */
int64_t crowd_fill(struct kms_store *, uint32_t n, uint32_t from);
/* Their cards, all behind one UDP port: they verify every LTKM until this process ends. */
pid_t crowd_cards(uint16_t *port);
/* A directory for the store, in $TMPDIR or here; it goes with the process that made it. */
const char *crowd_dir(const char *name);
/* Of /proc/PID/status, 0: this process; in KiB: "VmRSS:" … */
size_t crowd_kib(pid_t, const char *what);
#endif
