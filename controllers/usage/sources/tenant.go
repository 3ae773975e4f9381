package sources

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/api/v1alpha1"
	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
)

// AskTenant asks a Service in the tenant's namespace how much was used in an interval. The host is made of the Service's name and
// that namespace and of nothing else. Errors are *Error.
func AskTenant(ctx context.Context, client *http.Client, namespace string, meter v1alpha1.Meter, begins, ends time.Time,
) (metering.Amount, error) {
	target := url.URL{
		Scheme: "http", Host: meter.HTTP.ServiceRef.Name + "." + namespace + ".svc:" + strconv.Itoa(int(meter.HTTP.ServiceRef.Port)),
		Path: meter.HTTP.Path,
		RawQuery: url.Values{
			"meter": {meter.Name}, "from": {begins.UTC().Format(time.RFC3339)}, "to": {ends.UTC().Format(time.RFC3339)},
		}.Encode(),
	}
	if strings.ContainsAny(meter.HTTP.ServiceRef.Name, ".:/@?#") {
		return 0, invalid("%q is not a valid name of a Service in the tenant's namespace", meter.HTTP.ServiceRef.Name)
	}
	status, body, err := get(ctx, client, target.String())
	switch {
	case err != nil:
		return 0, silent("Service %s of the tenant can't be reached on port %d: check its pods and the cluster's network policies",
			meter.HTTP.ServiceRef.Name, meter.HTTP.ServiceRef.Port)
	case status != http.StatusOK:
		return 0, silent("Service %s of the tenant responds with HTTP %d: see the logs of its pods", meter.HTTP.ServiceRef.Name, status)
	}
	var answer struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || len(answer.Value) == 0 {
		return 0, invalid(`Service %s of the tenant must respond with JSON such as {"value": "12.5"}`, meter.HTTP.ServiceRef.Name)
	}
	return number(strings.Trim(string(answer.Value), `"`))
}
