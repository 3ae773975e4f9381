package docs_test

import (
	"strings"
	"testing"
)

// Numbers that readers plan by stand in the code as well: whoever changes one of the two finds the other here.
func TestTimesThatThePagesNameAreThoseOfTheCode(t *testing.T) {
	for _, tc := range []struct{ page, says, file, declares string }{
		{"guide.md", "`gracePeriodSeconds`, 15 days when not set", "../controllers/sale/facts.go", "defaultGrace = 15 * 24 * time.Hour"},
		{"guide.md", "`retentionPeriodSeconds`, 15 days when not set", "../controllers/sale/facts.go", "defaultRetention = 15 * 24 * time.Hour"},
		{"guide.md", "`newInstance`, four hours after the purchase", "../subscription/merge.go", "cancellationPatience = 4 * time.Hour"},
		{"guide.md", "sold less than four hours ago", "../controllers/sale/acknowledgement.go", "acknowledgementDue = 4 * time.Hour"},
		{"guide.md", "has not called again for four hours", "../controllers/order/brought.go", "broughtPatience = 4 * time.Hour"},
		{"guide.md", "is asked for again for ten minutes", "../controllers/order/controller.go", "notFoundGrace = 10 * time.Minute"},
		{"guide.md", "waits up to 3 seconds", "../webhook/supply.go", "answerPatience = 3 * time.Second"},
		{"guide.md", "it is checked again every 30 seconds", "../controllers/queue/retries.go", "RemovalRecheck = 30 * time.Second"},
		{"guide.md", "| an order with a problem | 10 minutes |", "../controllers/queue/retries.go", "OrderProblemRetry = 10 * time.Minute"},
		{"guide.md", "| a directory with a problem | 5 minutes |", "../controllers/queue/retries.go", "DirectoryProblemRetry = 5 * time.Minute"},
		{"guide.md", "| callback keys | 10 seconds |", "../webhook/keys.go", "keyInterval = 10 * time.Second"},
		{"guide.md", "| credentials of the order API | 30 seconds |", "../controllers/queue/retries.go", "CredentialsRetry = 30 * time.Second"},
		{"guide.md", "was not recorded within 15 minutes", "../controllers/connection/calls.go", "callDue = 15 * time.Minute"},
		{"guide.md", "is forgotten after 7 days", "../controllers/connection/calls.go", "notificationsKept = 7 * 24 * time.Hour"},
		{"guide.md", "for 30 days a Secret", "../controllers/connection/sold.go", "soldKept = 30 * 24 * time.Hour"},
		{"guide.md", "five times in ten minutes", "../controllers/tenant/repairs.go", "repairWindow = 10 * time.Minute"},
		{"guide.md", "is 15 minutes old or more", "../controllers/connection/restored.go", "unwatchedLimit = 15 * time.Minute"},
		{"guide.md", "for 72 hours: `CallsComplete`", "../controllers/connection/restored.go", "holdFor = 72 * time.Hour"},
		{"koogallery.md", "more than 24 hours from now", "../marketplace/koogallery/authtoken.go", "maxTokenAge = 24 * time.Hour"},
		{"koogallery.md", "more than 60 s before or after", "../marketplace/koogallery/verify.go", "maxSkew = 60 * time.Second"},
		{"koogallery.md", "A record is at most 21 days old", "../marketplace/koogallery/openapi/usage.go", "MaxUsageAge = 21 * 24 * time.Hour"},
		{"licences.md", "more than 12 hours later than the known one", "../subscription/licenses/licenses.go", "renewalTolerance = 12 * time.Hour"},
		{"login.md", "now, now, and 60 seconds later", "../login/token.go", "tokenLife = 60 * time.Second"},
		{"login.md", "older than 10 minutes", "../login/attempt.go", "attemptLife = 10 * time.Minute"},
		{"login.md", "no answer within 4 seconds", "../marketplace/koogallery/signon/signon.go", "callTimeout = 4 * time.Second"},
		{"login.md", "tried again after two seconds", "../login/secrets.go", "failedFor = 2 * time.Second"},
		{"product.md", "It is tried again every five minutes", "../controllers/queue/retries.go", "RefusedSampleRetry = 5 * time.Minute"},
		{"guide.md", "down to every 15 minutes", "../controllers/queue/retries.go", "SlowRegistryLast = 15 * time.Minute"},
		{"guide.md", "the others wait up to ten minutes", "../controllers/render/past.go", "pauseLast = 10 * time.Minute"},
		{"guide.md", "may take 15 minutes of processor time", "../controllers/product/controller.go", "checkTime = 15 * time.Minute"},
		{"usage.md", "15 minutes at the most", "../controllers/lifecycle/lifecycle.go", "FinishTime = 15 * time.Minute"},
		{"usage.md", "is kept, without its tenant, for up to 2 hours", "../controllers/usage/feature.go", "farewell = 2 * time.Hour"},
		{"usage.md", "one to five minutes after the interval", "../controllers/usage/metering/next.go", "spread = 4 * time.Minute"},
		{"usage.md", "is asked again after 30 s", "../controllers/queue/retries.go", "AskFirst = 30 * time.Second"},
		{"usage.md", "up to every 10 minutes", "../controllers/queue/retries.go", "AskLast = 10 * time.Minute"},
		{"usage.md", "what KooGallery refuses is tried again every hour", "../controllers/queue/retries.go", "RefusedPushRetry = time.Hour"},
		{"usage.md", "`usage.retentionDays` (35)", "../cmd/stallkeeper/controller.go", "defaultUsageRetention = 35 * 24 * time.Hour"},
	} {
		if page := read(t, tc.page); !strings.Contains(page, tc.says) {
			t.Errorf("%s does not say %q any more: %s has %q", tc.page, tc.says, tc.file, tc.declares)
		}
		// gofmt aligns the declarations of a group.
		if code := strings.Join(strings.Fields(read(t, tc.file)), " "); !strings.Contains(code, tc.declares) {
			t.Errorf("%s says %q, and %s has not %q any more", tc.page, tc.says, tc.file, tc.declares)
		}
	}
}
