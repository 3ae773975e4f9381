package sources

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// Timeout bounds one question, maxAnswer the bytes of its answer.
	Timeout   = 10 * time.Second
	maxAnswer = 64 << 10
)

// Error is a question that was not answered. Its text does not change from time to time and holds nothing that the source said.
type Error struct {
	// Invalid is true if it does not pass by itself: the question or the answer has the wrong form.
	Invalid bool
	// Text says what is wrong and what to do.
	Text string
}

func (e *Error) Error() string { return e.Text }

func silent(format string, args ...any) *Error { return &Error{Text: fmt.Sprintf(format, args...)} }
func invalid(format string, args ...any) *Error {
	return &Error{Invalid: true, Text: fmt.Sprintf(format, args...)}
}

// get asks, and returns the status and the answer, which is cut when it is too long.
func get(ctx context.Context, client *http.Client, target string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Accept", "application/json")
	answer, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer.StatusCode, body, err
}
