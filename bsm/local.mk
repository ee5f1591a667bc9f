# bsm/: the subscribers' side of a KMS: registration, LTKM delivery, purchases
