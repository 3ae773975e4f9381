package koogallery_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stallkeeper/stallkeeper/marketplace"
	"github.com/stallkeeper/stallkeeper/marketplace/koogallery"
)

// splitAt moves the border between a nonce and a timestamp.
func splitAt(joined string, digits int) (nonce, timestamp string) {
	return joined[:len(joined)-digits], joined[len(joined)-digits:]
}

// In both generations that sign nonce and timestamp without a mark between them.
func TestOfOneSignatureOneTimeIsAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length := rapid.SampledFrom([]int{1, 16, 29, 32, 33, 36, 61, 64, 67}).Draw(t, "length")
		nonce := rapid.StringOfN(rapid.RuneFrom([]rune("0123456789AF")), length, length, -1).Draw(t, "nonce")
		at := time.Unix(rapid.Int64Range(1_600_000_000, 1_900_000_000).Draw(t, "at"), 0)
		joined := nonce + strconv.FormatInt(at.UnixMilli(), 10)
		if rapid.Bool().Draw(t, "in seconds") {
			joined = nonce + strconv.FormatInt(at.Unix(), 10)
		}
		for name, request := range map[string]func(nonce, timestamp string) marketplace.Request{"V2": signedV2, "Kit": signedKit} {
			accepted := 0
			for _, digits := range []int{10, 13} {
				if len(joined) <= digits {
					continue
				}
				movedNonce, moved := splitAt(joined, digits)
				number, err := strconv.ParseInt(moved, 10, 64)
				if err != nil {
					continue
				}
				// Whatever the clock says, and so whenever the captured call is made again.
				clock := time.Unix(number, 0)
				if digits == 13 {
					clock = time.UnixMilli(number)
				}
				if _, err := kitCallbacksOnce().Verify(request(movedNonce, moved), clock); err == nil {
					accepted++
				} else if !errors.Is(err, marketplace.ErrMalformed) {
					t.Fatalf("%s: error = %v", name, err)
				}
			}
			if accepted > 1 {
				t.Fatalf("%s: %q is accepted in %d ways", name, joined, accepted)
			}
		}
	})
}

const twoWays = `{"activity":"queryInstance","instanceId":"i-1","tenantId":"t"}`

func signedV2(nonce, timestamp string) marketplace.Request {
	return call{accessKey, nonce, timestamp, twoWays, twoWays}.request()
}

func signedKit(nonce, timestamp string) marketplace.Request {
	return marketplace.Request{
		Method: "POST", Path: koogallery.KitV2Path + "tenantSync", Body: []byte(twoWays), Header: http.Header{
			"X-Sign": {koogallery.KitSign([]byte(kitKey), nonce, timestamp, []byte(twoWays))}, "X-Timestamp": {timestamp}, "X-Nonce": {nonce},
		},
	}
}

// What KooGallery really sends is taken whatever its nonces end with: 64 hex digits, 32 of them or a UUID, in either unit of time.
func TestUsualCallsAreReadAsTheyAreMeant(t *testing.T) {
	for _, length := range []int{32, 36, 64} {
		for _, timestamp := range []string{strconv.FormatInt(now.UnixMilli(), 10), strconv.FormatInt(now.Unix(), 10)} {
			for end := range 1000 {
				nonce := strings.Repeat("A", length-3) + fmt.Sprintf("%03d", end)
				for name, request := range map[string]marketplace.Request{"V2": signedV2(nonce, timestamp), "Kit": signedKit(nonce, timestamp)} {
					if _, err := kitCallbacksOnce().Verify(request, now); err != nil {
						t.Fatalf("%s: a nonce of %d that ends with %03d, %d digits: %v", name, length, end, len(timestamp), err)
					}
				}
			}
		}
	}
}

// A call of 64 hex digits that is captured: the same text with three digits less of time is another year's, which comes.
func TestACapturedCallHasNoSecondTime(t *testing.T) {
	const nonce, timestamp = "50D83FDECAED6CCD8EF597F2A577950527928BA287D04E6036E92B2806FD17DA", "1681893456618"
	movedNonce, moved := splitAt(nonce+timestamp, 10)
	later := time.Unix(1_893_456_618, 0)
	for name, request := range map[string]marketplace.Request{"V2": signedV2(movedNonce, moved), "Kit": signedKit(movedNonce, moved)} {
		_, err := kitCallbacksOnce().Verify(request, later)
		if !errors.Is(err, marketplace.ErrMalformed) || !strings.Contains(err.Error(), "split in two ways") {
			t.Errorf("%s, in %d: %v", name, later.Year(), err)
		}
	}
}
