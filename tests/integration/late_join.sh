#!/usr/bin/env bash
# tests/integration/late_join.sh: receivers that join SRTP after more than 65,536 packets, and after many times as many: told the roll-over
# counter by the air (RFC 4771) or finding it by their search. The scrambler and the session description say it, too.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 19
headend	# its keys and ports
ports p_in2 p_out2
conf=$dir/headend.yaml
g=${in%:*}
cat >"$conf" <<EOF
head_end: late
state: state
playout: unix://$dir/run
kms:
  drm:       { super_cas_id: 0x00010001, ecmg: tcp://127.0.0.1:$port_drm, plugin: drm, keys: keys/drm.yaml, delay_start: -300, delay_stop: -300, max_comp_time: 300 }
  smartcard: { super_cas_id: 0x00020001, ecmg: tcp://127.0.0.1:$port_smartcard, plugin: smartcard, keys: keys/smartcard.yaml, set: { ext_bcast: min }, delay_start: -300, delay_stop: -300, max_comp_time: 300 }
services:
  - id: told
    scrambling: srtp
    rcc: 50
    crypto_period: 1s
    media: [{ name: av, in: "udp://$in?interface=lo", out: "udp://$out?interface=lo" }]
    stkm: [{ kms: drm, ecm_id: 1, out: "udp://$stkm_drm?interface=lo" }]
  - id: sought
    scrambling: srtp
    crypto_period: 1s
    media: [{ name: av, in: "udp://$g:$p_in2?interface=lo", out: "udp://$g:$p_out2?interface=lo" }]
    stkm: [{ kms: smartcard, ecm_id: 2, out: "udp://$stkm_smartcard?interface=lo" }]
terminals:
  - { name: handset, profile: drm,       service: told,   keys: keys/handset-drm.yaml }
  - { name: phone,   profile: smartcard, service: sought, keys: keys/handset-smartcard.yaml }
EOF
scrambler=$dir/run/scrambler.status.sock	# where simulgate sdp asks
seq=0
# feed NAME COUNT [ARG ...]: to both services; the sequence numbers go on where the last one ended
feed() {
	start "$1" "$PYTHON" "$here/air.py" send "$in" "$g:$p_in2" --ts 1 --seq "$seq" --count "${@:2}"
}
rocs() {
	local s
	for s in told sought; do
		"$(program "")" sdp "$conf" --service $s --roc 2>>"$dir/log/sdp" | tr -d '\r' | sed -n "s/^a=X-simulgate-roc:/$s /p"
	done | paste -sd' '
}
# join TEST NUMBER TEST NUMBER: terminals that begin now could not open so many packets at first, of the service told and of the one
# sought, and are right over changes of the key
join() {
	local name before sock
	up handset phone
	for name in handset phone; do
		sock=$dir/$name.sock
		check "$name joins" await_status 20 "$sock" "u['packets'] > 100"
		before=$(value "$sock" "u['undecryptable']")
		check "$name: packets that it could not open before it was right: $1 $2" test "$before" "$1" "$2"
		check "$name lost none from then on, over three changes of the key" \
			await_status 20 "$sock" "u['crypto_periods'] >= 4 and u['lost'] == 0 and u['bad_tag'] == u['undecryptable'] == $before"
		shift 2
	done
	stop handset
	stop phone
}

up drm smartcard mux
sg scrambler scrambler --config "$conf"
up scs
check "the scrambler has keys" await_status 20 "$scrambler" "all(m.get('key') for m in s['media'])"
feed round 65600 --rate 8000
check "65,600 packets are sent" await 150 "the end of the source" gone round
seq=$((65600 & 0xffff))
feed steady -1 --rate 400
check "the scrambler tells the roll-over counter" await_status 15 "$scrambler" "all(m['roc'] == 1 and m['packets_out'] > 65600 for m in s['media'])"
check "it has dropped nothing and changed keys meanwhile" holds "$scrambler" "all(not m['dropped'] and m['cp'] > 5 for m in s['media'])"
check "session descriptions tell it" same "$(rocs)" "told $((0x53474154)) 1 sought $((0x53474154)) 1"
join -le 50 -eq 0

# 3,000 times round, by steps as a source may take them
stop steady
sent=$(sed -n 's/.*"sent": \([0-9]*\).*/\1/p' "$dir/log/steady")
seq=$(((seq + sent + 29999) & 0xffff))
feed steps 6600 --step 30000 --rate 8000
check "a source goes on in great steps" await 60 "the end of the source" gone steps
seq=$(((seq + 6599 * 30000 + 1) & 0xffff))
feed on -1 --rate 400
check "the counter is high" await_status 15 "$scrambler" "all(3000 <= m['roc'] < 3100 and not m['dropped'] for m in s['media'])"
join -le 50 -gt 50	# at most one round of the counter on air; as long as a search takes
