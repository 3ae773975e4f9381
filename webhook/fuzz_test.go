package webhook_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// Whatever arrives, signed or not, is answered in the marketplace's words, and never by a panic.
func FuzzHandler(f *testing.F) {
	for _, body := range []string{
		`{"activity":"newInstance","orderId":"o","orderLineId":"l"}`, `{"activity":"queryInstance","instanceId":"i1,i2"}`,
		`{"activity":"updateInstanceStatus","instanceId":"i1","status":"FREEZE"}`, `{"activity":"releaseInstance","instanceId":"i1"}`,
		`{"activity":"refreshInstance","scene":"RENEWAL","orderId":"o","orderLineId":"l","instanceId":"i1","expireTime":"20301231235959"}`,
		`{"activity":"changeInstanceCheck","instanceId":"i1"}`, `{"activity":"orderNotify","orderId":"o","orderLineId":"l"}`,
		`{"activity":"getLicenseAsync","instanceId":"i1","eventId":"e","effectiveTime":"2023-10-27 10:30:15 z","testFlag":"1"}`,
		`{"activity":"releaseLicenseCode","license":"PL1","testFlag":1}`, `[`, ``,
	} {
		f.Add(http.MethodPost, "", "", []byte(body), true)
		f.Add(http.MethodPost, "/produceAPI/v2/tenantSync", "a=b", []byte(body), false)
	}
	for _, query := range []string{
		"activity=newInstance&orderId=o&productId=p&customerId=c&testFlag=1", "activity=expireInstance&instanceId=i1",
		"activity=getLicense&orderId=o&productId=p&customerId=c", "activity=releaseInstance&instanceId=i1",
	} {
		f.Add(http.MethodGet, "", query, []byte(nil), true)
	}
	f.Add(http.MethodGet, "/../..", "authToken=+", []byte(nil), false)
	for activity, body := range kitBodies {
		f.Add(http.MethodPost, koogallery.KitV2Path+activity, "", []byte(body), true)
		f.Add(http.MethodPost, koogallery.KitPath+activity, "", []byte(body), true)
	}
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte, isSigned bool) {
		s := newKitStand(t, []client.Object{instance("i1", provisioned, withFrontEnd)})
		target := url.URL{Scheme: "http", Host: "shop.example.com", Path: "/v1/sales/koogallery" + path, RawQuery: query}
		if isSigned {
			target.RawQuery = s.signedQuery(method, query, body)
		}
		request, err := http.NewRequest(method, "http://shop.example.com/", bytes.NewReader(body))
		if err != nil {
			t.Skip()
		}
		request.URL = &target
		if isSigned {
			request.Header = signedKit(s.clock.Now(), path, body)
		}
		recorder := httptest.NewRecorder()
		s.handler.ServeHTTP(recorder, request)
		if s.counted("stallkeeper_callback_rejections_total", "Panic") != 0 {
			t.Fatalf("it panicked:\n%s", s.log.text())
		}
		if recorder.Code == http.StatusNotFound {
			return
		}
		var answer koogallery.Response
		if err := json.Unmarshal(recorder.Body.Bytes(), &answer); recorder.Code != http.StatusOK || err != nil || answer.ResultCode == "" {
			t.Fatalf("answered %d %q", recorder.Code, recorder.Body)
		}
	})
}

// kitBodies are calls of the Kit, by their activities.
var kitBodies = map[string]string{
	"tenantSync": `{"instanceId":"i1","orderId":"o","tenantId":"t1","tenantCode":"c","name":"n","domainName":"d.example.com","flag":1,` +
		`"timeStamp":"20260101080000000","testFlag":0}`,
	"applicationSync": `{"instanceId":"i1","tenantId":"t1","appId":"a1","clientId":"c1","clientSecret":"c2VjcmV0","flag":1,` +
		`"timeStamp":"20260101080000000","testFlag":0}`,
	"authSync": `{"instanceId":"i1","tenantId":"t1","appId":"a1","userList":[{"userName":"u1","name":"R&D=1","role":"admin"}],` +
		`"currentSyncTime":"20260101080000000","flag":1,"timeStamp":"20260101080000000","testFlag":0}`,
	"singleOrgSync": `{"instanceId":"i1","tenantId":"t1","orgCode":"d1","orgName":"R&D","parentCode":"","flag":1,` +
		`"timeStamp":"20260101080000000","testFlag":0}`,
	"allOrgSync": `{"instanceId":"i1","tenantId":"t1","orgInfoList":[{"orgCode":"d1","orgName":"R&D"}],"timeStamp":"20260101080000000","testFlag":1}`,
}

// signedKit is the header of a call of the Kit, of the generation that its path names. A call to another path needs none of it.
func signedKit(now time.Time, path string, body []byte) http.Header {
	if strings.HasPrefix(path, koogallery.KitV2Path) {
		timestamp := strconv.FormatInt(now.UnixMilli(), 10)
		return http.Header{
			koogallery.HeaderKitSign:  {koogallery.KitSign([]byte(kitKey), "nonce", timestamp, body)},
			koogallery.HeaderKitNonce: {"nonce"}, koogallery.HeaderKitTimestamp: {timestamp},
		}
	}
	var members map[string]json.RawMessage
	// A body that can't be read has no token.
	_ = json.Unmarshal(body, &members)
	params := map[string]string{}
	for name, raw := range members {
		text := string(raw)
		if text == "null" {
			continue
		}
		_ = json.Unmarshal(raw, &text) // what is no text stands as it is written
		params[name] = text
	}
	return http.Header{koogallery.HeaderKitToken: {koogallery.AuthToken([]byte(kitKey), params)}}
}

// What is fuzzed is worth it: calls of the Kit get beyond their signatures.
func TestFuzzedCallsOfTheKitAreSigned(t *testing.T) {
	for _, path := range []string{koogallery.KitV2Path, koogallery.KitPath} {
		s := newKitStand(t, []client.Object{instance("i1")})
		body := []byte(kitBodies["tenantSync"])
		request := httptest.NewRequest(http.MethodPost, "/v1/sales/koogallery"+path+"tenantSync", bytes.NewReader(body))
		request.Header = signedKit(s.clock.Now(), path, body)
		if code := s.code(request); code != koogallery.ResultSuccess {
			t.Errorf("%s is answered %s\n%s", path, code, s.log.text())
		}
	}
}

// signedQuery signs a call of either generation.
func (s *stand) signedQuery(method, query string, body []byte) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return query
	}
	if method == http.MethodGet {
		params := map[string]string{"timeStamp": "20260101000000000"}
		for name := range values {
			params[name] = values.Get(name)
		}
		values = url.Values{"authToken": {koogallery.AuthToken([]byte(accessKey), params)}}
		for name, value := range params {
			values.Set(name, value)
		}
		return values.Encode()
	}
	return s.signedNonce("nonce", string(body))
}

// signedNonce is the query of a call with a body.
func (s *stand) signedNonce(nonce, body string) string {
	timestamp := strconv.FormatInt(s.clock.Now().UnixMilli(), 10)
	return url.Values{
		"signature": {koogallery.Sign([]byte(accessKey), nonce, timestamp, []byte(body))}, "timestamp": {timestamp}, "nonce": {nonce},
	}.Encode()
}
