package koogallerytest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery/koogallerytest"
)

// reply is an answer that follows the rules until a test breaks one.
type reply struct {
	status                    int
	contentType, header, body string
	// bodySign is made for the body when it is "right".
	bodySign string
}

func (r reply) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	if r.bodySign == "right" {
		r.bodySign = koogallery.BodySign([]byte(accessKey), []byte(r.body))
	}
	w.Header().Set("Content-Type", r.contentType)
	if r.bodySign != "" {
		// Set would correct the case.
		w.Header()[r.header] = []string{r.bodySign}
	}
	w.WriteHeader(r.status)
	_, _ = w.Write([]byte(r.body))
}

func TestCallerFindsBrokenRules(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	query := func(info string) string { return `{"resultCode":"000000","resultMsg":"ok","info":` + info + `}` }
	app := func(members string) string { return query(`[{"instanceId":"i-1","appInfo":{` + members + `}}]`) }
	body := func(text string) func(r *reply) { return func(r *reply) { r.body = text } }
	const purchase, asking = koogallery.ActivityNewInstance, koogallery.ActivityQueryInstance
	tests := map[string]struct {
		activity string
		debug    bool
		change   func(r *reply)
		// want is part of the only problem; "" means none.
		want string
	}{
		"a good answer":       {purchase, false, func(*reply) {}, ""},
		"a good debug answer": {purchase, true, func(*reply) {}, ""},
		"a charset":           {purchase, false, func(r *reply) { r.contentType = "application/json; charset=UTF-8" }, ""},
		"Body-Sign without the blank": {purchase, false, func(r *reply) {
			r.bodySign = strings.Replace(koogallery.BodySign([]byte(accessKey), []byte(r.body)), "= ", "=", 1)
		}, ""},
		"in progress":                   {purchase, false, body(`{"resultCode":"000004","resultMsg":"wait","instanceId":"i-1"}`), ""},
		"a status other than 200":       {purchase, false, func(r *reply) { r.status = 500 }, "HTTP status is 500"},
		"another content type":          {purchase, false, func(r *reply) { r.contentType = "text/plain" }, `Content-Type is "text/plain"`},
		"another charset":               {purchase, false, func(r *reply) { r.contentType = "application/json;charset=gbk" }, "charset"},
		"no Body-Sign":                  {purchase, false, func(r *reply) { r.bodySign = "" }, "Body-Sign has to be there once"},
		"Body-Sign in another case":     {purchase, false, func(r *reply) { r.header = "Body-sign" }, "named Body-sign"},
		"Body-Sign without quotes":      {purchase, false, func(r *reply) { r.bodySign = "sign_type=HMAC-SHA256, signature=x" }, "the form"},
		"Body-Sign of another body":     {purchase, false, func(r *reply) { r.bodySign = koogallery.BodySign([]byte(accessKey), []byte("{}")) }, "is wrong"},
		"Body-Sign of another key":      {purchase, false, func(r *reply) { r.bodySign = koogallery.BodySign([]byte("k"), []byte(r.body)) }, "is wrong"},
		"no JSON":                       {purchase, false, body("ok"), "not a JSON object"},
		"JSON twice":                    {purchase, false, body(`{}{}`), "not a JSON object"},
		"characters beyond ASCII":       {purchase, false, body(`{"resultCode":"000000","resultMsg":"好","instanceId":"i-1"}`), "beyond ASCII"},
		"no resultCode":                 {purchase, false, body(`{"resultMsg":"ok","instanceId":"i-1"}`), "resultCode is missing"},
		"a resultCode that is a number": {purchase, false, body(`{"resultCode":0,"resultMsg":"ok","instanceId":"i-1"}`), "resultCode is not a string"},
		"a resultCode in no table":      {purchase, false, body(`{"resultCode":"123456","resultMsg":"ok"}`), "in no table"},
		"the resultCode of a typo":      {asking, false, body(`{"resultCode":"0000004","resultMsg":"ok"}`), "7 characters"},
		"no resultMsg":                  {purchase, false, body(`{"resultCode":"000000","instanceId":"i-1"}`), "resultMsg is missing"},
		"a long resultMsg":              {purchase, false, body(`{"resultCode":"000000","instanceId":"i-1","resultMsg":"` + long(256) + `"}`), "resultMsg has 256 characters"},
		"no instanceId":                 {purchase, false, body(`{"resultCode":"000004","resultMsg":"ok"}`), "instanceId is missing"},
		"a long instanceId":             {purchase, false, body(`{"resultCode":"000000","resultMsg":"ok","instanceId":"` + long(65) + `"}`), "instanceId has 65"},
		"in progress in a debug call":   {purchase, true, body(`{"resultCode":"000004","resultMsg":"ok","instanceId":"i-1"}`), "debug console accepts 000000 only"},
		"unknown in a debug call":       {asking, true, body(`{"resultCode":"000003","resultMsg":"no"}`), "debug console accepts 000000 only"},
		"unknown in a real call":        {asking, false, body(`{"resultCode":"000003","resultMsg":"no"}`), ""},
		"good access data":              {asking, true, body(app(`"frontEndUrl":"https://a","adminUrl":"b","userName":"u","password":"p","memo":"\u597d"`)), ""},
		"no access data":                {asking, true, body(query(`[{"instanceId":"i-1"}]`)), ""},
		"no info":                       {asking, false, body(`{"resultCode":"000000","resultMsg":"ok"}`), "info has to be an array"},
		"info that is an object":        {asking, false, body(query(`{"instanceId":"i-1"}`)), "info has to be an array"},
		"an info of a text":             {asking, false, body(query(`["i-1"]`)), "not an object"},
		"an instance not asked for":     {asking, false, body(query(`[{"instanceId":"i-9"}]`)), "not asked for"},
		"an instance twice":             {asking, false, body(query(`[{"instanceId":"i-1"},{"instanceId":"i-1"}]`)), "twice"},
		"another in a debug call":       {asking, true, body(query(`[{"instanceId":"i-1"},{"instanceId":"i-2"}]`)), "not asked for"},
		"an appInfo that is a text":     {asking, false, body(query(`[{"instanceId":"i-1","appInfo":"x"}]`)), "appInfo is not an object"},
		"no frontEndUrl":                {asking, false, body(app(`"memo":"m"`)), "frontEndUrl is missing"},
		"an empty frontEndUrl":          {asking, false, body(app(`"frontEndUrl":""`)), "frontEndUrl is empty"},
		"a long frontEndUrl":            {asking, false, body(app(`"frontEndUrl":"` + long(513) + `"`)), "frontEndUrl has 513"},
		"a long adminUrl":               {asking, false, body(app(`"frontEndUrl":"a","adminUrl":"` + long(513) + `"`)), "adminUrl has 513"},
		"a long userName":               {asking, false, body(app(`"frontEndUrl":"a","userName":"` + long(129) + `"`)), "userName has 129"},
		"a long password":               {asking, false, body(app(`"frontEndUrl":"a","password":"` + long(129) + `"`)), "password has 129"},
		"a long memo":                   {asking, false, body(app(`"frontEndUrl":"a","memo":"` + long(1025) + `"`)), "memo has 1025"},
		"a memo that is a number":       {asking, false, body(app(`"frontEndUrl":"a","memo":1`)), "memo is not a string"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			answer := reply{
				status: 200, contentType: "application/json", header: koogallery.HeaderBodySign, bodySign: "right",
				body: `{"resultCode":"000000","resultMsg":"success.","instanceId":"i-1"}`,
			}
			tc.change(&answer)
			server := httptest.NewServer(answer)
			t.Cleanup(server.Close)
			caller := koogallerytest.Caller{URL: server.URL, AccessKey: accessKey, Options: koogallerytest.Options{Debug: tc.debug}}
			exchange, err := callOnce(t, caller, tc.activity)
			if err != nil {
				t.Fatal(err)
			}
			checkProblems(t, exchange.Problems, tc.want)
		})
	}
}

func callOnce(t *testing.T, caller koogallerytest.Caller, activity string) (*koogallerytest.Exchange, error) {
	t.Helper()
	if activity == koogallery.ActivityQueryInstance {
		return caller.QueryInstance(t.Context(), "i-1")
	}
	return caller.NewInstance(t.Context(), "CS1", "CS1-000001")
}

func checkProblems(t *testing.T, problems []string, want string) {
	t.Helper()
	if want == "" && len(problems) > 0 {
		t.Errorf("problems = %q, want none", problems)
	}
	if want != "" && !strings.Contains(strings.Join(problems, "\n"), want) {
		t.Errorf("problems = %q, want one with %q", problems, want)
	}
}

func TestHeaderOnceOnly(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sign := koogallery.BodySign([]byte(accessKey), nil)
		w.Header()[koogallery.HeaderBodySign] = []string{sign, sign}
	}))
	t.Cleanup(server.Close)
	exchange, err := koogallerytest.Caller{URL: server.URL, AccessKey: accessKey}.QueryInstance(t.Context(), "i-1")
	if err != nil {
		t.Fatal(err)
	}
	checkProblems(t, exchange.Problems, "there 2 times")
}
