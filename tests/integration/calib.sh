# shellcheck shell=bash
# tests/integration/calib.sh: sourced after lib.sh: a certification authority for one test, by openssl

# authority NAME: $dir/NAME.pem and $dir/NAME.key
authority() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" -keyout "$dir/$1.key" -out "$dir/$1.pem" \
		>>"$dir/log/openssl" 2>&1
}
# certificate AUTHORITY NAME SAN …: $dir/NAME.pem and $dir/NAME.key, for DNS:… URI:… IP:…; made again, it is another one
certificate() {
	local ca=$1 name=$2
	shift 2
	{
		openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" -keyout "$dir/$name.key.new" -out "$dir/$name.csr" &&
			openssl x509 -req -in "$dir/$name.csr" -CA "$dir/$ca.pem" -CAkey "$dir/$ca.key" -CAcreateserial -days 2 -out "$dir/$name.pem.new" \
				-extfile <(IFS=,; echo "subjectAltName=$*") &&
			chmod 600 "$dir/$name.key.new" && mv "$dir/$name.key.new" "$dir/$name.key" && mv "$dir/$name.pem.new" "$dir/$name.pem"
	} >>"$dir/log/openssl" 2>&1
}
