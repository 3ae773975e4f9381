package koogallerytest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// rule is what has to be true of the answers of a case.
type rule struct {
	// text says it, as in "the call … is accepted".
	text string
	// check says what is wrong, one sentence each.
	check func(answers []*Exchange) []string
}

// ordinary are the problems that the answers have by themselves.
func ordinary(answers []*Exchange) []string {
	var found []string
	for _, answer := range answers {
		found = append(found, answer.Problems...)
	}
	return found
}

// also is a rule about answers that are good by themselves.
func also(text string, check func(answers []*Exchange) []string) rule {
	return rule{text: text, check: func(answers []*Exchange) []string {
		if found := ordinary(answers); len(found) > 0 {
			return found
		}
		return check(answers)
	}}
}

var (
	// accepted: 000000, which is the only code that the debug console takes (protocol page 3.4).
	accepted = rule{text: "is answered 000000", check: ordinary}
	// sameInstance: protocol page 2.2.
	sameInstance = also("every answer names the same instanceId", func(answers []*Exchange) []string {
		first, last := answers[0], answers[len(answers)-1]
		if first.InstanceID != last.InstanceID {
			return []string{"a repeat of the order is answered with another instanceId: the buyer would get a second instance"}
		}
		return nil
	})
	// sameAccess: protocol page 2.2 and 5.4.
	sameAccess = also("every answer names the same instanceId and appInfo", func(answers []*Exchange) []string {
		found := sameInstance.check(answers)
		first, last := answers[0].AppInfo, answers[len(answers)-1].AppInfo
		if first != nil && last != nil && *first != *last {
			found = append(found, "a repeat of the order is answered with another appInfo")
		}
		return found
	})
	// sameLicense: protocol page 2.2.
	sameLicense = also("every answer has the same instanceId and license", func(answers []*Exchange) []string {
		found := sameInstance.check(answers)
		if answers[0].License != answers[len(answers)-1].License {
			found = append(found, "a repeat of the order is answered with another license")
		}
		return found
	})
	// tellsUsage: protocol page 3.6 and 5.11.
	tellsUsage = also("info has usageInfo for every instance", func(answers []*Exchange) []string {
		for _, info := range answers[len(answers)-1].Info {
			if len(info.UsageInfo) == 0 {
				return []string{"usageInfo is missing: instances that are billed by usage have to tell it"}
			}
		}
		return nil
	})
	// servesDomain: how the console verifies a domain is not known (protocol page 15).
	servesDomain = rule{text: "something is served at the bare domain", check: func(answers []*Exchange) []string {
		if status := answers[0].Status; status >= http.StatusBadRequest {
			return []string{
				fmt.Sprintf("the HTTP status is %d: the seller console verifies the bare domain before it takes the path", status),
			}
		}
		return nil
	}}
	refused = refusedWith()
	// tooLarge is refused, too, with a status that says so: any other status than 200 is a failed call (protocol page 2).
	tooLarge = rule{text: refused.text + ", or with HTTP status 413", check: func(answers []*Exchange) []string {
		if answers[0].Status == http.StatusRequestEntityTooLarge {
			return nil
		}
		return refused.check(answers)
	}}
)

// refusedWith wants the last answer to have one of the codes; without codes, any that is none of success.
func refusedWith(codes ...string) rule {
	text := "is refused"
	if len(codes) > 0 {
		text += " with " + strings.Join(codes, " or ")
	}
	return rule{text: text, check: func(answers []*Exchange) []string {
		found := ordinary(answers)
		last := answers[len(answers)-1]
		switch code := last.ResultCode; {
		case code == "":
			// The answer can't be read, which was found already.
		case code == koogallery.ResultSuccess || code == koogallery.ResultInProgress:
			found = append(found, fmt.Sprintf("the call is accepted (%s), it has to be refused", code))
		case len(codes) > 0 && !slices.Contains(codes, code):
			found = append(found, fmt.Sprintf("the call is refused with %s, it has to be %s", code, strings.Join(codes, " or ")))
		}
		return found
	}}
}
