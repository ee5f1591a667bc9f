#!/usr/bin/env bash
# tests/integration/bsm_http.sh: the BSM's doors as strangers meet them: a terminal in Python (AKA, auth-int) and curl --digest register and
# request, xmllint reads every document, a web shop sells by curl; what is wrong, replayed, malformed or too long gets its answer, and a kill -9
# forgets nothing.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=bsmlib.sh
. "$here/bsmlib.sh"
need curl xmllint openssl "$PYTHON"
bsm_headend 2s "qop_auth: true, "
url=http://127.0.0.1:$p_http shop=http://127.0.0.1:$p_api/api/v1
keys="$url/keymanagement?requesttype"
alice=001010123456781@ims.mnc001.mcc001.3gppnetwork.org
k=465b5ce8b199b49faa5f0a2ee238a6b1 opc=cd63cb71954a9f4e48a5994e37a02ba1
register=application/mbms-register+xml deregister=application/mbms-deregister+xml msk=application/mbms-msk+xml
plan 37

ua() { "$PYTHON" "$here/bsm_ua.py" "$@"; }
valid() { xmllint --noout --nonet --schema "$top_srcdir/kms/mbms/$1.xsd" "$2"; }
# code NUMBER SERVICE DOCUMENT: the service has that code, as xmllint reads it
code() {
	same "$(xmllint --xpath "string(//*[local-name()='Response'][*[local-name()='serviceID']='$2']/*[local-name()='ResponseCode'])" "$3")" "$1"
}
counted() { await_status 15 "$dir/bsm.sock" "s['requests']['$1'] >= ${2:-1}"; }

rise bsm
await_status 15 "$dir/bsm.sock" 'len(s["services"]) == 1' >/dev/null || bail "the BSM makes its store"
check "a subscriber comes into the store while it is open" "$top_builddir/tests/integration/bsm_seed" "$dir/state/kms-card.db" alice "$alice" $k $opc

# A stranger and a subscriber with a wrong card.
ua unknown "$url/" "$alice" >"$dir/known" 2>&1
ua unknown "$url/" nobody@example.net >"$dir/unknown" 2>&1
check "an unknown IMPI gets a challenge, and is answered as a wrong card is" cmp "$dir/known" "$dir/unknown"
check "with 401" grep -q '^401 ' "$dir/known"

# Bootstrapping, registration and requests, by a terminal that shares no code with us.
ua ub "$url/" "$alice" $k $opc bsf.example.net bsm.example.net "$dir/ub.xml" >"$dir/gba" 2>"$dir/log/ub" || bail "bootstrapping" "$(cat "$dir/log/ub")"
read -r btid srk <"$dir/gba"
ok "bootstrapping"
check "xmllint reads what it was told" valid bootstrapping "$dir/ub.xml"
cat >"$dir/all.xml" <<-EOF
	<mbmsSecurityRegister xmlns="urn:3GPP:metadata:2005:MBMS:userServiceRegister"><serviceID>urn:allServices</serviceID></mbmsSecurityRegister>
	EOF
cat >"$dir/some.xml" <<-EOF
	<mbmsSecurityRegister xmlns="urn:3GPP:metadata:2005:MBMS:userServiceRegister"><serviceID>urn:simulgate:judge:news</serviceID><serviceID>urn:none</serviceID></mbmsSecurityRegister>
	EOF
sed 's/Register/Deregister/g' "$dir/all.xml" >"$dir/gone.xml"
cat >"$dir/msk.xml" <<-EOF
	<mbmsMSKRequest xmlns="urn:3GPP:metadata:2005:MBMS:msk"><MSK><keyDomainID>APEQ</keyDomainID><MSKID>AAEAAA==</MSKID></MSK></mbmsMSKRequest>
	EOF
check "what is sent is what the schemas say" eval "valid mbms-register '$dir/all.xml' && valid mbms-register '$dir/some.xml' && valid mbms-deregister '$dir/gone.xml' && valid mbms-msk '$dir/msk.xml'"
check "registration under auth-int" same "$(ua post "$keys=register" "$btid" "$srk" $register "$dir/some.xml" "$dir/answer.xml")" "200 signed"
check "a service that was not bought is 403" code 403 urn:simulgate:judge:news "$dir/answer.xml"
check "one that there is not is 404" code 404 urn:none "$dir/answer.xml"

# A web shop sells while the terminal is away.
bought() { curl -sS -o "$dir/sold" -w '%{http_code}' --oauth2-bearer $token "$@"; }
order='{"subscriber": "alice", "service": "news", "until": "2099-01-01T00:00:00Z"}'
sell() { bought "$shop/subscriptions" -H 'Content-Type: application/json' -H 'Idempotency-Key: order-1' -d "$order"; }
check "a shop sells by curl" same "$(sell)" 201
field() { "$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$dir/sold" "$1"; }
id=$(field id)
check "again under the same key it was sold already" same "$(sell) $(field id)" "200 $id"
check "it is there to be read" same "$(bought "$shop/subscriptions/$id") $(field subscriber) $(field service)" "200 alice news"
check "another purchase under that key is none" same "$(order=${order/news/none} sell; field error)" "422unknown_name"
check "nor one until another time" same "$(order=${order/2099/2098} sell) $(field error)" "409 conflict"
check "nor is one without the token" same "$(curl -sS -o /dev/null -w '%{http_code}' "$shop/subscriptions/$id")" 401

check "urn:allServices" same "$(ua post "$keys=register" "$btid" "$srk" $register "$dir/all.xml" "$dir/answer.xml")" "200 signed"
check "xmllint reads the answer" valid mbms-register-response "$dir/answer.xml"
check "what was bought is in it" code 200 urn:simulgate:judge:news "$dir/answer.xml"
check "and the shop sees where she is" same "$(bought "$shop/subscribers/alice") $("$PYTHON" -c 'import json, sys; print(json.load(open(sys.argv[1]))["registration"]["reachable"])' "$dir/sold")" "200 True"

# curl knows auth-int for empty bodies only; where auth is accepted it does the rest.
c() { curl -sS --max-time 20 --digest -u "$btid:$srk" -o "$dir/answer.xml" -w '%{http_code}' "$@"; }
check "curl --digest registers" same "$(c "$keys=register" -H "Content-Type: $register" --data-binary "@$dir/all.xml")" 200
check "and xmllint reads its answer" valid mbms-register-response "$dir/answer.xml"
check "curl --digest requests a key" same "$(c "$keys=msk-request" -H "Content-Type: $msk" --data-binary "@$dir/msk.xml")" 200
check "which it is promised" eval "valid mbms-msk-response '$dir/answer.xml' && grep -q '<ResponseCode>200<' '$dir/answer.xml'"
check "and which is sent" await_status 15 "$dir/bsm.sock" "s['ltkm']['sent'] + s['ltkm']['due'] + s['ltkm']['failed'] + s['ltkm']['sms'] >= 1"

# What is wrong.
wrong() { ua post "$keys=register" "$1" "$2" $register "$dir/all.xml" "$dir/answer.xml"; }
check "a wrong password" same "$(wrong "$btid" "${srk%=}A") $(cat "$dir/answer.xml")" "401 unsigned not authenticated"
check "an unknown B-TID is told the same" same "$(wrong "x$btid" "$srk") $(cat "$dir/answer.xml")" "401 unsigned not authenticated"
check "the same request twice is one" same "$(ua post "$keys=register" "$btid" "$srk" $register "$dir/all.xml" "$dir/answer.xml" twice | tr '\n' ' ')" "200 signed 401 unsigned "
check "which is counted and logged" eval "counted replayed && await_log 15 bsm 'event=request_refused .*reason=replayed'"
echo '<mbmsSecurityRegister><serviceID>' >"$dir/bad.xml"
check "malformed XML" same "$(ua post "$keys=register" "$btid" "$srk" $register "$dir/bad.xml" "$dir/answer.xml")" "400 signed"
echo '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><mbmsSecurityRegister><serviceID>&e;</serviceID></mbmsSecurityRegister>' >"$dir/bad.xml"
check "XML with entities" same "$(ua post "$keys=register" "$btid" "$srk" $register "$dir/bad.xml" "$dir/answer.xml")" "400 signed"
head -c 10000000 /dev/zero >"$dir/big"
check "a body of 10 MB" same "$(c "$keys=register" -H "Content-Type: $register" --data-binary "@$dir/big")" 413
check "another content type" same "$(c "$url/keymanagement" -H "Content-Type: text/plain" --data-binary x)" 415
# A client that asks and never reads, and one that never ends its request, hold nobody up.
exec 8<>"/dev/tcp/127.0.0.1/$p_http" 9<>"/dev/tcp/127.0.0.1/$p_http"
for ((i = 0; i < 200; i++)); do printf 'GET /elsewhere HTTP/1.1\r\nHost: x\r\n\r\n' >&8; done
printf 'POST /keymanagement?requesttype=register HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n<' >&9
check "slow clients hold nobody up" same "$(c "$keys=register" -H "Content-Type: $register" --data-binary "@$dir/all.xml")" 200
exec 8>&- 9>&-

# kill -9: what was answered stays, nonces that were used stay used.
ua post "$keys=register" "$btid" "$srk" $register "$dir/all.xml" "$dir/answer.xml" >/dev/null
kill9 bsm
rise bsm
await_status 15 "$dir/bsm.sock" 'len(s["services"]) == 1' >/dev/null || bail "the BSM returns"
again() { curl -sS -o /dev/null -w '%{http_code}' -H "Content-Type: $register" -H "Authorization: $(cat "$dir/answer.xml.authorization")" --data-binary "@$dir/all.xml" "$keys=register"; }
check "credentials that were used before kill -9 are used" same "$(again)" 401
check "the registration is there, and the subscription" same "$(bought "$shop/subscriptions/$id")" 200
check "and what was bootstrapped registers" same "$(ua post "$keys=deregister" "$btid" "$srk" $deregister "$dir/gone.xml" "$dir/answer.xml")" "200 signed"
check "a subscription is ended by the shop" same "$(bought -X DELETE "$shop/subscriptions/$id") $(field state)" "200 ended"
