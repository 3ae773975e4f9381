package webhook_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"

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
	f.Fuzz(func(t *testing.T, method, path, query string, body []byte, isSigned bool) {
		s := newStand(t, []client.Object{instance("i1", provisioned, withFrontEnd)})
		target := url.URL{Scheme: "http", Host: "shop.example.com", Path: "/v1/sales/koogallery" + path, RawQuery: query}
		if isSigned {
			target.RawQuery = s.signedQuery(method, query, body)
		}
		request, err := http.NewRequest(method, "http://shop.example.com/", bytes.NewReader(body))
		if err != nil {
			t.Skip()
		}
		request.URL = &target
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
