package login

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"strings"
)

// submitScript posts the form. Its hash in the policy is all the script that a page of ours may run.
const submitScript = `document.forms[0].submit()`

const style = `body{font:1em/1.5 sans-serif;max-width:36em;margin:4em auto;padding:0 1em}code{background:#eee;padding:.1em .3em}`

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

var (
	stylePolicy  = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src " + hashOf(style)
	scriptPolicy = "; script-src " + hashOf(submitScript)
)

// The token stands in the page's body alone: in no address, and so in no log and no Referer.
var handoverPage = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Signing in</title><style>` + style + `</style></head><body>
<form method="post" action="{{.Action}}"><input type="hidden" name="token" value="{{.Token}}">
<p>You are signed in.</p><p><button>Continue to the application</button></p></form>
<script>` + submitScript + `</script>
</body></html>
`))

var refusalPage = template.Must(template.New("").Parse(`<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Title}}</title><style>` + style +
	`</style></head><body>
<h1>{{.Title}}</h1><p>{{.Text}}</p>{{if .Again}}<p><a href="{{.Again}}">Sign in again</a></p>{{end}}<p><code>{{.Reason}}</code></p>
</body></html>
`))

// answer is what goes back to a browser.
type answer struct {
	status int
	// location is where a redirect leads.
	location string
	cookie   *http.Cookie
	// policy is the Content-Security-Policy of a page.
	policy string
	body   []byte
	// result is what the metrics count.
	result string
}

// redirect sends the browser on.
func redirect(location, result string, cookie *http.Cookie) answer {
	return answer{status: http.StatusFound, location: location, cookie: cookie, result: result}
}

// handover is the page that posts a token to an application. origin is the scheme and host that the form may go to.
func handover(origin, path, token string) (answer, error) {
	var page bytes.Buffer
	err := handoverPage.Execute(&page, struct{ Action, Token string }{origin + path, token})
	return answer{
		status: http.StatusOK, body: page.Bytes(), result: resultSignedIn,
		policy: stylePolicy + scriptPolicy + "; form-action " + origin,
	}, err
}

// refused is the page of a refusal. again is where a sign-on begins, empty where that is not offered.
func refused(why *refusal, again string) answer {
	if !why.again {
		again = ""
	}
	var page bytes.Buffer
	// A buffer takes everything, and the template is of texts.
	_ = refusalPage.Execute(&page, struct{ Title, Text, Reason, Again string }{why.title, why.text, why.reason, again})
	return answer{status: why.status, body: page.Bytes(), result: why.reason, policy: stylePolicy + "; form-action 'none'"}
}

// write writes an answer that nobody keeps, frames or takes for something else.
func (a answer) write(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Strict-Transport-Security", "max-age=31536000")
	if a.cookie != nil {
		http.SetCookie(w, a.cookie)
	}
	if a.location != "" {
		header.Set("Location", a.location)
		w.WriteHeader(a.status)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Security-Policy", strings.TrimSpace(a.policy))
	if a.status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "10")
	}
	if a.status == http.StatusMethodNotAllowed {
		header.Set("Allow", http.MethodGet)
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		// A browser that went away comes again.
		_, _ = w.Write(a.body)
	}
}
