package koogallerytest

import (
	"slices"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// Product types of cases.
var (
	everyType = ProductTypes()
	oneTime   = []ProductType{OneTime}
	period    = []ProductType{Period}
	byUse     = []ProductType{PayPerUse, Package}
	// running are sold for a time or by use, so they can be frozen.
	running = []ProductType{Period, PayPerUse, Package}
)

// Scenes and states, short enough for a row.
const (
	renewal  = koogallery.SceneRenewal
	toFormal = koogallery.SceneTrialToFormal
	returned = koogallery.SceneRenewalReturned
	changed  = koogallery.SceneRenewalChange
	freeze   = koogallery.StatusFreeze
	unfreeze = koogallery.StatusUnfreeze
	normal   = koogallery.StatusNormal
)

// debugCases are all cases, one in each row. Another generation adds its rows here, its name to Generations, and its key to
// Conformance. A call without a debug flag stands in no row: what a mistaken server does with it would be real. For the same
// reason testFlag is never a number here, though the pages allow it.
func debugCases() []Case {
	return slices.Concat(
		saasV2Cases(), saasV2Refusals(), saasV1Cases(), saasV1Refusals(),
		licenseCodeCases(), onlineLicenseCases(), license1Cases(), notificationCases(), kitCases(KitV2), kitCases(KitV1),
	)
}

// saasV2Cases: protocol page 3.3 says which product type needs which activity.
func saasV2Cases() []Case {
	const (
		create, query, refresh    = koogallery.ActivityNewInstance, koogallery.ActivityQueryInstance, koogallery.ActivityRefreshInstance
		status, release           = koogallery.ActivityUpdateInstanceStatus, koogallery.ActivityReleaseInstance
		upgrade, check            = koogallery.ActivityUpgradeInstance, koogallery.ActivityChangeInstanceCheck
		yearly, once, use, packet = "MOCKPERIODYEARNEW", "MOCKONETIMENEW", "MOCKONDEMAND", "MOCKONDEMANDPKG"
		trial, unsubscription     = "MOCKPERIODDAYTRIAL", "MOCKMONTYUNSUBSCRIBE"
		v                         = SaaSV2
	)
	payPerUse, packages := []ProductType{PayPerUse}, []ProductType{Package}
	return []Case{
		{v, everyType, "", "", "the bare domain", []debugCall{visitDomain}, servesDomain, "3.1", Inferred},
		{v, oneTime, create, "", "one-time", purchases(once, 1), accepted, "3.5", Documented},
		{v, period, create, "", "yearly", purchases(yearly, 1), accepted, "3.5", Documented},
		{v, period, create, "", "trial", purchases(trial, 1), accepted, "3.5", Documented},
		{v, payPerUse, create, "", "pay-per-use", purchases(use, 1), accepted, "3.5", Documented},
		{v, packages, create, "", "package", purchases(packet, 1), accepted, "3.5", Documented},
		{v, oneTime, create, "", "one-time order again", purchases(once, 2), sameInstance, "2.2", Documented},
		{v, period, create, "", "yearly order again", purchases(yearly, 2), sameInstance, "2.2", Documented},
		{v, payPerUse, create, "", "pay-per-use order again", purchases(use, 2), sameInstance, "2.2", Documented},
		{v, packages, create, "", "package order again", purchases(packet, 2), sameInstance, "2.2", Documented},
		{v, everyType, create, "", "signed in lower case", with(lowerHex, purchase(once)), accepted, "3.1", Documented},
		{v, everyType, create, "", "timestamp in seconds", with(seconds, purchase(once)), accepted, "3.1", Documented},
		{v, everyType, create, "", "members in another order", with(inAnotherOrder, purchase(once)), accepted, "3.1", Inferred},
		{v, everyType, create, "", "an order id of 64 characters", purchases(longest, 1), accepted, "3.5", Documented},
		{v, everyType, query, "", "of a purchase", []debugCall{purchase(once), queryOf}, accepted, "3.6", Documented},
		{v, everyType, query, "", "an instance that never existed", []debugCall{queryOf}, accepted, "2", Inferred},
		{v, everyType, query, "", "two instances that never existed", []debugCall{queryTwo}, accepted, "3.6", Inferred},
		{v, everyType, query, "", "100 instances that never existed", []debugCall{queryHundred}, accepted, "3.6", Inferred},
		{v, byUse, query, "", "usage", []debugCall{queryOf}, tellsUsage, "3.6", Documented},
		{v, period, refresh, renewal, "", refreshes(renewal, 1), accepted, "3.7", Documented},
		{v, period, refresh, renewal, "again", refreshes(renewal, 2), accepted, "2.2", Inferred},
		{v, period, refresh, toFormal, "", refreshes(toFormal, 1), accepted, "3.7", Documented},
		{v, period, refresh, returned, "", refreshes(returned, 1), accepted, "3.7", Documented},
		{v, period, refresh, changed, "", refreshes(changed, 1), accepted, "3.7", Documented},
		{v, period, refresh, renewal, "an end of 17 digits", []debugCall{refreshMillis}, accepted, "3.7", Documented},
		{v, running, status, freeze, "", statuses(freeze, 1), accepted, "3.8", Documented},
		{v, running, status, freeze, "again", statuses(freeze, 2), accepted, "2.2", Inferred},
		{v, running, status, unfreeze, "", statuses(unfreeze, 1), accepted, "3.8", Documented},
		{v, period, upgrade, "", "", []debugCall{upgradeBy("MOCKMONTYCHANGE")}, accepted, "3.10", Documented},
		{v, period, check, "", "", []debugCall{checkChange}, accepted, "3.11", Documented},
		{v, period, check, "", "productInfo as a text", []debugCall{checkQuoted}, accepted, "3.11", Inferred},
		{v, period, check, "", "no productInfo, as printed", []debugCall{checkNothing}, accepted, "3.11", Documented},
		{v, everyType, release, "", "after the expiry", releases("", 1), accepted, "3.9", Documented},
		{v, everyType, release, "", "unsubscribed", releases(unsubscription, 1), accepted, "3.9", Documented},
		{v, everyType, release, "", "again", releases("", 2), accepted, "2.2", Inferred},
	}
}

// saasV2Refusals: protocol page 3.1 has the codes of the vendor's own verifier. A server takes late calls for a wrong clock, so the
// rows with good calls come after them.
func saasV2Refusals() []Case {
	const v, create, query = SaaSV2, koogallery.ActivityNewInstance, koogallery.ActivityQueryInstance
	order, huge := purchase("MOCKONETIMENEW"), strings.Repeat("x", 256<<10)
	unauthenticated, invalid := refusedWith(koogallery.ResultUnauthenticated), refusedWith(koogallery.ResultInvalidParameter)
	return []Case{
		{v, everyType, create, "", "a wrong signature", unproven(wrongKey, order), unauthenticated, "3.1", Documented},
		{v, everyType, create, "", "no signature", unproven(omit("signature"), order), unauthenticated, "3.1", Documented},
		{v, everyType, create, "", "a body that was changed on the way", unproven(tampered, order), unauthenticated, "3.1", Documented},
		{v, everyType, create, "", "five minutes old", spoiled(skewed(-5*time.Minute), order), invalid, "3.1", Documented},
		{v, everyType, create, "", "five minutes ahead", spoiled(skewed(5*time.Minute), order), refused, "3.1", Documented},
		{v, everyType, create, "", "no timestamp", unproven(omit("timestamp"), order), invalid, "3.1", Documented},
		{v, everyType, create, "", "no nonce", unproven(omit("nonce"), order), invalid, "3.1", Documented},
		{v, everyType, create, "", "the same bytes again", []debugCall{order, sameBytes}, sameInstance, "16", Inferred},
		{v, everyType, create, "", "replayed with its nonce", []debugCall{order, replayed}, refused, "3.1", Inferred},
		{v, everyType, "danceInstance", "", "an unknown activity", spoiled(asItIs, unknownActivity), refused, "12.1", Inferred},
		{v, everyType, create, "", "no order", spoiled(asItIs, purchase("")), refused, "3.5", Inferred},
		{v, everyType, create, "", "an order id of 65 characters, more than documented", purchases(longest+"x", 1), accepted, "3.5", Inferred},
		{v, everyType, create, "", "an order id of 257 characters", spoiled(asItIs, purchase(strings.Repeat("x", 257))), refused, "3.5", Inferred},
		{v, everyType, query, "", "101 instances", spoiled(asItIs, queryTooMany), refused, "3.6", Inferred},
		{v, everyType, create, "", "a body of 256 KiB", unproven(asItIs, purchase(huge)), tooLarge, "3.5", Inferred},
		{v, everyType, "", "", "a body that is not JSON", spoiled(asItIs, sendText), refused, "3.1", Inferred},
	}
}

// saasV1Cases: protocol page 5.12 says which product type needs which activity.
func saasV1Cases() []Case {
	const (
		create, query, refresh  = koogallery.ActivityNewInstance, koogallery.ActivityQueryInstance, koogallery.ActivityRefreshInstance
		expire, release         = koogallery.ActivityExpireInstance, koogallery.ActivityReleaseInstance
		upgrade, instanceStatus = koogallery.ActivityUpgrade, koogallery.ActivityInstanceStatus
		v                       = SaaSV1
	)
	payPerUse, packages := []ProductType{PayPerUse}, []ProductType{Package}
	yearly, once, use, packet := orderV1(1), orderV1(3), orderV1(0), orderV1(5)
	yearly.PeriodType, yearly.PeriodNumber, yearly.ExpireTime = "year", 1, debugExpiry
	acceptedLater, trial := yearly, yearly
	acceptedLater.AcceptanceTime, acceptedLater.ProvisionType = debugExpiry.AddDate(-1, 0, 0), 2
	trial.Trial = true
	return []Case{
		{v, oneTime, create, "", "one-time", purchasesV1(once), accepted, "5.4", Documented},
		{v, period, create, "", "yearly", purchasesV1(yearly), accepted, "5.4", Documented},
		{v, period, create, "", "trial", purchasesV1(trial), accepted, "5.4", Documented},
		{v, payPerUse, create, "", "pay-per-use", purchasesV1(use), accepted, "5.4", Documented},
		{v, packages, create, "", "package", purchasesV1(packet), accepted, "5.4", Documented},
		{v, oneTime, create, "", "one-time order again", purchasesV1(once, once), sameAccess, "2.2", Documented},
		{v, period, create, "", "yearly order again", purchasesV1(yearly, yearly), sameAccess, "2.2", Documented},
		{v, payPerUse, create, "", "pay-per-use order again", purchasesV1(use, use), sameAccess, "2.2", Documented},
		{v, packages, create, "", "package order again", purchasesV1(packet, packet), sameAccess, "2.2", Documented},
		{v, period, create, "", "accepted by the buyer", purchasesV1(yearly, acceptedLater), sameAccess, "5.4", Documented},
		{v, everyType, create, "", "every parameter", []debugCall{purchaseV1(fullOrderV1())}, accepted, "5.4", Documented},
		{v, everyType, create, "", "bare plus signs", with(barePlus, purchasePlus), accepted, "5.1", Documented},
		{v, everyType, create, "", "escaped plus signs", []debugCall{purchasePlus}, accepted, "5.1", Documented},
		{v, period, refresh, "", "renewal", []debugCall{refreshV1(false)}, accepted, "5.6", Documented},
		{v, period, refresh, "", "renewal again", []debugCall{refreshV1(false), refreshV1(false)}, accepted, "2.2", Documented},
		{v, period, refresh, "", "trial to formal", []debugCall{refreshV1(true)}, accepted, "5.6", Documented},
		{v, period, refresh, "", "renewal given back", []debugCall{givenBackV1}, accepted, "16", Inferred},
		{v, period, expire, "", "", []debugCall{expireV1("MOCKPERIODYEARNEW")}, accepted, "5.7", Documented},
		{v, period, expire, "", "without an order, twice", []debugCall{expireV1(""), expireV1("")}, accepted, "2.2", Documented},
		{v, period, upgrade, "", "twice", []debugCall{upgradeV1, upgradeV1}, accepted, "5.9", Documented},
		{v, byUse, instanceStatus, freeze, "", []debugCall{statusV1(freeze)}, accepted, "5.10", Documented},
		{v, byUse, instanceStatus, normal, "", []debugCall{statusV1(normal)}, accepted, "5.10", Documented},
		{v, byUse, query, "", "of a purchase", []debugCall{purchaseV1(use), queryV1}, accepted, "5.11", Documented},
		{v, byUse, query, "", "an instance that never existed", []debugCall{queryV1}, accepted, "2", Inferred},
		{v, byUse, query, "", "usage", []debugCall{queryV1}, tellsUsage, "5.11", Documented},
		{v, everyType, release, "", "", []debugCall{releaseV1("MOCKONETIMENEW")}, accepted, "5.8", Documented},
		{v, everyType, release, "", "without an order, twice", []debugCall{releaseV1(""), releaseV1("")}, accepted, "2.2", Documented},
	}
}

// saasV1Refusals: no window for the time is documented, and debug calls may be old, so an old call is no case.
func saasV1Refusals() []Case {
	const v, create = SaaSV1, koogallery.ActivityNewInstance
	order := purchaseV1(orderV1(3))
	unauthenticated := refusedWith(koogallery.ResultUnauthenticated)
	return []Case{
		{v, everyType, create, "", "a wrong authToken", unproven(wrongKey, order), unauthenticated, "5.1", Documented},
		{v, everyType, create, "", "a parameter added on the way", unproven(tampered, order), unauthenticated, "5.1", Documented},
		{v, everyType, koogallery.ActivityReleaseInstance, "", "a parameter hidden in another", spoiled(asItIs, hiddenV1), refused, "5.1", Inferred},
		{v, everyType, create, "", "no authToken", unproven(omit("authToken"), order), refused, "5.2", Inferred},
		{v, everyType, "danceInstance", "", "an unknown activity", spoiled(asItIs, unknownActivityV1), refused, "12.1", Inferred},
		{v, everyType, create, "", "no order", spoiled(asItIs, purchaseV1(V1Order{ProductID: "P1"})), refused, "5.4", Inferred},
	}
}

// licenseCodeCases: all three callbacks are optional (protocol page 7.1).
func licenseCodeCases() []Case {
	const (
		refresh, status = koogallery.ActivityRefreshLicenseCode, koogallery.ActivityUpdateLicenseCodeStatus
		release, v      = koogallery.ActivityReleaseLicenseCode, LicenseCode2
	)
	renew := func(scene string) []debugCall { return []debugCall{refreshLicenseCode(scene)} }
	set := func(status string) []debugCall { return []debugCall{licenseCodeStatus(status)} }
	return []Case{
		{v, period, refresh, renewal, "", renew(renewal), accepted, "7.1", Documented},
		{v, period, refresh, returned, "", renew(returned), accepted, "7.1", Documented},
		{v, period, status, freeze, "", set(freeze), accepted, "7.1", Documented},
		{v, period, status, unfreeze, "", set(unfreeze), accepted, "7.1", Documented},
		{v, everyType, release, "", "after the expiry", []debugCall{releaseLicenseCode("")}, accepted, "7.1", Documented},
		{v, everyType, release, "", "unsubscribed, twice", []debugCall{
			releaseLicenseCode("MOCKMONTYUNSUBSCRIBE"), releaseLicenseCode("MOCKMONTYUNSUBSCRIBE"),
		}, accepted, "7.1", Documented},
		{v, everyType, release, "", "a wrong signature", unproven(wrongKey, releaseLicenseCode("")),
			refusedWith(koogallery.ResultUnauthenticated), "12.2", Documented},
	}
}

// onlineLicenseCases: protocol page 7.3.
func onlineLicenseCases() []Case {
	const (
		create, refresh = koogallery.ActivityNewInstance, koogallery.ActivityRefreshInstance
		status, release = koogallery.ActivityUpdateInstanceStatus, koogallery.ActivityReleaseInstance
		request, v      = koogallery.ActivityGetLicenseAsync, OnlineLicense
	)
	longFingerprint := strings.Repeat("f", 5<<10)
	return []Case{
		{v, everyType, create, "", "", purchases("MOCKONETIMENEW", 1), accepted, "7.3", Documented},
		{v, everyType, create, "", "again", purchases("MOCKONETIMENEW", 2), sameInstance, "2.2", Documented},
		{v, period, refresh, renewal, "", refreshes(renewal, 1), accepted, "7.3", Documented},
		{v, period, refresh, toFormal, "", refreshes(toFormal, 1), accepted, "7.3", Documented},
		{v, period, refresh, returned, "", refreshes(returned, 1), accepted, "7.3", Documented},
		{v, period, status, freeze, "", statuses(freeze, 1), accepted, "7.3", Documented},
		{v, period, status, unfreeze, "", statuses(unfreeze, 1), accepted, "7.3", Documented},
		{v, period, request, "", "with an end", []debugCall{requestLicense(debugExpiry, "fingerprint")}, accepted, "7.3", Documented},
		{v, oneTime, request, "", "without an end", []debugCall{requestLicense(time.Time{}, "fingerprint")}, accepted, "7.3", Documented},
		{v, everyType, request, "", "again", []debugCall{
			requestLicense(debugExpiry, "fingerprint"), requestLicense(debugExpiry, "fingerprint"),
		}, accepted, "2.2", Documented},
		{v, everyType, request, "", "a fingerprint of 5120 characters", []debugCall{requestLicense(debugExpiry, longFingerprint)},
			accepted, "7.3", Documented},
		{v, everyType, release, "", "", releases("", 1), accepted, "7.3", Documented},
		{v, everyType, create, "", "a wrong signature", unproven(wrongKey, purchase("MOCKONETIMENEW")),
			refusedWith(koogallery.ResultUnauthenticated), "12.3", Documented},
	}
}

// license1Cases: protocol page 7.4 and 16.
func license1Cases() []Case {
	const get, release, v = koogallery.ActivityGetLicense, koogallery.ActivityReleaseLicense, License1
	order := orderV1(3)
	return []Case{
		{v, everyType, get, "", "", []debugCall{getLicense(order)}, accepted, "7.4", Documented},
		{v, everyType, get, "", "again", []debugCall{getLicense(order), getLicense(order)}, sameLicense, "2.2", Documented},
		{v, period, koogallery.ActivityRefreshLicense, "", "twice", []debugCall{refreshLicense, refreshLicense}, accepted, "16", Documented},
		{v, period, koogallery.ActivityExpireLicense, "", "twice", []debugCall{expireLicense, expireLicense}, accepted, "16", Documented},
		{v, everyType, release, "", "twice", []debugCall{releaseLicense, releaseLicense}, accepted, "7.4", Documented},
		{v, everyType, get, "", "a wrong authToken", unproven(wrongKey, getLicense(order)),
			refusedWith(koogallery.ResultUnauthenticated), "5.1", Documented},
	}
}

// notificationCases: protocol page 11.
func notificationCases() []Case {
	const notify, v = koogallery.ActivityOrderNotify, OrderNotification
	told, unauthenticated := notifyOf("MOCKPERIODYEARNEW"), refusedWith(koogallery.ResultUnauthenticated)
	return []Case{
		{v, everyType, notify, "", "", []debugCall{told}, accepted, "11", Documented},
		{v, everyType, notify, "", "again", []debugCall{told, told}, accepted, "11", Inferred},
		{v, everyType, notify, "", "a wrong signature", unproven(wrongKey, told), unauthenticated, "11", Inferred},
	}
}
