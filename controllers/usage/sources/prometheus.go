package sources

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stallkeeper/stallkeeper/controllers/usage/metering"
)

// AskPrometheus asks for one number as of the end of an interval. In the query $__start and $__end are the interval's ends in UNIX
// seconds and $__range its length. Errors are *Error.
func AskPrometheus(ctx context.Context, client *http.Client, address, query string, begins, ends time.Time) (metering.Amount, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || (base.Scheme != "http" && base.Scheme != "https") {
		return 0, invalid("The address of the Prometheus is not a URL such as http://prometheus.monitoring.svc:9090, without a password" +
			" in it: correct it in the meter or in the chart's value usage.prometheusURL")
	}
	target := base.JoinPath("/api/v1/query")
	target.RawQuery = url.Values{
		"query": {strings.NewReplacer(
			"$__start", strconv.FormatInt(begins.Unix(), 10), "$__end", strconv.FormatInt(ends.Unix(), 10),
			"$__range", strconv.FormatInt(int64(ends.Sub(begins)/time.Second), 10)+"s",
		).Replace(query)},
		"time": {strconv.FormatInt(ends.Unix(), 10)},
	}.Encode()
	status, body, err := get(ctx, client, target.String())
	switch {
	case err != nil:
		return 0, silent("Prometheus can't be reached: check its address and the network policies in between")
	case status == http.StatusBadRequest || status == http.StatusUnprocessableEntity:
		return 0, invalid("Prometheus rejects the query with HTTP %d: try it in the Prometheus UI, with the interval's length in place of"+
			" $__range", status)
	case status != http.StatusOK:
		return 0, silent("Prometheus responds with HTTP %d: check its address", status)
	}
	return readPrometheus(body)
}

// readPrometheus reads the answer to an instant query: a scalar, or a vector of one sample.
func readPrometheus(body []byte) (metering.Amount, error) {
	var answer struct {
		Status string `json:"status"`
		Data   struct {
			ResultType string          `json:"resultType"`
			Result     json.RawMessage `json:"result"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || answer.Status != "success" {
		return 0, silent("The response is not from Prometheus: check the meter's address")
	}
	var sample []any
	switch answer.Data.ResultType {
	case "scalar":
		_ = json.Unmarshal(answer.Data.Result, &sample)
	case "vector":
		var samples []struct {
			Value []any `json:"value"`
		}
		_ = json.Unmarshal(answer.Data.Result, &samples)
		switch len(samples) {
		case 0:
			return 0, silent("The query returns no sample, which may mean no usage or no measurement: end the query with" +
				" `or vector(0)` if it means no usage")
		case 1:
			sample = samples[0].Value
		default:
			return 0, invalid("The query returns more than one sample: aggregate them, for example with sum()")
		}
	default:
		return 0, invalid("The query returns a series instead of a number: use an instant query, such as sum(increase(...[$__range]))")
	}
	if len(sample) != 2 {
		return 0, silent("The response is not from Prometheus: check the meter's address")
	}
	text, _ := sample[1].(string)
	return number(text)
}

func number(text string) (metering.Amount, error) {
	amount, err := metering.Measured(text)
	if err != nil {
		return 0, invalid("The source's response is not a valid amount: %s", err)
	}
	return amount, nil
}
