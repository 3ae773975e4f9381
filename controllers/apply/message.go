package apply

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// maxMessage is the length in bytes to which the API server's texts are cut.
const maxMessage = 300

const (
	quotaRemedy       = "request less in the plan's values, or raise the plan's quota"
	podSecurityRemedy = "set the chart's security contexts as the level requires, or a less strict level in the product's spec.isolation"
)

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// shorten cuts a text to maxMessage at a border between characters.
func shorten(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "..."
}

// forbiddenObject is the beginning of a refusal, with the random name of a pod.
var forbiddenObject = regexp.MustCompile(`^.*? is forbidden: `)

// afterForbidden leaves out whom it was forbidden to: the name of a pod is another at each attempt.
func afterForbidden(text string) string {
	if rest := forbiddenObject.ReplaceAllString(text, ""); rest != "" {
		return rest
	}
	return text
}

var (
	exceededQuota = regexp.MustCompile(`exceeded quota: ([^,]+), requested: (.*?), used: .*?, limited: (.*)$`)
	missingQuota  = regexp.MustCompile(`failed quota: ([^:]+): must specify (.*)$`)
	limitRange    = regexp.MustCompile(`((?:maximum|minimum) [\w./-]+ usage per \w+ is [^,]+)|([\w./-]+ max limit to request ratio per \w+ is [^,]+)`)
)

// quotaMessage says what a ResourceQuota or a LimitRange refused; without the amount in use, which changes all the time.
func quotaMessage(text string) (string, bool) {
	text = oneLine(text)
	if found := exceededQuota.FindStringSubmatch(text); found != nil {
		return shorten("quota " + found[1] + " allows " + found[3] + "; this object, which requests " + found[2] +
			", would exceed it"), true
	}
	if found := missingQuota.FindStringSubmatch(text); found != nil {
		return shorten("quota " + found[1] + " requires each container to specify " + found[2]), true
	}
	if found := limitRange.FindString(text); found != "" {
		return shorten("the tenant's LimitRange rejects it: " + found), true
	}
	return "", false
}

var violated = regexp.MustCompile(`violates PodSecurity "([^":]+)[^"]*": (.*)$`)

// podSecurityMessage says which level refused what.
func podSecurityMessage(text string) (string, bool) {
	found := violated.FindStringSubmatch(oneLine(text))
	if found == nil {
		return "", false
	}
	return shorten("Pod Security level " + found[1] + " rejects it: " + found[2]), true
}

// causeDetail takes the offending value out of a cause's message. It may be a whole pod template, with whatever a chart
// has put into it.
func causeDetail(message string) string {
	for _, kind := range []string{"Invalid value: ", "Unsupported value: ", "Duplicate value: ", "Not found: "} {
		rest, ok := strings.CutPrefix(message, kind)
		if !ok {
			continue
		}
		detail, ok := strings.CutPrefix(afterValue(rest), ": ")
		if !ok {
			return strings.ToLower(strings.TrimSuffix(kind, ": "))
		}
		return shorten(oneLine(detail))
	}
	line, _, _ := strings.Cut(message, "\n")
	return shorten(oneLine(line))
}

// afterValue skips a value as the API server prints it: a Go string, a JSON value, or a bare word. If its end is not
// found, nothing is left.
func afterValue(text string) string {
	if quoted, err := strconv.QuotedPrefix(text); err == nil {
		return text[len(quoted):]
	}
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		decoder := json.NewDecoder(strings.NewReader(text))
		var value any
		if err := decoder.Decode(&value); err == nil {
			return text[decoder.InputOffset():]
		}
		// Some values are printed in Go's own form; what is known about immutable fields stands at the end.
		if strings.HasSuffix(text, "field is immutable") {
			return ": field is immutable"
		}
		return ""
	}
	if i := strings.Index(text, ": "); i >= 0 {
		return text[i:]
	}
	return ""
}
