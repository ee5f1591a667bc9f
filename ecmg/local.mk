# ecmg/
