#!/usr/bin/env bash
# tests/integration/scs_vectors.sh: simulgate-scs receives: a scripted ECMG (simecmg.py) answers it with every vector, in every order and
# cut anywhere, with what is wrong and what is strange, lenient and strict; errors, silence and lost connections extend a crypto-period,
# then the service goes on.
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
plan 125
verdicts "$PYTHON" "$here/simecmg.py" "$(program scs)" "$dir/log/scs" "$dir" "$top_srcdir/tests/data/sim/simulcrypt-vectors.json"
