#!/usr/bin/env bash
# tests/integration/bridge_https.sh: exchanges of SP-4 and CP-3 by HTTPS with peers that are not ours: curl with documents of files calls the bridge, a
# server of Python's library is called by it, openssl is nobody, nginx stands in front of a peer; what was answered stays so over kill -9.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=calib.sh
. "$(dirname "$0")/calib.sh"
PATH=$PATH:/usr/sbin
need openssl curl xmllint nginx
samples=$top_srcdir/tests/data/sp4/samples
plan 57

ports p_https p_peer p_proxy p_plain
{
	authority ours && authority theirs && certificate ours bsda DNS:bsda.operator.example && certificate ours bsm1 DNS:bsm1.operator.example &&
		certificate ours bsm2 DNS:other.example URI:urn:operator:bsm2 && certificate ours bsa DNS:BSA.operator.example DNS:more.example &&
		certificate ours nobody DNS:nobody.example && certificate theirs stranger DNS:bsm1.operator.example &&
		certificate ours subject IP:127.0.0.1
} || bail "certificates are made"
write() {	# [MORE-PEERS]
	cat >"$dir/b.yaml" <<-EOT
	state: state
	playout: unix://$dir/run
	services:
	  - { id: tv1, scrambling: none, global_service_id: "urn:oma:bcast:iauth:x-test:service:tv1", global_content_id: "cid:tv1@operator.example" }
	bridge:
	  front:
	    id: bsda.operator.example
	    roles: [bsm, bsda, bsa]
	    listen: tls://127.0.0.1:$p_https
	    certificate: bsda.pem
	    private_key: bsda.key
	    ca: ours.pem
	    peers:
	      bsm1: { id: bsm1.operator.example, roles: [bsm, bsda, bsa], url: "https://127.0.0.1:$p_peer", connections: 2, ${2:-timeout: 0} }
	      bsm2: { id: bsm2.operator.example, identity: urn:operator:bsm2, roles: bsm, status: basic, short: true }
	      bsa: { id: bsa.operator.example, roles: bsa }
	      gone: { id: gone.example, roles: bsm, url: "https://127.0.0.1:$p_plain" }
	      imposter: { id: imposter.example, roles: bsm, url: "https://127.0.0.1:$p_peer" }
	${1:-}
	EOT
}
write
mkfifo "$dir/commands"
up_bridge() {
	start b bash -c "exec '$top_builddir/tests/integration/ex_run' '$dir/b.yaml' front '$top_srcdir/bridge' <>'$dir/commands'"
	await_log 15 b '^ready' "${1:-1}"
}
up_bridge || bail "the bridge listens"
url=https://127.0.0.1:$p_https
tv1=urn:oma:bcast:iauth:x-test:service:tv1

# document SAMPLE MESSAGE-ID [SED …]: from bsm1 to the bridge, in $dir/doc
document() {
	local file=$samples/$1 id=$2
	shift 2
	sed -E -e "s/messageID=\"[^\"]*\"/messageID=\"$id\"/; s/source=\"[^\"]*\"/source=\"bsm1.operator.example\"/; s/destination=\"[^\"]*\"/destination=\"bsda.operator.example\"/" \
		"$@" "$file" >"$dir/doc"
}
as() { echo --cacert "$dir/ours.pem" --cert "$dir/$1.pem" --key "$dir/$1.key" --resolve "bsda.operator.example:$p_https:127.0.0.1"; }
url=https://bsda.operator.example:$p_https
type='application/xml; charset=utf-8'
# post WHO PATH [CURL …]: $dir/doc, of $type; prints the HTTP status, the answer is in $dir/reply, its head in $dir/head
post() {
	local who=$1 path=$2
	shift 2
	# shellcheck disable=SC2046
	curl -sS --noproxy '*' --max-time 15 -o "$dir/reply" -D "$dir/head" -w '%{http_code}' $(as "$who") -H "Content-Type: $type" \
		--data-binary "@$dir/doc" "$@" "$url$path"
}
attribute() { sed -nE "s/.*\\b$1=\"([^\"]*)\".*/\\1/p" "$dir/reply" | head -1; }
valid() { xmllint --noout --nonet --schema "$top_srcdir/bridge/sp4-backend.xsd" "${1:-$dir/reply}" 2>&1; }
# said WHO PATH TAG STATUS MESSAGE-ID: 200, and the answer says so, by the schema
said() {
	same "$(post "$1" "$2")" 200 && valid && same "tag=$(attribute tag) status=$(attribute status) id=$(attribute messageID)" "tag=$3 status=$4 id=$5"
}
http() { same "$(post "${@:2}")" "$1"; }
handled() { grep -c "^handled .* $1\$" "$dir/log/b"; }

# every tag
while read -r tag sample path; do
	answered() {
		document "$sample" "every-$tag" && valid "$dir/doc" && said bsm1 "$path" $((tag + 1)) 0 "every-$tag" &&
			same "$(attribute source) $(attribute destination)" "bsda.operator.example bsm1.operator.example"
	}
	check "tag $tag is answered with $((tag + 1))" answered
done <<-EOT
	1 tag01-tek-request.xml /bcast/cp3
	3 tag03-tek-delivery.xml /bcast/cp3
	5 tag05-stkm-request-with-keys.xml /bcast/sp4
	7 tag07-stkm-delivery.xml /bcast/sp4
	9 tag09-ltkm-request.xml /bcast/sp4
	11 tag11-ltkm-delivery.xml /bcast/sp4
	13 tag13-reg-request.xml /bcast/sp4
	15 tag15-reg-delivery.xml /bcast/sp4
	17 tag17-seak-request.xml /bcast/sp4
	19 tag19-seak-delivery.xml /bcast/sp4
EOT

# what HTTP refuses
document tag07-stkm-delivery.xml refused
cp "$dir/doc" "$dir/good"
type=text/xml check "text/xml is taken, too" http 200 bsm1 /bcast/sp4
echo '<a><b></a>' >"$dir/doc"
check "400: not well-formed" http 400 bsm1 /bcast/sp4
: >"$dir/doc"
check "… nothing at all" http 400 bsm1 /bcast/sp4
document tag07-stkm-delivery.xml x -e 's/messageID="[^"]*"//'
check "… no messageID" http 400 bsm1 /bcast/sp4
document tag07-stkm-delivery.xml x -e 's/tag="7"/tag="11"/'
check "… against the schema" http 400 bsm1 /bcast/sp4
document tag08-stkm-confirmation.xml x
check "… an answer is no beginning" http 400 bsm1 /bcast/sp4
cp "$top_srcdir/tests/data/sp4/faulty/dtd.xml" "$dir/doc"
check "… a DTD" http 400 bsm1 /bcast/sp4
cp "$dir/good" "$dir/doc"
check "403: the certificate is no peer's" http 403 nobody /bcast/sp4
check "… its name is in its subject only" http 403 subject /bcast/sp4
check "… it is another peer's" http 403 bsa /bcast/sp4
check "404" http 404 bsm1 /bcast/sp5
get() { post bsm1 "$1" -X "$2" >"$dir/status" && same "$(cat "$dir/status") $(tr -d '\r' <"$dir/head" | grep -i '^allow:')" "405 $3"; }
check "405: Allow: POST" get /bcast/sp4 PUT "Allow: POST"
head -c 1100000 /dev/zero | tr '\0' ' ' >"$dir/doc"
check "413: more than 1 MiB" http 413 bsm1 /bcast/sp4
cp "$dir/good" "$dir/doc"
type=application/json check "415: another type" http 415 bsm1 /bcast/sp4
type='application/xml; charset=iso-8859-1' check "… another character set" http 415 bsm1 /bcast/sp4
check "400: two types at once" http 400 bsm1 /bcast/sp4 -H 'Content-Type: text/xml'
# shellcheck disable=SC2046
health() { same "$(curl -sS --noproxy '*' --max-time 15 $(as nobody) "$url/bcast/health")" ok; }
check "health" health

# who has no certificate, or somebody else's authority's
check "a stranger gets no answer" same "$(post stranger /bcast/sp4 2>/dev/null)" 000
# Under TLS 1.3 the handshake ends for the client before the server has seen that there is no certificate: only a request tells.
anonymous() {
	local answer
	answer=$({ printf 'GET /bcast/health HTTP/1.1\r\nHost: a\r\n\r\n'; sleep 2; } |
		within 15 openssl s_client "$1" -quiet -connect "127.0.0.1:$p_https" -CAfile "$dir/ours.pem" 2>&1)
	[[ $answer != *HTTP/1.1* && $answer == *alert* ]] || { echo "$answer"; return 1; }
}
check "nor does nobody, by TLS 1.3" anonymous -tls1_3
check "… by TLS 1.2" anonymous -tls1_2

# statuses
document tag07-stkm-delivery.xml s23 -e 's/destination="[^"]*"/destination="somebody.example"/'
check "status 23: for somebody else" said bsm1 /bcast/sp4 8 23 s23
document tag07-stkm-delivery.xml s26 -e 's/source="[^"]*"/source="somebody.example"/'
check "status 26: an unknown source" said bsm1 /bcast/sp4 8 26 s26
document tag07-stkm-delivery.xml s12 -e 's/version="1"/version="2"/'
check "status 12: another version" said bsm1 /bcast/sp4 8 12 s12
document tag11-ltkm-delivery.xml s8 -e 's/<DistributionEnd>[0-9]*/<DistributionEnd>4000000000/'
check "status 8: it contradicts itself" said bsm1 /bcast/sp4 12 8 s8
document tag07-stkm-delivery.xml s11 -e 's/source="[^"]*"/source="bsa.operator.example"/'
check "status 11: not in this role" said bsa /bcast/sp4 8 11 s11
document tag01-tek-request.xml s11b
check "… not on this path" said bsm1 /bcast/sp4 2 11 s11b
document tag07-stkm-delivery.xml s19 -e "s/$tv1/&:refused/"
check "a status of the one who is asked, with its reason" said bsm1 /bcast/sp4 8 19 s19
check "…" grep -q 'Reason>not yet<' "$dir/reply"
document tag07-stkm-delivery.xml s1 -e "s/$tv1/&:refused/; s/source=\"[^\"]*\"/source=\"bsm2.operator.example\"/"
basic() { said bsm2 /bcast/sp4 8 1 s1 && ! grep -q 'source=\|GlobalServiceID' "$dir/reply"; }
check "a peer with basic statuses and the short form, known by a URI" basic

# repeats
document tag05-stkm-request.xml again
repeat() { http 200 bsm1 /bcast/sp4 && cp "$dir/reply" "$dir/first" && http 200 bsm1 /bcast/sp4 && cmp "$dir/first" "$dir/reply" && same "$(handled again)" 1; }
check "a repeat gets the same octets, and nobody is asked again" repeat
document tag05-stkm-request-with-keys.xml again
check "status 16: the messageID of another message" said bsm1 /bcast/sp4 6 16 again
document tag05-stkm-request.xml twice -e "s/$tv1/&:later/"
together() {
	local -a both=()
	local i
	for i in 1 2 3; do
		# shellcheck disable=SC2046
		curl -sS --noproxy '*' --max-time 15 -o "$dir/reply$i" $(as bsm1) -H 'Content-Type: application/xml' --data-binary "@$dir/doc" "$url/bcast/sp4" &
		both+=($!)
	done
	wait "${both[@]}" && cmp "$dir/reply1" "$dir/reply2" && cmp "$dir/reply1" "$dir/reply3" && valid "$dir/reply1" && same "$(handled twice)" 1
}
check "repeats that come meanwhile wait for the first" together
document tag05-stkm-request.xml again
restarted() {
	kill9 b && up_bridge 2 && http 200 bsm1 /bcast/sp4 && cmp "$dir/first" "$dir/reply" && same "$(handled again)" 1
}
check "after kill -9 it still gets the same octets" restarted
document tag05-stkm-request.xml middle -e "s/$tv1/&:never/"
# there will be no answer
unanswered() {
	# shellcheck disable=SC2046
	curl -sS --noproxy '*' --max-time 15 -o /dev/null $(as bsm1) -H 'Content-Type: application/xml' --data-binary "@$dir/doc" "$url/bcast/sp4" 2>/dev/null &
}
unanswered
interrupted() {
	await_log 15 b '^handled 5 middle' && kill9 b && up_bridge 3 || return
	unanswered
	await_log 15 b '^handled 5 middle' 2
}
check "what was not answered before a crash is taken up by its repeat" interrupted
no_keys() { grep -qa '<STKMRequestResponse' "$dir"/state/bridge-front.db* && ! grep -qaE '<(TEK|SEAK)RequestResponse' "$dir"/state/bridge-front.db*; }
check "the store has no answer with keys in clear" no_keys

# a reverse proxy with the peer's certificate
cat >"$dir/nginx.conf" <<-EOT
	daemon off; pid $dir/nginx.pid; error_log stderr; worker_processes 1;
	events { worker_connections 64; }
	http {
	  access_log off; client_max_body_size 2m;
	  client_body_temp_path $dir/n1; proxy_temp_path $dir/n2; fastcgi_temp_path $dir/n3; uwsgi_temp_path $dir/n4; scgi_temp_path $dir/n5;
	  upstream bridge { server 127.0.0.1:$p_https; keepalive 2; }
	  server {
	    listen 127.0.0.1:$p_proxy;
	    location / {
	      proxy_pass https://bridge; proxy_http_version 1.1; proxy_set_header Connection "";
	      proxy_ssl_certificate $dir/bsm1.pem; proxy_ssl_certificate_key $dir/bsm1.key; proxy_ssl_trusted_certificate $dir/ours.pem;
	      proxy_ssl_verify on; proxy_ssl_name bsda.operator.example; proxy_ssl_server_name on;
	    }
	  }
	}
EOT
nginx=$(command -v nginx)
start nginx "$nginx" -p "$dir" -c "$dir/nginx.conf"
through() {
	await_port 15 "$p_proxy" || return
	document tag05-stkm-request.xml proxied
	same "$(curl -sS --noproxy '*' --max-time 15 -o "$dir/reply" -w '%{http_code}' -H 'Content-Type: application/xml' --data-binary "@$dir/doc" \
		"http://127.0.0.1:$p_proxy/bcast/sp4")" 200 && valid && same "$(attribute status) $(attribute messageID)" "0 proxied" &&
		cp "$dir/reply" "$dir/first" && http 200 bsm1 /bcast/sp4 && cmp "$dir/first" "$dir/reply"
}
check "nginx with the peer's certificate changes nothing" through
stop nginx 15 >/dev/null

# the bridge calls
start peer "$PYTHON" "$here/xmlpeer.py" "$p_peer" "$dir/bsm1.pem" "$dir/bsm1.key" "$dir/ours.pem" "mode=$dir/mode"
await_log 15 peer serving || bail "a peer to be called"
n=0
# began LINE REGEX: the exchange ends so
began() {
	n=$(grep -c '^done' "$dir/log/b")
	echo "$1" >"$dir/commands"
	await_log 30 b '^done' $((n + 1)) || return
	grep '^done' "$dir/log/b" | tail -n 1 >"$dir/end"
	grep -E "$2" "$dir/end" || { cat "$dir/end"; return 1; }
}
all_tags() {
	local t
	for t in 1 3 5 7 9 11 13 15 17 19; do
		began "bsm1 $t" "^done $t answered 200 0 " || return
	done
	same "$(grep -c '^request .* /bcast/cp3' "$dir/log/peer") $(grep -c '^request .* /bcast/sp4' "$dir/log/peer")" "2 8"
}
check "a peer answers all tags" all_tags
check "the messageID: name, starts, number" grep -Eq '^request 19 bsda.operator.example-3-10 ' "$dir/log/peer"
wrongs() {
	local how
	for how in message source garbage html; do
		echo "$how" >"$dir/mode"
		began "bsm1 5" '^done 5 wrong 200' || return
	done
	echo tag >"$dir/mode"
	began "bsm1 5" '^done 5 wrong 200' && echo short >"$dir/mode" && began "bsm1 5" '^done 5 answered 200 0 1' && echo "status 19" >"$dir/mode" &&
		began "bsm1 5" '^done 5 answered 200 19 0'
}
check "answers that are none are told from those that are" wrongs
echo "http 500" >"$dir/mode"
check "HTTP 500 is a refusal" began "bsm1 5" '^done 5 refused 500'
retried() {
	local before
	before=$(grep -c '^request' "$dir/log/peer")
	echo "http 503" >"$dir/mode"
	n=$(grep -c '^done' "$dir/log/b")
	echo "bsm1 7" >"$dir/commands"
	await_log 15 peer '^request' $((before + 2)) && : >"$dir/mode" && await_log 15 b '^done' $((n + 1)) &&
		tail -n 1 "$dir/log/b" | grep '^done 7 answered 200 0' && same "$(tail -n +$((before + 1)) <(grep '^request' "$dir/log/peer") | sort -u | wc -l)" 1
}
check "503 is tried again, with the same octets" retried
echo "late 0.6" >"$dir/mode"
slow() {
	local before
	before=$(grep -c '^request' "$dir/log/peer")
	began "bsm1 5 200 4000" '^done 5 silent' && [ "$(grep -c '^request' "$dir/log/peer")" -gt $((before + 1)) ]
}
check "a peer that is too slow is asked again, and given up in the end" slow
: >"$dir/mode"
check "nobody there" began "gone 5 0 900" '^done 5 silent 0'
imposter() {
	local before
	before=$(grep -c '^request' "$dir/log/peer")
	began "imposter 5 0 900" '^done 5 silent 0' && same "$(grep -c '^request' "$dir/log/peer")" "$before"
}
check "who shows another's certificate hears nothing" imposter

# another reading of the file
renewed() {
	local old
	old=$(openssl x509 -noout -serial -in "$dir/bsda.pem")
	certificate ours bsda DNS:bsda.operator.example && write "      new: { id: new.example, identity: nobody.example, roles: bsm }" && sig HUP b &&
		await_log 15 b '^reload done' || return
	within 15 openssl s_client -connect "127.0.0.1:$p_https" -cert "$dir/bsm1.pem" -key "$dir/bsm1.key" </dev/null 2>/dev/null |
		openssl x509 -noout -serial >"$dir/shown"
	same "$(cat "$dir/shown")" "$(openssl x509 -noout -serial -in "$dir/bsda.pem")" && [ "$old" != "$(cat "$dir/shown")" ] || return
	document tag07-stkm-delivery.xml hup -e 's/source="[^"]*"/source="new.example"/'
	said nobody /bcast/sp4 8 0 hup && began "bsm1 5" '^done 5 answered 200 0'
}
check "SIGHUP: a new certificate, a new peer, no restart" renewed
refused() {
	sed -i 's/id: bsda.operator.example/id: another.example/' "$dir/b.yaml" && sig HUP b && await_log 15 b 'reload refused .*id of bridge front has changed' &&
		began "bsm1 5" '^done 5 answered 200 0'
}
check "… what takes a restart is refused" refused
check "SIGTERM ends it" stop b 15
