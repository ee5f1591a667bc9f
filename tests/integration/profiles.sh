#!/usr/bin/env bash
# tests/integration/profiles.sh: each shipped vendor profile is understood, is what the SCS then does on the wire, and gets ECMs.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
names=(standard tsduck-like no-ecm-id empty-ecm-allowed fixed-channel-id)
plan $((2 * ${#names[@]} + 12))
ports port p_ts p_udp
i=0
{
	printf 'state: state\nplayout: unix://%s/run\nkms:\n' "$dir"
	for name in "${names[@]}"; do
		i=$((i + 1))
		echo "  $name: { super_cas_id: 0x4ae6000$i, ecmg: tcp://127.0.0.1:$port, profile: $top_srcdir/examples/profiles/$name.yaml }"
	done
	echo services:
	for name in "${names[@]}"; do
		echo "  - { id: $name, scrambling: none, crypto_period: 1s, stkm: [{ kms: $name, ecm_id: 42, access_criteria: 0x0102 }] }"
	done
	# the same ECMG gives sections: into a transport stream they can go, by themselves they cannot
	echo "  - { id: ts, scrambling: none, crypto_period: 1s, stkm: [{ kms: standard, ecm_id: 43, out: 'udp://127.0.0.1:$p_ts?pid=0x1f0' }] }"
	echo "  - { id: udp, scrambling: none, crypto_period: 1s, stkm: [{ kms: standard, ecm_id: 44, out: 'udp://127.0.0.1:$p_udp' }] }"
} >"$dir/headend.yaml"
# printed NAME KEY: what the configuration of the KMS NAME says of KEY once its profile is read
printed() { "$(program scs)" --config "$dir/headend.yaml" --check-config | sed -n "/^  $1:/,/^  [a-z]/s/^    $2: //p" | head -n 1; }
for name in "${names[@]}"; do
	case $name in
	standard) check "$name" same "$(printed "$name" protocol_version) $(printed "$name" access_criteria)" "3 when-changed" ;;
	tsduck-like) check "$name" same "$(printed "$name" protocol_version) $(printed "$name" CP_duration)" "2 always" ;;
	no-ecm-id) check "$name" same "$(printed "$name" ECM_id)" omit ;;
	empty-ecm-allowed) check "$name" same "$(printed "$name" empty_ECM)" accept ;;
	fixed-channel-id) check "$name" same "$(printed "$name" ECM_channel_id) $(printed "$name" ECM_stream_id)" "5 ecm_id" ;;
	esac
done

sg mux mux --config "$dir/headend.yaml" --status "unix://$dir/mux.sock"
sg ecmg ecmg --listen "tcp://127.0.0.1:$port" --plugin lab --set delay_start=200 --set section_TSpkt_flag=0 --log-level debug
sg scs scs --config "$dir/headend.yaml" --status "unix://$dir/scs.sock"
cps() { await_status 25 "$dir/scs.sock" "next(v for v in s['services'] if v['service'] == '$1')['cp'] >= 3"; }
for name in "${names[@]}"; do check "crypto-periods with $name" cps "$name"; done

# A TS packet of PID 0x1f0 in which an ECM begins: pointer_field 0, table_id 0x80 or 0x81
on_air() {
	timeout 20 "$PYTHON" -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
while True:
    d = s.recv(65536)
    for p in (d[i:i + 188] for i in range(0, len(d), 188)):
        if p[0] == 0x47 and (p[1] & 0x5f) << 8 | p[2] == 0x41f0 and p[4] == 0 and p[5] in (0x80, 0x81):
            sys.exit(0)
' "$1"
}
check "sections go into a transport stream" on_air "$p_ts"
check "and that service has its crypto-periods" cps ts
check "without a PID they are refused, with the reason" await_log 15 scs 'event=ecm_refused .*service=udp .*name their PID'

# said KMS VERSION MESSAGE: the ECMG's view of its messages
channel() { value "$dir/scs.sock" "next(k for k in s['kms'] if k['kms'] == '$1')['ECM_channel_id']"; }
said() { grep "way=in version=$2 .*$3 ECM_channel_id=$(channel "$1") " "$dir/log/ecmg"; }
twice() { [ "$(said "$1" "$2" CW_provision | grep -c "$3")" -ge 2 ]; }
spares() { said "$1" "$2" "$3" | grep -qv "$4"; }
never() { ! said "$1" "$2" "$3" | grep -q "$4"; }
check "the standard's access criteria are sent once" same "$(said standard 3 CW_provision | grep -c access_criteria)" 1
check "and no CP_duration where it is the nominal one" spares standard 3 CW_provision CP_duration
check "TSDuck hears both every time" twice tsduck-like 2 'CP_duration=.*access_criteria='
check "its delay_start is not what it announced" holds "$dir/scs.sock" \
	"next(k for k in s['kms'] if k['kms'] == 'tsduck-like')['overridden']['delay_start'] == {'announced': 200, 'in_force': 0}"
check "no ECM_id goes to who knows none" never no-ecm-id 2 stream_setup ECM_id
check "the fixed ECM_channel_id is nobody else's" same "$(channel fixed-channel-id)" 5
check "the stream is called by its ECM_id" said fixed-channel-id 3 stream_setup
check "which is 42" logged ecmg 'way=in .*stream_setup ECM_channel_id=5 ECM_stream_id=42 '
check "SIGTERM ends the SCS" stop scs
