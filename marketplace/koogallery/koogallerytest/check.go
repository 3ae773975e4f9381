package koogallerytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// slowAnswer is the shortest of KooGallery's documented timeouts (protocol page 2).
const slowAnswer = 5 * time.Second

// bodySignForm is the header's form; the blank after the second equals sign is there or not (protocol page 5.3).
var bodySignForm = regexp.MustCompile(`^sign_type="HMAC-SHA256", ?signature= ?"([^"]+)"$`)

// resultCodeForm are the codes of the table (protocol page 12.1).
var resultCodeForm = regexp.MustCompile(`^(00000[0-5]|00010[0-7])$`)

// problems collects what KooGallery would object to in an answer.
type problems struct {
	found []string
}

func (p *problems) add(format string, args ...any) {
	p.found = append(p.found, fmt.Sprintf(format, args...))
}

// problems checks an answer as the debug console does.
func (c Caller) problems(e *Exchange) []string {
	p := &problems{found: []string{}}
	if e.Status != 200 {
		p.add("the HTTP status is %d, it has to be 200 whatever the result code is", e.Status)
	}
	if e.Latency > slowAnswer {
		p.add("the answer took %s, the shortest of KooGallery's timeouts is %s", e.Latency.Round(100*time.Millisecond), slowAnswer)
	}
	checkContentType(p, e)
	c.checkBodySign(p, e)
	checkBody(p, e)
	if e.testFlag() && e.ResultCode != koogallery.ResultSuccess {
		p.add("the result code is %q, the debug console accepts %s only", e.ResultCode, koogallery.ResultSuccess)
	}
	return p.found
}

func checkContentType(p *problems, e *Exchange) {
	mediaType, params, err := mime.ParseMediaType(e.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/json" {
		p.add("the Content-Type is %q, not application/json: the body would not be read", e.Header.Get("Content-Type"))
	}
	if charset := strings.ToLower(params["charset"]); charset != "" && charset != "utf-8" && charset != "utf8" {
		p.add("the charset of the Content-Type is %q, not UTF-8", charset)
	}
}

// checkBodySign: protocol page 5.3.
func (c Caller) checkBodySign(p *problems, e *Exchange) {
	var values []string
	for line := range bytes.SplitSeq(e.head, []byte("\r\n")) {
		name, value, ok := strings.Cut(string(line), ":")
		if !ok || !strings.EqualFold(name, koogallery.HeaderBodySign) {
			continue
		}
		if name != koogallery.HeaderBodySign {
			p.add("the header is named %s, it has to be %s in this case", name, koogallery.HeaderBodySign)
		}
		values = append(values, strings.TrimSpace(value))
	}
	if len(values) != 1 {
		p.add("the header %s has to be there once, it is there %d times", koogallery.HeaderBodySign, len(values))
		return
	}
	given := bodySignForm.FindStringSubmatch(values[0])
	if given == nil {
		p.add(`the header %s has to have the form sign_type="HMAC-SHA256", signature= "..."`, koogallery.HeaderBodySign)
		return
	}
	wanted := bodySignForm.FindStringSubmatch(koogallery.BodySign([]byte(c.AccessKey), []byte(e.Body)))
	if given[1] != wanted[1] {
		p.add("the signature in %s is wrong for this body and access key", koogallery.HeaderBodySign)
	}
}

func checkBody(p *problems, e *Exchange) {
	if strings.ContainsFunc(e.Body, func(r rune) bool { return r > 0x7E }) {
		p.add(`the body has characters beyond ASCII, they have to be written as \uXXXX`)
	}
	var body map[string]any
	if err := json.Unmarshal([]byte(e.Body), &body); err != nil || body == nil {
		p.add("the body is not a JSON object")
		return
	}
	code := checkText(p, body, "resultCode", 6, true)
	if code != "" && !resultCodeForm.MatchString(code) && e.Activity != koogallery.ActivityChangeInstanceCheck {
		p.add("the result code %q is in no table", code)
	}
	checkText(p, body, "resultMsg", koogallery.MaxResultMsg, true)
	accepted := code == koogallery.ResultSuccess || code == koogallery.ResultInProgress
	checkText(p, body, "instanceId", koogallery.MaxInstanceID, e.Activity == koogallery.ActivityNewInstance && accepted)
	if e.Activity == koogallery.ActivityQueryInstance && code == koogallery.ResultSuccess || body["info"] != nil {
		checkInfo(p, e, body["info"])
	}
}

// checkInfo: protocol page 3.6.
func checkInfo(p *problems, e *Exchange, value any) {
	list, ok := value.([]any)
	if !ok || len(list) == 0 {
		p.add("info has to be an array with the instances asked for")
		return
	}
	asked := e.askedIDs()
	var told []string
	for _, element := range list {
		info, ok := element.(map[string]any)
		if !ok {
			p.add("an element of info is not an object")
			continue
		}
		id := checkText(p, info, "instanceId", koogallery.MaxInstanceID, true)
		if id != "" && !slices.Contains(asked, id) {
			p.add("info tells of an instance that was not asked for")
		}
		if slices.Contains(told, id) {
			p.add("info tells of an instance twice")
		}
		told = append(told, id)
		checkAppInfo(p, info["appInfo"])
	}
	for _, id := range asked {
		if e.testFlag() && !slices.Contains(told, id) {
			p.add("info lacks an instance of the debug call")
		}
	}
}

func checkAppInfo(p *problems, value any) {
	if value == nil {
		return
	}
	app, ok := value.(map[string]any)
	if !ok {
		p.add("appInfo is not an object")
		return
	}
	checkText(p, app, "frontEndUrl", koogallery.MaxURL, true)
	checkText(p, app, "adminUrl", koogallery.MaxURL, false)
	checkText(p, app, "userName", koogallery.MaxUserName, false)
	checkText(p, app, "password", koogallery.MaxPassword, false)
	checkText(p, app, "memo", koogallery.MaxMemo, false)
}

// checkText reads a text member, and says if it is missing, of another type or too long.
func checkText(p *problems, body map[string]any, name string, maxLength int, mandatory bool) string {
	value, there := body[name]
	if !there || value == nil {
		if mandatory {
			p.add("%s is missing", name)
		}
		return ""
	}
	text, ok := value.(string)
	if !ok {
		p.add("%s is not a string", name)
		return ""
	}
	if text == "" && mandatory {
		p.add("%s is empty", name)
	}
	if length := len(utf16.Encode([]rune(text))); length > maxLength {
		p.add("%s has %d characters, at most %d are allowed", name, length, maxLength)
	}
	return text
}

// request is what the checks need of the body that was sent.
type request struct {
	InstanceID string `json:"instanceId"`
	TestFlag   any    `json:"testFlag"`
}

func (e *Exchange) request() request {
	var sent request
	// A body that is none asks for nothing.
	_ = json.Unmarshal([]byte(e.RequestBody), &sent)
	return sent
}

func (e *Exchange) testFlag() bool {
	flag := e.request().TestFlag
	return flag == "1" || flag == 1.0
}

func (e *Exchange) askedIDs() []string {
	ids := strings.Split(e.request().InstanceID, ",")
	for i, id := range ids {
		ids[i] = strings.TrimSpace(id)
	}
	return ids
}
