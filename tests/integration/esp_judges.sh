#!/usr/bin/env bash
# tests/integration/esp_judges.sh: captures of ESP, eight keys one after the other, IPv4 and IPv6, transport and tunnel mode, with and without
# authentication: scapy's IPsec layer opens each packet and finds what went in; tshark finds good ICVs and RTP within.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
need tshark
"$PYTHON" -c 'from scapy.layers.ipsec import CRYPT_ALGOS; CRYPT_ALGOS["AES-CBC"].cipher' 2>/dev/null || missing "scapy with cryptography, for $PYTHON"
plan 19
wire=$top_builddir/tests/integration/esp_wire

# opened CAPTURE KEYS AUTH: what tshark reads in it with the keys; fields of those packets that are RTP
opened() {
	local -a table=()
	local spi tek tak auth=NULL
	while read -r spi tek tak; do
		[ "$3" = auth ] && auth='HMAC-SHA-1-96 [RFC2404]' || tak=''
		table+=(-o "uat:esp_sa:\"$4\",\"*\",\"*\",\"0x$spi\",\"AES-CBC [RFC3602]\",\"0x$tek\",\"$auth\",\"${tak:+0x$tak}\",\"32-bit\"")
	done <"$2"
	HOME=$dir tshark -r "$1" -o esp.enable_encryption_decode:TRUE -o esp.enable_authentication_check:TRUE "${table[@]}" \
		-d udp.port==5004,rtp -o udp.check_checksum:TRUE -o ip.check_checksum:TRUE -Y rtp -T fields -e esp.spi -e esp.sequence \
		-e esp.icv_good -e rtp.seq -e rtp.ssrc -e udp.checksum.status -e ip.checksum.status -e _ws.malformed 2>>"$dir/log/tshark"
}
column() { cut -f"$1" "$dir/fields" | sed 's/^True$/1/; s/^False$/0/' | sort -u | paste -sd' '; }
in_order() { cut -f4 "$dir/fields" | cmp - <(seq 0 199); }
right() { in_order && same "$(column 3) | $(column 5) | $(column 6) | $(column 8)" "$([ "$1" = auth ] && echo 1) | 0xc0ffee01 | 1 | "; }

for version in 4 6; do
	for mode in transport tunnel; do
		for auth in auth plain; do
			name=$version-$mode-$auth
			"$wire" pcap "$dir/$name.pcap" $version $mode $auth >"$dir/$name.keys" 2>"$dir/log/$name" || bail "esp_wire writes $name"
			check "scapy opens IPv$version, $mode, $auth" within 120 "$PYTHON" "$here/esp_scapy.py" "$dir/$name.pcap" "$dir/$name.keys" $mode $auth
			opened "$dir/$name.pcap" "$dir/$name.keys" $auth IPv$version >"$dir/fields"
			check "tshark opens it, too, in order, with right checksums and ICVs" right $auth
		done
	done
done
check "which are eight SPIs" same "$(column 1 | wc -w)" 8
# the judge tells what is wrong
sed 's/..$/00/' "$dir/4-transport-auth.keys" >"$dir/wrong.keys"
opened "$dir/4-transport-auth.pcap" "$dir/wrong.keys" auth IPv4 >"$dir/fields"
check "with other keys no ICV is good" same "$(column 3)" 0
within 60 "$PYTHON" "$here/esp_scapy.py" "$dir/4-transport-auth.pcap" "$dir/wrong.keys" transport auth >"$dir/refused" 2>&1
check "nor does scapy open it" grep -q IPSecIntegrityError "$dir/refused"
