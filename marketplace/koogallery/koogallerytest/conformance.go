package koogallerytest

import (
	"context"
	"crypto/rsa"
	"fmt"
	"net/url"
	"slices"
)

// Generation is a generation of the protocol, or a kind of interface of its own (protocol page 1).
type Generation string

// The generations that have debug cases.
const (
	SaaSV2            Generation = "saas-v2"
	SaaSV1            Generation = "saas-v1"
	LicenseCode2      Generation = "license-code"
	OnlineLicense     Generation = "online-license"
	License1          Generation = "license-v1"
	OrderNotification Generation = "order-notification"
	KitV2             Generation = "kit-v2" // of the joint operations
	KitV1             Generation = "kit-v1"
)

// Generations are all of them, in the order in which their cases are run.
func Generations() []Generation {
	return []Generation{SaaSV2, SaaSV1, LicenseCode2, OnlineLicense, License1, OrderNotification, KitV2, KitV1}
}

// ProductType is how a product is charged.
type ProductType string

// The product types.
const (
	OneTime   ProductType = "one-time"
	Period    ProductType = "period" // yearly or monthly
	PayPerUse ProductType = "pay-per-use"
	Package   ProductType = "package" // of use, paid in advance
)

// ProductTypes are all of them.
func ProductTypes() []ProductType { return []ProductType{OneTime, Period, PayPerUse, Package} }

// Basis is how sure a case is.
type Basis string

const (
	// Documented: an official page says so, or the vendor's sample code does it.
	Documented Basis = "documented"
	// Inferred: no page says so; it follows from what they say, or it is what we hold to be right.
	Inferred Basis = "inferred"
)

// Case is one debug case: calls, and the rule that their answers have to follow. The rules that hold for every answer, such as its
// form, lengths and signature, are checked besides.
type Case struct {
	Generation Generation
	// Types are the product types that need it.
	Types []ProductType
	// Activity and Scene are the call's, the scene being the status of a freeze; empty when there is none.
	Activity, Scene string
	// Title says what is special about it; empty for an ordinary call.
	Title string
	calls []debugCall
	rule  rule
	// Section is where the protocol page describes it, Basis how sure the rule is.
	Section string
	Basis   Basis
}

// Rule is what has to be true of the answers, in words.
func (c Case) Rule() string { return c.rule.text }

// Name tells the case from all others.
func (c Case) Name() string {
	name := c.Activity
	if c.Scene != "" {
		name += " " + c.Scene
	}
	if c.Title == "" {
		return name
	}
	if name == "" {
		return c.Title
	}
	return name + ", " + c.Title
}

// Conformance plays KooGallery's debug cases, which it replays twice a day while a product is on sale (protocol page 2), and calls
// that a correct server refuses. All of them carry testFlag 1 where they can be read, so that nothing is made or changed.
type Conformance struct {
	// Caller makes the calls. Its AccessKey is the one of the basic interfaces.
	Caller Caller
	// LicenseKey and NotifyKey are the keys of the license products and of order notifications; "" means the AccessKey.
	LicenseKey, NotifyKey string
	// KitKey is the key of the joint-operations Kit. Without one its cases are played only if they are chosen, with the AccessKey.
	KitKey string
	// KitPublicKey encrypts client secrets; without one none is sent.
	KitPublicKey *rsa.PublicKey
	// Generations and Types choose cases; nil means all.
	Generations []Generation
	Types       []ProductType
}

// CaseResult is what came of a case.
type CaseResult struct {
	Case
	// Answers are those of its calls, in order.
	Answers []*Exchange
	// Problems are what KooGallery would object to, one sentence each; empty means nothing. Notes are worth knowing and no
	// objections.
	Problems, Notes []string
}

// Good says whether KooGallery would be content.
func (r CaseResult) Good() bool { return len(r.Problems) == 0 }

// maxSilent is how many cases in a row may have no answer before the others are given up.
const maxSilent = 3

// Cases are the chosen cases, in order.
func (c Conformance) Cases() []Case {
	var chosen []Case
	for _, candidate := range debugCases() {
		kit := candidate.Generation == KitV2 || candidate.Generation == KitV1
		if kit && c.KitKey == "" && len(c.Generations) == 0 {
			continue
		}
		if len(c.Generations) > 0 && !slices.Contains(c.Generations, candidate.Generation) {
			continue
		}
		wanted := func(kind ProductType) bool { return slices.Contains(candidate.Types, kind) }
		if len(c.Types) == 0 || slices.ContainsFunc(c.Types, wanted) {
			chosen = append(chosen, candidate)
		}
	}
	return chosen
}

// Run plays the chosen cases one after the other. Where nobody answers it does not call on for ever: the cases after that have a
// problem and no answer.
func (c Conformance) Run(ctx context.Context) []CaseResult {
	unknown := "never-existed-" + randomHex(16)
	var results []CaseResult
	silent := 0
	for _, chosen := range c.Cases() {
		if silent == maxSilent {
			results = append(results, CaseResult{Case: chosen, Problems: []string{"not called, because the calls before had no answer"}})
			continue
		}
		result := c.run(ctx, chosen, unknown)
		if silent++; len(result.Answers) > 0 {
			silent = 0
		}
		results = append(results, result)
	}
	return results
}

func (c Conformance) run(ctx context.Context, chosen Case, unknown string) CaseResult {
	result := CaseResult{Case: chosen}
	attempt := &attempt{Caller: c.callerFor(chosen), unknown: unknown, kitPublicKey: c.KitPublicKey}
	for _, call := range chosen.calls {
		answer, err := call(ctx, attempt)
		if err != nil {
			result.Problems = append(result.Problems, "there was no answer: "+err.Error())
			return result
		}
		attempt.answers = append(attempt.answers, answer)
		result.Answers = attempt.answers
	}
	for _, problem := range chosen.rule.check(attempt.answers) {
		// Two answers of a case that break the same rule are one problem.
		if !slices.Contains(result.Problems, problem) {
			result.Problems = append(result.Problems, problem)
		}
	}
	result.Notes = attempt.notes
	return result
}

// callerFor is the caller with the key of the case's kind of interface.
func (c Conformance) callerFor(chosen Case) Caller {
	caller := c.Caller
	caller.Options = Options{Debug: true}
	switch chosen.Generation {
	case LicenseCode2, OnlineLicense, License1:
		caller.AccessKey = orElse(c.LicenseKey, caller.AccessKey)
	case KitV2, KitV1:
		caller.AccessKey = orElse(c.KitKey, caller.AccessKey)
	case OrderNotification:
		caller.AccessKey = orElse(c.NotifyKey, caller.AccessKey)
	}
	return caller
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// attempt is a case at work.
type attempt struct {
	Caller
	// unknown is an instance id that never existed.
	unknown      string
	kitPublicKey *rsa.PublicKey
	// answers are those so far.
	answers []*Exchange
	notes   []string
}

// instance is the instance that the case's purchase has named, or one that never existed.
func (a *attempt) instance() string {
	if len(a.answers) > 0 && a.answers[0].InstanceID != "" {
		return a.answers[0].InstanceID
	}
	return a.unknown
}

// debugCall makes one call of a case.
type debugCall func(ctx context.Context, a *attempt) (*Exchange, error)

// visitDomain asks for the bare domain, as the seller console does before it takes the path (protocol page 3.1).
func visitDomain(ctx context.Context, a *attempt) (*Exchange, error) {
	target, err := url.Parse(a.URL)
	if err != nil || target.Host == "" {
		return nil, fmt.Errorf("calling %q: it is not a URL", a.URL)
	}
	a.URL = target.Scheme + "://" + target.Host + "/"
	return a.exchange(ctx, message{method: "GET", target: a.URL})
}
