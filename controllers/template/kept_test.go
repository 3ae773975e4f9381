package template

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tenant renders for one tenant again and again, and keeps what there is to keep, as the controller does.
type tenant struct {
	testing.TB
	kept Kept
}

func newTenant(tb testing.TB) *tenant { return &tenant{TB: tb, kept: Kept{}} }

// renders gives the texts of all objects by "Kind/name/field", those of Secrets decoded. It fails if a second rendering with what is
// kept differs from the first one.
func (x *tenant) renders(content files, change ...func(*Inputs)) map[string]string {
	x.Helper()
	tmpl := parsed(x, Source{Chart: chartOf(x, content)})
	once := func() (map[string]string, Kept) {
		out, err := tmpl.Render(inputs(append(change, func(in *Inputs) { in.Kept = x.kept })...))
		if err != nil {
			x.Fatalf("Render: %v", err)
		}
		encoded, err := EncodeKept(x.kept.With(out.Made))
		if err != nil {
			x.Fatal(err)
		}
		if x.kept, err = DecodeKept(encoded); err != nil {
			x.Fatal(err)
		}
		return textsOf(out), out.Made
	}
	first, _ := once()
	second, made := once()
	if diff := cmp.Diff(first, second); diff != "" {
		x.Errorf("the second rendering differs: %s", diff)
	}
	if len(made) > 0 {
		x.Errorf("the second rendering has something to keep: %v", made)
	}
	for path, text := range first {
		if strings.Contains(text, "stallkeeper.io/changes") {
			x.Errorf("%s holds a mark", path)
		}
	}
	return first
}

func textsOf(out Output) map[string]string {
	texts := map[string]string{}
	for _, object := range out.Objects {
		prefix := object.GetKind() + "/" + object.GetName() + "/"
		if isSecret(object) {
			for key, text := range secretTexts(object) {
				texts[prefix+key] = text
			}
			continue
		}
		walkTexts("", object.Object, func(path, text string) { texts[prefix+path] = text })
	}
	return texts
}

const secretHead = "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\n"

// usual are the usual ways in which charts make passwords of their own, and the field in which each one ends.
var usual = map[string]struct {
	content files
	field   string
}{
	"in place":     {files{"templates/s.yaml": secretHead + "data:\n  password: {{ randAlphaNum 16 | b64enc | quote }}\n"}, "Secret/db/password"},
	"as a default": {files{"templates/s.yaml": secretHead + "stringData:\n  password: {{ .Values.password | default (randAlphaNum 16) }}\n"}, "Secret/db/password"},
	"in a helper": {files{
		"templates/_h.tpl":  `{{ define "pw" }}{{ if .Values.pw }}{{ .Values.pw }}{{ else }}{{ randAlphaNum 24 | lower | trunc 20 }}{{ end }}{{ end }}`,
		"templates/s.yaml":  secretHead + "data:\n  password: {{ include \"pw\" . | b64enc }}\n",
		"templates/cm.yaml": named("c"),
	}, "Secret/db/password"},
	"behind a lookup": {files{"templates/s.yaml": `{{- $old := lookup "v1" "Secret" .Release.Namespace "db" }}
` + secretHead + `data:
  {{- if $old }}
  password: {{ index $old.data "password" }}
  {{- else }}
  password: {{ randAlphaNum 16 | b64enc }}
  {{- end }}
`}, "Secret/db/password"},
	"behind a lookup, with dig": {files{"templates/s.yaml": `{{- $old := (lookup "v1" "Secret" .Release.Namespace "db") | default dict }}
` + secretHead + `type: Opaque
data:
  password: {{ dig "data" "password" (randAlphaNum 16 | b64enc) $old }}
`}, "Secret/db/password"},
	"behind a lookup in a helper of many, one of which looks for another key": {files{
		"templates/_h.tpl": `{{ define "manage" }}{{ $p := "" }}{{ $d := (lookup "v1" "Secret" .context.Release.Namespace .secret).data }}` +
			`{{ if $d }}{{ if hasKey $d .key }}{{ $p = index $d .key | b64dec }}{{ end }}{{ end }}` +
			`{{ if not $p }}{{ $p = randAlphaNum 10 }}{{ end }}{{ $p | b64enc | quote }}{{ end }}`,
		"templates/s.yaml": strings.Replace(secretHead, "db", "cache", 1) + "data:\n  a: {{ include \"manage\" (dict \"secret\" \"cache\" \"key\" \"a\" \"context\" $) }}\n---\n" +
			secretHead + "data:\n  password: {{ include \"manage\" (dict \"secret\" \"db\" \"key\" \"wrong\" \"context\" $) }}\n" +
			"  other: {{ include \"manage\" (dict \"secret\" \"db\" \"key\" \"wrong\" \"context\" $) }}\n",
	}, "Secret/db/password"},
	"only when there is none": {files{"templates/s.yaml": `{{- if not (lookup "v1" "Secret" .Release.Namespace "db") }}
apiVersion: v1
kind: Secret
metadata: {name: db, annotations: {helm.sh/resource-policy: keep}}
stringData: {password: {{ uuidv4 | quote }}}
{{- end }}
`}, "Secret/db/password"},
	"as a hook": {files{"templates/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: db, annotations: {helm.sh/hook: pre-install, helm.sh/hook-delete-policy: before-hook-creation}}\n" +
		"data: {password: {{ randAscii 12 | b64enc }}}\n"}, "Secret/db/password"},
	"shared through the values": {files{
		"templates/_h.tpl": `{{ define "once" }}{{ if not (index .Values "made") }}{{ $_ := set .Values "made" (randAlphaNum 30) }}{{ end }}{{ .Values.made }}{{ end }}`,
		"templates/a.yaml": secretHead + "stringData: {password: {{ include \"once\" . | quote }}}\n",
		"templates/b.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {url: \"postgres://u:{{ include \"once\" . }}@db\"}\n",
	}, "Secret/db/password"},
	"through YAML":               {files{"templates/s.yaml": secretHead + "stringData:\n{{ dict \"password\" (randAlphaNum 16) \"user\" \"u\" | toYaml | indent 2 }}\n"}, "Secret/db/password"},
	"in a file of configuration": {files{"templates/s.yaml": secretHead + "stringData:\n  password: |\n    [db]\n    password = {{ randAlphaNum 16 }}\n    salt = {{ randAlphaNum 16 }}\n"}, "Secret/db/password"},
	"a number":                   {files{"templates/s.yaml": secretHead + "stringData: {password: {{ randInt 1000 9999 | quote }}}\n"}, "Secret/db/password"},
	"a key":                      {files{"templates/s.yaml": secretHead + "stringData: {password: {{ genPrivateKey \"ed25519\" | quote }}}\n"}, "Secret/db/password"},
	"a hash of a password that is given": {files{
		"values.yaml": "pw: hunter22\n", "templates/s.yaml": secretHead + "stringData: {password: {{ htpasswd \"admin\" .Values.pw | quote }}}\n",
	}, "Secret/db/password"},
	"bcrypt of a random password": {files{"templates/s.yaml": "{{ $p := randAlphaNum 10 }}" + secretHead + "stringData: {password: {{ $p }}, hash: {{ bcrypt $p | quote }}}\n"}, "Secret/db/hash"},
	"derived":                     {files{"templates/s.yaml": secretHead + "stringData: {password: {{ derivePassword 1 \"long\" (randAlphaNum 8) \"u\" \"db\" | quote }}}\n"}, "Secret/db/password"},
	"a certificate of its own issuer": {files{"templates/s.yaml": `{{- $ca := genCA "ca" 365 }}{{- $cert := genSignedCert "web" nil (list "web") 365 $ca }}
` + secretHead + `type: kubernetes.io/tls
data:
  ca.crt: {{ b64enc $ca.Cert }}
  tls.crt: {{ b64enc $cert.Cert }}
  password: {{ b64enc $cert.Key }}
`}, "Secret/db/password"},
	"that restarts pods": {files{"templates/d.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {metadata: {annotations: {rollme: {{ randAlphaNum 5 | quote }}}}}}\n"},
		"Deployment/web/spec.template.metadata.annotations.rollme"},
	"in a name": {files{"templates/s.yaml": strings.Replace(secretHead, "db", "db-{{ randAlphaNum 5 | lower }}", 1) + "stringData: {a: b}\n"}, ""},
	"as a checksum of the Secret": {files{
		"templates/s.yaml": secretHead + "data:\n  password: {{ randAlphaNum 16 | b64enc | quote }}\n",
		"templates/d.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  annotations:\n    sum: {{ include (print $.Template.BasePath \"/s.yaml\") . | sha256sum }}\n",
	}, "Secret/db/password"},
	"decided by what it is": {files{"templates/s.yaml": secretHead + "stringData:\n  {{ $p := randNumeric 6 }}{{ if gt (int $p) -1 }}password: {{ $p | quote }}{{ end }}\n"}, "Secret/db/password"},
}

func TestChartsThatMakeTheirOwnPasswords(t *testing.T) {
	for name, tc := range usual {
		t.Run(name, func(t *testing.T) {
			a, b := newTenant(t), newTenant(t)
			first, other := a.renders(tc.content), b.renders(tc.content)
			if tc.field == "" {
				return
			}
			if first[tc.field] == "" {
				t.Fatalf("%s is empty; there is %v", tc.field, sortedKeys(first))
			}
			if first[tc.field] == other[tc.field] {
				t.Error("two tenants have the same")
			}
			// Another chart of the same objects: moved, in other words, behind other calls.
			for file, text := range tc.content {
				if strings.HasSuffix(file, ".yaml") && file != "values.yaml" {
					tc.content[file] = "# more {{ $x := randAlphaNum 16 | b64enc | quote }}{{ $y := uuidv4 }}\n\n" + named("more") + "---\n" + text
				}
			}
			moved := a.renders(tc.content)
			if first[tc.field] != moved[tc.field] {
				t.Error("the value changed when its place moved")
			}
		})
	}
}

func TestAPasswordStaysWhateverBecomesOfItsTemplate(t *testing.T) {
	for name, tc := range map[string]struct{ before, after files }{
		"another length": {
			files{"templates/s.yaml": secretHead + "stringData: {password: {{ randAlphaNum 8 }}}\n"},
			files{"templates/s.yaml": secretHead + "stringData: {password: {{ randAlphaNum 32 }}}\n"},
		},
		"another function": {
			files{"templates/s.yaml": secretHead + "stringData: {password: {{ randAlphaNum 8 }}}\n"},
			files{"templates/s.yaml": secretHead + "data: {password: {{ uuidv4 | b64enc }}}\n"},
		},
		"another file": {
			files{"templates/s.yaml": secretHead + "stringData: {password: {{ randAlphaNum 8 }}}\n"},
			files{"templates/_h.tpl": `{{ define "p" }}{{ randAlphaNum 8 }}{{ end }}`, "templates/z.yaml": secretHead + "stringData: {password: {{ include \"p\" . }}}\n"},
		},
		"another Secret of the same words": {
			files{"templates/s.yaml": secretHead + "stringData: {password: {{ randAlphaNum 8 }}}\n"},
			files{"templates/s.yaml": strings.Replace(secretHead, "db", "db-2", 1) + "stringData: {password: {{ randAlphaNum 8 }}}\n"},
		},
		"its neighbor goes before it": {
			files{"templates/s.yaml": secretHead + "stringData:\n  password: {{ randAlphaNum 8 }}\n  z: {{ randAlphaNum 8 }}\n"},
			files{"templates/s.yaml": secretHead + "stringData:\n  z: {{ randAlphaNum 8 }}\n  a: {{ randAlphaNum 8 }}\n  password: {{ randAlphaNum 8 }}\n"},
		},
		"it is hashed now": {
			files{"templates/s.yaml": secretHead + "stringData: {password: {{ randAlphaNum 8 }}}\n"},
			files{"templates/s.yaml": secretHead + "stringData: {password: {{ randAlphaNum 8 | sha256sum }}}\n"},
		},
		"it was hashed": {
			files{"templates/s.yaml": secretHead + "stringData: {password: {{ randAlphaNum 8 | sha256sum }}}\n"},
			files{"templates/s.yaml": secretHead + "stringData: {password: {{ randAlphaNum 8 | upper }}}\n"},
		},
		"a lookup comes before it": {
			files{"templates/s.yaml": secretHead + "stringData: {password: {{ randAlphaNum 8 }}}\n"},
			usual["behind a lookup"].content,
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := newTenant(t)
			before, after := x.renders(tc.before), x.renders(tc.after)
			want, got := before["Secret/db/password"], after["Secret/db/password"]+after["Secret/db-2/password"]
			if want == "" || want != got {
				t.Error("the password changed")
			}
			// And back: the revision before is what a tenant runs on when it pays again.
			if back := x.renders(tc.before); back["Secret/db/password"] != want {
				t.Error("the password changed on the way back")
			}
			if z := after["Secret/db/z"]; z != "" && (z != before["Secret/db/z"] || after["Secret/db/a"] == z || after["Secret/db/a"] == want) {
				t.Error("its neighbors changed, or a new one is as an old one")
			}
		})
	}
}

func TestAnEditBesideAPasswordIsApplied(t *testing.T) {
	x := newTenant(t)
	url := func(host string) files {
		return files{"templates/s.yaml": secretHead + "stringData:\n  url: postgres://u:{{ randAlphaNum 8 }}@" + host + "\n"}
	}
	before, after := x.renders(url("a"))["Secret/db/url"], x.renders(url("b"))["Secret/db/url"]
	if want := strings.TrimSuffix(before, "a") + "b"; after != want {
		t.Error("the host was not changed, or the password was")
	}
}

func TestWhatFollowsFromAnotherValueIsMadeAnewWithIt(t *testing.T) {
	content := files{
		"values.yaml":      "pw: one\n",
		"templates/s.yaml": secretHead + "stringData: {hash: {{ htpasswd \"u\" .Values.pw | quote }}, other: {{ randAlphaNum 8 }}}\n",
	}
	x := newTenant(t)
	before := x.renders(content)
	after := x.renders(content, withValues(map[string]any{"pw": "two"}))
	if before["Secret/db/hash"] == after["Secret/db/hash"] || before["Secret/db/other"] != after["Secret/db/other"] {
		t.Error("want another hash of another password, and nothing else changed")
	}

	tls := usual["a certificate of its own issuer"].content
	y := newTenant(t)
	first := y.renders(tls)
	for key := range y.kept {
		if strings.HasSuffix(key, "/ca.crt") {
			delete(y.kept, key)
		}
	}
	second := y.renders(tls)
	if first["Secret/db/ca.crt"] == second["Secret/db/ca.crt"] || first["Secret/db/tls.crt"] == second["Secret/db/tls.crt"] {
		t.Error("an issuer that was made anew signs anew")
	}
}

func TestKeptValuesCanBeListedAndMadeAnew(t *testing.T) {
	x := newTenant(t)
	content := files{"templates/s.yaml": secretHead + "stringData: {a: {{ randAlphaNum 8 }}, b: {{ randAlphaNum 8 }}}\n"}
	before := x.renders(content)
	if diff := cmp.Diff([]string{"Secret/db/a", "Secret/db/b"}, sortedKeys(x.kept)); diff != "" {
		t.Fatal(diff)
	}
	delete(x.kept, "Secret/db/a")
	after := x.renders(content)
	if after["Secret/db/a"] == before["Secret/db/a"] || after["Secret/db/b"] != before["Secret/db/b"] {
		t.Error("want the first one made anew, and the second one as it was")
	}
	if printed := fmt.Sprintf("%v %+v %#v %s", x.kept, x.kept, x.kept, x.kept["Secret/db/a"]); strings.Contains(printed, after["Secret/db/a"]) {
		t.Error("a value is printed")
	}
}

func TestWhatMattersNowhereIsNotKept(t *testing.T) {
	content := files{
		"templates/NOTES.txt":      "password {{ randAlphaNum 5 }}",
		"templates/t.yaml":         "apiVersion: v1\nkind: Pod\nmetadata: {name: t-{{ randAlphaNum 5 | lower }}, annotations: {helm.sh/hook: test}}\n",
		"values.yaml":              "key: abc\n",
		"templates/s.yaml":         secretHead + "stringData:\n  key: {{ ternary .Values.key (randAlphaNum 8 | b64enc | trunc 8) (ne .Values.key \"\") }}\n  k4: {{ default (genPrivateKey \"rsa\") .Values.key | b64enc }}\n",
		"templates/tests/pre.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, annotations: {helm.sh/hook: pre-delete}}\ndata: {a: {{ uuidv4 }}}\n",
	}
	out, err := renderChart(t, content)
	if err != nil {
		t.Fatalf("a random result that ends in no object is refused: %v", err)
	}
	if got := textsOf(out)["Secret/db/k4"]; got != "YWJj" {
		t.Errorf("got %q", got)
	}
	x := newTenant(t)
	x.renders(content)
	if len(x.kept) > 0 {
		t.Errorf("kept: %v", sortedKeys(x.kept))
	}
}

func TestLookupAnswersWithWhatIsKept(t *testing.T) {
	const body = `{{- $s := lookup "v1" "Secret" .Release.Namespace "db" }}
apiVersion: v1
kind: ConfigMap
metadata: {name: c}
data:
  found: {{ $s.data | default dict | keys | sortAlpha | join "," | quote }}
  password: {{ dig "data" "password" "" $s | quote }}
  kind: {{ $s.kind | quote }}
  all: {{ len (lookup "v1" "Secret" .Release.Namespace "").items | quote }}
  elsewhere: {{ lookup "v1" "Secret" "kube-system" "db" | len | quote }}
  other: {{ lookup "v1" "ConfigMap" .Release.Namespace "db" | len | quote }}
  none: {{ lookup "v1" "Secret" .Release.Namespace "none" | len | quote }}
`
	x := newTenant(t)
	texts := x.renders(files{
		"templates/c.yaml": strings.Replace(body, `(lookup "v1" "Secret" .Release.Namespace "").items`, `(get (lookup "v1" "Secret" .Release.Namespace "") "items" | default list)`, 1),
		"templates/s.yaml": secretHead + "stringData: {password: {{ randAlphaNum 8 }}, user: admin}\n",
		"templates/p.yaml": strings.Replace(secretHead, "db", "plain", 1) + "stringData: {user: admin}\n",
	})
	want := map[string]string{
		"found": "password,user", "password": base64.StdEncoding.EncodeToString([]byte(texts["Secret/db/password"])), "kind": "Secret",
		"all": "1", "elsewhere": "0", "other": "0", "none": "0",
	}
	got := map[string]string{}
	for key := range want {
		got[key] = texts["ConfigMap/c/data."+key]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestErrorsHoldNoKeptValue(t *testing.T) {
	for name, text := range map[string]string{
		"made":  `{{ $p := randAlphaNum 16 }}{{ if ne (int (randInt 1 2)) 5 }}{{ fail $p }}{{ end }}`,
		"known": `{{ fail "old-password" }}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parsed(t, Source{Chart: chartOf(t, files{"templates/a.yaml": config("1") + text})}).Render(inputs(func(in *Inputs) {
				in.Kept = Kept{"x": {Function: "randAlphaNum", Value: "old-password", Site: "x"}}
			}))
			if err == nil || strings.Contains(err.Error(), "stallkeeper.io/changes") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestKeptValuesHaveABound(t *testing.T) {
	_, err := parsed(t, Source{Inline: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n{{ range until 1100 }}  k{{ . }}: {{ randAlphaNum 4 | quote }}\n{{ end }}"}).
		Render(inputs(func(in *Inputs) { in.Kept = Kept{} }))
	checkError(t, err, "the template makes 1100 random values; at most 1024 are kept for a tenant")
	_, err = renderInline(t, config(`randAlphaNum 100000`), func(in *Inputs) { in.Kept = Kept{} })
	checkError(t, err, "randAlphaNum makes a text of at most 4096 characters")
	_, err = renderInline(t, "{{ range until 1000 }}{{ $x := genCA \"x\" 1 }}{{ end }}"+config(`(genCA "x" 1).Cert`), func(in *Inputs) { in.Kept = Kept{} })
	checkError(t, err, "")
	for _, text := range []string{"[]", "null", "{", `{"a": 1}`} {
		if _, err := DecodeKept([]byte(text)); err == nil {
			t.Errorf("%s was read", text)
		}
	}
}

func TestABuyersTextIsNoMark(t *testing.T) {
	_, err := renderInline(t, config(`randAlphaNum 4`), withValues(map[string]any{"a": mark(0, "")}))
	checkError(t, err, "values.a holds a text that rendering uses for itself")
}
