package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// callResult is what came of a call.
type callResult struct {
	expected []string
	debug    bool
	// calls is how often it was made.
	calls int
	// exchange is the last answer; nil with err when there was none.
	exchange *koogallerytest.Exchange
	err      error
}

// good says whether KooGallery would be content, and the person who expected something else.
func (r callResult) good() bool { return len(r.problems()) == 0 }

// problems are what is wrong, one sentence each, without capital letter and full stop.
func (r callResult) problems() []string {
	if r.err != nil {
		return []string{"there was no answer: " + r.err.Error()}
	}
	problems := slices.Clone(r.exchange.Problems)
	// Problems speaks of the code of a debug call, and of one that is missing.
	if code := r.exchange.ResultCode; code != "" && !r.debug && !slices.Contains(r.expected, code) {
		problems = append(problems, fmt.Sprintf("the result code is %s, expected %s", withMeaning(code), oneOf(r.expected)))
	}
	return problems
}

// callDocument is the JSON form of a call's result.
type callDocument struct {
	// OK is whether the answer is good.
	OK bool `json:"ok"`
	// Activity, Debug and Calls are what was called, whether with testFlag 1, and how often.
	Activity string `json:"activity,omitempty"`
	Debug    bool   `json:"debug"`
	Calls    int    `json:"calls"`
	// Expected are the result codes that are good.
	Expected []string `json:"expected"`
	// Problems are what is wrong, one sentence each.
	Problems []string `json:"problems"`
	// Request and Answer are the last call's; missing when there was no answer.
	Request *requestDocument `json:"request,omitempty"`
	Answer  *answerDocument  `json:"answer,omitempty"`
}

type requestDocument struct {
	Method string `json:"method"`
	// URL is without its query.
	URL  string          `json:"url"`
	Body json.RawMessage `json:"body,omitempty"`
}

type answerDocument struct {
	Status      int    `json:"status"`
	ContentType string `json:"contentType"`
	// BodySign is "present" or "missing"; whether it is right stands among the problems.
	BodySign     string `json:"bodySign"`
	Milliseconds int64  `json:"milliseconds"`
	ResultCode   string `json:"resultCode,omitempty"`
	ResultMsg    string `json:"resultMsg,omitempty"`
	InstanceID   string `json:"instanceId,omitempty"`
	// Body is the answer's JSON, or its text as a string when it is none.
	Body json.RawMessage `json:"body,omitempty"`
}

// document is the result for programs. Passwords are masked unless they are asked for.
func (r callResult) document(showSecrets bool) callDocument {
	document := callDocument{
		OK: r.good(), Debug: r.debug, Calls: r.calls, Expected: r.expected,
		// An empty list instead of null, so that readers need not handle both.
		Problems: append([]string{}, r.problems()...),
	}
	if r.exchange == nil {
		return document
	}
	exchange := r.exchange
	if !showSecrets {
		exchange = exchange.Redacted()
	}
	document.Activity = exchange.Activity
	document.Request = &requestDocument{Method: exchange.Method, URL: withoutQuery(exchange.URL), Body: rawJSON(exchange.RequestBody)}
	document.Answer = &answerDocument{
		Status:       exchange.Status,
		ContentType:  exchange.Header.Get("Content-Type"),
		BodySign:     presence(exchange.Header.Get(koogallery.HeaderBodySign)),
		Milliseconds: exchange.Latency.Milliseconds(),
		ResultCode:   exchange.ResultCode,
		ResultMsg:    exchange.ResultMsg,
		InstanceID:   exchange.InstanceID,
		Body:         rawJSON(exchange.Body),
	}
	return document
}

// print writes the result as text or as one JSON document.
func (r callResult) print(out io.Writer, format string, showSecrets bool) error {
	document := r.document(showSecrets)
	if format == "json" {
		encoder := json.NewEncoder(out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		return encoder.Encode(document)
	}
	_, err := io.WriteString(out, document.text())
	return err
}

// text is the result for people.
func (d callDocument) text() string {
	var text strings.Builder
	if d.Request != nil {
		title := d.Activity
		if d.Debug {
			title += ", debug"
		}
		fmt.Fprintf(&text, "Request (%s)\n  %s %s\n%s", title, d.Request.Method, d.Request.URL, indented(d.Request.Body))
	}
	if d.Answer != nil {
		fmt.Fprintf(&text, "\nAnswer (%d ms", d.Answer.Milliseconds)
		if d.Calls > 1 {
			fmt.Fprintf(&text, ", after %d calls", d.Calls)
		}
		fmt.Fprintf(&text, ")\n  HTTP status   %d\n  Content-Type  %s\n  Body-Sign     %s\n%s\n",
			d.Answer.Status, printable(d.Answer.ContentType), d.Answer.BodySign, indented(d.Answer.Body))
	}
	if d.OK {
		fmt.Fprintf(&text, "Verdict: good, %s\n", withMeaning(d.Answer.ResultCode))
		return text.String()
	}
	text.WriteString("Verdict: not good\n")
	for _, problem := range d.Problems {
		fmt.Fprintf(&text, "  - %s\n", printable(problem))
	}
	return text.String()
}

func presence(header string) string {
	if header == "" {
		return "missing"
	}
	return "present"
}

func withoutQuery(address string) string {
	before, _, _ := strings.Cut(address, "?")
	return before
}

// rawJSON is a body as it stands when it is JSON, and a JSON string of it when it is not.
func rawJSON(body string) json.RawMessage {
	if body == "" {
		return nil
	}
	if json.Valid([]byte(body)) {
		return json.RawMessage(body)
	}
	quoted, err := json.Marshal(body)
	if err != nil {
		return nil
	}
	return quoted
}

// indented is JSON on lines of its own, a step to the right; nothing when there is none.
func indented(body json.RawMessage) string {
	var lines bytes.Buffer
	if len(body) == 0 || json.Indent(&lines, body, "  ", "  ") != nil {
		return ""
	}
	return "  " + printable(lines.String()) + "\n"
}

// printable is text in which nothing moves the cursor or changes a terminal's colors: an answer is written by others.
func printable(text string) string {
	var safe strings.Builder
	for _, r := range text {
		if r == '\n' || strconv.IsPrint(r) {
			safe.WriteRune(r)
			continue
		}
		safe.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return safe.String()
}
