#!/usr/bin/env bash
# tests/integration/fencing.sh: two SCSs on one store. On the same playout directory the second is refused before it takes anything
# over; with another one it takes the services over, the first stops with 75, and the air goes on with the last key that was committed.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
headend 2s
plan 17
air_is_right() {
	holds "$dir/eyes.sock" 's["lost"] == s["repeated"] == s["clear"] == s["not_rtp"] == s["unannounced"] == s["stale"] == 0'
}
# ends NAME SECONDS STATUS: by itself, with that exit status
ends() {
	local p=${pid[$1]} status
	await "$2" "$1 to end" gone "$1" || return 1
	wait "$p"
	status=$?
	unset "pid[$1]"
	same "$status" "$3"
}

eyes_on
up drm smartcard mux scrambler handset phone scs
await_status 15 "$dir/scs.sock" "u['cp'] >= 0" >/dev/null || bail "a first crypto-period"
source_on --rate 200
check "the head-end runs" await_status 15 "$dir/eyes.sock" "s['packets'] > 100 and len(s['switches']) >= 1"

# -- the same playout directory
sg second scs --config "$conf" --status "unix://$dir/second.sock"
check "a second SCS at the same playout socket is refused" ends second 5 69
check "and says why" logged second 'scs.sock is in use by a running process'
cp=$(value "$dir/scs.sock" "u['cp']")
check "the first goes on" await_status 10 "$dir/scs.sock" "u['cp'] >= $cp + 2 and u['epoch'] == 1 and u['extensions'] <= s['stalls']['count']"
check "nobody lost a packet" air_is_right

# -- another playout directory, the same store
sed "s|^playout: .*|playout: unix://$dir/run2|" "$conf" >"$dir/second.yaml"
sg second scs --config "$dir/second.yaml" --status "unix://$dir/second.sock"
check "the first is fenced and ends with 75" ends scs 10 75
check "it says so" logged scs 'level=err .*event=fenced .*service=news'
check "the second owns the service" await_status 5 "$dir/second.sock" "u['epoch'] == 2"
check "and goes on with its numbers" holds "$dir/second.sock" "u['next']['cp'] >= $cp + 2"
seen=$(value "$dir/eyes.sock" 's["packets"]')
check "the air goes on with the last key and its STKMs" await_status 10 "$dir/eyes.sock" \
	"s['packets'] > $seen + 800 and all(v['seen'] > s['seen'] - 1.5 for v in s['stkm'].values())"
check "nobody lost a packet" air_is_right
for t in handset phone; do check "$t read all of it" content $t 500; done

# -- an SCS that does not know yet that it is fenced: it waits for a mux, and stores nothing meanwhile
sed "s|^playout: .*|playout: unix://$dir/run3|" "$conf" >"$dir/third.yaml"
check "the second waits for a mux" await_status 10 "$dir/second.sock" "u['phase'] == 'airing' and all(v['up'] for v in u['streams'])"
sg third scs --config "$dir/third.yaml" --status "unix://$dir/third.sock"
check "a third takes over from it" await_status 10 "$dir/third.sock" "u['epoch'] == 3"
within 30 "$(program '')" service news --clear --config "$dir/second.yaml" >"$dir/answer" 2>&1
check "a command that cannot be stored is not obeyed" grep -q 'another SCS has taken this service over' "$dir/answer"
check "and the second ends with 75" ends second 10 75
