/* proto/bcast_status.h: Global Status Codes of OMA BCAST, the same rows in every error_status table; numbers and names unconfirmed */
#ifndef PROTO_BCAST_STATUS_H
#define PROTO_BCAST_STATUS_H

#define BCAST_STATUSES(base) /* 0x8000 on every interface */ \
	{ (base) + 0, "BCAST: success", "a success reported as an error: the peer mapped its status code by mistake", "report it to the KMS's vendor" }, \
	{ (base) + 1, "BCAST: device authentication failed", "the device could not prove who it is; from a peer that knows only 0 and 1: any failure", "look at the KMS's log for the reason" }, \
	{ (base) + 2, "BCAST: user authentication failed", "the user could not prove who he is", "check the subscriber's credentials at the KMS" }, \
	{ (base) + 3, "BCAST: purchase item unknown", "the KMS does not know the purchase item", "compare the service guide with the KMS's items" }, \
	{ (base) + 4, "BCAST: device authorization failed", "the device may not use this", "check the device's rights at the KMS" }, \
	{ (base) + 5, "BCAST: user authorization failed", "the peer is not entitled to the service", "check at the KMS which head-ends may use the service" }, \
	{ (base) + 6, "BCAST: device not registered", "the device is not registered", "register the device at the KMS" }, \
	{ (base) + 7, "BCAST: server error", "the KMS failed internally", "look at the KMS's log" }, \
	{ (base) + 8, "BCAST: mal-formed message", "the KMS could not read the message behind the request", "look at the KMS's log; compare the versions of both ends" }, \
	{ (base) + 9, "BCAST: charging error", "charging failed", "look at the charging system" }, \
	{ (base) + 10, "BCAST: no subscription", "there is no subscription for this", "check the subscription at the KMS" }, \
	{ (base) + 11, "BCAST: operation not permitted", "the KMS does not do this in its role", "check which side makes TEK and STKM" }, \
	{ (base) + 12, "BCAST: unsupported version", "the KMS does not speak this version of its back-end protocol", "compare the versions of both ends" }, \
	{ (base) + 13, "BCAST: illegal device", "the device is barred", "check the device at the KMS" }, \
	{ (base) + 14, "BCAST: service area not allowed", "the service may not be used in this area", "check the areas at the KMS" }, \
	{ (base) + 15, "BCAST: requested service unavailable", "the KMS does not know the service or content", "compare the service's identifiers, ecm_id and data_id with the KMS's" }, \
	{ (base) + 16, "BCAST: request already processed", "a message identifier was used twice with different content", "look at the bridge's log; it repeats with a fresh one" }, \
	{ (base) + 17, "BCAST: information element non-existent", "the KMS misses an element that this mode needs", "check the KMS's entry in the configuration, access_criteria above all" }, \
	{ (base) + 18, "BCAST: unspecified", "the KMS failed for a reason it does not say", "look at the KMS's log" }, \
	{ (base) + 19, "BCAST: process delayed", "the key or message is not ready yet", "wait; the asking side asks again" }, \
	{ (base) + 20, "BCAST: generation failure", "STKM, LTKM or SEAK could not be made", "look at the KMS's log: is there a SEK or PEK for this time?" }, \
	{ (base) + 21, "BCAST: information invalid", "a value is out of range or a key has the wrong length", "compare scrambling and authentication of the service with the KMS's" }, \
	{ (base) + 22, "BCAST: invalid request", "the KMS cannot do what was asked", "look at the KMS's log" }, \
	{ (base) + 23, "BCAST: wrong destination", "the message was meant for another entity", "check the KMS's address and names" }, \
	{ (base) + 24, "BCAST: delivery of wrong key information", "the data are not the object that was announced", "look at the KMS's log" }, \
	{ (base) + 25, "BCAST: service provider ID unknown", "the KMS does not know the service provider", "compare the low half of super_cas_id with the KMS's" }, \
	{ (base) + 26, "BCAST: service provider BSM_ID unknown", "the KMS does not know the sender", "have the KMS enter this head-end" }, \
	{ (base) + 27, "BCAST: already in use", "it is in use with other keys", "look for a second KMS with the same SEAK" }
#endif
