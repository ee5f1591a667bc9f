#!/usr/bin/env bash
# tests/integration/bsm_flows.sh: out-of-band purchase, end to end, with real processes (bcast-smartcard-profile 7.2): of a subscriber who is
# registered, of one who is out of reach and gets a short message, of one who was never there; cancellation; and the BSM killed in each of
# them. tshark reads what went over the wire.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
need tshark dumpcap curl
bsm_headend 2s "registration: 1h, "
plan 37
capture=$dir/session.pcap
start dumpcap dumpcap -q -P -i lo -w "$capture" -f "udp port $p_ltkm or udp port $p_stkm"
await 15 "the capture" test -s "$capture" || { grep -qi permi "$dir/log/dumpcap" && missing "permission to capture"; bail "dumpcap captures"; }

# again: the BSM dies where it stands, and another one takes over
again() {
	kill9 bsm
	rise bsm
	await_status 15 "$dir/bsm.sock" 's["kms"] == "card"' >/dev/null
}
rise bsm
await_status 15 "$dir/bsm.sock" 'len(s["services"]) == 1' >/dev/null || bail "the BSM makes its store"
check "the subscribers are provisioned" know
source_on --rate 100
rise ecmg scs mux scrambler
check "the head-end runs" await_status 20 "$dir/scs.sock" 'u["cp"] >= 0'

# -- registered: the purchase becomes an LTKM at once
rise alice
check "alice bootstraps and registers, and has bought nothing" registered alice
check "she sees nothing" holds "$dir/alice.sock" "s['phone']['keys'] == []"
check "alice buys" buy alice
check "her card gets the key" await_status 15 "$dir/alice.sock" "len(s['phone']['keys']) == 1"
check "its receipt is verified" delivered 1
check "and she watches" watches alice 300
check "she was asked to register again, to learn of it" await_status 15 "$dir/alice.sock" "s['phone']['pulls']['udp'] >= 1"

# -- out of reach: bob's registration is over, and he does not know; a short message calls him back
sed -i 's/registration: 1h/registration: 3s/' "$conf"
again
rise bob
check "bob bootstraps and registers, for three seconds" registered bob
check "they are over" await_status 15 "$dir/bsm.sock" "s['registered']['reachable'] == 1"
again
check "bob buys" buy bob
check "a short message goes out, in two parts, and he reads it" await_status 15 "$dir/bob.sock" "s['phone']['pulls']['sms'] >= 1"
check "he registers again, his card gets the key, and he watches" watches bob 300
check "his receipt is verified" delivered 2
sed -i 's/registration: 3s/registration: 1h/' "$conf"
again
check "bob leaves" stop bob 15
rise bob
check "and is back, registered for an hour" registered bob

# -- never there: the row waits
shop() {
	curl -s -o "$dir/sold" -w '%{http_code}' -H "Authorization: Bearer $token" -H 'Content-Type: application/json' -H 'Idempotency-Key: one' \
		-d '{"subscriber": "carol", "service": "news"}' "http://127.0.0.1:$p_api/api/v1/subscriptions"
}
check "carol buys at the web shop before she was ever there" same "$(shop)" 201
again
check "and once only, though the shop asks again" same "$(shop)" 200
again
rise carol
check "carol registers by herself, and watches" watches carol 300

# -- keys that are given: no bootstrapping
check "dora buys" buy dora
rise dora
check "dora registers with the keys that she has, and watches" watches dora 300

# -- the web shop takes it back: at once, and for one only
check "alice's subscription is cut" subscribe end --subscriber alice --service news --now
check "her key is of no use any more" await_status 20 "$dir/alice.sock" "all(k['lower'] > k['upper'] for k in s['phone']['keys'])"
again
check "bob and carol get the next key" await_status 20 "$dir/bob.sock" "len(s['phone']['keys']) == 2"
check "bob still watches" watches bob 300
check "and carol" watches carol 300

check "the BSM hears the STKMs, too, for those who cannot" await_status 15 "$dir/bsm.sock" "s['stkm']['kept'] >= 1"

# -- what was on the wire
"$PYTHON" -c 'import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"end-of-session", ("127.0.0.1", int(sys.argv[1])))' "$p_ltkm"
await 15 "the end of the capture" grep -aq end-of-session "$capture"
stop dumpcap 15
tshark -r "$capture" -w "$dir/mikey.pcap" -Y "udp && !(data.data contains \"end-of-session\") && !(udp.payload contains \"end-of-session\")" 2>>"$dir/log/tshark"
tshark -r "$dir/mikey.pcap" -d "udp.port==$p_ltkm,mikey" -d "udp.port==$p_stkm,mikey" -T pdml >"$dir/mikey.pdml" 2>>"$dir/log/tshark"
verdicts "$PYTHON" "$here/bsm_judge.py" "$dir/mikey.pcap" "$dir/mikey.pdml" "$p_ltkm" "$p_stkm"
mkdir "$dir/seen"
for name in bsm ecmg bob carol dora; do
	for path in /status /metrics; do "$PYTHON" "$here/probe.py" get "$dir/$name.sock" $path >"$dir/seen/$name${path/\//.}"; done
	tr '\0' ' ' <"/proc/${pid[$name]}/cmdline" >"$dir/seen/$name.cmdline"
done
check "the programs have shown their pages" same "$(find "$dir/seen" -size +0 | grep -c .)" 16
check "none of the cards' keys is in anything that was seen" "$PYTHON" "$here/leaks.py" "$dir"/keys/*.yaml -- "$dir"/log/* "$dir"/seen/*
no_token() { ! grep -rqF "$token" "$dir/log" "$dir/seen"; }
check "nor is the shop's token" no_token
check "SIGTERM ends the BSM" stop bsm 15
