#!/usr/bin/env bash
# tests/integration/profiles.sh: each shipped vendor profile is understood, is what the SCS then does on the wire, and gets ECMs.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
names=(standard tsduck-like no-ecm-id empty-ecm-allowed fixed-channel-id)
plan $((2 * ${#names[@]} + 9))
ports port
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

sg ecmg ecmg --listen "tcp://127.0.0.1:$port" --plugin lab --set delay_start=200 --log-level debug
sg scs scs --config "$dir/headend.yaml" --status "unix://$dir/scs.sock"
cps() { await_status 25 "$dir/scs.sock" "next(v for v in s['services'] if v['service'] == '$1')['cp'] >= 3"; }
for name in "${names[@]}"; do check "crypto-periods with $name" cps "$name"; done

# what_of KMS MESSAGE: the ECMG's view of its messages
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
