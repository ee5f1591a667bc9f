#!/usr/bin/env bash
# tests/integration/kill9.sh: kill -9 of every process at the worst moments. The crypto-period is prolonged, never a clear packet,
# never a packet under a key whose STKM was not on air; rotation goes on after the restart, with the keys drawn before.
#
# The moments are held, not hoped for: a stopped ECMG (SIGSTOP) has the question and gives no answer.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
period=2
headend ${period}s
plan 46
three=$((3 * period + 1))	# more than three crypto-periods

scs_cp() { value "$dir/scs.sock" 'u["cp"]'; }
# stream KMS: its row in the SCS's status
stream() { echo "next(t for t in u['streams'] if t['kms'] == '$1')"; }
# asked KMS: a CW_provision of the crypto-period in preparation is out and not answered
asked() { await_status 15 "$dir/scs.sock" "u['phase'] == 'asking' and $(stream "$1")['asked'] == 'asked'"; }
# torn KMS OTHER: KMS has answered, OTHER has not: between answer and commit
torn() { await_status 15 "$dir/scs.sock" "u['phase'] == 'asking' and $(stream "$1")['asked'] == 'answered' and $(stream "$2")['asked'] == 'asked'"; }
mki() { value "$dir/eyes.sock" 's["mki"]'; }
seen() { value "$dir/eyes.sock" 's["packets"]'; }
# flowing: media goes on, nothing wrong with it so far
flowing() { await_status 15 "$dir/eyes.sock" "s['packets'] > $(seen) + 50"; }
# steady: the same key, its STKM on air, for the time of three crypto-periods
steady() {
	local key before
	key=$(mki) before=$(seen)
	await_status $((three + 15)) "$dir/eyes.sock" "s['packets'] > $before + $((200 * three))" || return 1
	same "$(mki)" "$key" || return 1
	await_status 15 "$dir/eyes.sock" "all(v['seen'] > s['seen'] - 1.5 for v in s['stkm'].values())"
}
# steady_media: the same key for more than a crypto-period, whatever is on air of its STKMs
steady_media() {
	local key before
	key=$(mki) before=$(seen)
	await_status $((three + 15)) "$dir/eyes.sock" "s['packets'] > $before + $((300 * period))" && same "$(mki)" "$key"
}
rotates() { await_status 15 "$dir/eyes.sock" "((s['mki'] - $1) & 0xffff) in range(${2:-2}, 100)"; }
clean() { holds "$dir/eyes.sock" 's["clear"] == s["not_rtp"] == s["unannounced"] == s["stale"] == 0 and all(v["malformed"] == 0 for v in s["stkm"].values())'; }

eyes_on
up drm smartcard mux scrambler handset phone scs
await_status 15 "$dir/scs.sock" "u['cp'] >= 0" || bail "a first crypto-period"
source_on --rate 200
check "the head-end runs" rotates "$(value "$dir/eyes.sock" 's["mki"] or 0')" 1

# -- an ECMG, between CW_provision and ECM_response
freeze drm
check "ECMG: CW_provision is out, no ECM_response" asked drm
key=$(mki)
kill9 drm
check "ECMG killed before its answer: the same key and its STKM go on" steady
check "the SCS says that the crypto-period is prolonged" holds "$dir/scs.sock" "u['extended']"
up drm
check "rotation goes on" rotates "$key"
for t in handset phone; do check "$t lost nothing" content $t 500; done

# -- an ECMG, between its answer and the commit
freeze smartcard
check "ECMG: it has answered, the other has not" torn drm smartcard
key=$(mki)
kill9 drm
thaw smartcard
# The crypto-period that had all its answers may still come; the next cannot.
check "ECMG killed before the commit: media goes on" await_status $((three + 15)) "$dir/scs.sock" "u['extended']"
check "the same key and its STKM go on" steady
up drm
check "rotation goes on" rotates "$key" 3
for t in handset phone; do check "$t lost nothing" content $t 1500; done

# -- the SCS, at the same two moments. What it had drawn is told by fingerprint.
next_key() { value "$dir/scs.sock" "[u['next']['cp'], u['next']['key']]"; }
scs_back() {
	up scs
	await_status 15 "$dir/scs.sock" "u['cp'] >= 0"
}
# the_same_key "[cp, key]": that crypto-period got that key
the_same_key() { await_status 15 "$dir/scrambler.sock" "[s['media'][0]['cp'], s['media'][0]['key']] == $1"; }

freeze drm
check "SCS: CW_provision is out, no ECM_response" asked drm
drawn=$(next_key) key=$(mki) cp=$(scs_cp)
kill9 scs
thaw drm
check "SCS killed before the answer: the same key and its STKM go on" steady
check "it comes back" scs_back
check "with the running crypto-period ($cp)" await_status 15 "$dir/scs.sock" "u['cp'] >= $cp"
check "the key that was drawn for the next one is used for it" the_same_key "$drawn"
check "rotation goes on" rotates "$key"

freeze smartcard
check "SCS: one ECMG has answered, the other has not" torn drm smartcard
drawn=$(next_key) key=$(mki)
kill9 scs
thaw smartcard
check "SCS killed before the commit: the same key and its STKM go on" steady
check "it comes back" scs_back
check "the key that was drawn for the next one is used for it" the_same_key "$drawn"
check "rotation goes on" rotates "$key"

# between the commit and the release: the mux has the next ECMs, no scrambler has their key
freeze mux
check "SCS: the next crypto-period is committed, no mux has acknowledged it" await_status 15 "$dir/scs.sock" "u['phase'] == 'airing'"
drawn=$(next_key) key=$(mki)
kill9 scs
thaw mux
check "SCS killed before the release: the mux holds the next ECMs" await_status 15 "$dir/mux.sock" "all(t['next_held'] for t in s['streams'])"
check "the same key and its STKM go on" steady
check "it comes back" scs_back
check "the key of the committed one is used for it" the_same_key "$drawn"
check "rotation goes on" rotates "$key"
for t in handset phone; do check "$t lost nothing" content $t 2500; done
check "until now no packet of the source was missing on the air" holds "$dir/eyes.sock" 's["lost"] == 0 and s["repeated"] == 0'

# -- the mux, while no key is committed that has not begun: the terminals hold theirs meanwhile
freeze drm
check "mux: the next crypto-period has no ECM yet" asked drm
key=$(mki)
kill9 mux
thaw drm
check "mux killed: media goes on, under the same key" steady_media
since=$(date +%s.%N)
up mux
check "it comes back with the STKMs" await_status 15 "$dir/eyes.sock" "all(v['seen'] > $since for v in s['stkm'].values())"
check "rotation goes on" rotates "$key"
check "media was right all the time" clean
for t in handset phone; do check "$t lost nothing" content $t 3000; done

# -- the scrambler: what it does not send is lost, but nothing is in clear or under a strange key
key=$(mki)
kill9 scrambler
before=$(seen)
up scrambler
check "scrambler killed: it comes back by itself" await_status 15 "$dir/eyes.sock" "s['packets'] > $before + 100"
check "with the key whose STKM is on air, or the one before" holds "$dir/eyes.sock" "s['lag'] in (0, 1)"
check "rotation goes on" rotates "$key"
for t in handset phone; do
	check "$t could read every packet that was sent" holds "$dir/$t.sock" 'all(u["undecryptable"] == 0 for u in s["services"])'
done
check "nothing was ever clear, unannounced, stale or malformed" clean
