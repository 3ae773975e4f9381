package koogallery_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

const kitKey = "kit-access-key-0001"

// kitRSA makes the test's RSA keys once: they take a while.
var kitRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		panic(err)
	}
	return key
})

func pemOf(t testing.TB, kind string, key *rsa.PrivateKey) string {
	t.Helper()
	der := x509.MarshalPKCS1PrivateKey(key)
	if kind == "PRIVATE KEY" {
		var err error
		if der, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
			t.Fatal(err)
		}
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// kitCallbacksOnce are for tests that ask thousands of times.
var kitCallbacksOnce = sync.OnceValue(func() *koogallery.Callbacks {
	callbacks, err := koogallery.NewCallbacks(map[string][]byte{koogallery.KeyAccess: []byte(accessKey), koogallery.KeyKit: []byte(kitKey)})
	if err != nil {
		panic(err)
	}
	return callbacks
})

func kitCallbacks(t testing.TB) *koogallery.Callbacks {
	return newCallbacks(t, map[string]string{
		koogallery.KeyAccess: accessKey, koogallery.KeyKit: kitKey, "kitAccessKeyNext": "kit-next",
		koogallery.KeyKitPrivate: pemOf(t, "PRIVATE KEY", kitRSA()),
	})
}

// kitV2 is a call of V2 whose payload is signed and whose body is sent.
func kitV2(activity, payload, body string) marketplace.Request {
	timestamp := strconv.FormatInt(now.UnixMilli(), 10)
	return marketplace.Request{
		Method: "POST", Path: koogallery.KitV2Path + activity, Body: []byte(body), Header: http.Header{
			"X-Sign": {koogallery.KitSign([]byte(kitKey), "n1", timestamp, []byte(payload))}, "X-Timestamp": {timestamp}, "X-Nonce": {"n1"},
		},
	}
}

func kitV1(activity, body, token string) marketplace.Request {
	return marketplace.Request{
		Method: "POST", Path: koogallery.KitPath + activity, Body: []byte(body), Header: http.Header{"Authtoken": {token}},
	}
}

func TestKitVectors(t *testing.T) {
	for _, vector := range readVectors(t).KitSigns {
		nonce, timestamp := vector.Headers["x-nonce"], vector.Headers["x-timestamp"]
		if got := koogallery.KitSign([]byte(vector.AccessKey), nonce, timestamp, []byte(vector.RawBody)); got != vector.XSignHexLower {
			t.Errorf("%s: KitSign() = %s, want %s", vector.Name, got, vector.XSignHexLower)
		}
		header := http.Header{}
		for name, value := range vector.Headers {
			header.Set(name, value)
		}
		millis, _ := strconv.ParseInt(timestamp, 10, 64)
		callbacks := newCallbacks(t, map[string]string{koogallery.KeyAccess: "other", koogallery.KeyKit: vector.AccessKey})
		proof, err := callbacks.Verify(marketplace.Request{
			Method: "POST", Path: koogallery.KitV2Path + vector.Name, Header: header, Body: []byte(vector.RawBody),
		}, time.UnixMilli(millis))
		if want := (marketplace.Proof{KeyName: "kitAccessKey", SentAt: time.UnixMilli(millis).UTC(), Nonce: nonce}); err != nil || proof != want {
			t.Errorf("%s: Verify() = %+v, %v", vector.Name, proof, err)
		}
	}
	for _, vector := range readVectors(t).KitTokens {
		callbacks := newCallbacks(t, map[string]string{koogallery.KeyAccess: "other", koogallery.KeyKit: vector.AccessKey})
		// It is of 2022, in the time of China.
		sent := time.Date(2022, 4, 13, 1, 35, 39, 534e6, time.UTC)
		proof, err := callbacks.Verify(kitV1(vector.Name, string(vector.Body), vector.AuthTokenHeader), sent)
		if want := (marketplace.Proof{KeyName: "kitAccessKey", Token: unBase64(t, vector.AuthTokenHeader)}); err != nil || proof != want {
			t.Errorf("%s: Verify() = %+v, %v", vector.Name, proof, err)
		}
		for _, other := range []time.Time{sent.Add(25 * time.Hour), sent.Add(-25 * time.Hour)} {
			if _, err := callbacks.Verify(kitV1(vector.Name, string(vector.Body), vector.AuthTokenHeader), other); !errors.Is(err, marketplace.ErrStale) {
				t.Errorf("%s: at %s: %v", vector.Name, other, err)
			}
		}
	}
}

func TestVerifyKit(t *testing.T) {
	const payload = `{"a":"张","flag":1,"nested":{"b":1,"a":[1,2]},"timeStamp":"20260301200000000"}`
	tests := map[string]struct {
		request marketplace.Request
		change  func(*marketplace.Request)
		wantErr error
	}{
		"as it was signed":     {request: kitV2("authSync", payload, payload)},
		"reordered and spaced": {request: kitV2("authSync", payload, "{ \"timeStamp\" : \"20260301200000000\",\n\"z\":null,\"nested\":{\"b\":1, \"a\":[1,2]},\"flag\":1,\"a\":\"张\"}")},
		"escaped":              {request: kitV2("authSync", payload, `{"flag":1,"\u0061":"\u5f20","nested":{"b":1,"a":[1,2]},"timeStamp":"20260301200000000"}`)},
		"numbers as texts":     {request: kitV2("authSync", strings.Replace(payload, `"flag":1`, `"flag":"1"`, 1), payload)},
		"a field twice":        {request: kitV2("authSync", payload, `{"a":"张","flag":1,"flag":1,"nested":{"b":1,"a":[1,2]},"timeStamp":"20260301200000000"}`)},
		"upper case hex": {request: kitV2("authSync", payload, payload), change: func(r *marketplace.Request) {
			r.Header.Set("x-sign", strings.ToUpper(r.Header.Get("x-sign")))
		}},
		"another value":        {request: kitV2("authSync", payload, strings.Replace(payload, `"flag":1`, `"flag":0`, 1)), wantErr: marketplace.ErrUnauthenticated},
		"nested in disorder":   {request: kitV2("authSync", payload, strings.Replace(payload, `"b":1,"a":[1,2]`, `"a":[1,2],"b":1`, 1)), wantErr: marketplace.ErrUnauthenticated},
		"no signature":         {request: kitV2("authSync", payload, payload), change: without("X-Sign"), wantErr: marketplace.ErrUnauthenticated},
		"no nonce":             {request: kitV2("authSync", payload, payload), change: without("X-Nonce"), wantErr: marketplace.ErrMalformed},
		"no timestamp":         {request: kitV2("authSync", payload, payload), change: without("X-Timestamp"), wantErr: marketplace.ErrMalformed},
		"GET":                  {request: kitV2("authSync", payload, payload), change: func(r *marketplace.Request) { r.Method = "GET" }, wantErr: marketplace.ErrMalformed},
		"another path":         {request: kitV2("authSyncs", payload, payload), wantErr: marketplace.ErrMalformed},
		"V1 without a token":   {request: kitV1("authSync", payload, ""), wantErr: marketplace.ErrUnauthenticated},
		"V1 with another one":  {request: kitV1("authSync", payload, "AAAA"), wantErr: marketplace.ErrUnauthenticated},
		"V1 and no JSON":       {request: kitV1("authSync", "x", "AAAA"), wantErr: marketplace.ErrUnauthenticated},
		"the body of V2 in V1": {request: kitV2("authSync", payload, payload), change: func(r *marketplace.Request) { r.Path = "/produceAPI/authSync" }, wantErr: marketplace.ErrUnauthenticated},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if tc.change != nil {
				tc.change(&tc.request)
			}
			if _, err := kitCallbacks(t).Verify(tc.request, now); !errors.Is(err, tc.wantErr) {
				t.Errorf("Verify() = %v, want %v", err, tc.wantErr)
			}
		})
	}
	late := kitV2("authSync", payload, payload)
	if proof, err := kitCallbacks(t).Verify(late, now.Add(61*time.Second)); !errors.Is(err, marketplace.ErrStale) || proof.SentAt.IsZero() {
		t.Errorf("61 s late: %+v, %v", proof, err)
	}
	// The key of the basic interfaces is not the Kit's, nor the other way round.
	only := newCallbacks(t, map[string]string{koogallery.KeyAccess: kitKey})
	if _, err := only.Verify(late, now); !errors.Is(err, marketplace.ErrUnauthenticated) {
		t.Errorf("with the access key: %v", err)
	}
}

func without(name string) func(*marketplace.Request) {
	return func(r *marketplace.Request) { r.Header.Del(name) }
}

// sealed encrypts as KooGallery might.
func sealed(t testing.TB, plain string, digests rsa.OAEPOptions) string {
	t.Helper()
	encrypted, err := rsa.EncryptOAEPWithOptions(rand.Reader, &kitRSA().PublicKey, []byte(plain), &digests)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(encrypted)
}

// encodedSync is what a Sync says in full.
func encodedSync(t testing.TB, s *marketplace.Sync) string {
	t.Helper()
	if s == nil {
		return ""
	}
	data, err := marketplace.EncodeSync(*s)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestDecodeKit(t *testing.T) {
	const common = `"instanceId":"i1","tenantId":"t1","testFlag":0,"timeStamp":"20260301200000123"`
	at := time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)
	sync := func(s marketplace.Sync) *marketplace.Sync { s.EnterpriseID, s.At = "t1", at; return &s }
	user := marketplace.User{
		ApplicationID: "a1", UserName: "li.lei", Name: "李雷", DepartmentCode: "d1", Role: marketplace.RoleAdmin, Position: "P", EmployeeCode: "7",
		Employment: marketplace.EmploymentIntern, Mobile: "138", Email: "l@example.com", WorkPlace: "W", EntryDate: "2024-05-1",
	}
	const userV2 = `{"userName":"li.lei","name":"李雷","orgCode":"d1","position":"P","employeeCode":"7","employeeType":2,"role":"admin","enable":"true","mobile":"138","email":"l@example.com","workPlace":"W","entryDate":"2024-05-1"}`
	const userV1 = `[{\"userName\":\"li.lei\",\"name\":\"李雷\",\"orgCode\":\"d1\",\"position\":\"P\",\"employeeCode\":\"7\",\"role\":\"admin\",\"enable\":\"true\",\"mobile\":138,\"email\":\"l@example.com\",\"extension\":{\"employeeType\":\"2\",\"workPlace\":\"W\",\"entryDate\":\"2024-05-1\"}}]`
	const auth = `"appId":"a1","currentSyncTime":"20260301200000000"`
	departments := []marketplace.Department{{Code: "d1", Name: "研发"}, {Code: "d2", Name: "B", ParentCode: "d1"}}
	secret := sealed(t, "s3cret", rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1})
	tests := map[string]struct {
		activity, fields string
		want             *marketplace.Sync
	}{
		"an enterprise": {"tenantSync", `"orderId":"CS1","tenantCode":"hw","name":"华 为","domainName":"https://x.example.com","flag":1`, sync(marketplace.Sync{
			Action: marketplace.SyncPut, Enterprise: &marketplace.Enterprise{Code: "hw", Name: "华 为", DomainName: "https://x.example.com", OrderID: "CS1"},
		})},
		"an enterprise that goes": {"tenantSync", `"flag":"0"`, sync(marketplace.Sync{Action: marketplace.SyncRemove, Enterprise: &marketplace.Enterprise{}})},
		"an application": {"applicationSync", `"appId":"a1","clientId":"c1","flag":2,"clientSecret":"` + secret + `"`, sync(marketplace.Sync{
			Action: marketplace.SyncPut, Application: &marketplace.Application{ID: "a1", ClientID: "c1", ClientSecret: "s3cret"},
		})},
		"an application that goes, with nonsense for a secret": {"applicationSync", `"appId":"a1","flag":0,"clientSecret":"x"`, sync(marketplace.Sync{
			Action: marketplace.SyncRemove, Application: &marketplace.Application{ID: "a1"},
		})},
		"a user of V2":               {"authSync", auth + `,"flag":1,"userList":[` + userV2 + `]`, sync(marketplace.Sync{Action: marketplace.SyncPut, Users: []marketplace.User{user}})},
		"a user of V1":               {"authSync", auth + `,"flag":1,"userList":"` + userV1 + `"`, sync(marketplace.Sync{Action: marketplace.SyncPut, Users: []marketplace.User{user}})},
		"a user without right":       {"authSync", auth + `,"flag":3,"userList":[{"userName":"u","enable":"false"}]`, sync(marketplace.Sync{Action: marketplace.SyncWithdraw, Users: []marketplace.User{{ApplicationID: "a1", UserName: "u", Disabled: true}}})},
		"the last of a name counts":  {"authSync", auth + `,"flag":0,"userList":[{"userName":"u","role":"x"},{"userName":"u","role":"User"}]`, sync(marketplace.Sync{Action: marketplace.SyncRemove, Users: []marketplace.User{{ApplicationID: "a1", UserName: "u", Role: marketplace.RoleUser}}})},
		"a name with a line break":   {"authSync", auth + `,"flag":1,"userList":[{"userName":"u","name":"A\nB","role":"boss"}]`, sync(marketplace.Sync{Action: marketplace.SyncPut, Users: []marketplace.User{{ApplicationID: "a1", UserName: "u", Name: "AB", Role: "boss"}}})},
		"a department, id twice":     {"singleOrgSync", `"instanceId":"i1","orgCode":"d1","orgName":"研发","parentCode":"","flag":1`, sync(marketplace.Sync{Action: marketplace.SyncPut, Departments: departments[:1]})},
		"all departments":            {"allOrgSync", `"orgInfoList":[{"orgCode":"d1","orgName":"研发"},{"orgCode":"d2","orgName":"B","parentCode":"d1"}]`, sync(marketplace.Sync{Action: marketplace.SyncPut, AllDepartments: true, Departments: departments})},
		"all, as the page prints it": {"allOrgSync", `"flag":1,"orgInfoList":"[{orgCode:\"d1\",orgName:\"研发\"},{orgCode:\"d2\", orgName: \"B\",parentCode:\"d1\"}]"`, sync(marketplace.Sync{Action: marketplace.SyncPut, AllDepartments: true, Departments: departments})},
		"all of V1":                  {"allOrgSync", `"orgInfo":"[{\"orgCode\":\"d1\",\"name\":\"研发\"},{\" orgCode\":\"d2\",\"name\":\"B\",\"parentCode\":\"d1\"}]"`, sync(marketplace.Sync{Action: marketplace.SyncPut, AllDepartments: true, Departments: departments})},
		"no department is left":      {"allOrgSync", `"orgInfoList":[]`, sync(marketplace.Sync{Action: marketplace.SyncPut, AllDepartments: true})},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{koogallery.KitPath, koogallery.KitV2Path} {
				event, err := kitCallbacks(t).Decode(marketplace.Request{Method: "POST", Path: path + tc.activity, Body: []byte("{" + common + "," + tc.fields + "}")})
				if err != nil {
					t.Fatal(err)
				}
				if event.Kind != marketplace.Synchronize || event.Activity != tc.activity || event.InstanceID != "i1" || event.Test {
					t.Errorf("event = %+v", event)
				}
				if diff := cmp.Diff(encodedSync(t, tc.want), encodedSync(t, event.Sync)); diff != "" {
					t.Errorf("Sync (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// A call about 500 users is not refused for a field of one of them.
func TestTheKitLeavesOutWhatItCanDoWithout(t *testing.T) {
	body := `{"instanceId":"","tenantId":"t1","timeStamp":"202603012000001","appId":"a1","flag":1,"userList":[` +
		`{"userName":"u","enable":"","email":"` + strings.Repeat("m", 129) + `","orgCode":["d"],"extension":"none","mobile":138,"name":"A\nB"}]}`
	for _, path := range []string{koogallery.KitPath, koogallery.KitV2Path} {
		event, err := kitCallbacks(t).Decode(marketplace.Request{Method: "POST", Path: path + "authSync", Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		want := marketplace.Sync{
			EnterpriseID: "t1", At: now.Add(time.Millisecond), Action: marketplace.SyncPut,
			// An account of which it is not said that it is switched on is not.
			Users: []marketplace.User{{ApplicationID: "a1", UserName: "u", Name: "AB", Mobile: "138", Email: strings.Repeat("m", 128), Disabled: true}},
		}
		if diff := cmp.Diff(encodedSync(t, &want), encodedSync(t, event.Sync)); diff != "" || event.InstanceID != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		notes := map[string]bool{}
		for _, note := range event.Notes {
			notes[note] = true
		}
		if diff := cmp.Diff(map[string]bool{
			"userList.enable": true, "userList.email": true, "userList.orgCode": true, "userList.extension": true, "userList.name": true,
		}, notes); diff != "" {
			t.Errorf("notes (-want +got):\n%s", diff)
		}
	}
}

// Only what says that an account is on switches it on; what says nothing holds up neither the other users nor a withdrawal.
func TestWhoseAccountIsOn(t *testing.T) {
	const off, note = true, true
	tests := map[string]struct{ disabled, noted bool }{
		`,"enable":"true"`: {}, `,"enable":true`: {}, `,"enable":" TRUE "`: {}, ``: {}, `,"enable":"false"`: {off, false}, `,"enable":false`: {off, false},
		`,"enable":"false","Enable":"true"`: {off, false}, `,"enable":"true","ENABLE":"false"`: {},
		`,"enable":""`: {off, note}, `,"enable":" "`: {off, note}, `,"enable":null`: {off, note}, `,"enable":0`: {off, note}, `,"enable":1`: {off, note},
		`,"enable":"yes"`: {off, note}, `,"enable":["true"]`: {off, note}, `,"enable":{"a":[true]}`: {off, note},
	}
	for enable, tc := range tests {
		for _, flag := range []string{"1", "2", "3"} {
			body := `{"instanceId":"i","tenantId":"t1","timeStamp":"20260301200000000","appId":"a1","flag":` + flag + `,"userList":[{"userName":"u"` + enable +
				`},{"userName":"v","enable":"true"}]}`
			event, err := kitCallbacks(t).Decode(marketplace.Request{Method: "POST", Path: koogallery.KitV2Path + "authSync", Body: []byte(body)})
			if err != nil {
				t.Errorf("%s with flag %s: %v", enable, flag, err)
				continue
			}
			if users := event.Sync.Users; len(users) != 2 || users[0].Disabled != tc.disabled || users[1].Disabled {
				t.Errorf("%s with flag %s: off is %t of %d users, and of its neighbor %t", enable, flag, users[0].Disabled, len(users), users[1].Disabled)
			}
			if (len(event.Notes) > 0) != tc.noted {
				t.Errorf("%s with flag %s is noted as %v", enable, flag, event.Notes)
			}
		}
	}
}

// The production URL may end with a slash, and KooGallery appends its path to it.
func TestTheKitIsFoundBelowASlash(t *testing.T) {
	const payload = `{"tenantId":"t","timeStamp":"20260301200000000"}`
	request := kitV2("tenantSync", payload, payload)
	request.Path = "/" + request.Path
	if _, err := kitCallbacks(t).Verify(request, now); err != nil {
		t.Error(err)
	}
	if koogallery.MaxBodyOf(request.Path) != koogallery.MaxKitBody {
		t.Error("its body is another one's")
	}
}

// One of KooGallery's pages has the values of V1 encoded for a URL, and does not say where.
func TestTheKitsValuesMayBeEncoded(t *testing.T) {
	plain := map[string]string{"tenantId": "t 1", "timeStamp": "20260301200000000", "name": "华~为*", "domainName": "https://x.example.com/?a=b", "flag": "1"}
	encoded := map[string]string{}
	for name, value := range plain {
		encoded[name] = strings.NewReplacer("%2A", "*", "~", "%7E").Replace(url.QueryEscape(value))
	}
	for name, tc := range map[string]struct{ sent, signed map[string]string }{
		"plain":                        {plain, plain},
		"encoded":                      {encoded, encoded},
		"encoded, signed as it is":     {encoded, plain},
		"plain, signed as it is not":   {plain, encoded},
		"encoded, but for the address": {map[string]string{"tenantId": "t 1", "timeStamp": "20260301200000000", "name": encoded["name"], "domainName": plain["domainName"], "flag": "1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			want := "华~为*"
			if tc.signed == nil {
				// Some of it is not encoded, so none is.
				tc.signed, want = tc.sent, encoded["name"]
			}
			body, err := json.Marshal(tc.sent)
			if err != nil {
				t.Fatal(err)
			}
			request := kitV1("tenantSync", string(body), koogallery.AuthToken([]byte(kitKey), tc.signed))
			if _, err := kitCallbacks(t).Verify(request, now); err != nil {
				t.Fatal(err)
			}
			event, err := kitCallbacks(t).Decode(request)
			if err != nil || event.Sync.Enterprise.Name != want || event.Sync.Enterprise.DomainName != plain["domainName"] || event.Sync.EnterpriseID != "t 1" {
				t.Errorf("error %v, or another name than %q", err, want)
			}
		})
	}
}

// The token of V1 is over members joined unescaped.
func TestATokenOfTheKitFitsOneCallOnly(t *testing.T) {
	at := `"timeStamp":"20260301200000000"`
	signed := map[string]string{"domainName": "d", "flag": "1", "name": "n", "tenantCode": "c", "tenantId": "t", "timeStamp": "20260301200000000"}
	token := koogallery.AuthToken([]byte(kitKey), signed)
	for name, body := range map[string]string{
		"in a value": `{"domainName":"d","flag":1,"name":"n&tenantCode=c","tenantId":"t",` + at + `}`,
		"in a name":  `{"domainName":"d","flag=1&name":"n","tenantCode":"c","tenantId":"t",` + at + `}`,
	} {
		proof, err := kitCallbacks(t).Verify(kitV1("tenantSync", body, token), now)
		if !errors.Is(err, marketplace.ErrMalformed) || !strings.Contains(err.Error(), "ambiguous") || proof.KeyName == "" {
			t.Errorf("%s: proof %+v, error %v", name, proof, err)
		}
	}
}

// A token is over the values as they are meant, and what is done is by the values as they are meant: not by others that are the same decoded.
func TestTheKitsValuesAreReadAsTheyAreSigned(t *testing.T) {
	const at = `"timeStamp":"20260301200000000"`
	signed := map[string]string{
		"domainName": "https://x.example.com", "flag": "1", "name": "n", "testFlag": "1", "tenantId": "t", "timeStamp": "20260301200000000", "userList": `[{"userName":"bob"}]`,
	}
	token := koogallery.AuthToken([]byte(kitKey), signed)
	rest := func(testFlag, tenant, user string) string {
		return `{"domainName":"https://x.example.com","flag":1,"name":"n","testFlag":` + testFlag + `,"tenantId":"` + tenant + `","userList":[{"userName":"` + user + `"}],` + at + `}`
	}
	if _, err := kitCallbacks(t).Verify(kitV1("authSync", rest(`"1"`, "t", "bob"), token), now); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"a debug call as a real one": rest(`"%31"`, "t", "bob"), "another enterprise": rest("1", "%74", "bob"), "another user": rest("1", "t", "bo%62"),
	} {
		if proof, err := kitCallbacks(t).Verify(kitV1("authSync", body, token), now); !errors.Is(err, marketplace.ErrMalformed) {
			t.Errorf("%s: proof %+v, error %v", name, proof, err)
		}
	}
}

// How a text is escaped is not signed in every form, so that it must not be what a debug call is known by.
func TestADebugCallStaysOneHoweverItIsWritten(t *testing.T) {
	const saas = `{"activity":"releaseInstance","instanceId":"i-1","testFlag":"1"}`
	const kit = `{"flag":"0","instanceId":"i","tenantId":"t","testFlag":"1","timeStamp":"20260301200000000"}`
	token := koogallery.AuthToken([]byte(kitKey), map[string]string{
		"flag": "0", "instanceId": "i", "tenantId": "t", "testFlag": "1", "timeStamp": "20260301200000000",
	})
	for _, flag := range []string{`"1"`, `1`, `"\u0031"`, `"\u0031" `} {
		written := func(body string) string { return strings.Replace(body, `"testFlag":"1"`, `"testFlag":`+flag, 1) }
		released := ordinary(saas)
		released.key, released.body = kitKey, written(saas)
		for name, request := range map[string]marketplace.Request{
			"SaaS V2.0": released.request(), "Kit V2": kitV2("tenantSync", kit, written(kit)), "Kit V1": kitV1("tenantSync", written(kit), token),
		} {
			callbacks := newCallbacks(t, map[string]string{koogallery.KeyAccess: kitKey, koogallery.KeyKit: kitKey})
			at := now
			if name == "Kit V1" {
				// Only a debug call may be as old as that.
				at = now.AddDate(0, 1, 0)
			}
			if _, err := callbacks.Verify(request, at); err != nil {
				t.Errorf("%s with %s: %v", name, flag, err)
			}
			if event, err := callbacks.Decode(request); err != nil || !event.Test {
				t.Errorf("%s with %s is a real call: %+v, %v", name, flag, event, err)
			}
		}
	}
}

// minimalKitBodies are those that say the least.
var minimalKitBodies = map[string]map[string]any{
	"tenantSync":      {"flag": 0},
	"applicationSync": {"flag": 0, "appId": "a"},
	"authSync":        {"flag": 0, "appId": "a", "userList": []any{map[string]any{"userName": "u"}}},
	"singleOrgSync":   {"flag": 0, "orgCode": "o"},
	"allOrgSync":      {"orgInfoList": []any{}},
}

// kitPathsOf are the activities below whose paths a body is accepted, in a generation.
func kitPathsOf(t testing.TB, callbacks *koogallery.Callbacks, generation string, fields map[string]any) []string {
	t.Helper()
	body := map[string]any{"instanceId": "i", "tenantId": "t", "testFlag": 0, "timeStamp": "20260301200000000"}
	maps.Copy(body, fields)
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	var fits []string
	for _, name := range kitNames {
		if _, err := callbacks.Decode(marketplace.Request{Method: "POST", Path: generation + name, Body: raw}); err == nil {
			fits = append(fits, name)
		}
	}
	return fits
}

// The path names the activity and is not signed: whoever has captured a call can send it below another path, where it must say nothing. So
// an application's removal would be the enterprise's.
func TestABodyOfTheKitFitsOnePathOnly(t *testing.T) {
	callbacks := kitCallbacks(t)
	secret := sealed(t, "s3cret", rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA1})
	for _, generation := range []string{koogallery.KitPath, koogallery.KitV2Path} {
		for _, name := range kitNames {
			for _, fields := range []map[string]any{kitBodies[name], minimalKitBodies[name]} {
				if fits := kitPathsOf(t, callbacks, generation, fields); !slices.Equal(fits, []string{name}) {
					t.Errorf("a body of %s fits %v below %s", name, fits, generation)
				}
			}
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		made := rapid.SampledFrom(kitNames).Draw(r, "made for")
		fields := maps.Clone(minimalKitBodies[made])
		for _, of := range kitNames {
			for _, name := range slices.Sorted(maps.Keys(kitBodies[of])) {
				if rapid.IntRange(0, 9).Draw(r, of+"'s "+name) == 0 {
					fields[name] = kitBodies[of][name]
				}
			}
		}
		if rapid.IntRange(0, 9).Draw(r, "less") == 0 {
			delete(fields, rapid.SampledFrom(slices.Sorted(maps.Keys(fields))).Draw(r, "left out"))
		}
		if _, ok := fields["clientSecret"]; ok {
			fields["clientSecret"] = secret
		}
		fields["flag"] = rapid.IntRange(0, 3).Draw(r, "flag")
		generation := rapid.SampledFrom([]string{koogallery.KitPath, koogallery.KitV2Path}).Draw(r, "generation")
		if fits := kitPathsOf(t, callbacks, generation, fields); len(fits) > 1 {
			r.Fatalf("%v fits %v", fields, fits)
		}
	})
}

// A removal as it was captured is well signed below every path.
func TestACapturedRemovalOfAnApplicationRemovesNoEnterprise(t *testing.T) {
	const body = `{"appId":"a","flag":0,"instanceId":"i","tenantId":"t","testFlag":0,"timeStamp":"20260301200000000"}`
	token := koogallery.AuthToken([]byte(kitKey), map[string]string{
		"appId": "a", "flag": "0", "instanceId": "i", "tenantId": "t", "testFlag": "0", "timeStamp": "20260301200000000",
	})
	for _, request := range []marketplace.Request{kitV2("tenantSync", body, body), kitV1("tenantSync", body, token)} {
		if _, err := kitCallbacks(t).Verify(request, now); err != nil {
			t.Fatal(err)
		}
		if event, err := kitCallbacks(t).Decode(request); !errors.Is(err, marketplace.ErrMalformed) || !strings.Contains(err.Error(), "appId is a field of applicationSync") {
			t.Errorf("%s: %+v, %v", request.Path, event, err)
		}
	}
}

// The timestamp stands right before the body in what V2 signs.
func TestTheTimestampDoesNotReachIntoTheBody(t *testing.T) {
	const payload = `{"tenantId":"t"}`
	request := kitV2("tenantSync", payload, payload)
	full := request.Header.Get("X-Timestamp")
	request.Header.Set("X-Timestamp", full[:10])
	request.Body = []byte(full[10:] + payload)
	if _, err := kitCallbacks(t).Verify(request, now); !errors.Is(err, marketplace.ErrUnauthenticated) {
		t.Errorf("error = %v", err)
	}
}

func TestDecodeKitRefuses(t *testing.T) {
	const common = `"instanceId":"i1","tenantId":"t1","timeStamp":"20260301200000123",`
	const auth = common + `"appId":"a1","currentSyncTime":"20260301200000000","flag":1,`
	long := strings.Repeat("x", 257)
	users := `{"userName":"u0"}`
	for i := 1; i <= marketplace.MaxSyncUsers; i++ {
		users += fmt.Sprintf(`,{"userName":"u%d"}`, i)
	}
	tests := map[string]struct{ activity, body, want string }{
		"no tenantId":                    {"tenantSync", `"timeStamp":"20260301200000123","flag":0`, "tenantId is missing"},
		"no timeStamp":                   {"tenantSync", `"tenantId":"t1","flag":0`, "timeStamp must be"},
		"a flag beyond the list":         {"tenantSync", common + `"flag":3`, "flag must be a number from 0 to 2"},
		"no flag":                        {"singleOrgSync", common + `"orgCode":"d"`, "flag must be"},
		"an enterprise, no domain":       {"tenantSync", common + `"flag":1,"name":"n"`, "domainName is missing"},
		"a user twice in one":            {"authSync", auth + `"userList":[{"userName":"u","userName":"Zhang"}]`, "without duplicate members"},
		"a user twice but for blanks":    {"authSync", auth + `"userList":[{"userName":"u"," userName":"Zhang"}]`, "duplicate member (in userList, element 1)"},
		"a user of another spelling":     {"authSync", auth + `"userList":[{"UserName":"Zhang"}]`, "userName is missing"},
		"an instance that is none":       {"tenantSync", strings.ReplaceAll(common, `"i1"`, `"`+long+`"`) + `"flag":0`, "instanceId has more"},
		"an application as a tenant":     {"tenantSync", auth + `"clientId":"c"`, "clientId is a field of applicationSync"},
		"users as an application":        {"applicationSync", auth + `"userList":[{"userName":"u"}]`, "userList is a field of authSync"},
		"a tenant as an application":     {"applicationSync", auth + `"domainName":"d"`, "domainName is a field of tenantSync"},
		"all departments as one":         {"singleOrgSync", common + `"flag":0,"orgCode":"d","orgInfoList":[]`, "orgInfoList is a field of allOrgSync"},
		"an application as a department": {"singleOrgSync", common + `"flag":0,"orgCode":"d","appId":"a1"`, "appId is a field of applicationSync"},
		"one department as all":          {"allOrgSync", common + `"orgInfo":[],"orgCode":"d"`, "orgCode is a field of singleOrgSync"},
		"no user":                        {"authSync", auth + `"userList":[]`, "userList is missing or empty"},
		"501 users":                      {"authSync", auth + `"userList":[` + users + `]`, "more than 500"},
		"a user without a name":          {"authSync", auth + `"userList":[{"userName":"u"},{"name":"Zhang San"}]`, "userName is missing (in userList, element 2)"},
		"a list that is none":            {"authSync", auth + `"userList":"Zhang San"`, "userList must be an array"},
		"no list of departments":         {"allOrgSync", common + `"flag":1`, "orgInfoList is missing"},
		"a long code":                    {"singleOrgSync", common + `"flag":1,"orgCode":"` + long + `"`, "orgCode has more than 64"},
		"two values of one field":        {"singleOrgSync", common + `"flag":1,"orgCode":"Zhang","orgCode":"b"`, `repeats the field "orgCode"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := kitCallbacks(t).Decode(marketplace.Request{Method: "POST", Path: koogallery.KitV2Path + tc.activity, Body: []byte("{" + tc.body + "}")})
			if !errors.Is(err, marketplace.ErrMalformed) || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "Zhang") {
				t.Errorf("error = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestClientSecrets(t *testing.T) {
	body := func(secret string) []byte {
		return []byte(`{"tenantId":"t1","timeStamp":"20260301200000123","appId":"a1","clientId":"c1","flag":1,"testFlag":1,"instanceId":"","clientSecret":"` + secret + `"}`)
	}
	path := koogallery.KitV2Path + "applicationSync"
	for _, digests := range []rsa.OAEPOptions{
		{Hash: crypto.SHA256, MGFHash: crypto.SHA1}, {Hash: crypto.SHA256, MGFHash: crypto.SHA256}, {Hash: crypto.SHA1, MGFHash: crypto.SHA1},
	} {
		for _, kind := range []string{"PRIVATE KEY", "RSA PRIVATE KEY"} {
			callbacks := newCallbacks(t, map[string]string{koogallery.KeyAccess: accessKey, "kitPrivateKeyNext": pemOf(t, kind, kitRSA())})
			event, err := callbacks.Decode(marketplace.Request{Method: "POST", Path: path, Body: body(sealed(t, "the-secret", digests))})
			if err != nil || event.Sync.Application.ClientSecret != "the-secret" || !event.Test {
				t.Errorf("%v with %s: %v", digests, kind, err)
			}
		}
	}
	other, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		t.Fatal(err)
	}
	for name, callbacks := range map[string]*koogallery.Callbacks{
		"another key": newCallbacks(t, map[string]string{koogallery.KeyAccess: accessKey, koogallery.KeyKitPrivate: pemOf(t, "PRIVATE KEY", other)}),
		"no key":      newCallbacks(t, map[string]string{koogallery.KeyAccess: accessKey}),
	} {
		event, err := callbacks.Decode(marketplace.Request{Method: "POST", Path: path, Body: body(sealed(t, "the-secret", rsa.OAEPOptions{Hash: crypto.SHA256}))})
		answer := callbacks.Encode(marketplace.Proof{}, event, marketplace.Outcome{Err: err})
		if !errors.Is(err, marketplace.ErrUndecipherable) || answer.Code != "000101" || bytes.Contains(answer.Body, []byte("the-secret")) {
			t.Errorf("%s: %v, answered %s", name, err, answer.Body)
		}
	}
}

func TestCheckKit(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := pemOf(t, "PRIVATE KEY", kitRSA())
	tests := map[string]struct{ kit, private, want string }{
		"no Kit":          {"", "", ""},
		"both":            {"k", good, ""},
		"no private key":  {"k", "", ""},
		"no access key":   {"", good, `no "kitAccessKey"`},
		"no PEM":          {"k", "MIIEv-secret-words", "is not in PEM"},
		"a short key":     {"k", pemOf(t, "PRIVATE KEY", short), "has 2048 bits"},
		"another label":   {"k", strings.ReplaceAll(good, "PRIVATE KEY", "X"), ""},
		"a broken key":    {"k", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "is not a private key"},
		"a protected key": {"k", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----", "is encrypted"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			// A Kit that is not set up right must not keep sales from being stored.
			err := newCallbacks(t, map[string]string{koogallery.KeyAccess: "a", koogallery.KeyKit: tc.kit, koogallery.KeyKitPrivate: tc.private}).CheckKit()
			if (err == nil) != (tc.want == "") || err != nil && (!strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret-words")) {
				t.Errorf("CheckKit() = %v, want %q", err, tc.want)
			}
		})
	}
}

// Whatever JSON is sent, the quick way finds the forms that the thorough one finds.
func FuzzKitForms(f *testing.F) {
	for _, vector := range readVectors(f).Requests {
		f.Add([]byte(vector.RawBody))
	}
	f.Add([]byte(`{ "b":[1, {"x":"\u5f20\ud83d\ude00\\\""}], "a":"\/", "n":null, "e":"\u001f\b" , "\u0061b": -1.5e3 }`))
	f.Fuzz(func(t *testing.T, body []byte) {
		slow, ok := koogallery.SignedForms(body)
		fast := koogallery.KitForms(body)
		if !ok {
			return
		}
		if diff := cmp.Diff(asTexts(slow), asTexts(fast)); diff != "" {
			t.Errorf("-thorough +quick:\n%s", diff)
		}
	})
}

func asTexts(forms [][]byte) []string {
	texts := map[string]bool{}
	var unique []string
	for _, form := range forms {
		if !texts[string(form)] {
			texts[string(form)] = true
			unique = append(unique, string(form))
		}
	}
	return unique
}

// What decodes is within its bounds, and what does not is refused without an echo.
func FuzzDecodeKit(f *testing.F) {
	for _, body := range []string{
		`{"tenantId":"t","timeStamp":"20260301200000123","flag":1,"domainName":"d","instanceId":"i"}`,
		`{"tenantId":"t","timeStamp":"20260301200000123","flag":3,"appId":"a","currentSyncTime":"20260301200000123","instanceId":"i","userList":"[{\"userName\":\"u\",\"extension\":{\"employeeType\":\"1\"}}]"}`,
		`{"tenantId":"t","timeStamp":"20260301200000123","instanceId":"i","orgInfoList":"[{orgCode:\"d\", orgName : \"n\"}]"}`,
		`{"tenantId":"t","timeStamp":20260301200000123,"flag":"2","appId":"a","clientId":"c","clientSecret":"AAAA"}`,
		`{"tenantId":"t","instanceId":"i","instanceId":"i"," flag":1,"orgCode":"d","timeStamp":"20260301200000123"}`,
	} {
		for i := range kitNames {
			f.Add(uint8(i), []byte(body))
		}
	}
	callbacks := kitCallbacks(f)
	f.Fuzz(func(t *testing.T, activity uint8, body []byte) {
		event, err := callbacks.Decode(marketplace.Request{Method: "POST", Path: koogallery.KitV2Path + kitNames[int(activity)%len(kitNames)], Body: body})
		if err != nil {
			checkRefusal(t, err)
			return
		}
		if event.Sync == nil || event.Sync.EnterpriseID == "" || event.Sync.Action == "" || event.Sync.At.Year() < 1999 {
			t.Fatalf("half a call: %+v", event)
		}
		checkSync(t, *event.Sync)
	})
}

var kitNames = []string{"tenantSync", "applicationSync", "authSync", "singleOrgSync", "allOrgSync"}

func checkSync(t *testing.T, s marketplace.Sync) {
	t.Helper()
	data, err := marketplace.EncodeSync(s)
	if err != nil || !json.Valid(data) {
		t.Fatalf("EncodeSync() = %v", err)
	}
	again, err := marketplace.DecodeSync(data)
	if err != nil || encodedSync(t, &again) != string(data) {
		t.Fatalf("DecodeSync() = %v", err)
	}
	if len(s.Users) > marketplace.MaxSyncUsers || len(s.Departments) > marketplace.MaxSyncDepartments {
		t.Fatalf("too many: %v", s)
	}
	for _, user := range s.Users {
		if user.UserName == "" {
			t.Fatal("a user without a name")
		}
	}
}

// Whoever has none of the Kit's keys is refused, whatever is sent and in whichever generation.
func FuzzVerifyKit(f *testing.F) {
	for _, vector := range readVectors(f).KitSigns {
		f.Add(vector.RawBody, vector.Headers["x-sign"], vector.Headers["x-timestamp"], vector.Headers["x-nonce"], "")
	}
	for _, vector := range readVectors(f).KitTokens {
		f.Add(string(vector.Body), "", "", "", vector.AuthTokenHeader)
	}
	f.Add(`{"a":"\ud800","a":1,"b":[{]}`, "00", "1680508066618", "n", "AA==")
	const unknown = "nobody-has-this-key"
	callbacks := newCallbacks(f, map[string]string{koogallery.KeyAccess: unknown, koogallery.KeyKit: unknown + "-kit"})
	f.Fuzz(func(t *testing.T, body, sign, timestamp, nonce, token string) {
		for _, path := range []string{koogallery.KitPath, koogallery.KitV2Path} {
			_, err := callbacks.Verify(marketplace.Request{Method: "POST", Path: path + "authSync", Body: []byte(body), Header: http.Header{
				"X-Sign": {sign}, "X-Timestamp": {timestamp}, "X-Nonce": {nonce}, "Authtoken": {token},
			}}, now)
			if !errors.Is(err, marketplace.ErrUnauthenticated) && !errors.Is(err, marketplace.ErrMalformed) {
				t.Fatalf("error = %v", err)
			}
			if strings.Contains(err.Error(), unknown) {
				t.Fatal("the error tells a key")
			}
		}
	})
}

// Whoever has the Kit's key is heard in both generations: what is refused is refused for what it is, and what is accepted can be decoded
// or is malformed.
func FuzzVerifyKitSigned(f *testing.F) {
	for _, vector := range readVectors(f).KitSigns {
		f.Add([]byte(vector.RawBody), "n")
	}
	f.Add([]byte(`{"tenantId":"t%20","timeStamp":"202603012000000","flag":"1","name":"a+b%26flag%3D0"}`), "123")
	f.Add([]byte(`{"a":{"b":[1,2]},"timeStamp":20260301200000000,"testFlag":1," x":null}`), "n1681893456")
	f.Add([]byte(` {"flag":1.50,"on":true,"a":"\ud800\u0041"}`), strings.Repeat("7", 64))
	for _, flag := range []string{`"\u0031"`, `"1"`, "1", `"%31"`, `"%31","x":"%41"`, `"1"," testFlag":0`, `0,"testFlag":"1"`} {
		f.Add([]byte(`{"tenantId":"t","instanceId":"i","flag":"0","timeStamp":"20260301200000000","testFlag":`+flag+`}`), "n")
	}
	callbacks := kitCallbacks(f)
	f.Fuzz(func(t *testing.T, body []byte, nonce string) {
		var params map[string]json.RawMessage
		signed := map[string]string{}
		if json.Unmarshal(body, &params) == nil {
			for name, raw := range params {
				text := string(raw)
				if json.Unmarshal(raw, &text) != nil {
					text = string(raw)
				}
				signed[name] = text
			}
		}
		timestamp := strconv.FormatInt(now.UnixMilli(), 10)
		// Whichever form of it was signed, the body is no real call if that one is a debug call.
		for _, form := range koogallery.KitForms(body) {
			sent, err := callbacks.Decode(kitV2("tenantSync", string(form), string(body)))
			if signed, _ := callbacks.Decode(kitV2("tenantSync", string(form), string(form))); err == nil && signed.Test && !sent.Test {
				t.Fatalf("a debug call is sent as a real one: %s", form)
			}
		}
		for _, request := range []marketplace.Request{
			{Method: "POST", Path: koogallery.KitV2Path + "authSync", Body: body, Header: http.Header{
				"X-Sign": {koogallery.KitSign([]byte(kitKey), nonce, timestamp, body)}, "X-Timestamp": {timestamp}, "X-Nonce": {nonce},
			}},
			kitV1("tenantSync", string(body), koogallery.AuthToken([]byte(kitKey), signed)),
		} {
			proof, err := callbacks.Verify(request, now)
			if err != nil && !errors.Is(err, marketplace.ErrUnauthenticated) && !errors.Is(err, marketplace.ErrMalformed) {
				t.Fatalf("error = %v", err)
			}
			if (err == nil || errors.Is(err, marketplace.ErrStale)) && proof.KeyName == "" {
				t.Fatal("a call without a key is accepted")
			}
			if err != nil {
				continue
			}
			event, err := callbacks.Decode(request)
			switch {
			case err != nil:
				checkRefusal(t, err)
			case isTakenAtAnyAge(callbacks, request) && !event.Test:
				t.Fatal("a real call is taken at any age")
			}
		}
	})
}
