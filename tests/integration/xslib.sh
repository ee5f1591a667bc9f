# shellcheck shell=bash disable=SC2154
# tests/integration/xslib.sh: sourced after lib.sh and calib.sh: curl as an XML peer of a bridge, with documents that were made by hand

schemas=$top_srcdir/bridge
# post WHO FILE NAME: the document to the bridge as WHO, by its certificate; the answer is $dir/NAME.xml. Fails unless HTTP says 200 and the schema is content.
post() {
	local http
	http=$(curl -sS -m 20 --cert "$dir/$1.pem" --key "$dir/$1.key" --cacert "$dir/ca.pem" -H 'Content-Type: application/xml; charset=utf-8' \
		--data-binary "@$2" -o "$dir/$3.xml" -w '%{http_code}' "https://127.0.0.1:$port_bridge/bcast/sp4" 2>>"$dir/log/curl")
	[ "$http" = 200 ] || { echo "HTTP $http: $(cat "$dir/$3.xml")"; return 1; }
	xmllint --noout --schema "$schemas/sp4-backend.xsd" "$dir/$3.xml" 2>>"$dir/log/xmllint" || { echo "not by the schema"; cat "$dir/$3.xml"; return 1; }
}
# of NAME XPATH: from an answer; ext: elements by local-name()
of() { xmllint --xpath "$2" "$dir/$1.xml" 2>/dev/null; }
status_of() { of "$1" 'string(/*/@status)'; }
reason_of() { of "$1" 'string(/*/*[local-name()="Reason"])'; }
data_of() { of "$1" 'string(/*/*[local-name()="Data"])'; }
# answers STATUS WHO FILE NAME [REASON]: and with a Reason that has this in it
answers() {
	post "$2" "$3" "$4" || return 1
	same "$(status_of "$4")" "$1" && [[ $(reason_of "$4") == *"${5:-}"* ]] || { cat "$dir/$4.xml"; return 1; }
}
# ntp SECONDS: that many from now, as SP-4 counts
ntp() { echo $(($(date +%s) + 2208988800 + $1)); }
