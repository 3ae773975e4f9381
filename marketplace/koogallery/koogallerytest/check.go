package koogallerytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
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

// The codes of the tables (protocol page 12.1 to 12.3).
var (
	instanceCodes    = regexp.MustCompile(`^(00000[0-5]|00010[0-7])$`)
	licenseCodeCodes = regexp.MustCompile(`^00000[0-5]$`)
	licenseCodes     = regexp.MustCompile(`^(00000[0-5]|000100|00090[0-3])$`)
	// anyCode is for an answer that may refuse, for which no page has a code.
	anyCode = regexp.MustCompile(``)
)

// codesOf are the tables of activities; instanceCodes is the one of those that are missing here.
var codesOf = map[string]*regexp.Regexp{
	koogallery.ActivityRefreshLicenseCode:      licenseCodeCodes,
	koogallery.ActivityUpdateLicenseCodeStatus: licenseCodeCodes,
	koogallery.ActivityReleaseLicenseCode:      licenseCodeCodes,
	koogallery.ActivityOrderNotify:             licenseCodeCodes,
	koogallery.ActivityTenantSync:              licenseCodeCodes,
	koogallery.ActivityAuthSync:                licenseCodeCodes,
	koogallery.ActivitySingleOrgSync:           licenseCodeCodes,
	koogallery.ActivityAllOrgSync:              licenseCodeCodes,
	koogallery.ActivityGetLicenseAsync:         licenseCodes,
	koogallery.ActivityChangeInstanceCheck:     anyCode,
}

// namesInstance are the activities whose answer has to name an instance.
var namesInstance = map[string]bool{koogallery.ActivityNewInstance: true, koogallery.ActivityGetLicense: true}

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
	c.checkBody(p, e)
	// A code that is missing was found already.
	if e.sent.debug && !c.Options.Refused && e.ResultCode != "" && e.ResultCode != koogallery.ResultSuccess {
		p.add("the result code is %q, the debug console accepts %s only", e.ResultCode, koogallery.ResultSuccess)
	}
	if e.sent.accepted && !e.sent.debug && !c.Options.Refused && e.ResultCode != koogallery.ResultSuccess {
		p.add("the result code is %q, for a purchase that was accepted it has to be %s", e.ResultCode, koogallery.ResultSuccess)
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
	if len(values) == 0 && c.provesNothing(e) {
		return
	}
	if len(values) != 1 {
		p.add("the header %s has to be there once, it is there %d times%s", koogallery.HeaderBodySign, len(values), bodySignDoubt(e))
		return
	}
	given := bodySignForm.FindStringSubmatch(values[0])
	if given == nil {
		p.add(`the header %s has to have the form sign_type="HMAC-SHA256", signature= "..."`, koogallery.HeaderBodySign)
		return
	}
	wanted := bodySignForm.FindStringSubmatch(koogallery.BodySign([]byte(c.AccessKey), []byte(e.Body)))
	if given[1] != wanted[1] && !c.Options.AnyKey {
		p.add("the signature in %s is wrong for this body and access key", koogallery.HeaderBodySign)
	}
}

// provesNothing reports whether nobody can tell whose the call was: an answer to it needs no signature, and should have none.
func (c Caller) provesNothing(e *Exchange) bool {
	o := c.Options
	return o.AnyKey || o.WrongKey || o.Tampered || o.Omit != "" || e.ResultCode == koogallery.ResultUnauthenticated
}

// bodySignDoubt says how sure it is that the header is looked for. It is in calls with an authToken (protocol page 5.3).
func bodySignDoubt(e *Exchange) string {
	if e.sent.v1 {
		return ""
	}
	return " (KooGallery's pages contradict each other on whether this generation needs it)"
}

func (c Caller) checkBody(p *problems, e *Exchange) {
	if strings.ContainsFunc(e.Body, func(r rune) bool { return r > 0x7E }) {
		p.add(`the body has characters beyond ASCII, they have to be written as \uXXXX`)
	}
	var body map[string]any
	decoder := json.NewDecoder(strings.NewReader(e.Body))
	decoder.UseNumber()
	if !json.Valid([]byte(e.Body)) || decoder.Decode(&body) != nil || body == nil {
		p.add("the body is not a JSON object")
		return
	}
	checkCode(p, e, checkText(p, body, "resultCode", 6, true))
	checkText(p, body, "resultMsg", koogallery.MaxResultMsg, true)
	success, accepted := e.ResultCode == koogallery.ResultSuccess, e.ResultCode == koogallery.ResultInProgress
	checkText(p, body, "instanceId", koogallery.MaxInstanceID, namesInstance[e.Activity] && (success || accepted))
	if e.Activity == koogallery.ActivityGetLicense && success {
		checkText(p, body, "license", math.MaxInt, true)
	}
	credentials := c.credentialsCheck(p, e, body)
	if e.Activity == koogallery.ActivityQueryInstance && success || body["info"] != nil {
		checkInfo(p, e, body["info"], credentials)
	}
	if e.sent.v1 {
		checkPurchaseV1(p, e, body, credentials)
	}
}

// checkCode looks a code up in the table of the call.
func checkCode(p *problems, e *Exchange, code string) {
	codes := codesOf[e.Activity]
	if codes == nil {
		codes = instanceCodes
	}
	if code != "" && !codes.MatchString(code) {
		p.add("the result code %q is in no table", code)
	}
}

// checkPurchaseV1: protocol page 5.4.
func checkPurchaseV1(p *problems, e *Exchange, body map[string]any, credentials textCheck) {
	if e.Activity == koogallery.ActivityNewInstance && e.ResultCode == koogallery.ResultSuccess && body["appInfo"] == nil {
		p.add("appInfo is missing: the debug console demands frontEndUrl, and nothing else tells the buyer where to go")
	}
	checkAppInfo(p, body["appInfo"], credentials)
}

// textCheck checks one text member of an appInfo.
type textCheck func(app map[string]any, name string, maxLength int)

// credentialsCheck is how user name and password are checked: by their length, and in SaaS V1.0 by being decryptable, the length
// being that of the encrypted form (protocol page 2 and 6).
func (c Caller) credentialsCheck(p *problems, e *Exchange, body map[string]any) textCheck {
	if !e.sent.v1 {
		return func(app map[string]any, name string, maxLength int) { checkText(p, app, name, maxLength, false) }
	}
	kind := koogallery.EncryptType(checkText(p, body, "encryptType", 3, false))
	if kind != "" && kind != koogallery.EncryptAES256 && kind != koogallery.EncryptAES128 {
		p.add("the encryptType is %q, it has to be 1 or 2", string(kind))
		kind = ""
	}
	return func(app map[string]any, name string, maxLength int) {
		text := checkText(p, app, name, maxLength, false)
		if text == "" {
			return
		}
		if _, err := koogallery.DecryptField([]byte(c.AccessKey), orDefaultType(kind), text); err != nil {
			p.add("%s can't be decrypted with the access key and encryptType: %v", name, err)
		}
	}
}

// checkInfo: protocol page 3.6.
func checkInfo(p *problems, e *Exchange, value any, credentials textCheck) {
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
		checkAppInfo(p, info["appInfo"], credentials)
		checkUsage(p, info["usageInfo"])
	}
	for _, id := range asked {
		if e.sent.debug && !slices.Contains(told, id) {
			p.add("info lacks an instance of the debug call")
		}
	}
}

func checkAppInfo(p *problems, value any, credentials textCheck) {
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
	credentials(app, "userName", koogallery.MaxUserName)
	credentials(app, "password", koogallery.MaxPassword)
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

var (
	usageValueForm      = regexp.MustCompile(`^[0-9]{1,8}(\.[0-9]{1,4})?$`)
	statisticalTimeForm = regexp.MustCompile(`^[0-9]{17}$`)
)

// checkUsage: protocol page 3.6.
func checkUsage(p *problems, value any) {
	if value == nil {
		return
	}
	list, ok := value.([]any)
	if !ok {
		p.add("usageInfo is not an array")
		return
	}
	for _, element := range list {
		usage, ok := element.(map[string]any)
		if !ok {
			p.add("an element of usageInfo is not an object")
			continue
		}
		if number, ok := usage["usageValue"].(json.Number); !ok || !usageValueForm.MatchString(number.String()) {
			p.add("usageValue has to be a number with at most 8 digits and 4 decimals")
		}
		if !statisticalTimeForm.MatchString(checkText(p, usage, "statisticalTime", 20, true)) {
			p.add("statisticalTime has to be a UTC time of 17 digits")
		}
		checkText(p, usage, "relatedInstanceId", koogallery.MaxInstanceID, false)
		checkText(p, usage, "dashboardUrl", koogallery.MaxURL, false)
	}
}

func (e *Exchange) askedIDs() []string {
	ids := strings.Split(e.sent.instanceIDs, ",")
	for i, id := range ids {
		ids[i] = strings.TrimSpace(id)
	}
	return ids
}
